"""Chunks: a recorded array graph evaluated once more with Dask arrays as values, down to tiles.

Each primitive goes by its loop over tiles if it has one, else by `dask.array`, else in one chunk. The user
never meets these Dask arrays, and no task of them ever runs: they are interpreted on tracers at once, and a
tile-level graph comes out.
"""

import warnings
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.array.core import unify_chunks
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from dagsolve.graph import CONSTANT, INPUT, LEAVES, Graph, Node
from dagsolve.linalg.tiled import TILED
from dagsolve.linalg.tiled.gathered import in_one_chunk
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find
from dagsolve.primitives.generators import GENERATORS
from dagsolve.specs import Spec
from dagsolve.tracing.dask_graph import DaskGraph, interpret
from dagsolve.tracing.layout import Chunks, Layout, normalised_chunks, slices, tile_specs, whole
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.tracer import Tracer


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


def tiled(graph: Graph, input_chunks: tuple[Chunks, ...], default: Any) -> Tiled:
    """The tile-level graph of an array graph for given chunks of its inputs.

    Constants and generators take the chunks of inputs whose axes have the same length, else `default`.
    """
    builder = _Builder(graph, input_chunks, default)
    with warnings.catch_warnings(), dask.config.set({"array.slicing.split-large-chunks": False}):
        warnings.simplefilter("error", FutureWarning)  # dask.array warns before it would compute silently
        warnings.simplefilter("ignore", da.PerformanceWarning)
        return builder.build()


class _Builder:
    def __init__(self, graph: Graph, input_chunks: tuple[Chunks, ...], default: Any) -> None:
        self.graph, self.default = graph, default
        self.input_chunks = dict(zip(graph.inputs, input_chunks, strict=True))
        self.by_length = {n: c for chunks in input_chunks for c in chunks for n in (sum(c),)}
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
                    for v, made in zip(
                        node.results, self._call(node, [values[v] for v in node.operands]), strict=True
                    ):
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
        known = self.input_chunks.get(value)
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
        rule = self._rule(primitive, operands)
        made = self._one_chunk(node, operands) if rule is None else rule(*operands, **params)
        return made if isinstance(made, tuple) else (made,)

    def _rule(self, primitive: Primitive, operands: list[Any]) -> Callable[..., Any] | None:
        if primitive.name in TILED and all(
            x.ndim == 2 or primitive.name == "diagonal_matrix" for x in operands
        ):
            if all(n > 0 for x in operands for n in x.shape):
                return TILED[primitive.name]
        named = _DASK.get(primitive.name)
        if named is not None:
            return named
        elementwise = (
            primitive.specs is None and not any(primitive.parsed.core_ndims) and not primitive.parsed.variadic
        )
        return partial(primitive.forward, np) if elementwise else None

    def _one_chunk(self, node: Node, operands: list[Any]) -> tuple[Any, ...]:
        """The results of one task on whole arrays; several are taken apart by a task each."""
        nbytes = sum(x.nbytes for x in (*operands, *(self.graph.spec(v) for v in node.results)))
        self.gathered.append(f"{node.primitive}: runs in one chunk of {nbytes:,} bytes ({node.scope})")
        return in_one_chunk(node.primitive, *operands, **dict(node.params))

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


def _getitem(x: Any, *, index: tuple[Any, ...]) -> Any:
    native = tuple(slice(*entry) if isinstance(entry, tuple) else entry for entry in index)
    return x[(..., *native)]


def _transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    lead = x.ndim - len(axes)
    return da.transpose(x, (*range(lead), *(k + x.ndim for k in axes)))


def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    try:
        return da.reshape(x, shape)
    except NotImplementedError:  # (6, 4) to (8, 3): only by way of one axis
        return da.reshape(da.reshape(x, (-1,)), shape)


def _einsum(a: Any, b: Any, *, subscripts: str) -> Any:
    left, right = subscripts.split("->")[0].split(",")
    _, (a, b) = unify_chunks(a, left, b, right)
    return da.einsum(subscripts, a, b)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return da.core.elemwise(np.where, condition, x, y)


_DASK: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": da.broadcast_to,
    "getitem": _getitem,
    "concatenate": lambda *xs, axis: da.concatenate(xs, axis=axis % xs[0].ndim),
    "sum": da.sum,
    "amax": da.max,
    "amin": da.min,
    "matmul": da.matmul,
    "einsum": _einsum,
    "astype": lambda x, dtype: x.astype(dtype),
    "where": _where,
}
