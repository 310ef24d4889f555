"""Triangles of large matrices by strips of rows: no mask of the whole matrix, no second pass over it."""

import numpy as np

from dagsolve.namespace import Array

STRIP = 64  # rows at a time


def lower_copy(a: Array) -> Array:
    """The lower triangle of a NumPy matrix (n, n) in new C-contiguous memory, zero above."""
    n = a.shape[0]
    made = np.empty((n, n), a.dtype)
    for start in range(0, n, STRIP):
        stop = min(start + STRIP, n)
        made[start:stop, :stop] = a[start:stop, :stop]
    clear_above(made)
    return made


def clear_above(a: Array) -> None:
    """Zeros above the diagonal of a NumPy matrix (n, n), in place."""
    n = a.shape[0]
    for start in range(0, n, STRIP):
        stop = min(start + STRIP, n)
        a[start:stop, stop:] = 0
        corner = a[start:stop, start:stop]
        corner[np.triu_indices(stop - start, 1)] = 0


def add_transpose(a: Array) -> None:
    """a := a + aᵀ of a NumPy matrix (n, n), in place, by squares that stay in the cache with their mirror."""
    n = a.shape[0]
    for start in range(0, n, STRIP):
        own = slice(start, min(start + STRIP, n))
        for other in range(0, start, STRIP):
            across = slice(other, other + STRIP)
            below, above = a[own, across], a[across, own]
            below += above.T
            above[...] = below.T
        a[own, own] += a[own, own].T.copy()
