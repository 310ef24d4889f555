"""Tiled triangular solve: the textbook substitution, a column of tiles of B at a time.

Forward:  X_i = T_ii⁻¹ (B_i - Σ_{k<i} T_ik X_k), backward for an upper (or transposed lower) triangle.
For p × p tiles of T and q columns of tiles: p q solves and q p(p-1)/2 products, p² q times b³ flops; the
critical path has 2p - 1 calls. Reference: A. Buttari et al., Parallel Computing 35 (2009) 38-53.
"""

from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled.tiles import TileLoop
from dagsolve.primitives import PRIMITIVES

_trsm = PRIMITIVES["solve_triangular"]


def solve_triangular(
    t: Any,
    b: Any,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """X with op(T) X = B, or X op(T) = B if right, for Dask matrices; op(T) is T, or Tᴴ if transposed.

    Raises ShapeError for shapes that do not fit; FactorisationError at run time for a zero on the diagonal.
    """
    if right:  # X op(T) = B  is  op(T)ᴴ Xᴴ = Bᴴ
        return solve_triangular(t, b.conj().T, lower, not transposed, False, unit_diagonal).conj().T
    if t.ndim != 2 or b.ndim != 2 or t.shape[0] != t.shape[1] or t.shape[1] != b.shape[0]:
        raise ShapeError(
            f"solve_triangular: t must have shape (n, n) and b (n, k), got {t.shape} and {b.shape}"
        )
    rows = t.chunks[0]
    if t.chunks[1] != rows:
        t = t.rechunk((rows, rows))
    if b.chunks[0] != rows:
        b = b.rechunk((rows, b.chunks[1]))
    loop = TileLoop("solve_triangular", t, b, lower=lower, transposed=transposed, unit_diagonal=unit_diagonal)
    tile, x = loop.tiles(t), loop.tiles(b)
    p = len(rows)
    forward = lower is not transposed
    order = range(p) if forward else range(p - 1, -1, -1)
    for c in range(len(b.chunks[1])):
        for i in order:
            for k in range(i) if forward else range(p - 1, i, -1):
                x[i, c] = x[i, c] - (tile[k, i].H if transposed else tile[i, k]) @ x[k, c]
            x[i, c] = _trsm(
                tile[i, i],
                x[i, c],
                lower=lower,
                transposed=transposed,
                right=False,
                unit_diagonal=unit_diagonal,
            )
    dtype = next(iter(x.values())).dtype
    return loop.array(dict(x), (rows, b.chunks[1]), dtype)
