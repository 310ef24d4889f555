"""Triangles: of large matrices by strips of rows, without a mask or a second pass; of stacks one by one."""

from collections.abc import Callable

import numpy as np

from dagsolve.namespace import Array, Namespace
from dagsolve.specs import broadcast_shapes

STRIP = 64  # rows at a time


def triangle(xp: Namespace, t: Array, lower: bool, strict: bool) -> Array:
    """The lower or the upper triangle of every matrix in a stack, without the diagonal if strict."""
    return xp.tril(t, k=-1 if strict else 0) if lower else xp.triu(t, k=1 if strict else 0)


def by_matrix(call: Callable[..., object], t: Array, b: Array, overwrite: bool, **params: bool) -> Array:
    """`call(t, b, **params)`, in place on b or a copy, for every matrix of two stacks; that stack."""
    lead = broadcast_shapes(t.shape[:-2], b.shape[:-2])
    x = b if overwrite else np.array(np.broadcast_to(b, (*lead, *b.shape[-2:])), order="C")
    t = np.broadcast_to(t, (*lead, *t.shape[-2:]))
    for index in np.ndindex(*lead):
        call(t[index], x[index], **params)
    return x


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
    """a := a + aᵀ of a NumPy matrix (n, n), in place, by squares and their mirror.

    Each is walked once, by rows, and transposed in contiguous memory: where a row takes a multiple of 1024
    bytes, the columns of a square share few places of the cache.
    """
    n = a.shape[0]
    for start in range(0, n, STRIP):
        own = slice(start, min(start + STRIP, n))
        for other in range(0, start, STRIP):
            across = slice(other, other + STRIP)
            both = a[own, across] + a[across, own].copy().T
            a[own, across] = both
            a[across, own] = both.T
        a[own, own] += a[own, own].T.copy()


def complete(a: Array, *, lower: bool = True) -> None:
    """Makes a NumPy matrix (n, n) Hermitian, in place, of the triangle that `lower` names."""
    known = a if lower else a.T
    n = a.shape[0]
    for start in range(0, n, STRIP):
        own = slice(start, min(start + STRIP, n))
        for other in range(0, start, STRIP):
            across = slice(other, other + STRIP)
            np.conjugate(known[own, across].copy().T, out=known[across, own])
        corner = known[own, own]
        i, j = np.tril_indices(corner.shape[0], -1)
        corner[j, i] = np.conjugate(corner[i, j])
