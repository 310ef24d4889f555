"""Copies of matrices from rows to columns and back, by strips that stay in the cache.

NumPy walks along one of the two arrays and misses the cache at every item of the other. Where one step of
that walk is a multiple of 1024 bytes, its lines also share few places of the cache: the strip is then short
along the walk. It takes a third to a half of NumPy's time at orders of a thousand and more.
"""

from typing import Literal

import numpy as np

from dagsolve.namespace import Array

LONG = 512  # items of a strip along its one axis
SHORT = 16  # and along the other
ALIASING = 1024  # bytes of a stride whose multiples share places of the cache
SMALL = 256  # order below which both matrices stay in the cache anyway


def in_columns(a: Array) -> Array:
    """A Fortran-contiguous copy of a NumPy array."""
    return _copy(a, "F") if _crosses(a, a.flags.f_contiguous) else np.array(a, order="F")


def in_rows(a: Array) -> Array:
    """A C-contiguous copy of a NumPy array."""
    return _copy(a, "C") if _crosses(a, a.flags.c_contiguous) else np.array(a, order="C")


def _crosses(a: Array, same: bool) -> bool:
    contiguous = a.flags.c_contiguous or a.flags.f_contiguous
    return type(a) is np.ndarray and a.ndim == 2 and contiguous and not same and min(a.shape) >= SMALL


def _copy(a: Array, order: Literal["C", "F"]) -> Array:
    made = np.empty(a.shape, a.dtype, order=order)
    assign(made, a)
    return made


def assign(target: Array, source: Array) -> None:
    """target := source, one of them row-major and the other column-major, or parts of such matrices."""
    if source.strides[0] < source.strides[1]:  # from rows to columns
        source, target = source.T, target.T
    m, n = source.shape
    high, wide = (SHORT, LONG) if source.strides[0] % ALIASING == 0 else (LONG, SHORT)
    for row in range(0, m, high):
        for column in range(0, n, wide):
            strip = (slice(row, row + high), slice(column, column + wide))
            target[strip] = source[strip]
