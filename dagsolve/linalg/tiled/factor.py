"""Tiled Cholesky factorisation, left-looking: each tile of L is finished in one go.

For tile (i, j), i ≥ j:   L_ij = (A_ij - Σ_{k<j} L_ik L_jkᴴ) L_jj⁻ᴴ,   L_jj = chol(A_jj - Σ_{k<j} L_jk L_jkᴴ)

Only tiles on and below the diagonal are read, on and above it for the upper factor Lᴴ, whose loop is the
same in adjoint tiles. For p × p tiles of b × b: p potrf, p(p-1)/2 trsm, p(p-1)/2
syrk and p(p-1)(p-2)/6 gemm calls, p(p+1)(p+2)/6 in all, p³/3 times b³ flops; the critical path has 3p - 2
calls. Large tiles take a task per call; of smaller ones several calls on one tile share a task. Uneven
tiles are allowed. No adjoint is written for it: the reverse sweep of the loop costs twice the flops.
Reference: A. Buttari et al., Parallel Computing 35 (2009) 38-53.
"""

from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint
from dagsolve.linalg.tiled.runs import calls_per_task, less_products, runs, traced
from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.namespace import Array, namespace_of
from dagsolve.primitives import PRIMITIVES

_potrf, _trsm, _syrk = PRIMITIVES["cholesky"], PRIMITIVES["solve_triangular"], PRIMITIVES["rank_update"]


def cholesky(a: Any, upper: bool = False, calls: int | None = None) -> Any:
    """Factor L of a Dask matrix a (n, n) with a = L Lᴴ, or Lᴴ if upper, in the tiles of a's rows.

    calls   most calls on one tile that make a task (None: what suits the tiles' size)

    Raises ShapeError unless a is square; FactorisationError at run time when it is not positive definite.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"cholesky: a must have shape (n, n), got {a.shape}")
    if a.dtype.kind not in "fc":
        a = a.astype(np.float64)
    if a.chunks[0] != a.chunks[1]:
        a = a.rechunk((a.chunks[0], a.chunks[0]))
    loop = TileLoop("cholesky", a, upper=upper, calls=calls)
    t, rows = loop.tiles(a), a.chunks[0]
    p, starts = len(rows), list(accumulate(rows, initial=0))
    width = calls or calls_per_task(p, 2.0 * max(rows) ** 3)
    factor: Grid = {}
    for j in range(p):
        for i in range(j, p):
            at = (j, i) if upper else (i, j)
            tile = t[at]
            for run in runs(j + 1, width):
                ends = run.stop == j + 1
                reads = [factor[j, j]] if ends and i > j else []
                for k in run[: len(run) - ends]:
                    own, other = ((k, i), (k, j)) if upper else ((i, k), (j, k))
                    reads += [factor[own], factor[other]] if i > j else [factor[own]]
                if i > j:
                    name, step = ("trsm" if ends else "gemm"), partial(off_diagonal, ends=ends, upper=upper)
                else:
                    name = "potrf" if ends else "syrk"
                    step = partial(on_diagonal, ends=ends, upper=upper, start=starts[j], whole=starts[-1])
                tile = loop.task(name, step, (tile, *reads), tile.spec)
            factor[at] = tile
    return loop.array(factor, a.chunks, a.dtype)


def on_diagonal(c: Array, *row: Array, ends: bool, upper: bool, start: int, whole: int) -> Array:
    """tril(C - Σ L_jk L_jkᴴ), or its factor if it ends; given and giving adjoint tiles if upper."""
    xp = namespace_of(c, *row)
    if not traced(c, *row) and blas.supports(c, *row):
        out = np.tril(c.T if upper else c)
        for l in row:
            blas.syrk(l.T if upper else l, out, alpha=-1.0)
        if ends:
            blas.potrf(out, name="cholesky: a", start=start, whole=whole)
        return out.T if upper else out
    out = adjoint(xp, c) if upper else c
    for l in row:
        out = _syrk(out, adjoint(xp, l) if upper else l)
    if ends:
        out = _potrf(out, start=start, whole=whole)
    return adjoint(xp, out) if upper else out


def off_diagonal(c: Array, *reads: Array, ends: bool, upper: bool) -> Array:
    """C - Σ L_ik L_jkᴴ, times L_jj⁻ᴴ (read first) if it ends; given and giving adjoint tiles if upper."""
    diagonal, factors = (reads[0], reads[1:]) if ends else (None, reads)
    if upper:
        pairs = [x for own, other in zip(factors[::2], factors[1::2], strict=True) for x in (other, own)]
        made = less_products(c, *pairs, adjoint_left=True)
    else:
        made = less_products(c, *factors, adjoint_right=True)
    if diagonal is None:
        return made
    options = {"lower": not upper, "transposed": True, "right": not upper}
    if factors and not traced(made, diagonal) and blas.supports(made, diagonal):
        blas.trsm(diagonal, made, **options)  # in place: the sum is our own
        return made
    return _trsm(diagonal, made, **options)
