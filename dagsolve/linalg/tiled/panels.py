"""Householder panels by tiles: A = P₁ P₂ … [R; 0] for a Dask matrix with chunks in both dimensions.

Each panel, a column of tiles on and below the diagonal, is factored by a tree of small QR factorisations
(TSQR), and its orthonormal columns are then written in Householder form P = I - V T Vᴴ. So what is right of
the panel is updated by products of tiles only:

    W_j = Tᴴ Σ_i V_iᴴ C_ij,    C_ij := C_ij - V_i W_j

Trees and products are numerically as good as Householder's QR of the whole matrix, whatever its condition.
For p × p tiles of b × b: 4/3 p³ b³ flops for R and 4/3 p³ b³ for Q in products, and about 10 p² b³ in panels.
References: J. Demmel, L. Grigori, M. Hoemmen, J. Langou, SIAM J. Sci. Comput. 34 (2012) A206-A239;
G. Ballard et al., IPDPS (2014) 1159-1170.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from dagsolve.linalg.tiled.runs import less_products, sum_of_products
from dagsolve.linalg.tiled.tiles import Grid, Tile
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec

LEAF = 8  # rows over columns up to which the tiles of a panel are factored by one task
_qr, _qr_triangle, _householder = PRIMITIVES["qr"], PRIMITIVES["qr_triangle"], PRIMITIVES["householder"]
_concatenate, _getitem, _trsm = (
    PRIMITIVES["concatenate"],
    PRIMITIVES["getitem"],
    PRIMITIVES["solve_triangular"],
)
_multiply, _reshape = PRIMITIVES["multiply"], PRIMITIVES["reshape"]


class Panel(NamedTuple):
    """The Householder form of a column of tiles, whose first row of tiles is `row`."""

    row: int
    v: list[Tile]  # by row of tiles, from `row` on
    t: Tile  # upper triangular
    q: list[Tile]  # the first columns of P
    r: Tile


def cut(chunks: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks of rows and columns as the panels need them: tiles on the diagonal are square.

    Columns are cut at min(m, n) too, and up to there the rows as the columns.
    """
    m, n = sum(chunks[0]), sum(chunks[1])
    k = min(m, n)
    columns = sorted({k, *accumulate(chunks[1])})
    rows = [*(c for c in columns if c <= k), *(c for c in accumulate(chunks[0]) if c > k)]
    return _lengths(rows), _lengths(columns)


def _lengths(ends: Sequence[int]) -> tuple[int, ...]:
    return tuple(end - start for start, end in zip((0, *ends), ends, strict=False))


def factored(tiles: Grid, rows: int, columns: int, k: int) -> tuple[list[Panel], Grid]:
    """The panels and the tiles of R on and above the diagonal, of a matrix of rows × columns tiles.

    k columns of tiles have panels; what is beside them (and right-hand sides) is updated: Qᴴ of it.
    """
    c = dict(tiles)
    panels: list[Panel] = []
    r: Grid = {}
    for j in range(k):
        panel = _panel(j, [c[i, j] for i in range(j, rows)])
        panels.append(panel)
        r[j, j] = panel.r
        for l in range(j + 1, columns):
            column = [c[i, l] for i in range(j, rows)]
            for i, tile in enumerate(_applied(panel.v, panel.t.H, column), j):
                c[i, l] = tile
            r[j, l] = c[j, l]
    return panels, r


def formed(panels: Sequence[Panel], rows: int) -> Grid:
    """The tiles of Q = P₁ P₂ …, its first columns: from the last panel to the first."""
    q: Grid = {}
    for panel in reversed(panels):
        j = panel.row
        q.update({(i, j): tile for i, tile in enumerate(panel.q, j)})
        for l in range(j + 1, len(panels)):
            column = [q[i, l] for i in range(j + 1, rows)]
            product = panel.t @ _projected(panel.v[1:], column)
            q[j, l] = PRIMITIVES["negative"](panel.v[0] @ product)
            for i, (v, x) in enumerate(zip(panel.v[1:], column, strict=True), j + 1):
                q[i, l] = _less(x, v, product)
    return q


def _applied(v: Sequence[Tile], t: Tile, column: Sequence[Tile]) -> list[Tile]:
    """C - V T Vᴴ C for a column of tiles."""
    product = t @ _projected(v, column)
    return [_less(x, a, product) for a, x in zip(v, column, strict=True)]


def _projected(v: Sequence[Tile], column: Sequence[Tile]) -> Tile:
    """Vᴴ C for two columns of tiles: LEAF products to a task, the tasks' results added in pairs."""
    of = spec((v[0].shape[1], column[0].shape[1]), np.result_type(v[0].dtype, column[0].dtype))
    whole = partial(sum_of_products, adjoint_left=True)
    sums = []
    for start in range(0, len(v), LEAF):
        pairs = zip(v[start : start + LEAF], column[start : start + LEAF], strict=True)
        sums.append(v[0].loop.task("gemm", whole, [tile for pair in pairs for tile in pair], of))
    while len(sums) > 1:
        sums = [sums[k] + sums[k + 1] if k + 1 < len(sums) else sums[k] for k in range(0, len(sums), 2)]
    return sums[0]


def _less(c: Tile, v: Tile, w: Tile) -> Tile:
    """C - V W, in one task."""
    return c.loop.task("gemm", less_products, (c, v, w), spec(c.shape, np.result_type(c.dtype, w.dtype)))


def _panel(row: int, tiles: Sequence[Tile]) -> Panel:
    q, r = tall_skinny(tiles)
    v, u, t, s = _householder(q[0])
    below = [_trsm(u, x, lower=False, transposed=False, right=True, unit_diagonal=False) for x in q[1:]]
    return Panel(row, [v, *below], t, [_multiply(x, s) for x in q], scaled_rows(s, r))


def scaled_rows(s: Tile, r: Tile) -> Tile:
    """diag(s) R."""
    made: Tile = _multiply(_reshape(s, shape=(*s.shape, 1)), r)
    return made


def tall_skinny(tiles: Sequence[Tile]) -> tuple[list[Tile], Tile]:
    """Q, in the tiles of A, and R of one column of tiles: leaves of up to LEAF w rows, then pairs of R."""
    leaves = _groups(tiles, LEAF * tiles[0].shape[1])
    factors = [_qr(stacked(leaf)) for leaf in leaves]
    parts, r = _tree(factors)
    made: list[Tile] = []
    for leaf, q in zip(leaves, parts, strict=True):
        made.extend(_split(q, leaf))
    return made, r


def triangle(tiles: Sequence[Tile]) -> Tile:
    """R alone of one column of tiles."""
    found: list[Tile] = [_qr_triangle(stacked(leaf)) for leaf in _groups(tiles, LEAF * tiles[0].shape[1])]
    while len(found) > 1:
        pairs = [found[k : k + 2] for k in range(0, len(found), 2)]
        found = [_qr_triangle(stacked(pair)) if len(pair) > 1 else pair[0] for pair in pairs]
    return found[0]


def _tree(factors: Sequence[tuple[Tile, Tile]]) -> tuple[list[Tile], Tile]:
    """Q of each leaf, and R, from the factors of the leaves: up in pairs, then down."""
    if len(factors) == 1:
        return [factors[0][0]], factors[0][1]
    pairs = [factors[k : k + 2] for k in range(0, len(factors), 2)]
    merged = [_qr(stacked([r for _, r in pair])) if len(pair) > 1 else pair[0] for pair in pairs]
    parts, r = _tree(merged)
    made: list[Tile] = []
    for pair, part in zip(pairs, parts, strict=True):
        if len(pair) == 1:
            made.append(part)
        else:
            halves = _split(part, [of for _, of in pair])
            made.extend(q @ half for (q, _), half in zip(pair, halves, strict=True))
    return made, r


def _groups(tiles: Sequence[Tile], rows: int) -> list[list[Tile]]:
    """Neighbours together, up to so many rows, or one alone."""
    made: list[list[Tile]] = []
    height = rows + 1
    for tile in tiles:
        height += tile.shape[0]
        if height > rows:
            made.append([])
            height = tile.shape[0]
        made[-1].append(tile)
    return made


def stacked(tiles: Sequence[Tile]) -> Tile:
    """Tiles one below the other, as one."""
    made: Tile = tiles[0] if len(tiles) == 1 else _concatenate(*tiles, axis=-2)
    return made


def _split(whole: Tile, like: Sequence[Tile]) -> list[Tile]:
    """The rows of a tile, in pieces of the same heights."""
    if len(like) == 1:
        return [whole]
    starts = accumulate((tile.shape[0] for tile in like), initial=0)
    return [rows_of(whole, start, start + tile.shape[0]) for start, tile in zip(starts, like, strict=False)]


def rows_of(tile: Tile, start: int, end: int) -> Tile:
    """Rows start to end of a tile."""
    made: Tile = _getitem(tile, index=((start, end, 1), (0, tile.shape[1], 1)))
    return made
