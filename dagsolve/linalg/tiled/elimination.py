"""Tiled LU factorisation with row pivots, P A = L U, and systems solved by it.

A column of tiles is one tall tile here, and pivots are sought in all of it: what LAPACK finds, and what
pivots inside a tile cannot. Step k, with the rows above it finished:

    p_k, L_k, U_kk = lu(C_k)                                                         a task
    C_j = C_j[p_k],   U_kj = L_kk⁻¹ C_j's first rows,   C_j = the others - L_k U_kj       a task per j > k

and U_kj is cut off, so that the tall tile it came with is dropped: p panels, p(p-1)/2 updates and as many
cuts, 2p³/3 times b³ flops, a critical path of 2p - 1 panels and updates. Right-hand sides are columns behind
those of A; U is then solved tile by tile. Every task consists of primitives, so derivatives of all orders
pass through. Reference: J. Kurzak, H. Ltaief, J. Dongarra, R. Badia, Concurrency Comput. Pract. Exper. 22
(2010) 15-44.
"""

from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.kernels import blas
from dagsolve.linalg.tiled.runs import traced
from dagsolve.linalg.tiled.tiles import Grid, Tile, TileLoop
from dagsolve.namespace import Array, Arrays, namespace_of
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.anchors import solve as one_step
from dagsolve.specs import spec

_P = PRIMITIVES


@dataclass(frozen=True)
class Factors:
    """What the elimination of a matrix (m, n) leaves: tall L_k without the rows above, p_k, tiles of U."""

    array: Any  # the Dask array p with A[p] = L U, whose layer holds the tasks of all these tiles
    cuts: tuple[int, ...]  # lengths of the steps, which sum up to min(m, n); also tiles of U's rows
    columns: tuple[int, ...]  # of A
    p: list[Tile]
    l: list[Tile]
    u: Grid

    @property
    def starts(self) -> list[int]:
        return list(accumulate(self.cuts, initial=0))


def factorised(who: str, a: Any) -> Factors:
    """The factors of a Dask matrix. Raises ShapeError unless it is one."""
    if a.ndim != 2 or not all(a.shape):
        raise ShapeError(f"{who}: a must be a matrix with at least one row and column, got shape {a.shape}")
    if a.dtype.kind not in "fc":
        a = a.astype(np.float64)
    columns = cut_at(a.chunks[1], a.shape[0])
    if columns != a.chunks[1]:
        a = a.rechunk((a.chunks[0], columns))
    cuts = tuple(
        n for start, n in zip(accumulate(columns, initial=0), columns, strict=False) if start < a.shape[0]
    )
    loop = TileLoop("lu", a)
    tall = [(column, 0) for column in tall_columns(loop, a)]
    p: list[Tile] = []
    l: list[Tile] = []
    u: Grid = {}
    for k, width in enumerate(cuts):
        of, skip = tall[k]
        start, rows = sum(cuts[:k]), of.shape[0] - skip
        specs = (spec((rows,), np.int64), spec((rows, width), a.dtype), spec((width, width), a.dtype))
        made = loop.tasks_of_tuple("panel", partial(_panel, start=start, skip=skip), (of,), specs)
        p.append(made[0])
        l.append(made[1])
        u[k, k] = made[2]
        for j in range(k + 1, len(columns)):
            u[k, j], tall[j] = updated(loop, made[0], made[1], *tall[j])
    order = loop.task("order", _composed, p, spec((a.shape[0],), np.int64))
    array = loop.array({(0,): order}, ((a.shape[0],),), np.dtype(np.int64))
    return Factors(array, cuts, columns, p, l, u)


def cut_at(lengths: tuple[int, ...], stop: int) -> tuple[int, ...]:
    """The lengths with another cut after `stop` items, where there is none and items follow."""
    made: list[int] = []
    for start, n in zip(accumulate(lengths, initial=0), lengths, strict=False):
        made += [stop - start, start + n - stop] if start < stop < start + n else [n]
    return tuple(made)


def tall_columns(loop: TileLoop, a: Any) -> list[Tile]:
    """Each column of tiles of a Dask matrix as one tall tile."""
    tiles, p = loop.tiles(a), len(a.chunks[0])
    return [
        tiles[0, j]
        if p == 1
        else loop.task("column", _stacked, [tiles[i, j] for i in range(p)], spec((a.shape[0], n), a.dtype))
        for j, n in enumerate(a.chunks[1])
    ]


def updated(loop: TileLoop, p: Tile, l: Tile, tall: Tile, skip: int) -> tuple[Tile, tuple[Tile, int]]:
    """U_kj, and the column after one step with the number of its rows that are finished."""
    (rows, width), n = l.shape, tall.shape[1]
    dtype = np.result_type(l.dtype, tall.dtype)
    whole = loop.task("update", partial(_update, skip=skip), (p, l, tall), spec((rows, n), dtype))
    if rows == width:
        return whole, (whole, width)
    return loop.task("cut", partial(taken_rows, stop=width), (whole,), spec((width, n), dtype)), (
        whole,
        width,
    )


def _panel(tall: Array, *, start: int, skip: int) -> Arrays:
    """(p, L, U) of a tall tile without the rows to skip."""
    try:
        made: Arrays = _P["lu"](tall[skip:])
    except FactorisationError as fault:
        raise FactorisationError(
            f"lu: columns {start} to {start + tall.shape[1] - 1} of a, those before eliminated: {fault}"
        ) from None
    return made


def _update(p: Array, l: Array, tall: Array, *, skip: int) -> Array:
    """[U_kj; C_j - L_k U_kj] in one tall tile, its rows in their new order."""
    if not traced(p, l, tall) and blas.supports(l, tall):
        width, moved = l.shape[1], np.ascontiguousarray(tall[skip:][p])
        blas.trsm(l[:width], moved[:width], unit_diagonal=True)
        blas.gemm(l[width:], moved[:width], moved[width:], alpha=-1.0)
        return moved
    top, below = one_step.step(namespace_of(l, tall), p, l, tall[skip:])
    return top if below is None else _stacked(top, below)


def back(p: Array, l: Array, top: Array, *below: Array) -> Array:
    """[Z; below] with its rows where they were before step k, Z = L_kk⁻ᴴ (top - L_kᴴ below)."""
    return one_step.step_back(namespace_of(l, top), p, l, top, *(below or (None,)))


def taken_rows(tall: Array, *, start: int = 0, stop: int | None = None) -> Array:
    """Rows of a tall tile, as an array that does not keep it alive."""
    made = tall[start:stop]
    return made if traced(tall) else namespace_of(tall).asarray(made, copy=True)


def _stacked(*tiles: Array) -> Array:
    return namespace_of(*tiles).concat(list(tiles), axis=0)


def _composed(first: Array, *rest: Array) -> Array:
    """The order of rows after all steps, from the orders that each made of the rows then left."""
    xp, order = namespace_of(first), first
    for p in rest:
        done = order.shape[0] - p.shape[0]
        moved = xp.reshape(_P["permute_rows"](xp.reshape(order[done:], (-1, 1)), p, inverse=False), (-1,))
        order = xp.concat([order[:done], moved])
    return order


def lower_column(l: Array, *later: Array, above: int) -> Array:
    """Column k of the whole L, its rows in their last order, from L_k and the orders of the later steps."""
    xp = namespace_of(l)
    for p in later:
        done = l.shape[0] - p.shape[0]
        l = xp.concat([l[:done], _P["permute_rows"](l[done:], p, inverse=False)], axis=0)
    return xp.concat([xp.zeros((above, l.shape[1]), dtype=l.dtype), l], axis=0) if above else l
