"""Anchors in recorded graphs: how a group becomes a node, and how nodes leave the graph again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dagsolve.graph import Graph
from dagsolve.linalg.tiled.anchors import Group
from dagsolve.primitives.anchors import BUNDLE, anchor_name, is_anchor
from dagsolve.primitives.derived import find
from dagsolve.tracing.record import Recorder


def recorded(recorder: Recorder, group: Group, value: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The results of a group's anchor, recorded on the values of its keys."""
    count = len(group.carrying)
    operands = [value(key) for key in group.keys]
    if count > 1:  # one node in front: tangents of all tiles are pushed at once
        operands[:count] = recorder.record(find(f"{BUNDLE}{count}"), operands[:count], {})
    anchor = find(anchor_name(group.rule, count, len(group.read), len(group.results)))
    made = recorder.record(anchor, operands, {"labels": group.labels})
    return made if isinstance(made, tuple) else (made,)


def without_anchors(graph: Graph) -> Graph:
    """The graph in which everybody reads the operands of anchors in place of their results.

    Values keep their ids; the outputs may be other ones. The anchors stay as nodes that nobody needs.
    """
    c = graph.columns
    codes = [k for k, name in enumerate(c.names) if is_anchor(name)]
    anchors = np.flatnonzero(np.isin(c.primitive, codes))
    if not anchors.size:
        return graph
    source = np.arange(graph.value_count, dtype=np.int64)
    for n in anchors.tolist():  # in topological order: an anchor's operand may be another one's result
        first, end = int(c.first_value[n]), int(c.first_value[n + 1])
        stop = int(c.indptr[n + 1])
        source[first:end] = source[c.operands[stop - (end - first) : stop]]
    count = np.diff(c.indptr)
    kept = np.repeat(~np.isin(np.arange(len(graph)), anchors), count)
    count[anchors] = 0
    columns = replace(
        c,
        indptr=np.concatenate(([0], np.cumsum(count))),
        operands=source[c.operands][kept],
    )
    return replace(graph, columns=columns, outputs=tuple(source[list(graph.outputs)].tolist()))
