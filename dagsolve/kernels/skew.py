"""Skew parts of large NumPy matrices, and which of their rows and columns belong to close values."""

from collections.abc import Iterator

import numpy as np

from dagsolve.kernels.dense import is_complex
from dagsolve.kernels.layouts import in_rows
from dagsolve.kernels.triangles import STRIP
from dagsolve.namespace import Array

SLACK = 1.001  # on limits, since differences are rounded


def skew_part(x: Array, *, hermitian: bool = False) -> Array:
    """(X - Xᴴ) / 2, or (X + Xᴴ) / 2 if `hermitian`, of a NumPy matrix (n, n), C-contiguous."""
    combine = np.add if hermitian else np.subtract
    if x.flags.c_contiguous:
        y = in_rows(x.T)
        combine(x, np.conjugate(y, out=y) if is_complex(y) else y, out=y)
    else:
        y = in_rows(x)
        combine(y, np.conjugate(x.T) if is_complex(x) else x.T, out=y)
    y *= 0.5
    return y


def column_peaks(x: Array) -> Array:
    """max |x| of each column of a NumPy matrix (m, n), m ≥ 1; NaN where an item is."""
    return np.abs(x).max(axis=0) if is_complex(x) else np.maximum(x.max(axis=0), -x.min(axis=0))


def close_windows(w: Array, limit: float, *, sums: bool = False) -> Iterator[tuple[slice, slice]]:
    """Rectangles that hold every (i, j) with |w_j - w_i| ≤ limit (or |w_j + w_i|, for w ≥ 0), w (n) monotone.

    From the first row to the last; they hold others too, n `STRIP` in all where few values are close.
    """
    if sums:
        small = np.flatnonzero(w <= limit)
        if small.size:
            both = slice(int(small[0]), int(small[-1]) + 1)
            yield both, both
        return
    rising = w if w[0] <= w[-1] else -w
    for start in range(0, w.size, STRIP):
        stop = min(start + STRIP, w.size)
        low = np.searchsorted(rising, rising[start] - limit * SLACK)
        high = np.searchsorted(rising, rising[stop - 1] + limit * SLACK, side="right")
        yield slice(start, stop), slice(int(low), int(high))
