"""QR and LQ factorisations by LAPACK's Householder reflectors, without the interpreter's lock.

LAPACK factors a column-major matrix in place. For QR that is a Fortran-contiguous copy of A, and Q stays in
it; for LQ a C-contiguous copy, which is LAPACK's Aᵀ: nothing is transposed back. The signs are those of
`np.linalg.qr`.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.kernels import lapack
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_columns
from dagsolve.namespace import Array

SMALL = 64  # order of stacked matrices below which a call for each takes longer than its flops

_int = ctypes.c_int


def serves(a: Array) -> bool:
    """Whether the functions here are the quickest for these matrices: NumPy's, not a stack of small ones."""
    return isinstance(a, np.ndarray) and lapack.supports(a) and (a.ndim == 2 or min(a.shape[-2:]) > SMALL)


def on_stack(factorise: Callable[[Array], tuple[Array, ...]], a: Array) -> tuple[Array, ...]:
    """The factors of every matrix of a stack (..., m, n), by a function of one."""
    lead = a.shape[:-2]
    if not lead:
        return factorise(a)
    made = [factorise(a[index]) for index in np.ndindex(*lead)]
    if not made:  # an empty stack has shapes all the same
        parts = factorise(np.zeros(a.shape[-2:], a.dtype))
        return tuple(np.zeros((*lead, *part.shape), part.dtype) for part in parts)
    return tuple(np.reshape(np.stack(parts), (*lead, *parts[0].shape)) for parts in zip(*made, strict=True))


def qr(a: Array) -> tuple[Array, Array]:
    """Q (m, k) and R (k, n) of a matrix (m, n) of LAPACK's dtypes, k = min(m, n)."""
    work = in_columns(a)
    tau = _factored(work)
    r = np.triu(work[: tau.size])
    return _unitary(work, tau), r


def triangle(a: Array) -> tuple[Array]:
    """R (k, n) alone."""
    work = in_columns(a)
    return (np.triu(work[: _factored(work).size]),)


def lq(a: Array) -> tuple[Array, Array]:
    """L (m, k) and Q (k, n) of a matrix (m, n) of LAPACK's dtypes, k = min(m, n)."""
    work = np.array(a.T, order="F")
    tau = _factored(work)
    l = np.tril(work[: tau.size].T)
    return l, _unitary(work, tau).T


def pivoted_qr(a: Array) -> tuple[Array, Array, Array]:
    """Q (m, k), R (k, n) and the permutation p of columns with a[:, p] = Q R, the largest pivot first."""
    m, n = a.shape
    if not a.size:
        return *qr(a), np.arange(n)
    work, p = in_columns(a), np.zeros(n, np.intc)
    tau = np.empty(min(m, n), a.dtype)
    norms = (np.empty(2 * n, a.real.dtype),) if a.dtype.kind == "c" else ()
    before = (_int(m), _int(n), work.ctypes.data, _int(m), p.ctypes.data_as(_ints), tau.ctypes.data)
    _run("geqp3", work, before, tuple(x.ctypes.data for x in norms))
    r = np.triu(work[: tau.size])
    return _unitary(work, tau), r, p.astype(np.intp) - 1


def _factored(work: Array) -> Array:
    """The factors of the reflectors, which overwrite a Fortran-contiguous matrix (m, n) with its triangle."""
    m, n = work.shape
    tau = np.empty(min(m, n), work.dtype)
    if work.size:
        _run("geqrf", work, (_int(m), _int(n), work.ctypes.data, _int(m), tau.ctypes.data))
    return tau


def _unitary(work: Array, tau: Array) -> Array:
    """Q (m, k) in place of its reflectors; of a wide matrix a copy, so that the rest is not kept alive."""
    m, k = work.shape[0], tau.size
    q = work if work.shape[1] == k else np.array(work[:, :k], order="F")
    if q.size:
        name = "ungqr" if work.dtype.kind == "c" else "orgqr"
        _run(name, q, (_int(m), _int(k), _int(k), q.ctypes.data, _int(m), tau.ctypes.data))
    return q


def _run(name: str, work: Array, before: tuple[Any, ...], after: tuple[Any, ...] = ()) -> None:
    """A routine whose arguments go on with a workspace of the size that it asks for."""
    call, info = routine(LETTER[work.dtype.char] + name), _int(0)
    size = np.empty(1, work.dtype)
    call(*before, size.ctypes.data, _int(-1), *after, info)
    space = np.empty(max(1, int(size[0].real)), work.dtype)
    call(*before, space.ctypes.data, _int(space.size), *after, info)


_ints: Any = ctypes.POINTER(ctypes.c_int)
