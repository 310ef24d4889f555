"""Blocked reverse sweep of the Cholesky factorisation A = L Lᵀ, real, in 2/3 n³ flops.

With Ā the symmetric gradient, M = 2 Ā = L⁻ᵀ copyltu(Lᵀ L̄) L⁻¹. Panels are taken from the last to the first;
for a panel with diagonal block k, P = L[e:, k] below it and the finished trailing triangle M[e:, e:],

    M[e:, k] = (L̄[e:, k] - M[e:, e:] P) L_kk⁻¹                        symm, trsm
    D = L̄_kk - M[e:, k]ᵀ P                                            gemm
    M_kk = L_kk⁻ᵀ copyltu(L_kkᵀ D) L_kk⁻¹                              the same sweep in narrower panels

M overwrites L̄. The closed form for the whole matrix takes 3 n³ flops instead.
Reference: I. Murray, arXiv:1602.07527 (2016), section 4.
"""

import numpy as np

from dagsolve.kernels.blas import gemm, symm, trmm, trsm
from dagsolve.kernels.triangles import clear_above, lower_copy
from dagsolve.namespace import Array

PANEL = 128  # columns; wider panels spend more in the diagonal blocks, narrower ones starve symm
NARROW = 64  # columns of a diagonal block that is done by the closed form


def cholesky_reverse(l: Array, l_bar: Array, *, overwrite: bool = False) -> Array:
    """Stored-triangle cotangent of A: lower triangular, 2 tril(Ā) - diag(Ā), for l and l_bar (n, n).

    Only lower triangles are read. With `overwrite` the result takes the memory of l_bar.
    """
    m = l_bar if overwrite else lower_copy(l_bar)
    _sweep(l, m, PANEL)
    diagonal = np.arange(m.shape[0])
    m[diagonal, diagonal] *= 0.5
    clear_above(m)
    return m


def _sweep(l: Array, m: Array, panel: int) -> None:
    """Lower triangle of m := M, where it held L̄."""
    n = l.shape[0]
    for start in reversed(range(0, n, panel)):
        stop = min(start + panel, n)
        own, below = slice(start, stop), slice(stop, n)
        if stop < n:
            p = l[below, own]
            symm(m[below, below], p, m[below, own], alpha=-1.0)
            trsm(l[own, own], m[below, own], right=True)
            gemm(m[below, own].T, p, m[own, own], alpha=-1.0)
        if panel > NARROW:
            _sweep(l[own, own], m[own, own], NARROW)
        else:
            _closed(l[own, own], m[own, own])


def _closed(l: Array, m: Array) -> None:
    """m := M of a small matrix by the closed form."""
    h = np.tril(m)
    trmm(l, h, transposed=True)
    h = np.tril(h)
    h = h + np.tril(h, -1).T
    trsm(l, h, transposed=True)
    trsm(l, h, right=True)
    m[...] = h
