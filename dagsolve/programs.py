"""Gradients of existing Dask array programs: lazy in, lazy out.

The program's own tasks are interpreted on tracers; the loading tasks stay as they are, in one graph with the
blocks of both sweeps. Nothing is loaded and nothing runs until the user computes the result.
"""

import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask.array.rechunk import rechunk
from dask.highlevelgraph import HighLevelGraph

from dagsolve.errors import ArgumentError, DtypeError, ShapeError, UnknownSpecError, UnsupportedError
from dagsolve.graph import Graph
from dagsolve.namespace import Array
from dagsolve.options import Options
from dagsolve.pipeline import executor_for, plan_graph
from dagsolve.reports import RunReport
from dagsolve.scheduler.tasks import task_graph
from dagsolve.specs import spec
from dagsolve.tracing.dask_graph import DaskGraph, ExternalKey, interpret, task_reference
from dagsolve.tracing.layout import Layout, tile_specs
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.tracer import Tracer


def gradients(y: Any, xs: Any, cotangent: Any = None) -> Any:
    """Gradient of y by each x, as lazy Dask arrays with the chunks of xs.

    y           a Dask array computed from xs with dask.array; a scalar, or of any shape with a cotangent
    xs          one Dask array, or a list or tuple of them
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


def compute(
    *collections: Any,
    memory_limit: int | str | None = None,
    scheduler: Any = None,
    progress: bool | None = None,
) -> tuple[Array, ...]:
    """Lazy results of `gradients` and `value_and_gradients` as NumPy arrays, by a planned run.

    collections    Dask arrays as these functions made them; those of one call share their work
    memory_limit   bytes per worker, proved before the run and held during it; tiles beyond it wait on disk

    `.compute()` runs the same blocks under Dask's own memory rules. Raises ArgumentError for other Dask
    arrays, BudgetError before any work when the limit is too small.
    """
    options = Options.read(
        "compute", {"memory_limit": memory_limit, "scheduler": scheduler, "progress": progress}
    )
    runs: dict[int, tuple[LazyRun, list[int]]] = {}
    for position, collection in enumerate(collections):
        lazy = getattr(collection, "_dagsolve_run", None)
        if lazy is None:
            raise ArgumentError(
                f"compute: argument {position} must be a result of ds.gradients or ds.value_and_gradients, "
                f"got {type(collection).__name__}. Other Dask arrays have no plan: use their .compute()."
            )
        runs.setdefault(id(lazy), (lazy, []))[1].append(position)
    found: dict[int, Array] = {}
    for lazy, positions in runs.values():
        layouts = [lazy.layouts[collections[k].name] for k in positions]
        found.update(zip(positions, lazy.arrays(layouts, options), strict=True))
    return tuple(found[k] for k in range(len(collections)))


class LazyRun:
    """What the lazy results of one call share: a graph, its leaves, the user's tasks and its own."""

    def __init__(
        self,
        graph: Graph,
        leaves: Mapping[int, Any],
        source: Mapping[Hashable, Any],
        tasks: Mapping[Hashable, Any],
        places: Mapping[int, Hashable],
    ) -> None:
        self.graph, self.leaves, self.source = graph, leaves, source
        self.tasks, self.places = tasks, places
        self.layouts: dict[str, Layout] = {}
        self.last_report: RunReport | None = None

    def collection(self, name: str, values: Sequence[int], like: Any) -> Any:
        """A lazy array whose chunks are these values."""
        indices = np.ndindex(*map(len, like.chunks))
        aliases = {(name, *index): self.places[v] for index, v in zip(indices, values, strict=True)}
        made = da.Array({**self.tasks, **aliases}, name, like.chunks, dtype=like.dtype, meta=like._meta)
        self.layouts[name] = Layout(like.chunks, tuple(values))
        made.__dict__["_dagsolve_run"] = self
        return made

    def arrays(self, layouts: Sequence[Layout], options: Options) -> list[Array]:
        """The arrays of some of the collections, planned for these options and run."""
        graph = replace(self.graph, outputs=tuple(v for layout in layouts for v in layout.values))
        executor = executor_for(options)
        plan = plan_graph(graph, options, executor)
        leaves = {v: self.leaves[v] for v in plan.leaves}
        values = executor.execute(plan, leaves, graph=self.source, progress=options.progress)
        self.last_report = executor.last_report
        return [layout.join(values) for layout in layouts]


class _Read(NamedTuple):
    """A Dask program read as a graph."""

    graph: Graph
    inputs: list[Layout]  # per x
    output: Layout
    leaves: dict[int, Any]  # value id -> reference into the user's graph, or a literal


def _differentiated(who: str, y: Any, xs: Any, cotangent: Any, *, with_value: bool) -> tuple[Any, Any]:
    arrays = list(xs) if isinstance(xs, (list, tuple)) else [xs]
    _check(who, y, arrays, cotangent)
    source = _task_rechunks(y.__dask_graph__())
    read = _read(who, y, arrays, DaskGraph(source))
    wanted = [v for layout in read.inputs for v in layout.values]
    positions = range(len(read.output.values))
    sweeps = joint_graph(read.graph, wanted, positions, seeds_are_inputs=cotangent is not None)
    merged: dict[Hashable, Any] = dict(source)
    leaves = {**read.leaves, **sweeps.constants}
    for x, layout in zip(arrays, read.inputs, strict=True):
        leaves.update({v: ExternalKey(key) for v, key in zip(layout.values, _keys(x), strict=True)})
    if cotangent is not None:
        seed = _cotangent(who, y, cotangent)
        merged.update(seed.__dask_graph__())
        leaves.update({v: ExternalKey(key) for v, key in zip(sweeps.seeds, _keys(seed), strict=True)})
    options = Options()
    count = len(read.output.values) if with_value else 0
    graph = sweeps.graph
    if not with_value:  # then what only y needs is not run
        graph = replace(graph, outputs=graph.outputs[len(read.output.values) :])
    plan = plan_graph(graph, options, executor_for(options))
    run = f"{plan.digest[:8]}-{uuid.uuid4().hex[:8]}"
    bound = {v: task_reference(x.key) if isinstance(x, ExternalKey) else x for v, x in leaves.items()}
    made = task_graph(plan, bound, run, graph=merged, announce_blocks=False)
    lazy = LazyRun(graph, bound, merged, made.tasks, made.outputs)
    outputs = graph.outputs
    value = lazy.collection(f"value-{run}", outputs[:count], y) if with_value else None
    bars = []
    at = count
    for k, x in enumerate(arrays):
        size = len(read.inputs[k].values)
        bars.append(lazy.collection(f"gradient-{k}-{run}", outputs[at : at + size], x))
        at += size
    return value, (type(xs)(bars) if isinstance(xs, (list, tuple)) else bars[0])


def _read(who: str, y: Any, arrays: Sequence[Any], source: DaskGraph) -> _Read:
    with Recorder() as recorder:
        known: dict[Hashable, Tracer] = {}
        layouts = []
        for number, x in enumerate(arrays):
            ids = []
            for key, of in zip(_keys(x), tile_specs(spec(x.shape, x.dtype), x.chunks), strict=True):
                if key not in source.nodes:
                    raise ArgumentError(
                        f"{who}: y's graph does not hold chunk {key} of xs[{number}]. "
                        "Either y does not depend on it, or y went through dask.optimize, "
                        "which fuses chunks away: pass y as it was before."
                    )
                known[key] = recorder.input(of, f"xs[{number}]")
                ids.append(known[key].id)
            layouts.append(Layout(x.chunks, tuple(ids)))
        found = interpret(recorder, source, _keys(y), known)
        outputs = []
        for key in _keys(y):
            if found[key] is None:
                outputs.append(recorder.external(ExternalKey(key), _chunk_spec(y, key)).id)
            else:
                outputs.append(found[key].id)
        graph = recorder.graph(outputs)
    read = _Read(graph, layouts, Layout(y.chunks, tuple(outputs)), dict(recorder.constants))
    _check_dependence(who, graph, layouts)
    return read


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
        if any(n != n for n in x.shape):
            raise UnknownSpecError(
                f"{who}: the shape {x.shape} of {name} is unknown. Call {name}.compute_chunk_sizes() first."
            )
    if not arrays:
        raise ArgumentError(f"{who}: xs must hold at least one Dask array")
    if cotangent is None and y.shape != ():
        raise ShapeError(
            f"{who}: y must be a scalar, got shape {y.shape}. Sum it, or give a cotangent of that shape."
        )


def _cotangent(who: str, y: Any, cotangent: Any) -> Any:
    seed = (
        cotangent
        if isinstance(cotangent, da.Array)
        else da.from_array(np.asarray(cotangent), chunks=y.chunks)
    )
    if seed.shape != y.shape:
        raise ShapeError(f"{who}: cotangent must have y's shape {y.shape}, got {seed.shape}")
    return seed.astype(y.dtype).rechunk(y.chunks, method="tasks")


def _keys(x: Any) -> list[Hashable]:
    return [(x.name, *index) for index in np.ndindex(*map(len, x.chunks))]


def _chunk_spec(y: Any, key: Any) -> Any:
    return spec([lengths[k] for lengths, k in zip(y.chunks, key[1:], strict=True)], y.dtype)


def _task_rechunks(graph: Any) -> Any:
    """The graph with every P2P rechunk, which moves data behind the graph's back, replaced by tasks."""
    if not isinstance(graph, HighLevelGraph):
        return graph
    layers: dict[str, Any] = dict(graph.layers)
    dependencies = dict(graph.dependencies)
    for name, layer in tuple(layers.items()):
        if type(layer).__name__ != "P2PRechunkLayer":
            continue
        old = da.Array(graph, layer.name_input, layer.chunks_input, dtype=np.float64)
        new = rechunk(old, layer.chunks, method="tasks")
        for added in new.dask.layers:
            if added not in layers:
                layers[added], dependencies[added] = new.dask.layers[added], new.dask.dependencies[added]
        aliases = {(name, *i): (new.name, *i) for i in np.ndindex(*map(len, layer.chunks))}
        layers[name], dependencies[name] = aliases, {new.name}
    return HighLevelGraph(layers, dependencies)
