"""Tiled matrix product and parts of a matrix: C_ij = Σ_k A_ik B_kj, triangles and diagonals."""

from itertools import accumulate
from typing import Any

import numpy as np

from dagsolve.linalg.tiled.runs import calls_per_task, product_sum
from dagsolve.linalg.tiled.tiles import Grid, Tile, TileLoop
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec


def matmul(a: Any, b: Any, calls: int | None = None) -> Any:
    """Product of two Dask matrices, the sums taken in order of k.

    calls   most products that make a task (None: what suits the tiles' size)
    """
    if a.chunks[1] != b.chunks[0]:
        b = b.rechunk((a.chunks[1], b.chunks[1]))
    loop = TileLoop("matmul", a, b, calls=calls)
    left, right = loop.tiles(a), loop.tiles(b)
    dtype = np.result_type(a.dtype, b.dtype)
    (rows, inner), columns = a.chunks, b.chunks[1]
    width = calls or calls_per_task(len(inner), 2.0 * max(rows) * max(inner) * max(columns))
    out: dict[tuple[int, ...], Tile] = {}
    for i, m in enumerate(rows):
        for j, n in enumerate(columns):
            pairs = [x for k in range(len(inner)) for x in (left[i, k], right[k, j])]
            out[i, j] = product_sum(loop, pairs, width, spec((m, n), dtype))
    return loop.array(out, (rows, columns), dtype)


def diagonal(a: Any) -> Any:
    """Diagonal of a square Dask matrix as a vector in the tiles of its rows."""
    a = a.rechunk((a.chunks[0], a.chunks[0])) if a.chunks[0] != a.chunks[1] else a
    loop = TileLoop("diagonal", a)
    t = loop.tiles(a)
    out: dict[tuple[int, ...], Tile] = {
        (i,): PRIMITIVES["diagonal"](t[i, i]) for i in range(len(a.chunks[0]))
    }
    return loop.array(out, (a.chunks[0],), a.dtype)


def diagonal_matrix(d: Any) -> Any:
    """Square Dask matrix with a vector on its diagonal, zeros elsewhere."""
    loop = TileLoop("diagonal_matrix", d)
    tiles = loop.vector_tiles(d)
    out: dict[tuple[int, ...], Tile] = {(i, i): PRIMITIVES["diagonal_matrix"](t) for i, t in enumerate(tiles)}
    return loop.array(out, (d.chunks[0], d.chunks[0]), d.dtype)


def hermitian(a: Any, b: Any) -> Any:
    """The Hermitian Dask matrix a = bᴴ (a and b are the same): each tile beside its mirror image."""
    if a.chunks[0] != a.chunks[1]:
        a = a.rechunk((a.chunks[0], a.chunks[0]))
    loop = TileLoop("hermitian", a)
    t = loop.tiles(a)
    return loop.array({(i, j): PRIMITIVES["hermitian"](t[i, j], t[j, i]) for i, j in t}, a.chunks, a.dtype)


def tril(a: Any, k: int = 0) -> Any:
    """Triangle on and below the k-th diagonal: whole tiles are kept or zero, the others cut."""
    return _triangle("tril", a, k, 1)


def triu(a: Any, k: int = 0) -> Any:
    """Triangle on and above the k-th diagonal."""
    return _triangle("triu", a, k, -1)


def _triangle(name: str, a: Any, k: int, side: int) -> Any:
    loop = TileLoop(name, a, k=k)
    t: Grid = loop.tiles(a)
    starts = [list(accumulate(lengths, initial=0)) for lengths in a.chunks]
    out: dict[tuple[int, ...], Tile] = {}
    for (i, j), tile in t.items():
        m, n = tile.shape
        offset = k + starts[0][i] - starts[1][j]  # the k-th diagonal, counted in this tile
        whole = offset >= n - 1 if side > 0 else offset <= 1 - m
        gone = offset <= -m if side > 0 else offset >= n
        if whole:
            out[i, j] = tile
        elif not gone:
            out[i, j] = PRIMITIVES[name](tile, k=offset)
    return loop.array(out, a.chunks, a.dtype)
