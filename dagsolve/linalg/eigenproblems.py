"""Eigenvalue problems by `scipy.linalg`'s names and signatures: Hermitian, generalised and general.

Arguments that only steer SciPy's memory (`overwrite_*`, `check_finite`) are accepted and have no effect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, UnsupportedError
from dagsolve.kernels import gauge
from dagsolve.linalg.factorisations import cholesky
from dagsolve.linalg.operands import adjoint, array, call, call_for, floating, traced
from dagsolve.linalg.systems import mirrored, solve
from dagsolve.namespace import Array, namespace_of


def eigh(
    a: Array,
    b: Array | None = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Sequence[int] | None = None,
    subset_by_value: None = None,
    driver: str | None = None,
) -> Any:
    """(w, v) with a v = b v diag(w), w ascending, for the Hermitian a whose triangle is stored; or w alone.

    b is Hermitian positive definite, its triangle stored likewise, or None for the identity. With b, type 2
    solves a b v = v diag(w) and type 3 b a v = v diag(w); vᴴ b v = I, for type 3 vᴴ b⁻¹ v = I. The problem is
    brought to the standard form by the Cholesky factor of b.

    Each vector's first entry of nearly the largest magnitude is real and positive. Where eigenvalues repeat,
    only functions of the space that their vectors span have a derivative. The gradient of an input is the
    symmetric representative. Raises FactorisationError for NaN and where b is not positive definite.
    """
    if subset_by_value is not None:
        raise UnsupportedError(
            "eigh: subset_by_value is not supported. Use subset_by_index, or choose with np.where."
        )
    if type not in (1, 2, 3):
        raise ArgumentError(f"eigh: type must be 1, 2 or 3, got {type!r}")
    if driver not in _DRIVERS:
        raise ArgumentError(
            f"eigh: driver must be None, {', '.join(map(repr, _DRIVERS[1:]))}, got {driver!r}"
        )
    a = array(a)
    if b is not None:
        w, v = _generalised(floating(a), floating(b), lower, type)
    elif traced(a):
        w, v = np.linalg.eigh(a, "L" if lower else "U")
    else:
        needed = ("w",) if eigvals_only else ("w", "v")
        w, v = call_for(needed, "eigh", a if lower else adjoint(a))
    if subset_by_index is not None:
        low, high = (int(k) for k in subset_by_index)
        if not 0 <= low <= high < a.shape[-1]:
            raise ArgumentError(
                f"eigh: subset_by_index must be (low, high) with 0 <= low <= high < {a.shape[-1]}, "
                f"got {tuple(subset_by_index)}"
            )
        w, v = w[..., low : high + 1], None if v is None else v[..., low : high + 1]
    return w if eigvals_only else (w, v)


def eigvalsh(
    a: Array,
    b: Array | None = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Sequence[int] | None = None,
    subset_by_value: None = None,
    driver: str | None = None,
) -> Array:
    """Eigenvalues, ascending, of the Hermitian a whose triangle is stored. Options as for `eigh`."""
    return eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
        driver=driver,
    )


def _generalised(a: Array, b: Array, lower: bool, type: int) -> tuple[Array, Array]:
    """Eigenvalues and vectors of a pair, by the standard problem of the same eigenvalues."""
    l = cholesky(b if lower else adjoint(b), lower=True)
    a = mirrored(a, lower, conjugated=True)
    if type == 1:
        half = _solved(l, a)
        standard = _solved(l, adjoint(half))
    else:
        standard = call("matmul", adjoint(l), call("matmul", a, l))
    w, y = call("eigh", standard)
    v = call("matmul", l, y) if type == 3 else _solved(l, y, transposed=True)
    return w, v * gauge.phase(namespace_of(v), v) if v.size else v


def _solved(l: Array, x: Array, *, transposed: bool = False) -> Array:
    """L⁻¹ X, or L⁻ᴴ X."""
    made: Array = call(
        "solve_triangular", l, x, lower=True, transposed=transposed, right=False, unit_diagonal=False
    )
    return made


def eig(
    a: Array,
    b: Array | None = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    """(w, v) with a v = v diag(w), or a v = b v diag(w), for a matrix (..., n, n); w alone if not `right`.

    Both are complex, in LAPACK's order. Vectors have norm one, and the first entry of nearly the largest
    magnitude is real and positive. b must be invertible: b⁻¹ a is what is decomposed.

    The gradient assumes distinct eigenvalues. Where they repeat and the matrix is diagonalisable, only
    functions of the space that their vectors span have a derivative (GaugeWarning, see `ds.degenerate`). Of a
    matrix that is defective to half the digits nothing has: the reverse sweep raises FactorisationError.
    Raises FactorisationError for NaN, and UnsupportedError for left vectors: they are the rows of inv(v).
    """
    if left:
        raise UnsupportedError(
            "eig: left=True is not supported. The left vectors are the columns of inv(v).conj().T."
        )
    if homogeneous_eigvals:
        raise UnsupportedError("eig: homogeneous_eigvals=True is not supported. Leave it out.")
    a = floating(a)
    w, v = call("eig", a if b is None else solve(floating(b), a))
    return (w, v) if right else w


def eigvals(
    a: Array,
    b: Array | None = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Array:
    """Eigenvalues, complex, of a matrix (..., n, n), or of a pair with b invertible, in LAPACK's order.

    The gradient assumes distinct eigenvalues; the vectors are computed for its sake.
    """
    values: Array = eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)
    return values


_DRIVERS = (None, "ev", "evd", "evr", "evx", "gv", "gvd", "gvx")  # what the library has is used
