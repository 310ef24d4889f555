"""QR and LQ factorisations by Householder reflectors, without the interpreter's lock, with NumPy's signs.

Large real matrices are factored by the wide panels of `dagsolve.kernels.wy`, row by row as NumPy has them:
the factors are C-contiguous, and no matrix is transposed. Beside A that takes a copy of it, panels of
k (m - k/2) items (k (n - k/2) for LQ), k = min(m, n), and then Q; the copy becomes R (L) or goes before that.

Others are left to LAPACK, which factors a column-major matrix in place. For QR that is a Fortran-contiguous
copy of A, and Q stays in it; for LQ a C-contiguous copy, which is LAPACK's Aᵀ: nothing is transposed back.
"""

import ctypes
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dagsolve.kernels import lapack, wy
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import in_columns, in_rows
from dagsolve.namespace import Array

SMALL = 64  # order of stacked matrices below which a call for each takes longer than its flops
WIDE, MANY = 256, 250_000  # order and items of real matrices from which panels wider than LAPACK's pay

_int = ctypes.c_int


def serves(a: Array) -> bool:
    """Whether the functions here are the quickest for these matrices: NumPy's, not a stack of small ones."""
    return isinstance(a, np.ndarray) and lapack.supports(a) and (a.ndim == 2 or min(a.shape[-2:]) > SMALL)


def in_panels(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether wide panels are the quickest for a matrix of this shape and dtype, none of a stack."""
    return are_large(shape) and dtype.char in "fd" and dtype.isnative


def are_large(shape: tuple[int, ...]) -> bool:
    """Whether they are for real matrices of this shape."""
    return len(shape) == 2 and min(shape) >= WIDE and prod(shape) >= MANY


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
    if not in_panels(a.shape, a.dtype):
        work = in_columns(a)
        tau = _factored(work)
        r = np.triu(work[: tau.size])
        return _unitary(work, tau), r
    (m, n), work = a.shape, in_rows(a)
    panels = list(wy.triangularised(work))
    r = work if m <= n else np.array(work[:n])
    del work
    q = np.zeros((m, min(m, n)), a.dtype)
    wy.fill_columns(panels, q)
    return q, r


def triangle(a: Array) -> tuple[Array]:
    """R (k, n) alone."""
    if in_panels(a.shape, a.dtype):
        work = in_rows(a)
        for _ in wy.triangularised(work):
            pass
        return (work if a.shape[0] <= a.shape[1] else np.array(work[: a.shape[1]]),)
    work = in_columns(a)
    return (np.triu(work[: _factored(work).size]),)


def lq(a: Array) -> tuple[Array, Array]:
    """L (m, k) and Q (k, n) of a matrix (m, n) of LAPACK's dtypes, k = min(m, n)."""
    if not in_panels(a.shape, a.dtype):
        work = np.array(a.T, order="F")
        tau = _factored(work)
        l = np.tril(work[: tau.size].T)
        return l, _unitary(work, tau).T
    (m, n), work = a.shape, in_rows(a)
    panels = list(wy.triangularised(work.T))
    l = work if m >= n else np.array(work[:, :m])
    del work
    q = np.zeros((min(m, n), n), a.dtype)
    wy.fill_columns(panels, q.T)
    return l, q


def least_squares(a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """The first n rows of Qᵀ B, R (n, n), V below the diagonal of a matrix (m, n), and T (WIDTH, n).

    For a deep real matrix a (m, n) and b (m, k) of its dtype; Q = `product` of V and T is not formed.
    """
    n, v, c = a.shape[1], in_rows(a), in_rows(b)
    t = np.zeros((wy.WIDTH, n), a.dtype)
    for k, panel in enumerate(wy.triangularised(v, keep=True)):
        start, width = k * wy.WIDTH, panel.t.shape[0]
        t[:width, start : start + width] = panel.t
        panel.apply(c[start:], transposed=True)
    return c[:n], np.triu(v[:n]), v, t


def product(v: Array, t: Array, c: Array) -> Array:
    """Q c (m, k) of the first n columns of Q, for V and T of `least_squares` and c (n, k)."""
    made = np.zeros((v.shape[0], c.shape[1]), c.dtype)
    made[: c.shape[0]] = c
    wy.apply_all(list(wy.from_packed(v, t)), made)
    return made


def adjoint_product(v: Array, t: Array, c: Array) -> Array:
    """Qᵀ c (n, k) of the first n columns of Q, for V and T of `least_squares` and c (m, k)."""
    made = in_rows(c)
    wy.apply_all(list(wy.from_packed(v, t)), made, transposed=True)
    return made[: v.shape[1]]


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
