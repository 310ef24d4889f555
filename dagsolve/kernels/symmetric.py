"""Eigenvalues and vectors of large real symmetric NumPy matrices, without the interpreter's lock.

As LAPACK's `syevd`: to tridiagonal form by Householder reflectors, T = Qᵀ A Q, whose vectors Z are found by
divide and conquer; then V = Q Z, with panels of `wy.WIDTH` reflectors where LAPACK multiplies 32 at a time.
Reference: J. J. M. Cuppen, Numer. Math. 36, 177 (1980).
"""

import ctypes
from typing import Any

import numpy as np

from dagsolve.kernels import blas, scaling, wy
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_columns
from dagsolve.kernels.triangles import STRIP
from dagsolve.namespace import Array

SMALL = 700  # order below which NumPy's function is as quick
COLUMNS = 32  # at a time on the way to tridiagonal form; half of the work is done one by one anyway

_int = ctypes.c_int
_ints: Any = ctypes.POINTER(_int)


def serves(a: Array) -> bool:
    """Whether `eigh` here is the quickest for a: large real matrices of NumPy's."""
    return isinstance(a, np.ndarray) and a.shape[-1] >= SMALL and blas.supports(a)


def eigh(a: Array) -> tuple[Array, Array]:
    """(w, v) of a (n, n), n ≥ 1, of which the lower triangle is read: w ascending, v Fortran-contiguous.

    Raises LinAlgError where the triangle is not finite and where the iteration does not converge.
    """
    t, exponent = _columns(a)
    d, e, tau = _tridiagonal(t)
    w, v = _eigenvectors(d, e)
    wy.multiply(t[1:, :-1], tau, v[1:])
    return np.ldexp(w, -exponent), v


def _columns(a: Array) -> tuple[Array, int]:
    """A Fortran-contiguous copy whose lower triangle is scaled; and the exponent of its scale."""
    made, top = in_columns(a), a.dtype.type(0)
    for start in range(0, a.shape[0], STRIP):
        strip = made[start:, start : start + STRIP]
        corner = strip[: strip.shape[1]]
        corner[...] = np.tril(corner)
        top = np.maximum(top, scaling.largest(strip))
    exponent = scaling.exponent(top)
    return np.ldexp(made, exponent, out=made) if exponent else made, exponent


def _tridiagonal(a: Array) -> tuple[Array, Array, Array]:
    """Diagonal (n) and subdiagonal (n - 1) of Qᵀ A Q, and the factors of Q's reflectors, left below them."""
    n = a.shape[0]
    d, e, tau = np.empty(n, a.dtype), np.empty(n - 1, a.dtype), np.empty(n - 1, a.dtype)
    work, info = np.empty(COLUMNS * n, a.dtype), _int(0)
    routine(LETTER[a.dtype.char] + "sytrd")(
        b"L", _int(n), a.ctypes.data, _int(n), d.ctypes.data, e.ctypes.data, tau.ctypes.data,
        work.ctypes.data, _int(work.size), info,
    )  # fmt: skip
    return d, e, tau


def _eigenvectors(d: Array, e: Array) -> tuple[Array, Array]:
    """Eigenvalues, in place of d, and eigenvectors of a tridiagonal matrix; e is lost."""
    n = d.size
    z, info = np.empty((n, n), d.dtype, order="F"), _int(0)
    work, indices = np.empty(1 + 4 * n + n * n, d.dtype), np.empty(3 + 5 * n, np.intc)
    routine(LETTER[d.dtype.char] + "stedc")(
        b"I", _int(n), d.ctypes.data, e.ctypes.data, z.ctypes.data, _int(n),
        work.ctypes.data, _int(work.size), indices.ctypes.data_as(_ints), _int(indices.size), info,
    )  # fmt: skip
    if info.value:
        raise np.linalg.LinAlgError("an eigenvalue did not converge")
    return d, z
