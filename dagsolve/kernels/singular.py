"""Singular value decompositions of large real NumPy matrices, without the interpreter's lock.

As LAPACK's `gesdd`: to bidiagonal form by Householder reflectors, Qᵀ X P = B, whose vectors are found by
divide and conquer, and panels of `wy.WIDTH` reflectors for Q and P, where LAPACK multiplies 32 at a time;
of a deep or wide matrix, its triangular factor. LAPACK's column-major X is Aᵀ, so that a row-major A is
copied as it lies and its factors come out row-major.
Reference: M. Gu, S. C. Eisenstat, SIAM J. Matrix Anal. Appl. 16, 79 (1995).
"""

import ctypes
from typing import Any

import numpy as np

from dagsolve.kernels import blas, reflectors, scaling, wy
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_rows
from dagsolve.namespace import Array

SMALL = 500  # smaller side below which NumPy's function is as quick
DEEP = 1.6  # ratio of the sides from which on a triangular factor is made first
COLUMNS = 32  # at a time on the way to bidiagonal form; half of the work is done one by one anyway

_int = ctypes.c_int
_ints: Any = ctypes.POINTER(_int)


def serves(a: Array) -> bool:
    """Whether `svd` here is the quickest for a: large real matrices of NumPy's."""
    return isinstance(a, np.ndarray) and min(a.shape[-2:]) >= SMALL and blas.supports(a)


def svd(a: Array) -> tuple[Array, Array, Array]:
    """(u, s, vh) of a (m, n), m, n ≥ 1: u (m, k), s descending, vh (k, n), C-contiguous, k = min(m, n).

    Raises LinAlgError where a is not finite and where the iteration does not converge.
    """
    exponent = scaling.exponent(scaling.largest(a))
    if exponent:
        a = np.ldexp(a, exponent)
    u, s, vh = _factors(a)
    return u, np.ldexp(s, -exponent), vh


def _factors(a: Array) -> tuple[Array, Array, Array]:
    m, n = a.shape
    if m >= DEEP * n:
        q, r = reflectors.qr(a)
        u, s, vh = _by_bidiagonal(r)
        return q @ u, s, vh
    if n >= DEEP * m:
        l, q = reflectors.lq(a)
        u, s, vh = _by_bidiagonal(l)
        return u, s, vh @ q
    return _by_bidiagonal(a)


def _by_bidiagonal(a: Array) -> tuple[Array, Array, Array]:
    x = in_rows(a).T
    d, e, tau_q, tau_p = _bidiagonal(x)
    (p, q), k = x.shape, d.size
    left, right = np.zeros((p, k), a.dtype, order="F"), np.zeros((k, q), a.dtype, order="F")
    _bidiagonal_vectors(d, e, left, right, upper=p >= q)
    below, beside = (0, 1) if p >= q else (1, 0)  # where the first reflectors of Q and P begin
    wy.multiply(x[below:, : k - below], tau_q[: k - below], left[below:])
    wy.multiply(x[: k - beside, beside:].T, tau_p[: k - beside], right[:, beside:].T)
    return right.T, d, left.T


def _bidiagonal(x: Array) -> tuple[Array, Array, Array, Array]:
    """Both diagonals of Qᵀ X P and the factors of the reflectors of Q and P, which are left in place of X."""
    m, n = x.shape
    k = min(m, n)
    d, e = np.empty(k, x.dtype), np.empty(max(k - 1, 1), x.dtype)
    tau_q, tau_p = np.empty(k, x.dtype), np.empty(k, x.dtype)
    work, info = np.empty(COLUMNS * (m + n), x.dtype), _int(0)
    routine(LETTER[x.dtype.char] + "gebrd")(
        _int(m), _int(n), x.ctypes.data, _int(m), d.ctypes.data, e.ctypes.data,
        tau_q.ctypes.data, tau_p.ctypes.data, work.ctypes.data, _int(work.size), info,
    )  # fmt: skip
    return d, e, tau_q, tau_p


def _bidiagonal_vectors(d: Array, e: Array, u: Array, vt: Array, *, upper: bool) -> None:
    """Singular values in place of d, and vectors in the first k rows of u and columns of vt; e is lost."""
    k = d.size
    work, indices = np.empty(3 * k * k + 4 * k, d.dtype), np.empty(8 * k, np.intc)
    unused, unused_indices, info = np.empty(1, d.dtype), np.empty(1, np.intc), _int(0)
    routine(LETTER[d.dtype.char] + "bdsdc")(
        b"U" if upper else b"L", b"I", _int(k), d.ctypes.data, e.ctypes.data,
        u.ctypes.data, _int(u.shape[0]), vt.ctypes.data, _int(k),
        unused.ctypes.data, unused_indices.ctypes.data_as(_ints),
        work.ctypes.data, indices.ctypes.data_as(_ints), info,
    )  # fmt: skip
    if info.value:
        raise np.linalg.LinAlgError("a singular value did not converge")
