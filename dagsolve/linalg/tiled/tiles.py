"""Tiles of Dask arrays as operands: a textbook loop over tiles becomes a Dask graph.

A `Tile` is a key with a spec. Primitives called on tiles append a task each; operators and `.T` are
primitives too. So the loops in this folder read like the textbook, and the same loops run on Dask workers
or, interpreted on tracers, give the tile-level graph that is differentiated.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

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
    """Collects the tasks of one loop over tiles; `name` begins its keys and depends on its arguments."""

    def __init__(self, name: str, *arrays: Any, **params: Any) -> None:
        self.name = f"{name}-{tokenize(name, params, *(a.name for a in arrays))}"
        self.arrays = arrays
        self.tasks: dict[Any, Any] = {}

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
        """Append a task; its tile, or a tuple of tiles."""
        (result,) = primitive.result_specs(tuple(x.spec for x in operands), params)
        key = (self.name + "-" + primitive.name, len(self.tasks))
        self.tasks[key] = (partial(apply, primitive.name, **params), *(x.key for x in operands))
        return Tile(self, key, result)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Tile:
        tile = self.record(
            PRIMITIVES["full"], (), {"shape": shape, "dtype": np.dtype(dtype).str, "value": 0.0}
        )
        assert isinstance(tile, Tile)
        return tile

    def array(
        self, tiles: Mapping[tuple[int, ...], Tile], chunks: Sequence[Sequence[int]], dtype: Any
    ) -> Any:
        """The Dask array of the tiles; tiles that the loop did not make are zeros."""
        for index in product(*(range(len(lengths)) for lengths in chunks)):
            tile = tiles.get(index)
            if tile is None:
                shape = tuple(lengths[k] for lengths, k in zip(chunks, index, strict=True))
                tile = self.zeros(shape, dtype)
            self.tasks[(self.name, *index)] = tile.key
        graph = HighLevelGraph.from_collections(self.name, self.tasks, dependencies=list(self.arrays))
        return da.Array(graph, self.name, chunks=tuple(map(tuple, chunks)), dtype=dtype)
