"""Columns of a graph given by its edges alone: every node makes one scalar, and its primitive is "node".

Ids of such columns are topological as all are; where the given numbers are not, nodes are renumbered.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.errors import ArgumentError, GraphError, ShapeError
from dagsolve.graph.columns import Columns, Ints, Scope
from dagsolve.specs import spec

NODE = "node"
_SHOWN = 12  # nodes of a cycle in a message


class EdgeColumns(NamedTuple):
    columns: Columns
    labels: Ints | None  # N: the caller's number of each node; None where it is the id
    weight: npt.NDArray[Any] | None  # E, beside the operands


def edge_columns(src: Any, dst: Any, weight: Any, nodes: int | None) -> EdgeColumns:
    """Columns whose node n reads the src of every edge with dst n, in the order in which they are given.

    Raises ArgumentError for what are no node numbers, ShapeError for unequal lengths, GraphError for a
    cycle, which it names.
    """
    start, end = _node_numbers("src", src), _node_numbers("dst", dst)
    if len(start) != len(end):
        raise ShapeError(f"from_edges: src and dst must have one length, got {len(start)} and {len(end)}")
    count = 1 + max(int(start.max(initial=-1)), int(end.max(initial=-1)))
    if nodes is not None:
        if isinstance(nodes, bool) or not isinstance(nodes, (int, np.integer)) or nodes < count:
            raise ArgumentError(f"from_edges: nodes must be at least {count} for these edges, got {nodes!r}")
        count = int(nodes)
    labels = None
    if np.any(start >= end):
        labels = _topological(start, end, count)
        position = np.empty(count, dtype=np.int64)
        position[labels] = np.arange(count)
        start, end = position[start], position[end]
    indptr, order = _grouped(end, count)
    operands = start[order]
    weights = None if weight is None else _weights(weight, len(start))[order]
    zeros = np.zeros(count, dtype=np.int64)
    for array in (indptr, operands, labels, weights, zeros):
        if array is not None:
            array.flags.writeable = False
    columns = Columns(
        zeros, zeros, zeros, zeros, indptr, operands, np.arange(count + 1, dtype=np.int64), zeros,
        (NODE,), ((),), (Scope("from_edges", "", 0),), (spec(()),),
    )  # fmt: skip
    return EdgeColumns(columns, labels, weights)


def _node_numbers(argument: str, given: Any) -> Ints:
    found = np.asarray(given)
    if found.ndim != 1 or (found.dtype.kind not in "iu" and found.size):
        raise ArgumentError(
            f"from_edges: {argument} must be a sequence of node numbers, got {found.dtype} {found.shape}"
        )
    if found.size and (int(found.min()) < 0 or int(found.max()) >= 2**62):
        raise ArgumentError(f"from_edges: {argument} must hold numbers of nodes from 0, got {found.min()}")
    return found.astype(np.int64, copy=False)


def _weights(given: Any, count: int) -> npt.NDArray[Any]:
    found = np.asarray(given)
    if found.dtype.kind not in "biuf":
        raise ArgumentError(f"from_edges: weight must hold real numbers, got {found.dtype}")
    if found.shape != (count,):
        raise ShapeError(
            f"from_edges: weight must have one number per edge, shape ({count},), got {found.shape}"
        )
    return found.astype(np.int64 if found.dtype.kind in "biu" else np.float64, copy=False)


def _topological(start: Ints, end: Ints, count: int) -> Ints:
    """The nodes in an order in which every edge goes on, shape (count,).

    Raises GraphError naming a cycle where there is none.
    """
    indptr, order = _grouped(start, count)
    found, waiting = _sorted_nodes(indptr, end[order], np.bincount(end, minlength=count))
    if len(found) == count:
        return found  # type: ignore[no-any-return]
    # Every node that still waits reads one that waits too: going back meets a node twice.
    blocked = waiting > 0
    inside = blocked[start] & blocked[end]
    before = dict(zip(end[inside].tolist(), start[inside].tolist(), strict=True))
    path = [int(np.flatnonzero(blocked)[0])]
    seen = {path[0]: 0}
    while before[path[-1]] not in seen:
        seen[before[path[-1]]] = len(path)
        path.append(before[path[-1]])
    cycle = path[seen[before[path[-1]]] :][::-1]
    shown = " → ".join(map(str, (*cycle[:_SHOWN], *(("…",) if len(cycle) > _SHOWN else ()), cycle[0])))
    raise GraphError(
        f"from_edges: the edges have a cycle of {len(cycle)} nodes, {shown}; a graph here has none"
    )


@numba.njit(cache=True)
def _grouped(key, count):  # type: ignore[no-untyped-def]
    """CSR (indptr, positions) of the positions that hold each key, in their order."""
    indptr = np.zeros(count + 1, dtype=np.int64)
    for k in key:
        indptr[k + 1] += 1
    for k in range(count):
        indptr[k + 1] += indptr[k]
    place = indptr[:-1].copy()
    order = np.empty(len(key), dtype=np.int64)
    for e in range(len(key)):
        order[place[key[e]]] = e
        place[key[e]] += 1
    return indptr, order


@numba.njit(cache=True)
def _sorted_nodes(indptr, readers, waiting):  # type: ignore[no-untyped-def]
    """Nodes in topological order, those free at first by number; and how many edges each still waits for."""
    n = len(indptr) - 1
    queue = np.empty(n, dtype=np.int64)
    end = 0
    for v in range(n):
        if waiting[v] == 0:
            queue[end] = v
            end += 1
    at = 0
    while at < end:
        for e in range(indptr[queue[at]], indptr[queue[at] + 1]):
            reader = readers[e]
            waiting[reader] -= 1
            if waiting[reader] == 0:
                queue[end] = reader
                end += 1
        at += 1
    return queue[:end], waiting
