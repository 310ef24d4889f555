"""Hermitian eigenproblems of Dask matrices: solved in one task, differentiated tile by tile.

The tiles on and below the diagonal are gathered in the task that solves; w and V are cut into tiles again.
The pullback is products and divided differences of tiles, and gathers nothing of a real matrix.
"""

from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled.anchors import anchored, frozen, labelled, part
from dagsolve.linalg.tiled.gathered import in_one_chunk
from dagsolve.linalg.tiled.panels import stacked
from dagsolve.linalg.tiled.tiles import Grid, Tile, TileLoop
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.anchors.grid import Label


def eigh(a: Any) -> tuple[Any, Any]:
    """(w, V) of a Hermitian Dask matrix (n, n), whose lower triangle is read, in the tiles of its rows.

    Raises ShapeError unless a is square; FactorisationError at run time where it holds NaN.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"eigh: a must have shape (n, n), got {a.shape}")
    rows = a.chunks[0]
    if len(rows) == 1:
        w, v = in_one_chunk("eigh", a)
        return w, v
    if a.chunks[1] != rows:
        a = a.rechunk((rows, rows))
    loop = TileLoop("eigh", a)
    lower = {at: tile for at, tile in loop.tiles(a).items() if at[0] >= at[1]}
    w, v = PRIMITIVES["eigh"](_gathered(loop, frozen(lower), rows))
    results = {**_cut_vector("w", w, rows), **_cut_matrix("v", v, rows)}
    made = anchored(loop, "eigh", labelled("a", lower), results)
    values: Grid = {(i,): tile for (name, i, _), tile in made.items() if name == "w"}
    vectors = part(made, "v")
    w_array, v_array = loop.arrays_of((values, (rows,), w.dtype), (vectors, (rows, rows), v.dtype))
    return w_array, v_array


def _gathered(loop: TileLoop, lower: Grid, rows: tuple[int, ...]) -> Tile:
    """The matrix of the tiles, zeros above the diagonal."""
    dtype = lower[0, 0].dtype
    strips = []
    for i, m in enumerate(rows):
        strip = [lower[i, j] if j <= i else loop.zeros((m, n), dtype) for j, n in enumerate(rows)]
        strips.append(PRIMITIVES["concatenate"](*strip, axis=-1))
    return stacked(strips)


def _cut_vector(name: str, w: Tile, rows: tuple[int, ...]) -> dict[Label, Tile]:
    made: dict[Label, Tile] = {}
    start = 0
    for i, n in enumerate(rows):
        made[name, i, 0] = PRIMITIVES["getitem"](w, index=((start, start + n, 1),))
        start += n
    return made


def _cut_matrix(name: str, v: Tile, rows: tuple[int, ...]) -> dict[Label, Tile]:
    made: dict[Label, Tile] = {}
    top = 0
    for i, m in enumerate(rows):
        left = 0
        for j, n in enumerate(rows):
            made[name, i, j] = PRIMITIVES["getitem"](v, index=((top, top + m, 1), (left, left + n, 1)))
            left += n
        top += m
    return made
