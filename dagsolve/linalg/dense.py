"""`scipy.linalg` names on dense arrays and tracers, in SciPy's signatures.

Arguments that only steer SciPy's memory (`overwrite_*`, `check_finite`) are accepted and have no effect:
inputs are never overwritten and a failed factorisation always raises.
"""

from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.namespace import Array
from dagsolve.primitives import PRIMITIVES

_ADJOINT = {0: False, "N": False, 1: True, "T": True, 2: True, "C": True}


def _adjoint(a: Array) -> Array:
    swapped = PRIMITIVES["transpose"](a, axes=(-1, -2))
    return PRIMITIVES["conjugate"](swapped) if a.dtype.kind == "c" else swapped


def cholesky(a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Cholesky factor of a Hermitian positive definite matrix: L with a = L Lᴴ if lower, else Lᴴ.

    a has shape (..., n, n). Raises FactorisationError when a is indefinite or holds NaN.
    """
    factor = (
        np.linalg.cholesky(a) if hasattr(a, "__dagsolve_recorder__") else PRIMITIVES["cholesky"](_array(a))
    )
    return factor if lower else _adjoint(factor)


def solve_triangular(
    a: Array,
    b: Array,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """x with op(a) x = b for a triangular matrix a of shape (n, n) and b of shape (n,) or (n, k).

    trans is 0/"N" for a, 1/"T" for aᵀ, 2/"C" for aᴴ. Raises FactorisationError for a zero on the diagonal.
    """
    if trans not in _ADJOINT:
        raise ArgumentError(f'solve_triangular: trans must be 0, 1, 2, "N", "T" or "C", got {trans!r}')
    a, b = _array(a), _array(b)
    if trans in (1, "T") and a.dtype.kind == "c":
        a = PRIMITIVES["conjugate"](a)
    if b.ndim == 0:
        raise ShapeError(f"solve_triangular: b must have shape (n,) or (n, k), got {b.shape}")
    columns = np.reshape(b, (-1, 1)) if b.ndim == 1 else b
    x = PRIMITIVES["solve_triangular"](
        a,
        columns,
        lower=bool(lower),
        transposed=_ADJOINT[trans],
        right=False,
        unit_diagonal=bool(unit_diagonal),
    )
    return np.reshape(x, (-1,)) if b.ndim == 1 else x


def cho_solve(
    c_and_lower: tuple[Array, bool], b: Array, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """x with a x = b from the Cholesky factor (c, lower) of a."""
    c, lower = c_and_lower
    first, second = ("N", "C") if lower else ("C", "N")
    return solve_triangular(c, solve_triangular(c, b, trans=first, lower=lower), trans=second, lower=lower)


def cho_factor(
    a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """The factor and whether it is the lower one, as `cho_solve` takes them."""
    return cholesky(a, lower), lower


def _array(a: Any) -> Array:
    return a if hasattr(a, "shape") else np.asarray(a)
