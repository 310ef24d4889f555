"""LAPACK on NumPy matrices of the four floating dtypes, without the interpreter's lock.

LAPACK is column-major: every matrix here is Fortran-contiguous and overwritten. Callers hand over a copy
(`columns`), since a transposed view would be another matrix to LU.
"""

import ctypes
from typing import Any

import numpy as np

from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_columns
from dagsolve.kernels.permutations import from_swaps
from dagsolve.namespace import Array

_int = ctypes.c_int


def supports(*arrays: Array) -> bool:
    """Whether the arrays are NumPy arrays of one floating or complex dtype that LAPACK knows."""
    dtype = arrays[0].dtype
    known = isinstance(dtype, np.dtype) and dtype.isnative and dtype.char in LETTER
    return known and all(isinstance(a, np.ndarray) and a.dtype == dtype for a in arrays)


def columns(a: Array) -> Array:
    """A Fortran-contiguous copy."""
    return in_columns(a)


def getrf(a: Array) -> Array:
    """LU factors in place of a (m, n), unit lower and upper triangle; the permutation p with a[p] = L U.

    A pivot may be zero: the factorisation exists all the same.
    """
    m, n = a.shape
    swaps = np.arange(1, min(m, n) + 1, dtype=np.intc)
    if a.size:
        info = _int(0)
        routine(_named("getrf", a))(
            _int(m), _int(n), a.ctypes.data, _int(m), swaps.ctypes.data_as(_ints), info
        )
    return from_swaps(swaps - 1, m)


def getri(lu: Array, p: Array) -> Array:
    """A⁻¹ in place of the LU factors of a[p]; n³ 4/3 flops. No pivot may be zero."""
    n = lu.shape[0]
    if not n:
        return lu
    identity = np.arange(1, n + 1, dtype=np.intc)  # (P A)⁻¹ is made, whose columns are then put in place
    call, size, info = routine(_named("getri", lu)), np.empty(1, lu.dtype), _int(0)
    argued = (_int(n), lu.ctypes.data, _int(n), identity.ctypes.data_as(_ints))
    call(*argued, size.ctypes.data, _int(-1), info)
    work = np.empty(int(size[0].real), lu.dtype)
    call(*argued, work.ctypes.data, _int(work.size), info)
    y = np.empty_like(lu)
    y[:, p] = lu
    return y


def getrs(lu: Array, p: Array, b: Array, *, transposed: bool = False) -> Array:
    """A⁻¹ b, or A⁻ᴴ b if `transposed`, from the LU factors of a[p], for b (n, k) of any layout."""
    n, k = b.shape
    x = columns(b) if transposed else columns(b[p])
    if not b.size:
        return x
    identity = np.arange(1, n + 1, dtype=np.intc)
    info = _int(0)
    routine(_named("getrs", lu))(
        b"C" if transposed else b"N",
        _int(n),
        _int(k),
        lu.ctypes.data,
        _int(n),
        identity.ctypes.data_as(_ints),
        x.ctypes.data,
        _int(n),
        info,
    )
    if transposed:
        y = np.empty_like(x)
        y[p] = x
        return y
    return x


def potri(l: Array, *, lower: bool = True) -> Array:
    """(L Lᴴ)⁻¹, or (Rᴴ R)⁻¹ if not `lower`, whole, in place of the triangular factor; 2/3 n³ flops.

    The other triangle of the factor is not read. Its diagonal must be free of zeros.
    """
    n = l.shape[0]
    if n:
        info = _int(0)
        routine(_named("potri", l))(b"L" if lower else b"U", _int(n), l.ctypes.data, _int(n), info)
    half = np.tril(l, -1) if lower else np.triu(l, 1)
    whole = half + half.conj().T
    diagonal = np.arange(n)
    whole[diagonal, diagonal] = l[diagonal, diagonal]
    return whole


_ints: Any = ctypes.POINTER(ctypes.c_int)


def _named(name: str, a: Array) -> str:
    return LETTER[a.dtype.char] + name
