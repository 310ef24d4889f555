"""Tiled Cholesky factorisation, left-looking: each tile of L is finished in one go.

For tile (i, j), i ≥ j:   L_ij = (A_ij - Σ_{k<j} L_ik L_jkᴴ) L_jj⁻ᴴ,   L_jj = chol(A_jj - Σ_{k<j} L_jk L_jkᴴ)

Only tiles on and below the diagonal are read. For p × p tiles of b × b: p potrf, p(p-1)/2 trsm, p(p-1)/2
syrk and p(p-1)(p-2)/6 gemm calls, p³/3 times b³ flops; the critical path has 3p - 2 calls. Uneven last tiles
are allowed. No adjoint is written for it: the reverse sweep of the loop costs twice the flops.
Reference: A. Buttari et al., Parallel Computing 35 (2009) 38-53.
"""

from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.primitives import PRIMITIVES

_potrf, _trsm, _syrk = PRIMITIVES["cholesky"], PRIMITIVES["solve_triangular"], PRIMITIVES["rank_update"]


def cholesky(a: Any) -> Any:
    """Lower factor L of a Dask matrix a (n, n) with a = L Lᴴ, in the tiles of its rows.

    Raises ShapeError unless a is square; FactorisationError at run time when it is not positive definite.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"cholesky: a must have shape (n, n), got {a.shape}")
    if a.chunks[0] != a.chunks[1]:
        a = a.rechunk((a.chunks[0], a.chunks[0]))
    loop = TileLoop("cholesky", a)
    t = loop.tiles(a)
    for j in range(len(a.chunks[0])):
        for k in range(j):
            t[j, j] = _syrk(t[j, j], t[j, k])
        t[j, j] = _potrf(t[j, j])
        for i in range(j + 1, len(a.chunks[0])):
            for k in range(j):
                t[i, j] = t[i, j] - t[i, k] @ t[j, k].H
            t[i, j] = _trsm(t[j, j], t[i, j], lower=True, transposed=True, right=True)
    lower: Grid = {(i, j): tile for (i, j), tile in t.items() if i >= j}
    return loop.array(lower, a.chunks, a.dtype)
