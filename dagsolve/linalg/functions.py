"""Functions of matrices by `scipy.linalg`'s names and signatures; operands may be stacks (..., n, n)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.operands import adjoint, array, call, floating, hermitian
from dagsolve.namespace import Array, namespace_of


def expm(A: Array) -> Array:
    """Exponential of a square matrix (..., n, n).

    Every order of derivative is exact: it is a block of the exponential of a larger matrix.
    Raises FactorisationError for NaN and where the exponential overflows.
    """
    y: Array = call("expm", floating(A))
    return y


def expm_frechet(
    A: Array, E: Array, method: str | None = None, compute_expm: bool = True, check_finite: bool = True
) -> Any:
    """(exp A, derivative of exp at A along E), or the derivative alone if not `compute_expm`.

    method is None, "SPS" or "blockEnlarge"; the result is the same. Raises as `expm`.
    """
    if method not in (None, "SPS", "blockEnlarge"):
        raise ArgumentError(f'expm_frechet: method must be None, "SPS" or "blockEnlarge", got {method!r}')
    A = floating(A)
    along = call("expm_frechet", A, floating(E))
    return (call("expm", A), along) if compute_expm else along


def sqrtm(A: Array) -> Array:
    """Principal square root of a square matrix (..., n, n): its eigenvalues have positive real parts.

    Real for a real matrix. Raises FactorisationError for NaN, and where an eigenvalue is zero, or real and
    negative, within rounding: there SciPy returns a root of many, and no derivative exists.
    """
    y: Array = call("sqrtm", floating(A))
    return y


def signm(A: Array) -> Array:
    """Sign of a square matrix (..., n, n): eigenvalues become 1 or -1, by the sign of their real parts.

    Made as A (A A)^(-1/2). Raises FactorisationError for NaN and for an eigenvalue on the imaginary axis.
    """
    A = floating(A)
    root = call("sqrtm", call("matmul", A, A))
    y: Array = call("solve", root, A)[0]
    return y


def funm_psd(
    a: Array, f: Callable[[Array], Array], df: Callable[[Array], Array], *, lower: bool = True
) -> Array:
    """f(a) = v diag(f(w)) vᴴ of a Hermitian matrix (..., n, n) whose triangle is stored.

    f, df  a function of numbers and its derivative, called with the eigenvalues (..., n), which must lie in
           their domain: `funm_psd(a, np.log, np.reciprocal)`

    The gradient takes divided differences of f, and df where eigenvalues are so close that these cancel: it
    is exact for repeated eigenvalues as for others. Second derivatives differentiate f and df, and are exact
    where eigenvalues differ. The gradient of an input is its symmetric representative.
    Raises FactorisationError for NaN, where f is not finite at an eigenvalue, and for a derivative, where df
    is not.
    """
    a = hermitian(floating(a))
    stored = a if lower else adjoint(a)
    w = call("spectrum", stored)[0]
    y: Array = call("spectral", stored, array(f(w)), array(df(w)))[0]
    return y


def polar(a: Array, side: str = "right") -> tuple[Array, Array]:
    """(u, p) with a = u p, or a = p u if side is "left", for a matrix (..., m, n) of full rank.

    u has orthonormal columns (rows where m < n); p is Hermitian, positive definite where it is the smaller
    square, else semidefinite. Both are smooth: repeated singular values do no harm.
    Raises FactorisationError for NaN and for a rank below min(m, n), where u is not unique.
    """
    if side not in ("left", "right"):
        raise ArgumentError(f'polar: side must be "left" or "right", got {side!r}')
    a = floating(a)
    if a.ndim < 2:
        raise ShapeError(f"polar: a must have shape (..., m, n), got {tuple(a.shape)}")
    deep = a.shape[-2] >= a.shape[-1]
    u, p = call("polar", a if deep else adjoint(a))
    if (side == "right") != deep:
        p = call("matmul", u, call("matmul", p, adjoint(u)))
    return (u if deep else adjoint(u)), p


def matrix_power(a: Array, n: int) -> Array:
    """aⁿ of a square matrix (..., k, k) by repeated squaring; of its inverse for n < 0.

    Raises ArgumentError unless n is a whole number, FactorisationError for a singular matrix and n < 0.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise ArgumentError(f"matrix_power: n must be a whole number, got {n!r}")
    a = floating(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"matrix_power: a must have shape (..., k, k), got {tuple(a.shape)}")
    if n == 0:
        return np.zeros_like(a) + namespace_of(a).eye(a.shape[-1], dtype=a.dtype)
    square, left = (a, int(n)) if n > 0 else (call("inv", a), -int(n))
    made = None
    while True:
        if left % 2:
            made = square if made is None else call("matmul", made, square)
        left //= 2
        if not left:
            return made
        square = call("matmul", square, square)


def kron(a: Array, b: Array) -> Array:
    """Kronecker product of arrays of any number of axes, as `np.kron`."""
    a, b = array(a), array(b)
    ndim = max(a.ndim, b.ndim)
    shapes = [(1,) * (ndim - x.ndim) + tuple(x.shape) for x in (a, b)]
    spread = [
        np.reshape(x, tuple(n for m in shape for n in ((m, 1) if first else (1, m))))
        for x, shape, first in zip((a, b), shapes, (True, False), strict=True)
    ]
    made: Array = np.reshape(spread[0] * spread[1], tuple(m * n for m, n in zip(*shapes, strict=True)))
    return made
