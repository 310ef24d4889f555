"""Inverses and determinants by the names and signatures of `scipy.linalg` and `np.linalg`.

All take stacks (..., n, n). Arguments that only steer SciPy's memory are accepted and have no effect.
"""

from typing import Any

import dask.array as da
import numpy as np

from dagsolve.linalg.factorisations import cholesky
from dagsolve.linalg.operands import call, floating, identity
from dagsolve.linalg.systems import solve
from dagsolve.namespace import Array

SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))  # NumPy's named tuple, which has no public name


def inv(
    a: Array,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Array:
    """Inverse of a square matrix; assume_a and lower as for `solve`.

    "positive definite" goes by the Cholesky factor. Raises FactorisationError naming the pivot for a singular
    matrix, the leading minor for one that is not positive definite.
    """
    a = floating(a)
    if assume_a in ("pos", "positive definite"):
        return call("cholesky_inverse", cholesky(a, lower), lower=bool(lower))
    if assume_a in (None, "gen", "general"):
        return call("inv", a)
    tiles = a.chunks[-1] if isinstance(a, da.Array) and a.ndim == 2 else None
    return solve(a, identity(a.dtype, a.shape[-1], tiles), lower, assume_a=assume_a)


def det(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Determinant; its gradient is the adjugate, for a singular matrix too.

    A second derivative at a singular matrix raises FactorisationError.
    """
    return call("det", floating(a))


def slogdet(a: Array) -> Any:
    """(sign, logabsdet) with det a = sign · exp(logabsdet); the sign of a complex matrix is a phase.

    A singular matrix has sign 0 and logabsdet -inf; its gradient raises FactorisationError.
    """
    sign, logabsdet, *_ = call("slogdet", floating(a))
    return SlogdetResult(sign, logabsdet)


def logdet(a: Array, lower: bool = True) -> Array:
    """log det a of a Hermitian positive definite matrix, by its Cholesky factor: 2 Σ log lᵢᵢ.

    One triangle of a is read; the gradient of an input is symmetric. Raises FactorisationError where a is
    not positive definite.
    """
    pivots = call("diagonal", cholesky(floating(a), lower))
    if pivots.dtype.kind == "c":
        pivots = np.real(pivots)
    return 2 * np.sum(np.log(pivots), axis=-1)


def pinv(
    a: Array,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """Moore-Penrose inverse of a matrix (..., m, n) of full rank; (inverse, rank) if `return_rank`.

    Singular values up to atol + rtol σ₁ count as zero (by default max(m, n) rounding units of σ₁, or none
    where atol is given): FactorisationError, since a pseudo-inverse has no derivative where the rank changes.
    """
    a = floating(a)
    if rtol is None and atol is not None:
        rtol = 0.0
    y = call("pinv", a, atol=float(atol or 0.0), rtol=None if rtol is None else float(rtol))
    return (y, min(a.shape[-2:])) if return_rank else y
