"""Copies of matrices from rows to columns and back, by squares that stay in the cache.

NumPy walks along one of the two arrays and misses the cache at every item of the other: for an order of a
thousand and more that takes up to three times as long as by squares.
"""

from typing import Literal

import numpy as np

from dagsolve.namespace import Array

SQUARE = 128  # rows and columns at a time
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
    m, n = a.shape
    for row in range(0, m, SQUARE):
        for column in range(0, n, SQUARE):
            square = (slice(row, row + SQUARE), slice(column, column + SQUARE))
            made[square] = a[square]
    return made
