"""Arrays bound to the leaves of a plan: tiles of what is in memory, tasks of what Dask or Zarr will load.

A leaf of the latter is a reference to a task; the tasks themselves stand in `Bound.loading`. Nothing is
loaded here.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dask.array as da
import numpy as np
from dask.array.optimization import optimize
from dask.array.rechunk import rechunk
from dask.highlevelgraph import HighLevelGraph

from dagsolve.errors import ArgumentError, UnknownSpecError
from dagsolve.specs import Spec
from dagsolve.tracing.capture import chunked
from dagsolve.tracing.dask_graph import task_reference
from dagsolve.tracing.layout import Chunks, Layout


@dataclass
class Bound:
    """Value id -> array, number or reference to a task; and the Dask arrays whose tasks are referred to."""

    leaves: dict[int, Any] = field(default_factory=dict)
    arrays: list[Any] = field(default_factory=list)

    def bind(self, layout: Layout, value: Any) -> None:
        """The tiles of an array, cut along the layout's chunks.

        Raises ArgumentError for a spec.
        """
        value = chunked(value)
        if isinstance(value, Spec):
            raise ArgumentError(
                f"a call needs arrays, got a spec {value}. Use .plan(...) to plan without data."
            )
        if isinstance(value, (float, complex, np.generic)):
            value = np.asarray(value)
        if not isinstance(value, da.Array):
            self.leaves.update(layout.split(value))
            return
        cut = value.rechunk(layout.chunks, method="tasks")
        self.leaves.update(zip(layout.values, map(task_reference, chunk_keys(cut)), strict=True))
        self.arrays.append(cut)

    def loading(self) -> HighLevelGraph:
        """The tasks that load what the references stand for."""
        return without_p2p(HighLevelGraph.merge(*(x.dask for x in self.arrays)))


def chunks_of(value: Any, name: str) -> Chunks | None:
    """The chunks of a Dask or Zarr array, None for everything else.

    Raises UnknownSpecError, calling the array by this name, when they are unknown.
    """
    value = chunked(value)
    if not isinstance(value, da.Array):
        return None
    check_known_shape("chunks", value, name)
    return tuple(tuple(int(n) for n in lengths) for lengths in value.chunks)


def check_known_shape(who: str, x: Any, name: str) -> None:
    """Raises UnknownSpecError, calling the Dask array by this name, when lengths of it are unknown."""
    if any(n != n for n in x.shape):
        raise UnknownSpecError(
            f"{who}: the shape {x.shape} of {name} is unknown. Call its compute_chunk_sizes() first."
        )


def chunk_keys(x: Any) -> list[Hashable]:
    """The keys of a Dask array's chunks, in C order of the grid."""
    return [(x.name, *index) for index in np.ndindex(*map(len, x.chunks))]


def referred(leaves: Mapping[int, Any]) -> list[Hashable]:
    """The keys that references among the leaves stand for, each once."""
    return list(dict.fromkeys(x.key for x in leaves.values() if hasattr(x, "key")))


def loading_tasks(
    graph: HighLevelGraph, leaves: Mapping[int, Any], *, distributed: bool
) -> Mapping[Hashable, Any]:
    """Only the tasks that make what these leaves refer to, fused as Dask does it for arrays.

    Raises ArgumentError for persisted data, which lies on a cluster's workers, in a run that is not there.
    """
    wanted = list(dict.fromkeys(x.key for x in leaves.values() if hasattr(x, "key")))
    if not wanted:
        return {}
    found: Mapping[Hashable, Any] = optimize(graph, wanted)
    read = {d for task in found.values() for d in getattr(task, "dependencies", ())}
    absent = (read | set(wanted)) - found.keys()
    if absent and not distributed:
        raise ArgumentError(
            f"scheduler must be the Client that persisted the data: {len(absent)} chunks lie on its workers, "
            f"{min(map(str, absent))} among them. Pass scheduler=client, or the data from before persist."
        )
    return found


def layers_of(graph: HighLevelGraph, keys: Iterable[Hashable]) -> set[str]:
    """The names of the layers that make these keys."""
    found: set[str] = set()
    lost: set[Hashable] = set()
    for key in keys:
        name = key[0] if isinstance(key, tuple) else key
        if isinstance(name, str) and name in graph.layers:
            found.add(name)
        else:
            lost.add(key)
    if lost:
        found |= {
            name for name, layer in graph.layers.items() if not lost.isdisjoint(layer.get_output_keys())
        }
    return found


def without_p2p(graph: Any) -> HighLevelGraph:
    """The graph with every P2P rechunk, which moves data behind the graph's back, replaced by tasks."""
    if not isinstance(graph, HighLevelGraph):
        return HighLevelGraph.from_collections(f"tasks-{id(graph)}", graph)
    layers: dict[str, Any] = dict(graph.layers)
    dependencies = dict(graph.dependencies)
    for name, chunks, new in _replacements(graph):
        for added in new.dask.layers:
            if added not in layers:
                layers[added], dependencies[added] = new.dask.layers[added], new.dask.dependencies[added]
        aliases = {(name, *i): (new.name, *i) for i in np.ndindex(*map(len, chunks))}
        layers[name], dependencies[name] = aliases, {new.name}
    return HighLevelGraph(layers, dependencies) if layers != graph.layers else graph


def _replacements(graph: HighLevelGraph) -> Iterator[tuple[str, Any, Any]]:
    """(name, chunks, the same by tasks) of every P2P rechunk."""
    for name, layer in graph.layers.items():
        if type(layer).__name__ == "P2PRechunkLayer":
            found: Any = layer
            old = da.Array(graph, found.name_input, found.chunks_input, dtype=np.float64)
            yield name, found.chunks, rechunk(old, found.chunks, method="tasks")
