"""Tiled inverse of a positive definite matrix from its Cholesky factor: A⁻¹ = Wᴴ W with W = L⁻¹.

W_jj = L_jj⁻¹,   W_ij = -L_ii⁻¹ Σ_{j≤k<i} L_ik W_kj,   (A⁻¹)_ij = Σ_{k≥i} W_kiᴴ W_kj for i ≥ j

The zeros of W are never multiplied: n³/3 flops for W and n³/3 for its product, where two triangular solves
of the identity take 2n³. Reference: N. Higham, Accuracy and Stability of Numerical Algorithms (2002),
chapter 14.
"""

from functools import partial
from itertools import accumulate
from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.kernels.dense import adjoint
from dagsolve.linalg.tiled.runs import calls_per_task, product_sum, rows_named
from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.namespace import Array, namespace_of
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec

_trsm = PRIMITIVES["solve_triangular"]


def cholesky_inverse(c: Any, lower: bool = True, calls: int | None = None) -> Any:
    """Inverse of the matrix whose lower Cholesky factor (upper unless `lower`) is the Dask matrix c.

    calls   most products that make a task (None: what suits the tiles' size)

    Raises ShapeError unless c is square; FactorisationError at run time for a zero on its diagonal.
    """
    if c.ndim != 2 or c.shape[0] != c.shape[1]:
        raise ShapeError(f"cholesky_inverse: c must have shape (n, n), got {c.shape}")
    if c.chunks[0] != c.chunks[1]:
        c = c.rechunk((c.chunks[0], c.chunks[0]))
    loop = TileLoop("cholesky_inverse", c, lower=lower, calls=calls)
    rows, factor = c.chunks[0], loop.tiles(c)
    p, starts = len(rows), list(accumulate(rows, initial=0))
    width = calls or calls_per_task(p, 2.0 * max(rows) ** 3)
    w: Grid = {}
    for j in range(p):
        own = partial(_inverted, lower=lower, start=starts[j])
        w[j, j] = loop.task("trtri", own, (factor[j, j],), spec((rows[j], rows[j]), c.dtype))
        for i in range(j + 1, p):
            pairs = [x for k in range(j, i) for x in ((factor[i, k] if lower else factor[k, i]), w[k, j])]
            of = spec((rows[i], rows[j]), c.dtype)
            total = product_sum(loop, pairs, width, of, adjoint_left=not lower)
            w[i, j] = loop.task("trsm", partial(_solved, lower=lower), (factor[i, i], total), of)
    made: Grid = {}
    for j in range(p):
        for i in range(j, p):
            pairs = [x for k in range(i, p) for x in (w[k, i], w[k, j])]
            of = spec((rows[i], rows[j]), c.dtype)
            made[i, j] = product_sum(loop, pairs, width, of, adjoint_left=True)
            if i > j:
                made[j, i] = loop.task("mirrored", _mirrored, (made[i, j],), spec(of.shape[::-1], c.dtype))
    return loop.array(made, c.chunks, c.dtype)


def _inverted(c: Array, *, lower: bool, start: int) -> Array:
    """Inverse of the lower factor's tile on the diagonal."""
    xp = namespace_of(c)
    identity = xp.eye(c.shape[0], dtype=c.dtype)
    with rows_named("cholesky_inverse", "c", start, start + c.shape[0]):
        return _trsm(c, identity, lower=lower, transposed=not lower)


def _solved(c: Array, total: Array, *, lower: bool) -> Array:
    return _trsm(c, -total, lower=lower, transposed=not lower)


def _mirrored(a: Array) -> Array:
    return adjoint(namespace_of(a), a)
