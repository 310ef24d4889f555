"""Blocked reverse sweep of the Cholesky factorisation A = L Lᵀ, real, in 2/3 n³ flops.

With Ā the symmetric gradient, M = 2 Ā = L⁻ᵀ copyltu(Lᵀ L̄) L⁻¹. With the finished square M₂₂ of the trailing
columns, what is left of it and above it follows, L₁₁ and L₂₁ being the other columns of L:

    M₂₁ = (L̄₂₁ - M₂₂ L₂₁) L₁₁⁻¹                                       symm, trsm
    D = L̄₁₁ - M₂₁ᵀ L₂₁, its lower triangle                            gemm
    M₁₁ = L₁₁⁻ᵀ copyltu(L₁₁ᵀ D) L₁₁⁻¹                                 the same sweep

Panels of a large matrix are taken from the last to the first, and each is halved until the closed form is as
quick. M overwrites L̄. The closed form for the whole matrix takes 3 n³ flops instead.
Reference: I. Murray, arXiv:1602.07527 (2016), section 4.
"""

import numpy as np

from dagsolve.kernels.blas import gemm, symm, trmm, trsm
from dagsolve.kernels.triangles import clear_above, lower_copy
from dagsolve.namespace import Array

PANEL = 512  # columns; narrower panels starve symm
NARROW = 64  # columns that are done by the closed form
CORNER = 256  # columns of D computed whole rather than by halves


def cholesky_reverse(l: Array, l_bar: Array, *, overwrite: bool = False) -> Array:
    """Stored-triangle cotangent of A: lower triangular, 2 tril(Ā) - diag(Ā), for l and l_bar (n, n).

    Only lower triangles are read. With `overwrite` the result takes the memory of l_bar.
    """
    m = l_bar if overwrite else lower_copy(l_bar)
    _sweep(l, m)
    diagonal = np.arange(m.shape[0])
    m[diagonal, diagonal] *= 0.5
    clear_above(m)
    return m


def _sweep(l: Array, m: Array) -> None:
    """Lower triangle of m := M, where it held L̄."""
    n = l.shape[0]
    if n <= NARROW:
        _closed(l, m)
        return
    width = PANEL if n > 2 * PANEL else -(-n // 2)
    own, below = slice(0, width), slice(width, n)
    _sweep(l[below, below], m[below, below])
    symm(m[below, below], l[below, own], m[below, own], alpha=-1.0)
    trsm(l[own, own], m[below, own], right=True)
    _subtract_lower(m[below, own].T, l[below, own], m[own, own])
    _sweep(l[own, own], m[own, own])


def _subtract_lower(a: Array, b: Array, c: Array) -> None:
    """c := c - a b in its lower triangle; some of what is above it changes too."""
    n = c.shape[0]
    if n <= CORNER:
        gemm(a, b, c, alpha=-1.0)
        return
    h = n // 2
    gemm(a[h:], b[:, :h], c[h:, :h], alpha=-1.0)
    _subtract_lower(a[:h], b[:, :h], c[:h, :h])
    _subtract_lower(a[h:], b[:, h:], c[h:, h:])


def _closed(l: Array, m: Array) -> None:
    """m := M of a small matrix by the closed form."""
    h = np.tril(m)
    trmm(l, h, transposed=True)
    h = np.tril(h)
    h = h + np.tril(h, -1).T
    trsm(l, h, transposed=True)
    trsm(l, h, right=True)
    m[...] = h
