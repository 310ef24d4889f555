"""Products of Householder reflectors in compact WY form, H = H₁ … H_b = I - V T Vᵀ, on real NumPy matrices.

LAPACK applies reflectors 32 at a time, too few for a product of matrices to reach its speed, and its panels
are column-major. Here a panel is as wide as pays, and what it is applied to may be row- or column-major: only
the panel itself is copied. A whole factorisation is a list of panels, panel k from row k WIDTH on.
Reference: R. Schreiber, C. Van Loan, SIAM J. Sci. Stat. Comput. 10, 53 (1989).
"""

import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dagsolve.kernels import blas
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.kernels.layouts import assign
from dagsolve.namespace import Array

WIDTH = 128  # reflectors in a panel

_int = ctypes.c_int


class Panel(NamedTuple):
    """Reflectors of one panel, V (m, b) unit lower trapezoidal and T (b, b) upper triangular."""

    v: Array
    t: Array

    def apply(self, c: Array, *, transposed: bool = False) -> None:
        """c := H c, or Hᵀ c, in place, for c (m, n); c := c H is `apply(c.T, transposed=True)`."""
        x = np.empty((self.t.shape[0], c.shape[1]), c.dtype, order="C" if c.flags.c_contiguous else "F")
        blas.gemm(self.v.T, c, x, beta=0.0)
        blas.trmm(self.t, x, lower=False, transposed=transposed)
        blas.gemm(self.v, x, c, alpha=-1.0)

    def fill(self, q: Array) -> None:
        """q := the first b columns of H, (m, b)."""
        b = self.t.shape[0]
        x = np.array(self.v[:b].T, order="F")
        blas.trmm(self.t, x, lower=False)
        blas.gemm(self.v, x, q, alpha=-1.0, beta=0.0)
        diagonal = np.arange(b)
        q[diagonal, diagonal] += 1


def factored(a: Array) -> tuple[Panel, Array]:
    """The reflectors that make a tall matrix (m, b), m ≥ b, triangular, and that triangle R (b, b)."""
    m, b = a.shape
    v, t, info = np.empty((m, b), a.dtype, order="F"), np.zeros((b, b), a.dtype, order="F"), _int(0)
    assign(v, a)
    routine(LETTER[a.dtype.char] + "geqrt3")(
        _int(m), _int(b), v.ctypes.data, _int(m), t.ctypes.data, _int(b), info
    )
    r = np.triu(v[:b])
    return Panel(_unit_trapezoid(v), t), r


def from_reflectors(v: Array, tau: Array) -> Panel:
    """The panel of reflectors below the diagonal of v (m, b), as LAPACK leaves them, with factors tau.

    T is the inverse of the upper triangle of VᵀV with the diagonal 1/τ, which takes products where LAPACK's
    `larft` goes column by column. A reflector with τ = 0 is the identity: its row and column of T are zero.
    Reference: C. Puglisi, SIAM J. Sci. Stat. Comput. 13, 723 (1992).
    """
    b, idle = tau.size, tau == 0
    v, t = _unit_trapezoid(np.array(v, order="F")), np.zeros((b, b), v.dtype, order="F")
    blas.syrk(v.T, t.T, beta=0.0)
    t[idle] = 0
    t[:, idle] = 0
    np.fill_diagonal(t, 1 / np.where(idle, 1, tau))
    routine(LETTER[v.dtype.char] + "trtri")(b"U", b"N", _int(b), t.ctypes.data, _int(b), _int(0))
    t[idle, idle] = 0
    return Panel(v, t)


def triangularised(w: Array, *, keep: bool = False) -> Iterator[Panel]:
    """The panels that make w (m, n) upper triangular, one after the other; w becomes the triangle.

    In place on a row- or column-major matrix; 2 n² (m - n/3) flops for m ≥ n, 2 m² (n - m/3) else. All panels
    take k (m - k/2) items, k = min(m, n). Below the triangle w is zero, or V with `keep`.
    """
    m, n = w.shape
    k = min(m, n)
    for start in range(0, k, WIDTH):
        stop = min(start + WIDTH, k)
        panel, r = factored(w[start:, start:stop])
        if stop < n:
            panel.apply(w[start:, stop:], transposed=True)
        w[start:stop, start:stop] = r + np.tril(panel.v[: stop - start], -1) if keep else r
        if keep:
            assign(w[stop:, start:stop], panel.v[stop - start :])
        else:
            w[stop:, start:stop] = 0
        yield panel


def from_packed(w: Array, t: Array) -> list[Panel]:
    """The panels of a deep matrix (m, n) whose V is below the diagonal of w, from their T side by side."""
    n, panels = w.shape[1], []
    for start in range(0, n, WIDTH):
        stop = min(start + WIDTH, n)
        v = _unit_trapezoid(np.array(w[start:, start:stop], order="C"))
        panels.append(Panel(v, t[: stop - start, start:stop]))
    return panels


def fill_columns(panels: list[Panel], q: Array) -> None:
    """q := the first k columns of the panels' product, q (m, k) being zero; 2 k² (m - k/3) flops.

    The last panel comes first: what those before it find in q is zero above and to the left of it.
    """
    k = q.shape[1]
    for start, panel in zip(_starts(panels), reversed(panels), strict=True):
        stop = start + panel.t.shape[0]
        if stop < k:
            panel.apply(q[start:, stop:])
        panel.fill(q[start:, start:stop])


def apply_all(panels: list[Panel], c: Array, *, transposed: bool = False) -> None:
    """c := Q c, or Qᵀ c, in place, for the whole Q (m, m) of the panels and c (m, n); 4 m k n flops."""
    if transposed:
        for start, panel in zip(reversed(_starts(panels)), panels, strict=True):
            panel.apply(c[start:], transposed=True)
    else:
        for start, panel in zip(_starts(panels), reversed(panels), strict=True):
            panel.apply(c[start:])


def _starts(panels: list[Panel]) -> list[int]:
    """First rows of the panels, the last one's first."""
    return [WIDTH * k for k in reversed(range(len(panels)))]


def multiply(v: Array, tau: Array, c: Array) -> None:
    """c := H₁ … H_k c in place, for c (m, n), with reflectors as LAPACK leaves them in v (m, k ≤ m)."""
    starts = range(0, tau.size, WIDTH)
    for start in reversed(starts):
        here = slice(start, start + WIDTH)
        from_reflectors(v[start:, here], tau[here]).apply(c[start:])


def _unit_trapezoid(v: Array) -> Array:
    top = v[: v.shape[1]]
    top[...] = np.tril(top, -1)
    np.fill_diagonal(top, 1)
    return v
