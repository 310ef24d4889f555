"""Gradients of existing Dask array programs: lazy in, lazy out.

The program's own tasks are interpreted on tracers; the loading tasks stay as they are, in one graph with the
blocks of both sweeps. Nothing is loaded and nothing runs until the user computes the result.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from dagsolve.binding import check_known_shape, chunk_keys, without_p2p
from dagsolve.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from dagsolve.graph import Graph
from dagsolve.lazy import LazyRun
from dagsolve.options import Options
from dagsolve.pipeline import executor_for, plan_graph
from dagsolve.specs import spec
from dagsolve.tracing.anchors import without_anchors
from dagsolve.tracing.dask_graph import DaskGraph, ExternalKey, interpret, task_reference
from dagsolve.tracing.layout import Layout, tile_specs
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.reverse import joint_graph


def gradients(y: Any, xs: Any, cotangent: Any = None) -> Any:
    """Gradient of y by each x, as lazy Dask arrays with the chunks of xs.

    y           a Dask array computed from xs with dask.array; a scalar, or of any shape with a cotangent
    xs          one Dask array, or a list or tuple of them; an x computed from another counts in the gradients
                of both
    cotangent   array of y's shape, NumPy or Dask; ones for a scalar y

    Raises ArgumentError when y does not depend on an x, or was optimised so that the x is no longer in its
    graph; UnsupportedError naming the task and its function where one cannot be traced; UnknownSpecError for
    unknown chunk sizes. Computing y and its gradients separately computes y twice: see `value_and_gradients`.
    """
    _, made = _differentiated("gradients", y, xs, cotangent, with_value=False)
    return made


def value_and_gradients(y: Any, xs: Any) -> tuple[Any, Any]:
    """(y, gradients) of a scalar y from one plan: residuals are shared. Lazy; see `gradients`."""
    return _differentiated("value_and_gradients", y, xs, None, with_value=True)


class _Read(NamedTuple):
    """A Dask program read as a graph."""

    graph: Graph
    inputs: list[Layout]  # per x
    output: Layout
    leaves: dict[int, Any]  # value id -> reference into the user's graph, or a literal


def _differentiated(who: str, y: Any, xs: Any, cotangent: Any, *, with_value: bool) -> tuple[Any, Any]:
    arrays = list(xs) if isinstance(xs, (list, tuple)) else [xs]
    _check(who, y, arrays, cotangent)
    source = without_p2p(y.__dask_graph__())
    read = _read(who, y, arrays, DaskGraph(source))
    wanted = list(dict.fromkeys(v for layout in read.inputs for v in layout.values))  # xs may share chunks
    positions = range(len(read.output.values))
    sweeps = joint_graph(read.graph, wanted, positions, seeds_are_inputs=cotangent is not None)
    leaves = {**read.leaves, **sweeps.constants}
    if cotangent is not None:
        seed = _cotangent(who, y, cotangent)
        source = HighLevelGraph.merge(source, without_p2p(seed.dask))
        leaves.update({v: ExternalKey(key) for v, key in zip(sweeps.seeds, chunk_keys(seed), strict=True)})
    graph = without_anchors(sweeps.graph)
    count = len(read.output.values)
    output = Layout(y.chunks, graph.outputs[:count])
    bar_of = dict(zip(wanted, graph.outputs[count:], strict=True))
    layouts = [Layout(x.chunks, tuple(bar_of[v] for v in x.values)) for x in read.inputs]
    if not with_value:  # then what only y needs is not run
        graph = replace(graph, outputs=graph.outputs[count:])
    options = Options()
    plan = plan_graph(graph, options, executor_for(options))
    bound = {v: task_reference(x.key) if isinstance(x, ExternalKey) else x for v, x in leaves.items()}
    lazy = LazyRun(plan, bound, source)
    value = lazy.collection("value", output, y._meta) if with_value else None
    bars = [
        lazy.collection(f"gradient-{k}", layout, x._meta)
        for k, (x, layout) in enumerate(zip(arrays, layouts, strict=True))
    ]
    return value, (type(xs)(bars) if isinstance(xs, (list, tuple)) else bars[0])


def _read(who: str, y: Any, arrays: Sequence[Any], source: DaskGraph) -> _Read:
    keys = [chunk_keys(x) for x in arrays]
    for number, key in ((number, key) for number, of_x in enumerate(keys) for key in of_x):
        if key not in source.nodes:
            raise ArgumentError(
                f"{who}: y's graph does not hold chunk {key} of xs[{number}]. "
                "Either y does not depend on it, or y went through dask.optimize, "
                "which fuses chunks away: pass y as it was before."
            )
    inner = _inner(source, keys)
    with Recorder() as recorder:
        known: dict[Hashable, Any] = {}
        for number, (x, of_x) in enumerate(zip(arrays, keys, strict=True)):
            for key, of in zip(of_x, tile_specs(spec(x.shape, x.dtype), x.chunks), strict=True):
                if key not in known and key not in inner:
                    known[key] = recorder.input(of, f"xs[{number}]")
        found = interpret(recorder, source, [*chunk_keys(y), *inner], known, apart=inner)
        outputs = []
        for key in chunk_keys(y):
            if found[key] is None:
                outputs.append(recorder.external(ExternalKey(key), _chunk_spec(y, key)).id)
            else:
                outputs.append(found[key].id)
        graph = recorder.graph(outputs)
    ids = {key: tracer.id for key, tracer in {**found, **known}.items() if tracer is not None}
    layouts = [
        Layout(x.chunks, tuple(ids[key] for key in of_x)) for x, of_x in zip(arrays, keys, strict=True)
    ]
    leaves = {**recorder.constants, **{tracer.id: ExternalKey(key) for key, tracer in known.items()}}
    _check_dependence(who, graph, layouts)
    return _Read(graph, layouts, Layout(y.chunks, tuple(outputs)), leaves)


def _inner(source: DaskGraph, keys: Sequence[Sequence[Hashable]]) -> dict[Hashable, None]:
    """Chunks of xs that are computed from other chunks of xs: inner values of the program, no leaves."""
    of_xs = {key for of_x in keys for key in of_x}
    above: set[Hashable] = set()  # keys that depend on a chunk of xs
    for key in source.order(list(of_xs)):
        if any(d in of_xs or d in above for d in source.nodes[key].dependencies):
            above.add(key)
    return {key: None for of_x in keys for key in of_x if key in above}


def _check_dependence(who: str, graph: Graph, layouts: Sequence[Layout]) -> None:
    needed = graph.needed()
    for number, layout in enumerate(layouts):
        if not any(needed[graph.value_node[v]] for v in layout.values):
            raise ArgumentError(f"{who}: y does not depend on xs[{number}]; leave it out")


def _check(who: str, y: Any, arrays: Sequence[Any], cotangent: Any) -> None:
    if dask.config.get("array.query-planning", False):
        raise UnsupportedError(
            f"{who}: dask's array.query-planning is on; set it to False, its graphs are not supported"
        )
    for name, x in [("y", y), *((f"xs[{k}]", x) for k, x in enumerate(arrays))]:
        if not isinstance(x, da.Array):
            raise ArgumentError(
                f"{who}: {name} must be a dask.array.Array, got {type(x).__name__}. "
                "For NumPy functions use ds.grad."
            )
        if x.dtype.kind not in "fc":
            raise DtypeError(
                f"{who}: {name} must have a floating dtype, got {x.dtype}. Convert it with .astype(float)."
            )
        check_known_shape(who, x, name)
    if not arrays:
        raise ArgumentError(f"{who}: xs must hold at least one Dask array")
    if cotangent is None and y.shape != ():
        raise ShapeError(
            f"{who}: y must be a scalar, got shape {y.shape}. Sum it, or give a cotangent of that shape."
        )


def _cotangent(who: str, y: Any, cotangent: Any) -> Any:
    seed = cotangent if isinstance(cotangent, da.Array) else np.asarray(cotangent)
    if seed.shape != y.shape:
        raise ShapeError(f"{who}: cotangent must have y's shape {y.shape}, got {seed.shape}")
    if not isinstance(seed, da.Array):
        seed = da.from_array(seed, chunks=y.chunks)
    return seed.astype(y.dtype).rechunk(y.chunks, method="tasks")


def _chunk_spec(y: Any, key: Any) -> Any:
    return spec([lengths[k] for lengths, k in zip(y.chunks, key[1:], strict=True)], y.dtype)
