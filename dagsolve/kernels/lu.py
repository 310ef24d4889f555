"""LU factorisation with row pivots, packed, and its blocked reverse sweep.

    A[p] = L U,    packed = (L below its unit diagonal) + U,    of shape (m, n) as A

The reverse sweep of a real matrix takes panels from the last to the first. For the panel with diagonal block
k, rows or columns t behind it, and M = Ā[p] where it is finished, L̄ below and Ū on and above the diagonal
where it is not,

    L̄_tk -= M_tt U_ktᵀ,     Ū_kt -= L_tkᵀ M_tt                          gemm
    M_tk = L̄_tk U_kk⁻ᵀ,     M_kt = L_kk⁻ᵀ Ū_kt                          trsm
    Ū_kk -= L_tkᵀ M_tk,     L̄_kk -= M_kt U_ktᵀ                          gemm
    M_kk = L_kk⁻ᵀ (stril(L_kkᵀ L̄_kk) + triu(Ū_kk U_kkᵀ)) U_kk⁻ᵀ         the same sweep in narrower panels

in place, in 4/3 n³ flops, twice those of the factorisation; the closed form for the whole matrix takes 4 n³.
The idea of going backward through the blocks is that of I. Murray, arXiv:1602.07527 (2016), for Cholesky.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import choices, lapack
from dagsolve.kernels.blas import gemm, trsm
from dagsolve.kernels.choices import ROUNDING
from dagsolve.kernels.dense import is_complex, named
from dagsolve.kernels.layouts import in_columns
from dagsolve.kernels.permutations import from_swaps, to_swaps
from dagsolve.namespace import Array, Namespace, lu_factoriser, to_host

SMALL = 16  # order up to which all matrices of a stack are eliminated together
PANEL = 128  # columns of a panel
NARROW = 32  # columns of a diagonal block that is done by the closed form


def lu_packed(xp: Namespace, who: str, a: Array) -> tuple[Array, Array]:
    """(packed, p): the factors of every matrix of a stack (..., m, n) and its permutation (..., m).

    A zero pivot is no failure. Raises FactorisationError, beginning with `who`, for NaN or infinity.
    """
    refuse_infinite(xp, who, a)
    by_library = lu_factoriser(xp)
    factorise = lapack_lu if lapack.supports(a) else by_library and partial(device_lu, xp, by_library)
    stacked = len(a.shape) > 2
    if factorise is None or (stacked and min(a.shape[-2:]) <= SMALL):
        return eliminated(xp, a)
    if not stacked:
        return factorise(a)
    packed, p = xp.empty(a.shape, dtype=a.dtype), xp.empty(a.shape[:-1], dtype=xp.int64)
    for index in np.ndindex(*a.shape[:-2]):
        packed[index], p[index] = factorise(a[index])
    return packed, p


def lapack_lu(a: Array) -> tuple[Array, Array]:
    """(packed, p) of one matrix by LAPACK."""
    packed = in_columns(a)
    return packed, lapack.getrf(packed)


def device_lu(xp: Namespace, factorise: Callable[..., tuple[Array, Array]], a: Array) -> tuple[Array, Array]:
    """(packed, p) of one matrix by a library's `lu_factor`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a zero pivot, which is no failure here
        packed, swaps = factorise(a, check_finite=False)
    return packed, xp.asarray(from_swaps(to_host(swaps), a.shape[0]))


def eliminated(xp: Namespace, a: Array) -> tuple[Array, Array]:
    """(packed, p) by Gaussian elimination with LAPACK's choice of pivots, one column of all at a time."""
    a = xp.asarray(a, copy=True)
    m, n = a.shape[-2:]
    rows = xp.arange(m)
    p = xp.broadcast_to(rows, a.shape[:-1])
    for k in range(min(m, n)):
        below = a[..., k:, k]
        size = xp.abs(xp.real(below)) + xp.abs(xp.imag(below)) if is_complex(a) else xp.abs(below)
        chosen = xp.argmax(size, axis=-1, keepdims=True) + k
        swapped = xp.where(rows == k, chosen, xp.where(rows == chosen, k, rows))
        p = xp.take_along_axis(p, swapped, axis=-1)
        a = xp.take_along_axis(a, xp.broadcast_to(swapped[..., None], a.shape), axis=-2)
        pivot = a[..., k : k + 1, k]
        zero = pivot == 0  # then the whole column is, and its multipliers are
        factors = a[..., k + 1 :, k] / xp.where(zero, xp.ones_like(pivot), pivot)
        a[..., k + 1 :, k] = factors
        a[..., k + 1 :, k + 1 :] -= factors[..., None] * a[..., k : k + 1, k + 1 :]
    return a, xp.asarray(p, dtype=xp.int64, copy=True)


def parity(xp: Namespace, p: Array, dtype: Any) -> Array:
    """Determinant of the permutation matrix of every p (..., m), 1 or -1."""
    if p.shape[-1] <= SMALL:
        inversions = xp.tril(xp.astype(p[..., None, :] > p[..., :, None], xp.int64), k=-1)
        return xp.astype(1 - 2 * (xp.sum(inversions, axis=(-2, -1)) % 2), dtype)
    host = to_host(p)
    made = np.empty(host.shape[:-1], np.int64)
    for index in np.ndindex(*made.shape):
        swaps = to_swaps(host[index], host.shape[-1])
        made[index] = 1 - 2 * (np.count_nonzero(swaps != np.arange(len(swaps))) % 2)
    return xp.astype(xp.asarray(made), dtype)


def refuse_infinite(xp: Namespace, who: str, a: Array) -> None:
    """Raises FactorisationError, beginning with `who`, for NaN or infinity."""
    if lapack.supports(a) and a.flags.forc:
        items = a.ravel(order="K")
        if np.isfinite(np.vdot(items, items)):  # one pass, and no array; it may overflow
            return
    finite = xp.isfinite(a)
    if not xp.all(finite):
        *batch, i, j = (int(found[0]) for found in xp.nonzero(~finite))
        raise FactorisationError(
            f"{who}: {_matrix(a, batch)} must be finite, got {a[(*batch, i, j)]} at ({i}, {j}); "
            "look for NaN in the data"
        )


def refuse_singular(xp: Namespace, who: str, packed: Array, p: Array, of: str = "row") -> None:
    """Raises FactorisationError, beginning with `who`, for square factors with a pivot that is zero, or is
    what rounding left of zero: u_kk = a_kk - Σ l_kj u_jk is rounding up to 8 √n ε of Σ |l_kj u_jk|.

    Scaling of rows or columns does not matter, so ill-conditioned triangles pass, unless pivots move.
    """
    if not packed.size or not xp.any(small_pivots(xp, packed)):
        return
    pivots = xp.abs(xp.linalg.diagonal(packed))
    left, above = xp.abs(xp.tril(packed, k=-1)), xp.abs(xp.triu(packed, k=1))
    beside = xp.sum(left * xp.matrix_transpose(above), axis=-1)
    lost = _rounding(xp, pivots) * beside
    bad = (pivots <= lost) | _too_small(xp, pivots)
    if xp.any(bad):
        *batch, k = (int(found[0]) for found in xp.nonzero(bad))
        line, size = int(p[(*batch, k)]), float(pivots[(*batch, k)])
        left_of = float(beside[(*batch, k)])
        told = f", rounding beside the {left_of:.3g} that it is left of" if size else ""
        told = told if size <= float(lost[(*batch, k)]) else ", too small to divide by"
        raise FactorisationError(
            f"{who}: {_matrix(packed, batch)} is singular: pivot {k} (of {of} {line}) has size {size:.3g}"
            f"{told}; remove dependent {of}s, add a small multiple of the identity, or use lstsq"
        )


def small_pivots(xp: Namespace, packed: Array) -> Array:
    """Which pivots (..., n) of square factors may be what rounding left of zero: all others are not."""
    pivots = xp.abs(xp.linalg.diagonal(packed))
    largest = _largest(xp, packed)[..., None]
    most = 1.5 * packed.shape[-1] * largest  # more than Σ |l_kj u_jk|, since no |l_kj| is above √2
    small: Array = (pivots <= _rounding(xp, pivots) * most) | _too_small(xp, pivots)
    return small


def _too_small(xp: Namespace, pivots: Array) -> Array:
    """Where a quotient by the pivot overflows, of which LAPACK does not tell."""
    small: Array = pivots < float(xp.finfo(pivots.dtype).smallest_normal)
    return small


def _largest(xp: Namespace, a: Array) -> Array:
    """The largest magnitude of every matrix."""
    axes = (-2, -1)
    if is_complex(a):
        return xp.max(xp.abs(a), axis=axes)
    return xp.maximum(xp.max(a, axis=axes), -xp.min(a, axis=axes))  # without another array


def _rounding(xp: Namespace, pivots: Array) -> float:
    return ROUNDING * math.sqrt(pivots.shape[-1]) * choices.power(xp, pivots, 1.0)


def _matrix(a: Array, batch: list[int]) -> str:
    return f"{named(batch)} {tuple(a.shape[-2:])} {a.dtype}"


def lu_reverse(packed: Array, cotangent: Array) -> Array:
    """Ā[p] from packed factors and, in place of, their C-contiguous packed cotangent, both real (m, n)."""
    _sweep(packed, cotangent, PANEL)
    return cotangent


def _sweep(f: Array, m: Array, panel: int) -> None:
    """m := Ā[p], where it held the cotangent of the factors f."""
    k = min(f.shape)
    for start in reversed(range(0, k, panel)):
        stop = min(start + panel, k)
        own, behind = slice(start, stop), slice(stop, None)
        if stop < f.shape[0] and stop < f.shape[1]:
            gemm(m[behind, behind], f[own, behind].T, m[behind, own], alpha=-1.0)
            gemm(f[behind, own].T, m[behind, behind], m[own, behind], alpha=-1.0)
        if stop < f.shape[0]:
            trsm(f[own, own], m[behind, own], lower=False, transposed=True, right=True)
        if stop < f.shape[1]:
            trsm(f[own, own], m[own, behind], transposed=True, unit_diagonal=True)
        _corner(f, m, own, behind)
        if panel > NARROW:
            _sweep(f[own, own], m[own, own], NARROW)
        else:
            _closed(f[own, own], m[own, own])


def _corner(f: Array, m: Array, own: slice, behind: slice) -> None:
    """What the finished strips behind a diagonal block take from its cotangent."""
    corner = m[own, own]
    if f[behind, own].size:
        corner -= np.triu(f[behind, own].T @ m[behind, own])
    if f[own, behind].size:
        corner -= np.tril(m[own, behind] @ f[own, behind].T, -1)


def _closed(f: Array, m: Array) -> None:
    """m := Ā[p] of a small square matrix by the closed form."""
    l = np.tril(f, -1)
    c = np.tril(np.tril(m, -1) + l.T @ np.tril(m, -1), -1)  # L = I + l
    c += np.triu(np.triu(m) @ np.triu(f).T)
    trsm(f, c, transposed=True, unit_diagonal=True)
    trsm(f, c, lower=False, transposed=True, right=True)
    m[...] = c
