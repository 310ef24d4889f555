"""Least squares and minimum norm for Dask matrices with chunks in both dimensions.

A deep matrix is factored together with its right-hand sides, which gives R and Qᴴ B: Q is never formed. The
solution is anchored to a pullback of its own, which takes products with B's few columns only. A wide matrix
goes by its LQ factorisation, and so does the derivative.
"""

from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled import panels
from dagsolve.linalg.tiled.anchors import anchored, frozen, labelled, part
from dagsolve.linalg.tiled.orthogonal import lq
from dagsolve.linalg.tiled.products import matmul
from dagsolve.linalg.tiled.substitution import solve_triangular
from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives import lstsq as deep
from dagsolve.primitives import minimum_norm as wide


def lstsq(a: Any, b: Any, cond: float | None = None) -> tuple[Any, Any]:
    """(X, B - A X) with X = argmin ‖B - A X‖ for Dask matrices a (m, n), m ≥ n, and b (m, k).

    Raises ShapeError for shapes that do not fit; FactorisationError at run time for a rank deficient a.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0] or a.shape[0] < a.shape[1]:
        raise ShapeError(f"lstsq: a must have shape (m, n), m ≥ n, and b (m, k), got {a.shape} and {b.shape}")
    x = _solution(a, b, cond)
    return x, b - matmul(a, x)


def minimum_norm(a: Any, b: Any, cond: float | None = None) -> tuple[Any, Any, Any]:
    """(X, L, Q) with A X = B, X of least norm, for Dask matrices a (m, n), m ≤ n, and b (m, k).

    Raises ShapeError for shapes that do not fit; FactorisationError at run time for a rank deficient a.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0] or a.shape[0] > a.shape[1]:
        raise ShapeError(
            f"minimum_norm: a must have shape (m, n), m ≤ n, and b (m, k), got {a.shape} and {b.shape}"
        )
    l, q = lq(a)
    loop = TileLoop("minimum_norm", l, cond=cond)
    tiles = loop.tiles(l)
    order = len(l.chunks[0])
    _refuse_deficient(tiles, order, {"who": "minimum_norm", "remedy": wide.REMEDY}, a, cond)
    checked = loop.array({at: tile for at, tile in tiles.items() if at[0] >= at[1]}, l.chunks, l.dtype)
    return matmul(q.conj().T, solve_triangular(checked, b, lower=True)), l, q


def _solution(a: Any, b: Any, cond: float | None) -> Any:
    single = len(a.chunks[1]) == 1
    rows, columns = a.chunks if single else panels.cut(a.chunks)
    given, beside = a.chunks[1], b.chunks[1]
    a = a if (rows, columns) == a.chunks else a.rechunk((rows, columns))
    b = b if b.chunks[0] == rows else b.rechunk((rows, beside))
    loop = TileLoop("lstsq", a, b, cond=cond)
    tiles, right = loop.tiles(a), loop.tiles(b)
    triangle_of = _augmented if single else _panels
    r, x = triangle_of(frozen(tiles), frozen(right), len(rows), len(columns), len(beside))
    _refuse_deficient(r, len(columns), {"who": "lstsq", "remedy": deep.REMEDY}, a, cond)
    for c in range(len(beside)):
        for i in reversed(range(len(columns))):
            for k in range(i + 1, len(columns)):
                x[i, c] = x[i, c] - r[i, k] @ x[k, c]
            x[i, c] = PRIMITIVES["solve_triangular"](
                r[i, i], x[i, c], lower=False, transposed=False, right=False, unit_diagonal=False
            )
    carrying = labelled("a", tiles)
    triangle = anchored(loop, "triangle", carrying, labelled("r", r))
    made = anchored(loop, "lstsq", {**carrying, **labelled("b", right)}, labelled("x", x), triangle)
    array = loop.array(part(made, "x"), (columns, beside), next(iter(made.values())).dtype)
    return array if columns == given else array.rechunk((given, beside))


def _augmented(a: Grid, b: Grid, rows: int, columns: int, beside: int) -> tuple[Grid, Grid]:
    """R and the tiles of Qᴴ B from the triangle of [A B], by a tree over the rows of tiles."""
    strips = [
        PRIMITIVES["concatenate"](a[i, 0], *(b[i, c] for c in range(beside)), axis=-1) for i in range(rows)
    ]
    whole = panels.triangle(strips)
    n = a[0, 0].shape[1]
    x: Grid = {}
    left = n
    for c in range(beside):
        right = left + b[0, c].shape[1]
        x[0, c] = PRIMITIVES["getitem"](whole, index=((0, n, 1), (left, right, 1)))
        left = right
    return {(0, 0): PRIMITIVES["getitem"](whole, index=((0, n, 1), (0, n, 1)))}, x


def _panels(a: Grid, b: Grid, rows: int, columns: int, beside: int) -> tuple[Grid, Grid]:
    """R and the tiles of Qᴴ B: the right-hand sides are updated with the columns beside each panel."""
    both: Grid = {**a, **{(i, columns + c): tile for (i, c), tile in b.items()}}
    _, found = panels.factored(both, rows, columns + beside, columns)
    r = {at: tile for at, tile in found.items() if at[1] < columns}
    return r, {(i, j - columns): tile for (i, j), tile in found.items() if j >= columns}


def _refuse_deficient(triangle: Grid, order: int, words: dict[str, str], a: Any, cond: float | None) -> None:
    """Lets the last tile of the diagonal, which every solve reads, wait for a look at all pivots."""
    pivots = [PRIMITIVES["diagonal"](triangle[k, k]) for k in range(order)]
    whole = PRIMITIVES["concatenate"](*pivots, axis=-1) if order > 1 else pivots[0]
    last = order - 1
    triangle[last, last] = PRIMITIVES["full_rank"](
        whole, triangle[last, last], shape=a.shape, cond=cond, **words
    )
