"""QR and LQ factorisations of Dask matrices with chunks in both dimensions.

R has a real diagonal, whose signs are those of LAPACK's QR of the whole matrix, so tiled and dense factors
agree. (A sign may differ where rounding decides it: the entry in the place of the diagonal, or all below it,
is zero before its column is eliminated.) One column of tiles is factored by a tree (TSQR),
several by panels (`panels`). Nothing of that is differentiated: the factors are anchored to the closed
pullback of QR by tiles.
"""

from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled import panels
from dagsolve.linalg.tiled.anchors import anchored, frozen, labelled, part
from dagsolve.linalg.tiled.gathered import in_one_chunk
from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.primitives import PRIMITIVES


def qr(a: Any) -> tuple[Any, Any]:
    """(Q, R) of a Dask matrix (m, n), reduced: Q (m, k) and R (k, n) with k = min(m, n).

    Q has the chunks of A's rows, R those of its columns; the k axis those of A's columns, cut at k. Raises
    ShapeError unless a is a matrix; FactorisationError at run time where it holds NaN.
    """
    if a.ndim != 2:
        raise ShapeError(f"qr: a must be a matrix, got shape {a.shape}")
    if a.npartitions == 1:
        q, r = in_one_chunk("qr", a)
        return q, r
    single = len(a.chunks[1]) == 1 and a.shape[0] >= a.shape[1]
    rows, columns = a.chunks if single else panels.cut(a.chunks)
    given, a = a, a if (rows, columns) == a.chunks else a.rechunk((rows, columns))
    loop = TileLoop("qr", a)
    tiles = loop.tiles(a)
    q, r = _one_column(frozen(tiles), len(rows)) if single else _panels(frozen(tiles), rows, columns)
    if a.shape[0] <= a.shape[1] and a.dtype.kind != "c":
        _keep_last_sign(loop, q, r)
    made = anchored(
        loop,
        "qr",
        labelled("a", tiles),
        {**labelled("q", q), **labelled("r", r)},
    )
    k = columns[: 1 + max(at[1] for at in q)]
    dtype = next(iter(r.values())).dtype
    q_array, r_array = loop.arrays_of(
        (part(made, "q"), (rows, k), dtype), (part(made, "r"), (k, columns), dtype)
    )
    if single or (rows, columns) == given.chunks:
        return q_array, r_array
    return q_array.rechunk((given.chunks[0], k)), r_array.rechunk((k, given.chunks[1]))


def lq(a: Any) -> tuple[Any, Any]:
    """(L, Q) of a Dask matrix (m, n), reduced: the adjoints of the factors of Aᴴ."""
    q, r = qr(a.conj().T)
    return r.conj().T, q.conj().T


def qr_triangle(a: Any) -> Any:
    """R of `qr`; run by Dask, the product with Q's factors is left out."""
    return qr(a)[1]


def _one_column(tiles: Grid, rows: int) -> tuple[Grid, Grid]:
    q, r = panels.tall_skinny([tiles[i, 0] for i in range(rows)])
    top, height, n = [], 0, r.shape[1]
    for tile in q:
        if height < n:
            top.append(panels.rows_of(tile, 0, min(n - height, tile.shape[0])))
            height += tile.shape[0]
    s = PRIMITIVES["householder"](PRIMITIVES["concatenate"](*top, axis=-2) if len(top) > 1 else top[0])[3]
    signed = [PRIMITIVES["multiply"](tile, s) for tile in q]
    return {(i, 0): tile for i, tile in enumerate(signed)}, {(0, 0): panels.scaled_rows(s, r)}


def _panels(tiles: Grid, rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[Grid, Grid]:
    total, k = 0, 0
    while k < len(columns) and total < sum(rows):
        total, k = total + columns[k], k + 1
    found, r = panels.factored(tiles, len(rows), len(columns), k)
    return panels.formed(found, len(rows)), r


def _keep_last_sign(loop: TileLoop, q: Grid, r: Grid) -> None:
    """Turns the last column of Q and row of R: of a single real number LAPACK makes no reflection."""
    k = max(j for _, j in q)
    n, dtype = q[k, k].shape[1], q[k, k].dtype.str
    signs = [
        loop.record(PRIMITIVES["full"], (), {"shape": (count,), "dtype": dtype, "value": value})
        for count, value in ((n - 1, 1.0), (1, -1.0))
        if count
    ]
    s = PRIMITIVES["concatenate"](*signs, axis=-1)
    for i, j in q:
        if j == k:
            q[i, k] = PRIMITIVES["multiply"](q[i, k], s)
    for i, j in r:
        if i == k:
            r[k, j] = panels.scaled_rows(s, r[k, j])
