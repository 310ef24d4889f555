"""LAPACK on NumPy matrices of the four floating dtypes, without the interpreter's lock.

LAPACK is column-major. What matrices in rows hold is to it their transpose: a C-contiguous A is factored in
place, without a transposing copy, as Aᵀ[p] = Û L̂ with a unit lower Û, which is

    A[:, p] = L U,    L = L̂ᵀ lower, U = Ûᵀ unit upper triangular

so that `inverted`, `solved` and `positive_inverse` take and make C-contiguous matrices only.
"""

import ctypes
from typing import Any

import numpy as np

from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_rows
from dagsolve.kernels.permutations import from_swaps
from dagsolve.kernels.triangles import clear_above, complete
from dagsolve.namespace import Array

_int = ctypes.c_int


def supports(*arrays: Array) -> bool:
    """Whether the arrays are NumPy arrays of one floating or complex dtype that LAPACK knows."""
    dtype = arrays[0].dtype
    known = isinstance(dtype, np.dtype) and dtype.isnative and dtype.char in LETTER
    return known and all(isinstance(a, np.ndarray) and a.dtype == dtype for a in arrays)


def getrf(a: Array) -> Array:
    """LU factors in place of a Fortran-contiguous (m, n), unit lower and upper; p with a[p] = L U.

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


def inverted(packed: Array, p: Array) -> Array:
    """A⁻¹ from the factors A[:, p] = L U in rows; 4/3 n³ flops. No pivot may be zero."""
    n = packed.shape[0]
    packed = np.ascontiguousarray(packed)
    y = packed.copy()
    if n:
        routine(_named("trtri", y))(b"U", b"N", _int(n), y.ctypes.data, _int(n), _int(0))
    clear_above(y)  # L⁻¹
    _divide(packed, y, unit=True)
    a = np.empty_like(y)
    a[p] = y
    return a


def solved(packed: Array, p: Array, b: Array, *, transposed: bool = False) -> Array:
    """A⁻¹ b, or A⁻ᴴ b if `transposed`, from the factors A[:, p] = L U in rows, for b (n, k) of any layout."""
    packed = np.ascontiguousarray(packed)
    if transposed:
        x = np.take(b, p, axis=0)
        _divide(packed, x, unit=True, transposed=True)
        _divide(packed, x, unit=False, transposed=True)
        return x
    y = in_rows(b)
    _divide(packed, y, unit=False)
    _divide(packed, y, unit=True)
    x = np.empty_like(y)
    x[p] = y
    return x


def _divide(packed: Array, b: Array, *, unit: bool, transposed: bool = False) -> None:
    """b := U⁻¹ b of the unit factor, or L⁻¹ b of the other, or U⁻ᴴ b, or L⁻ᴴ b, all of them in rows."""
    n, k = b.shape
    if not b.size:
        return
    one = np.ones(1, b.dtype)
    routine(_named("trsm", b))(
        b"R",
        b"L" if unit else b"U",
        b"C" if transposed else b"N",
        b"U" if unit else b"N",
        _int(k),
        _int(n),
        one.ctypes.data,
        packed.ctypes.data,
        _int(n),
        b.ctypes.data,
        _int(k),
    )


def positive_inverse(l: Array, *, lower: bool = True) -> Array:
    """(L Lᴴ)⁻¹, or (Rᴴ R)⁻¹ if not `lower`, of a triangular factor, in place and whole; 2/3 n³ flops.

    l is C-contiguous; the other triangle of the factor is not read. Its diagonal must be free of zeros.
    """
    n = l.shape[0]
    if n:
        info = _int(0)
        routine(_named("potri", l))(b"U" if lower else b"L", _int(n), l.ctypes.data, _int(n), info)
    complete(l, lower=lower)
    return l


_ints: Any = ctypes.POINTER(ctypes.c_int)


def _named(name: str, a: Array) -> str:
    return LETTER[a.dtype.char] + name
