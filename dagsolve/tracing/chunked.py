"""Chunks: a recorded array graph evaluated once more with Dask arrays as values, down to tiles.

Each primitive goes by its loop over tiles if it has one, else by `dask.array`, else in one chunk. The user
never meets these Dask arrays, and no task of them ever runs: they are interpreted on tracers at once, and a
tile-level graph comes out.
"""

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from dagsolve.graph import CONSTANT, INPUT, LEAVES, Graph, Node
from dagsolve.linalg.tiled import GATHERED, rule_for
from dagsolve.linalg.tiled.gathered import in_one_chunk
from dagsolve.primitives.derived import find
from dagsolve.primitives.generators import GENERATORS
from dagsolve.specs import Spec
from dagsolve.tracing.dask_graph import DaskGraph, interpret
from dagsolve.tracing.layout import Chunks, Layout, normalised_chunks, slices, tile_specs, whole
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.tracer import Tracer

_DASK_OPTIONS = {
    "array.slicing.split-large-chunks": False,
    "array.rechunk.method": "tasks",  # also beside a Client: tasks can be interpreted
}


@dataclass(frozen=True, eq=False)
class Tiled:
    """A tile-level graph and how the array graph's leaves and outputs lie in it."""

    graph: Graph
    inputs: tuple[Layout, ...]  # of the array graph's inputs, in order
    constants: dict[int, Layout]  # of the array graph's constants, by their value id
    outputs: tuple[Layout, ...]
    literals: dict[int, Any]  # numbers that the tile rules brought along, by value id of the tile graph
    gathered: tuple[str, ...]  # primitives that had to run in one chunk, with bytes and source line


def untiled(graph: Graph) -> Tiled:
    """Every array as one tile: the array graph itself."""

    def layout(value: int) -> Layout:
        return Layout(whole(graph.spec(value).shape), (value,))

    return Tiled(
        graph,
        tuple(map(layout, graph.inputs)),
        {v: layout(v) for v in graph.constants},
        tuple(map(layout, graph.outputs)),
        {},
        (),
    )


def tiled(
    graph: Graph,
    input_chunks: tuple[Chunks, ...],
    default: Any,
    constant_chunks: Mapping[int, Chunks] | None = None,
) -> Tiled:
    """The tile-level graph of an array graph for given chunks of its inputs, and of constants by value id.

    Other constants and generators take the chunks of leaves whose axes have the same length, else `default`.
    """
    chunks = {**(constant_chunks or {}), **dict(zip(graph.inputs, input_chunks, strict=True))}
    builder = _Builder(graph, chunks, default)
    with warnings.catch_warnings(), dask.config.set(_DASK_OPTIONS):
        warnings.simplefilter("error", FutureWarning)  # dask.array warns before it would compute silently
        warnings.simplefilter("ignore", da.PerformanceWarning)
        return builder.build()


class _Builder:
    def __init__(self, graph: Graph, chunks: Mapping[int, Chunks], default: Any) -> None:
        self.graph, self.default = graph, default
        self.known_chunks = chunks
        self.by_length = {sum(c): c for lengths in chunks.values() for c in lengths}
        self.recorder = Recorder()
        self.leaves: dict[Hashable, Tracer] = {}
        self.layouts: dict[int, Layout] = {}
        self.scopes: dict[str, int] = {}
        self.gathered: list[str] = []

    def build(self) -> Tiled:
        graph, needed = self.graph, self.graph.needed()
        values: list[Any] = [None] * graph.value_count
        with self.recorder as recorder:
            for node in graph.nodes():
                if not needed[node.id] and node.primitive != INPUT:
                    continue
                if node.primitive in LEAVES or node.primitive in GENERATORS:
                    values[node.results[0]] = self._leaf(node)
                else:
                    results = self._call(node, [values[v] for v in node.operands])
                    for v, made in zip(node.results[: len(results)], results, strict=True):  # less auxiliary
                        self._note_scope(made, node)
                        values[v] = made
            arrays = [values[v] for v in graph.outputs]
            merged = HighLevelGraph.merge(*(y.dask for y in arrays))
            keys = [key for y in arrays for key in _keys(y)]
            found = interpret(recorder, DaskGraph(merged), keys, self.leaves, self._scope_of)
            outputs = tuple(Layout(y.chunks, tuple(self._id(found[key]) for key in _keys(y))) for y in arrays)
            tile_graph = recorder.graph([v for layout in outputs for v in layout.values])
        return Tiled(
            tile_graph,
            tuple(self.layouts[v] for v in graph.inputs),
            {v: self.layouts[v] for v in graph.constants if v in self.layouts},
            outputs,
            {v: value for v, value in recorder.constants.items() if value is not None},
            tuple(self.gathered),
        )

    def _id(self, value: Any) -> int:
        return value.id if isinstance(value, Tracer) else self.recorder.constant(value).id

    def _chunks(self, value: int, of: Spec) -> Chunks:
        known = self.known_chunks.get(value)
        if known is not None:
            return known
        fallback = normalised_chunks(
            self.default if isinstance(self.default, (int, str)) else None, of.shape, "chunks"
        )
        return tuple(self.by_length.get(n, c) for n, c in zip(of.shape, fallback, strict=True))

    def _leaf(self, node: Node) -> Any:
        """A Dask array of placeholders, whose keys stand for tracers of the tile graph."""
        (value,) = node.results
        of = self.graph.spec(value)
        chunks = self._chunks(value, of)
        name = f"leaf-{value}-{tokenize(self.graph.digest, chunks)}"
        keys = _grid_keys(name, chunks)
        self.recorder.scope = self.recorder.columns.scope_table.add(node.scope)
        made = []
        for key, of_tile, index in zip(keys, tile_specs(of, chunks), slices(chunks), strict=True):
            if node.primitive == INPUT:
                tracer = self.recorder.input(of_tile, node.scope.function)
            elif node.primitive == CONSTANT:
                tracer = self.recorder.placeholder(of_tile)
            else:
                params = _generator_tile(node.primitive, dict(node.params), of_tile, index)
                tracer = self.recorder.record(find(node.primitive), (), params)
            self.leaves[key] = tracer
            made.append(tracer.id)
        self.recorder.scope = None
        if node.primitive in (INPUT, CONSTANT):
            self.layouts[value] = Layout(chunks, tuple(made))
        return da.Array({key: (_placeholder,) for key in keys}, name, chunks, dtype=of.dtype)

    def _call(self, node: Node, operands: list[Any]) -> tuple[Any, ...]:
        primitive, params = find(node.primitive), dict(node.params)
        rule = rule_for(primitive, operands)
        if rule is None:
            nbytes = sum(self.graph.spec(v).nbytes for v in (*node.operands, *node.results))
            self.gathered.append(f"{node.primitive}: runs in one chunk of {nbytes:,} bytes ({node.scope})")
            return in_one_chunk(node.primitive, *operands, **params)
        if primitive.name in GATHERED and operands[0].ndim == 2 and operands[0].npartitions > 1:
            nbytes = GATHERED[primitive.name](*operands[0].shape) * operands[0].dtype.itemsize
            self.gathered.append(f"{node.primitive}: one task gathers {nbytes:,} bytes ({node.scope})")
        made = rule(*operands, **params)
        return made if isinstance(made, tuple) else (made,)

    def _note_scope(self, made: Any, node: Node) -> None:
        scope = self.recorder.columns.scope_table.add(node.scope)
        for layer in made.dask.layers:
            self.scopes.setdefault(layer, scope)

    def _scope_of(self, key: Hashable) -> int | None:
        name = key[0] if isinstance(key, tuple) else key
        found = self.scopes.get(name) if isinstance(name, str) else None
        if found is None and isinstance(name, str):  # tile tasks are named after their layer
            found = self.scopes.get(name.rsplit("-", 1)[0])
        return found


def _placeholder() -> Any:
    raise AssertionError("a placeholder of the chunk evaluation was computed")


def _grid_keys(name: str, chunks: Chunks) -> list[Hashable]:
    counts = tuple(map(len, chunks))
    return [(name, *index) for index in np.ndindex(*counts)]


def _keys(array: Any) -> list[Hashable]:
    return _grid_keys(array.name, array.chunks)


def _generator_tile(
    name: str, params: Mapping[str, Any], of: Spec, index: tuple[slice, ...]
) -> dict[str, Any]:
    """The params that make one tile of a generated array."""
    if name == "full":
        return {**params, "shape": of.shape}
    if name == "eye":
        rows, columns = index
        offset = params["offset"] + rows.start - columns.start
        if offset <= -of.shape[0] or offset >= of.shape[1]:
            offset = of.shape[1]  # no diagonal in this tile: all such tiles are alike
        return {**params, "rows": of.shape[0], "columns": of.shape[1], "offset": offset}
    (at,) = index
    return {**params, "start": params["start"] + params["step"] * at.start, "length": of.shape[0]}
