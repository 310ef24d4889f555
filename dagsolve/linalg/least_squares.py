"""Least squares by `scipy.linalg`'s name and signature."""

from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.operands import call, floating
from dagsolve.namespace import Array, namespace_of

_DRIVERS = (None, "gelsd", "gelsy", "gelss")


def lstsq(
    a: Array,
    b: Array,
    cond: float | None = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: str | None = None,
) -> tuple[Array, Array, int, None]:
    """(x, residues, rank, None): x of least norm among those that minimise the norms of b - a x.

    a has shape (..., m, n) and full rank, b has shape (m,) or (..., m, k). residues holds the squared norms
    of the columns of b - a x where m > n, a number for a vector b, and is empty otherwise; rank is min(m, n).
    Singular values, SciPy's fourth, are not computed (`svdvals` is there for them).

    x and residues have derivatives; their sweep reuses the factors, and takes products with b's columns only.
    Raises FactorisationError for NaN, and where a pivot of the QR (m ≥ n) or LQ factorisation of a is at most
    `cond`, max(m, n) ε by default, times the largest: SciPy would drop small singular values there, on which
    the derivative jumps. Arguments that only steer SciPy's memory or its routine have no effect.
    """
    if lapack_driver not in _DRIVERS:
        raise ArgumentError(
            f"lstsq: lapack_driver must be None, {', '.join(map(repr, _DRIVERS[1:]))}, got {lapack_driver!r}"
        )
    a, b = floating(a), floating(b)
    vector = b.ndim == 1
    if a.ndim < 2 or b.ndim < 1 or b.shape[-1 if vector else -2] != a.shape[-2]:
        raise ShapeError(
            f"lstsq: a must have shape (..., m, n) and b (m,) or (..., m, k), got {a.shape} and {b.shape}"
        )
    m, n = a.shape[-2:]
    x, residues = solved(a, np.reshape(b, (-1, 1)) if vector else b, cond)
    x = x[..., 0] if vector else x
    if residues is None:
        return x, namespace_of(x).zeros((0,), dtype=np.empty(0, x.dtype).real.dtype), min(m, n), None
    return x, residues[..., 0] if vector else residues, min(m, n), None


def solved(a: Array, b: Array, cond: float | None) -> tuple[Array, Array | None]:
    """Solution (..., n, k) and squared norms of the residuals (..., k), None where m ≤ n."""
    params: dict[str, Any] = {"cond": None if cond is None else float(cond)}
    m, n = a.shape[-2:]
    if m < n:
        return call("minimum_norm", a, b, **params)[0], None
    x, s, *_ = call("lstsq", a, b, **params)
    if m == n:
        return x, None
    squares = np.real(s * np.conj(s)) if s.dtype.kind == "c" else np.square(s)
    return x, np.sum(squares, axis=-2)
