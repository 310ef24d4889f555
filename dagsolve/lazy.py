"""Lazy results: Dask arrays of a plan that has not run, and their planned run.

The results of one call share one graph: the user's loading tasks, one layer with the blocks of both sweeps,
and a layer of names per result. Dask runs it as any other; `compute` runs it by a plan, inside a budget.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from dagsolve.binding import layers_of, loading_tasks, referred
from dagsolve.errors import ArgumentError
from dagsolve.namespace import Array, is_host, namespace_of, to_device
from dagsolve.options import Options
from dagsolve.pipeline import Compiled, bound, executor_for, plan_graph
from dagsolve.planning.actions import Plan
from dagsolve.reports import RunReport
from dagsolve.scheduler.tasks import task_graph
from dagsolve.tracing.layout import Layout
from dagsolve.tracing.trace import Trace
from dagsolve.tree import flatten, paths, unflatten

INLINE_BYTES = 16 * 1024  # a larger array of the user's is a task of its own, so a worker gets it once


class LazyRun:
    """What the lazy results of one call share: a plan, its leaves, the user's tasks and its own."""

    def __init__(self, plan: Plan, leaves: Mapping[int, Any], source: HighLevelGraph) -> None:
        self.name = f"{plan.digest[:8]}-{uuid.uuid4().hex[:8]}"
        self.last_report: RunReport | None = None
        self._graph, self._source = plan.dag.graph, source
        self._leaves = {v: _own(leaves[v]) for v in plan.leaves}
        made = task_graph(plan, self._leaves, self.name, inline_bytes=INLINE_BYTES, announce_blocks=False)
        self._places = made.outputs
        blocks = f"blocks-{self.name}"
        below = layers_of(source, referred(self._leaves))
        self._layers = {**source.layers, blocks: made.tasks}
        self._dependencies = {**source.dependencies, blocks: below}
        self._above = below | {blocks}  # results may be leaves themselves
        self._layouts: dict[str, Layout] = {}

    def collection(self, name: str, layout: Layout, meta: Array) -> Any:
        """A lazy array whose chunks are the layout's values; `meta`: an array of its kind and dtype."""
        name = f"{name}-{self.name}"
        tasks = {
            (name, *index): self._task(v, is_host(meta))
            for index, v in zip(np.ndindex(*map(len, layout.chunks)), layout.values, strict=True)
        }
        layers: dict[str, Any] = {**self._layers, name: tasks}
        graph = HighLevelGraph(layers, {**self._dependencies, name: self._above})
        xp = namespace_of(meta)
        made = da.Array(
            graph, name, layout.chunks, meta=xp.empty((0,) * len(layout.chunks), dtype=meta.dtype)
        )
        self._layouts[name] = layout
        made.__dict__["_dagsolve_run"] = self
        return made

    def _task(self, value: int, on_host: bool) -> Any:
        """What a chunk of a result is: a task's result, or an array that was given."""
        found = self._places[value] if value in self._places else self._leaves[value]
        return found if on_host else (to_device, found)  # a tile of zeros is made on the host

    def cut_like(self, collection: Any, model: Any) -> Any:
        """One of the collections in the chunks of a Dask array; in its own where the model is none."""
        if not isinstance(model, da.Array) or collection.chunks == model.chunks:
            return collection
        made = collection.rechunk(model.chunks, method="tasks")
        self._layouts[made.name] = self._layouts[collection.name]  # a planned run joins the tiles anyway
        made.__dict__["_dagsolve_run"] = self
        return made

    def arrays(self, names: Sequence[str], options: Options) -> list[Array]:
        """The arrays of some of the collections, planned for these options and run."""
        layouts = [self._layouts[name] for name in names]
        graph = replace(self._graph, outputs=tuple(v for layout in layouts for v in layout.values))
        executor = executor_for(options)
        plan = plan_graph(graph, options, executor)
        leaves = {v: self._leaves[v] for v in plan.leaves}
        read = {v: leaves[v] for v in plan.read_leaves}
        tasks = loading_tasks(self._source, read, distributed=executor.capacity().distributed)
        values = executor.execute(plan, leaves, graph=tasks, progress=options.progress)
        self.last_report = executor.last_report
        return [layout.join(values) for layout in layouts]


def _own(leaf: Any) -> Any:
    """The user's array as it is now: the run comes later."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def cut_like(results: Any, models: Any) -> Any:
    """Lazy results in the chunks of Dask arrays in the same places; everything else as it is."""
    leaves, structure = flatten(results)
    made = [
        leaf._dagsolve_run.cut_like(leaf, model) if hasattr(leaf, "_dagsolve_run") else leaf
        for leaf, model in zip(leaves, flatten(models)[0], strict=True)
    ]
    return unflatten(structure, made)


def is_lazy(trace: Trace, seeds: Sequence[Any] = ()) -> bool:
    """Whether Dask arrays are among the arguments: then the results are lazy."""
    return any(isinstance(x, da.Array) for x in (*trace.values, *seeds))


def refuse_run_options(who: str, options: Options) -> None:
    """Raises ArgumentError for options that lazy results cannot have."""
    refuse_chunks(who, options)
    for name in ("memory_limit", "scheduler", "progress"):
        if getattr(options, name) is not None:
            raise ArgumentError(
                f"{who}: {name}= is for runs, and results for Dask arguments are lazy. Leave it out, and run "
                f"them with ds.compute(*results, {name}=…)."
            )


def refuse_chunks(who: str, options: Options) -> None:
    """Raises ArgumentError for `chunks`, which Dask arguments have themselves."""
    if options.chunks is not None:
        raise ArgumentError(
            f"{who}: chunks= is for NumPy arguments; Dask arguments have chunks, and these are kept. "
            "Leave it out, or cut the Dask array by .rechunk(…) before."
        )


def lazy_results(compiled: Compiled, trace: Trace, seeds: Sequence[Array]) -> tuple[list[Any], list[Any]]:
    """Results of the function and derivatives, as lazy Dask arrays; nothing is loaded."""
    found = bound(compiled, trace, seeds)
    lazy = LazyRun(compiled.plan, found.leaves, found.loading())
    graph = compiled.plan.dag.graph
    kind = namespace_of(*(x._meta for x in found.arrays))

    def collection(name: str, layout: Layout) -> Any:
        return lazy.collection(name, layout, kind.empty((0,), dtype=graph.spec(layout.values[0]).dtype))

    values = [collection(f"value-{k}", y) for k, y in enumerate(compiled.outputs)]
    derivatives = [collection(f"derivative-{k}", x) for k, x in enumerate(compiled.derivatives)]
    return values, derivatives


def compute(
    *collections: Any,
    memory_limit: int | str | None = None,
    scheduler: Any = None,
    progress: bool | None = None,
) -> tuple[Array, ...]:
    """Lazy results of dagsolve as NumPy arrays, by a planned run.

    collections    Dask arrays as `gradients`, `grad` and the others made them, also in nested containers,
                   which the result then has too; those of one call share their work
    memory_limit   bytes per worker, proved before the run and held during it; tiles beyond it wait on disk
    scheduler      None (the active Client, else threads), "sync", "threads" or a distributed Client
    progress       True shows a bar, False does not, None does where somebody is looking

    `.compute()` runs the same blocks under Dask's own memory rules. Raises ArgumentError for other Dask
    arrays, BudgetError before any work when the limit is too small.
    """
    options = Options.read(
        "compute", {"memory_limit": memory_limit, "scheduler": scheduler, "progress": progress}
    )
    leaves, structure = flatten(collections)
    runs: dict[int, tuple[LazyRun, list[int]]] = {}
    for position, leaf in enumerate(leaves):
        lazy = getattr(leaf, "_dagsolve_run", None)
        if lazy is None:
            where = paths(collections)[position][1:].replace("]", "", 1)
            raise ArgumentError(
                f"compute: argument {where} must be a result of ds.gradients, or of ds.grad and its like for "
                f"Dask arrays, got {type(leaf).__name__}. Other Dask arrays, also those computed from "
                "results, have no plan: use their .compute()."
            )
        runs.setdefault(id(lazy), (lazy, []))[1].append(position)
    found: dict[int, Array] = {}
    for lazy, positions in runs.values():
        found.update(zip(positions, lazy.arrays([leaves[k].name for k in positions], options), strict=True))
    made: tuple[Array, ...] = unflatten(structure, [found[k] for k in range(len(leaves))])
    return made
