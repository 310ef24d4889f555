"""Linear systems by `scipy.linalg`'s names and signatures.

Arguments that only steer SciPy's memory (`overwrite_*`, `check_finite`) are accepted and have no effect.
"""

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.factorisations import cholesky
from dagsolve.linalg.operands import array, call
from dagsolve.namespace import Array

_ADJOINT = {0: False, "N": False, 1: True, "T": True, 2: True, "C": True}


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
    a, b = array(a), array(b)
    if trans in (1, "T") and a.dtype.kind == "c":
        a = call("conjugate", a)
    if b.ndim == 0:
        raise ShapeError(f"solve_triangular: b must have shape (n,) or (n, k), got {b.shape}")
    columns = np.reshape(b, (-1, 1)) if b.ndim == 1 else b
    x = call(
        "solve_triangular",
        a,
        columns,
        lower=bool(lower),
        transposed=_ADJOINT[trans],
        right=False,
        unit_diagonal=bool(unit_diagonal),
    )
    return np.reshape(x, (-1,)) if b.ndim == 1 else x


def cho_factor(
    a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """The factor and whether it is the lower one, as `cho_solve` takes them."""
    return cholesky(a, lower), lower


def cho_solve(
    c_and_lower: tuple[Array, bool], b: Array, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """x with a x = b from the Cholesky factor (c, lower) of a."""
    c, lower = c_and_lower
    first, second = ("N", "C") if lower else ("C", "N")
    return solve_triangular(c, solve_triangular(c, b, trans=first, lower=lower), trans=second, lower=lower)
