"""Matrix equations and Toeplitz systems by `scipy.linalg`'s names and signatures.

Operands may be stacks (..., n, n). What SciPy's routines are given is made in host memory.
"""

from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.operands import adjoint, array, call, floating
from dagsolve.namespace import Array

_SMALL = 10  # as in SciPy: below, one system of n² unknowns is as quick


def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """x with a x + x b = q, for a (..., m, m), b (..., n, n) and q (..., m, n).

    The gradient is exact wherever there is a unique solution; its sweep solves one such equation.
    Raises FactorisationError where a and -b have a common eigenvalue within rounding, and for NaN.
    """
    x: Array = call("solve_sylvester", floating(a), floating(b), floating(q))
    return x


def solve_continuous_lyapunov(a: Array, q: Array) -> Array:
    """x with a x + x aᴴ = q, for a and q (..., n, n). Errors as for `solve_sylvester`."""
    a = floating(a)
    x: Array = call("solve_sylvester", a, adjoint(a), floating(q))
    return x


def solve_discrete_lyapunov(a: Array, q: Array, method: str | None = None) -> Array:
    """x with x - a x aᴴ = q, for a and q (..., n, n).

    method is "direct" for one system of n² unknowns, "bilinear" for a Sylvester equation, or None for the
    first where n < 10. Raises FactorisationError where eigenvalues λ, μ of a have λ conj μ = 1 within
    rounding, and for NaN.
    """
    if method not in (None, "direct", "bilinear"):
        raise ArgumentError(
            f'solve_discrete_lyapunov: method must be None, "direct" or "bilinear", got {method!r}'
        )
    a = floating(a)
    direct = method == "direct" or (method is None and a.ndim >= 2 and a.shape[-1] < _SMALL)
    x: Array = call("solve_discrete_lyapunov", a, floating(q), direct=direct)
    return x


def toeplitz(c: Array, r: Array | None = None) -> Array:
    """The matrix (m, n) of first column c (m,) and first row r (n,); r is conj(c) if None.

    r[0] is not read. The gradient sums along diagonals.
    """
    c = _line("toeplitz", "c", c)
    r = _conjugate(c) if r is None else _line("toeplitz", "r", r)
    m, n = c.shape[0], r.shape[0]
    below = np.arange(m)[:, None] - np.arange(n)
    places = np.where(below >= 0, below, m - 1 - below).ravel()
    made: Array = np.reshape(np.take(np.concatenate([c, r[1:]]), places, axis=0), (m, n))
    return made


def solve_toeplitz(c_or_cr: Any, b: Array, check_finite: bool = True) -> Array:
    """x with toeplitz(c, r) x = b, for c_or_cr = c or (c, r) of n numbers each and b (n,) or (n, k).

    By Levinson's recursion, 4 n² flops a column; the gradient with respect to c and r takes n log n more.
    Raises FactorisationError where a leading minor is zero, and for NaN.
    """
    pair = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr,)
    if len(pair) not in (1, 2):
        raise ArgumentError(f"solve_toeplitz: c_or_cr must be c or (c, r), got {len(pair)} items")
    c = _line("solve_toeplitz", "c", pair[0])
    r = _conjugate(c) if len(pair) == 1 else _line("solve_toeplitz", "r", pair[1])
    b = floating(b)
    if b.ndim not in (1, 2):
        raise ShapeError(f"solve_toeplitz: b must have shape (n,) or (n, k), got {tuple(b.shape)}")
    columns = np.reshape(b, (-1, 1)) if b.ndim == 1 else b
    x: Array = call("solve_toeplitz", c, r, columns)
    return np.reshape(x, (-1,)) if b.ndim == 1 else x


def _line(who: str, name: str, x: Any) -> Array:
    x = floating(array(x))
    if x.ndim != 1:
        raise ShapeError(f"{who}: {name} must have shape (n,), got {tuple(x.shape)}")
    return x


def _conjugate(c: Array) -> Array:
    return np.conj(c) if c.dtype.kind == "c" else c
