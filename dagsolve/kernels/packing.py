"""LU factors L (m, k), U (k, n) in one matrix (m, n), L below U's diagonal, and back, by strips of rows."""

import numpy as np

from dagsolve.kernels.layouts import in_rows
from dagsolve.kernels.triangles import STRIP
from dagsolve.namespace import Array


def unpacked(packed: Array) -> tuple[Array, Array]:
    """(L, U) of a NumPy matrix of packed factors, C-contiguous, with ones and zeros where they belong."""
    m, n = packed.shape
    k = min(m, n)
    l, u = np.zeros((m, k), packed.dtype), in_rows(packed)
    for start in range(0, k, STRIP):
        stop = min(start + STRIP, k)
        own = slice(start, stop)
        l[own, :start] = u[own, :start]
        u[own, :start] = 0
        corner = u[own, own]
        l[own, own] = np.tril(corner, -1) + np.eye(stop - start, dtype=packed.dtype)
        u[own, own] = np.triu(corner)
    if m == k:
        return l, u
    l[k:] = u[k:]
    return l, u[:k].copy()


def together(l: Array | None, u: Array | None, m: int, n: int) -> Array:
    """The packed matrix (m, n), C-contiguous: what L holds below its diagonal, what U holds on and above it.

    Other entries are not read. One of the two may be None, for zeros.
    """
    given = l if l is not None else u
    assert given is not None
    k = min(m, n)
    packed = np.zeros((m, n), given.dtype) if l is None or u is None else np.empty((m, n), given.dtype)
    for start in range(0, k, STRIP):
        stop = min(start + STRIP, k)
        own = slice(start, stop)
        if l is not None:
            packed[own, :start] = l[own, :start]
        if u is not None:
            packed[own, stop:] = u[own, stop:]
        below = 0 if l is None else np.tril(l[own, own], -1)
        packed[own, own] = below if u is None else below + np.triu(u[own, own])
    if l is not None:
        packed[k:, :k] = l[k:]
    return packed
