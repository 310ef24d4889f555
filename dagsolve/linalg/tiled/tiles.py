"""Tiles of Dask arrays as operands: a textbook loop over tiles becomes a Dask graph.

A `Tile` is a key with a spec. Primitives called on tiles append a task each; operators and `.H` are
primitives too. `TileLoop.task` appends any other function of tiles, such as a run of updates that is worth
one task; on tracers it must call primitives. So the loops in this folder read like the textbook, and the
same loops run on Dask workers or, interpreted on tracers, give the tile-level graph that is differentiated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from dagsolve.errors import UnknownSpecError
from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.derived import apply
from dagsolve.specs import Spec, spec

Grid = dict[tuple[int, ...], "Tile"]


class Tile:
    """One tile: the key of a Dask task, and its shape and dtype."""

    __slots__ = ("key", "loop", "spec")

    def __init__(self, loop: "TileLoop", key: Any, of: Spec) -> None:
        self.loop, self.key, self.spec = loop, key, of

    @property
    def __dagsolve_recorder__(self) -> "TileLoop":
        return self.loop

    shape = property(lambda self: self.spec.shape)
    dtype = property(lambda self: self.spec.dtype)
    ndim = property(lambda self: self.spec.ndim)

    def __add__(self, other: "Tile") -> Any:
        return PRIMITIVES["add"](self, other)

    def __sub__(self, other: "Tile") -> Any:
        return PRIMITIVES["subtract"](self, other)

    def __matmul__(self, other: "Tile") -> Any:
        return PRIMITIVES["matmul"](self, other)

    @property
    def H(self) -> Any:
        """Conjugate transpose."""
        swapped = PRIMITIVES["transpose"](self, axes=(-1, -2))
        return PRIMITIVES["conjugate"](swapped) if self.dtype.kind == "c" else swapped


class TileLoop:
    """Collects the tasks of one loop over tiles; `name` begins its keys and depends on its arguments.

    Raises UnknownSpecError for an array whose chunk sizes are unknown.
    """

    def __init__(self, name: str, *arrays: Any, **params: Any) -> None:
        refuse_unknown_chunks(name, arrays)
        self.name = f"{name}-{tokenize(name, params, *(a.name for a in arrays))}"
        self.arrays = arrays
        self.tasks: dict[Any, Any] = {}
        self._zeros: dict[Any, Tile] = {}

    def tiles(self, array: Any) -> Grid:
        """The tiles of a Dask matrix by (row, column)."""
        grid: Grid = {}
        for (i, m), (j, n) in product(enumerate(array.chunks[0]), enumerate(array.chunks[1])):
            grid[i, j] = Tile(self, (array.name, i, j), spec((m, n), array.dtype))
        return grid

    def vector_tiles(self, array: Any) -> list[Tile]:
        """The tiles of a Dask vector."""
        return [Tile(self, (array.name, i), spec((n,), array.dtype)) for i, n in enumerate(array.chunks[0])]

    def record(self, primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Append a call of a primitive; its tile, or a tuple of tiles."""
        results = primitive.result_specs(tuple(x.spec for x in operands), params)
        function = partial(apply, primitive.name, **params)
        if len(results) == 1:
            return self.task(primitive.name, function, operands, results[0])
        return self.tasks_of_tuple(primitive.name, function, operands, results)

    def task(self, name: str, function: Callable[..., Any], operands: Iterable[Any], of: Spec) -> Tile:
        """Append a call of a function of tiles that makes one tile of this spec."""
        key = (f"{self.name}-{name}", len(self.tasks))
        self.tasks[key] = (function, *(x.key for x in operands))
        return Tile(self, key, of)

    def tasks_of_tuple(
        self, name: str, function: Callable[..., Any], operands: Iterable[Any], specs: Sequence[Spec]
    ) -> tuple[Tile, ...]:
        """Append a call that makes a tuple, and a task per result that takes it out."""
        whole = self.task(name, function, operands, specs[0]).key
        made = []
        for k, of in enumerate(specs):
            key = (f"{self.name}-{name}-{k}", len(self.tasks))
            self.tasks[key] = (getitem, whole, k)
            made.append(Tile(self, key, of))
        return tuple(made)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Tile:
        """A tile of zeros; tiles of one shape share their task."""
        key = (shape, np.dtype(dtype))
        if key not in self._zeros:
            params = {"shape": shape, "dtype": key[1].str, "value": 0.0}
            self._zeros[key] = self.record(PRIMITIVES["full"], (), params)
        return self._zeros[key]

    def array(
        self, tiles: Mapping[tuple[int, ...], Tile], chunks: Sequence[Sequence[int]], dtype: Any
    ) -> Any:
        """The one Dask array that the loop makes; tiles that are missing are zeros.

        The task that makes a tile takes the array's key for it, so that no task stands for a mere name.
        """
        filled = self._filled(tiles, chunks, dtype)
        final: dict[Any, Any] = {}
        for index, tile in filled.items():
            if tile.key in self.tasks and tile not in self._zeros.values():
                final.setdefault(tile.key, (self.name, *index))
        tasks = {
            final.get(key, key): (call[0], *(final.get(x, x) if _is_key(x) else x for x in call[1:]))
            for key, call in self.tasks.items()
        }
        for index, tile in filled.items():
            tasks.setdefault((self.name, *index), final.get(tile.key, tile.key))
        graph = HighLevelGraph.from_collections(self.name, tasks, dependencies=list(self.arrays))
        return da.Array(graph, self.name, chunks=tuple(map(tuple, chunks)), dtype=dtype)

    def arrays_of(
        self, *results: tuple[Mapping[tuple[int, ...], Tile], Sequence[Sequence[int]], Any]
    ) -> tuple[Any, ...]:
        """Several Dask arrays of one loop, each from its (tiles, chunks, dtype); see `array`."""
        names = [f"{self.name}-{k}" for k in range(len(results))]
        layers: dict[str, dict[Any, Any]] = {}
        for name, (tiles, chunks, dtype) in zip(names, results, strict=True):
            filled = self._filled(tiles, chunks, dtype)
            layers[name] = {(name, *index): tile.key for index, tile in filled.items()}
        below = HighLevelGraph.from_collections(self.name, self.tasks, dependencies=list(self.arrays))
        graph = HighLevelGraph(
            {**below.layers, **layers},
            {**below.dependencies, **{name: {self.name, *(a.name for a in self.arrays)} for name in names}},
        )
        return tuple(
            da.Array(graph, name, chunks=tuple(map(tuple, chunks)), dtype=dtype)
            for name, (_, chunks, dtype) in zip(names, results, strict=True)
        )

    def _filled(
        self, tiles: Mapping[tuple[int, ...], Tile], chunks: Sequence[Sequence[int]], dtype: Any
    ) -> dict[tuple[int, ...], Tile]:
        filled = {}
        for index in product(*(range(len(lengths)) for lengths in chunks)):
            shape = tuple(lengths[k] for lengths, k in zip(chunks, index, strict=True))
            filled[index] = tiles[index] if index in tiles else self.zeros(shape, dtype)
        return filled


def refuse_unknown_chunks(who: str, arrays: Iterable[Any]) -> None:
    """Raises UnknownSpecError for a Dask array whose chunk sizes are unknown."""
    for a in arrays:
        if any(n != n for lengths in a.chunks for n in lengths):
            raise UnknownSpecError(
                f"{who}: the chunk sizes {a.chunks} of a Dask array are unknown. "
                "Call its compute_chunk_sizes() before."
            )


def _is_key(argument: Any) -> bool:
    return isinstance(argument, tuple)
