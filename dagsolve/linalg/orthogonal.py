"""Factorisations with orthonormal factors, by `scipy.linalg`'s names and signatures: QR, LQ and SVD.

Arguments that only steer SciPy's memory or its routine (`overwrite_*`, `check_finite`, `lwork`,
`lapack_driver`) are accepted and have no effect. What would complete an orthonormal factor to a square one is
refused: such columns are any basis of what is left, and have no derivative.
"""

from typing import Any

import dask.array as da

from dagsolve.errors import ArgumentError, UnsupportedError
from dagsolve.kernels.dense import factored
from dagsolve.linalg.operands import adjoint, array, call, floating, traced
from dagsolve.namespace import Array, namespace_of


def qr(
    a: Array,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> tuple[Array, ...]:
    """(Q, R) of a matrix of shape (..., m, n), or (R,) where mode is "r"; with the pivots P if `pivoting`.

    mode      "economic" for Q of shape (m, min(m, n)); "r" for R alone, of shape (m, n), without forming Q;
              "full" (SciPy's default) for m ≤ n, where it is the same
    pivoting  a[:, P] = Q R with P an integer array without a derivative, the largest pivot first

    The gradient assumes linearly independent first min(m, n) columns, with `pivoting` only full rank and
    pivots that do not tie. Raises FactorisationError for NaN, with `pivoting` also where a differentiated
    matrix is rank deficient (a plain array may be), and UnsupportedError for other modes.
    """
    _refuse_mode(mode)
    a = array(a)
    deep = a.ndim >= 2 and a.shape[-2] > a.shape[-1]
    if mode == "full" and deep:
        raise UnsupportedError(
            f'qr: mode="full" of a matrix with more rows than columns, shape {tuple(a.shape)}: the columns '
            'that complete Q have no derivative. Use mode="economic".'
        )
    if pivoting:
        q, r, p = _pivoted(a)
        return (_with_rows(r, a), p) if mode == "r" else (q, r, p)
    return (_with_rows(call("qr_triangle", a), a),) if mode == "r" else tuple(call("qr", a))


def lq(
    a: Array, pivoting: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, ...]:
    """(L, Q) with a = L Q of a matrix of shape (..., m, n); with the pivots P if `pivoting`.

    L is lower triangular of shape (..., m, k), Q of shape (..., k, n) has orthonormal rows, k = min(m, n).
    With `pivoting`, a[P] = L Q with P an integer array without a derivative, the largest pivot first.

    The gradient assumes linearly independent first k rows, with `pivoting` only full rank and pivots that do
    not tie. Raises FactorisationError as `qr` does.
    """
    a = array(a)
    if not pivoting:
        return tuple(call("lq", a))
    q, r, p = _pivoted(adjoint(a))
    return adjoint(r), adjoint(q), p


def svd(
    a: Array,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """(U, s, Vᴴ) with a = U diag(s) Vᴴ, s descending, of a matrix (..., m, n); s alone if not `compute_uv`.

    full_matrices=True (SciPy's default) is offered for square matrices, where it is the same. Of each column
    of U the first entry of nearly the largest magnitude is real and positive. Where singular values repeat,
    only functions of the spaces that their vectors span have a derivative; s alone always has one, away from
    zero and crossings. Raises FactorisationError for NaN.
    """
    if lapack_driver not in ("gesdd", "gesvd"):
        raise ArgumentError(f'svd: lapack_driver must be "gesdd" or "gesvd", got {lapack_driver!r}')
    a = floating(a)
    if not compute_uv:
        return svdvals(a)
    if full_matrices and a.ndim >= 2 and a.shape[-2] != a.shape[-1]:
        raise UnsupportedError(
            f"svd: full_matrices=True of a matrix that is not square, shape {tuple(a.shape)}: the vectors "
            "that complete U or V have no derivative. Use full_matrices=False."
        )
    return tuple(call("svd", a))


def svdvals(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Singular values, descending, (..., k) of a matrix of shape (..., m, n), k = min(m, n).

    For a gradient the vectors are computed as well; it never divides.
    """
    a = floating(a)
    if traced(a) or isinstance(a, da.Array):
        return call("svd", a)[1]
    xp = namespace_of(a)
    (s,) = factored(xp, "svdvals", a, lambda: xp.linalg.svdvals(a))
    return s


def _pivoted(a: Array) -> tuple[Array, ...]:
    """Pivoted factors; a plain array may be rank deficient, since nothing is differentiated."""
    made: tuple[Array, ...] = call("pivoted_qr", a, full_rank=traced(a) or isinstance(a, da.Array))
    return made


def _with_rows(r: Array, a: Array) -> Array:
    """R (k, n) with the zeros below that SciPy's `mode="r"` has, (m, n)."""
    rows = a.shape[-2] - r.shape[-2]
    if not rows:
        return r
    below = namespace_of(r).zeros((*r.shape[:-2], rows, r.shape[-1]), dtype=r.dtype)
    return call("concatenate", r, below, axis=-2)


def _refuse_mode(mode: str) -> None:
    if mode not in ("full", "economic", "r"):
        raise UnsupportedError(f'qr: mode={mode!r} is not supported. Use "economic", or "r" for R alone.')
