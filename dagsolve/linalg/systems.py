"""Linear systems by `scipy.linalg`'s names and signatures.

Arguments that only steer SciPy's memory (`overwrite_*`, `check_finite`) are accepted and have no effect.
"""

import dask.array as da
import numpy as np

from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.linalg.factorisations import cholesky
from dagsolve.linalg.operands import adjoint, array, call, floating, hermitian
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


def solve(
    a: Array,
    b: Array,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Array:
    """x with a x = b, or aᵀ x = b if `transposed`, for a (..., n, n) and b (n,) or (..., n, k).

    assume_a is None or "general" for any matrix, "symmetric", "hermitian" or "positive definite" where one
    triangle of a is read (the lower one if `lower`), "upper triangular", "lower triangular" or "diagonal";
    SciPy's short names are understood. The gradient of an input of which one triangle is read is its
    symmetric representative. The factors of the value serve the reverse sweep too.

    Raises FactorisationError naming the pivot for a singular matrix, also where rounding left a little of the
    pivot; the leading minor for one that is not positive definite. A matrix that is nearly singular, but not
    within rounding, is solved as well as its condition allows, without a warning.
    """
    kind = _ASSUMED.get(assume_a)
    if kind is None:
        named = ", ".join(repr(name) for name in _ASSUMED)
        raise UnsupportedError(f"solve: assume_a must be one of {named}, got {assume_a!r}")
    a, b = floating(a), floating(b)
    columns = _columns("solve", b)
    swap = transposed and a.dtype.kind == "c"  # aᵀ x = b is aᴴ x̄ = b̄
    if swap and kind == "sym":
        swap = transposed = False
    if swap:
        columns = call("conjugate", columns)
    x = _solved(kind, a, columns, lower, transposed)
    x = call("conjugate", x) if swap else x
    return np.reshape(x, (*x.shape[:-2], -1)) if b.ndim == 1 else x


def _solved(kind: str, a: Array, b: Array, lower: bool, transposed: bool) -> Array:
    """x with a x = b, or aᴴ x = b if `transposed`."""
    if kind == "pos":
        a = hermitian(a)
        return call("positive_solve", a if lower else adjoint(a), b)[0]
    if kind in ("upper", "lower"):
        options = {"lower": kind == "lower", "right": False, "unit_diagonal": False}
        return call("solve_triangular", a, b, transposed=transposed, **options)
    if kind == "diag":
        pivots = call("diagonal", a)
        return call("solve_triangular", call("diagonal_matrix", pivots), b, transposed=transposed)
    if kind in ("sym", "her"):
        a, transposed = mirrored(a, lower, conjugated=kind == "her"), transposed and kind == "sym"
    return call("solve", a, b, transposed=transposed)[0]


def mirrored(a: Array, lower: bool, *, conjugated: bool) -> Array:
    """The matrix whose triangle is stored; an input's gradient is the symmetric representative."""
    a = hermitian(a) if conjugated or a.dtype.kind != "c" else a
    kept, other = (
        call("tril" if lower else "triu", a, k=0),
        call("tril" if lower else "triu", a, k=-1 if lower else 1),
    )
    return kept + (adjoint(other) if conjugated else np.swapaxes(other, -1, -2))


def _columns(who: str, b: Array) -> Array:
    """The right-hand side as a matrix, of one column where it is a vector."""
    if b.ndim == 0:
        raise ShapeError(f"{who}: b must have shape (n,) or (..., n, k), got {b.shape}")
    return np.reshape(b, (-1, 1)) if b.ndim == 1 else b


def lu_solve(
    lu_and_piv: tuple[Array, Array],
    b: Array,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """x with op(a) x = b from `lu_factor(a)`; trans is 0 for a, 1 for aᵀ, 2 for aᴴ; b as in `solve`.

    Raises FactorisationError for a pivot that is zero, or, in one piece, what rounding left of zero.
    """
    if trans not in (0, 1, 2):
        raise ArgumentError(f"lu_solve: trans must be 0, 1 or 2, got {trans!r}")
    lu, piv = floating(lu_and_piv[0]), array(lu_and_piv[1])
    b = floating(b)
    if lu.ndim < 2 or lu.shape[-1] != lu.shape[-2]:
        raise ShapeError(f"lu_solve: lu must have shape (..., n, n), got {tuple(lu.shape)}")
    x = _columns("lu_solve", b)
    swap = trans == 1 and "c" in (lu.dtype.kind, b.dtype.kind)
    x = call("conjugate", x) if swap else x
    p = call("permutation_of_swaps", piv, length=lu.shape[-1])
    if not isinstance(lu, da.Array):
        lu = call("regular", lu, p)
    unit = {"lower": True, "transposed": trans != 0, "right": False, "unit_diagonal": True}
    upper = {"lower": False, "transposed": trans != 0, "right": False, "unit_diagonal": False}
    if trans == 0:
        x = call("solve_triangular", lu, call("permute_rows", x, p, inverse=False), **unit)
        x = call("solve_triangular", lu, x, **upper)
    else:
        x = call("solve_triangular", lu, call("solve_triangular", lu, x, **upper), **unit)
        x = call("permute_rows", x, p, inverse=True)
    x = call("conjugate", x) if swap else x
    return np.reshape(x, (*x.shape[:-2], -1)) if b.ndim == 1 else x


_ASSUMED = {
    None: "gen", "gen": "gen", "general": "gen",
    "sym": "sym", "symmetric": "sym", "her": "her", "hermitian": "her",
    "pos": "pos", "positive definite": "pos",
    "upper triangular": "upper", "lower triangular": "lower", "diagonal": "diag",
}  # fmt: skip


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
