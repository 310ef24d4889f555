"""Products of Householder reflectors in compact WY form, H = H₁ … H_b = I - V T Vᵀ, on real NumPy matrices.

LAPACK applies reflectors 32 at a time, too few for a product of matrices to reach its speed, and its panels
are column-major. Here a panel is as wide as pays, and what it is applied to may be row- or column-major: only
the panel itself is copied.
Reference: R. Schreiber, C. Van Loan, SIAM J. Sci. Stat. Comput. 10, 53 (1989).
"""

import ctypes
from typing import NamedTuple

import numpy as np

from dagsolve.kernels import blas
from dagsolve.kernels.fortran import LETTER, routine
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

    def columns(self) -> Array:
        """The first b columns of H, (m, b)."""
        b = self.t.shape[0]
        x = np.array(self.v[:b].T, order="F")
        blas.trmm(self.t, x, lower=False)
        made = np.empty_like(self.v)
        blas.gemm(self.v, x, made, alpha=-1.0, beta=0.0)
        diagonal = np.arange(b)
        made[diagonal, diagonal] += 1
        return made


def factored(a: Array) -> tuple[Panel, Array]:
    """The reflectors that make a tall matrix (m, b), m ≥ b, triangular, and that triangle R (b, b)."""
    m, b = a.shape
    v, t, info = np.array(a, order="F"), np.zeros((b, b), a.dtype, order="F"), _int(0)
    routine(LETTER[a.dtype.char] + "geqrt3")(
        _int(m), _int(b), v.ctypes.data, _int(m), t.ctypes.data, _int(b), info
    )
    r = np.triu(v[:b])
    return Panel(_unit_trapezoid(v), t), r


def from_reflectors(v: Array, tau: Array) -> Panel:
    """The panel of reflectors below the diagonal of v (m, b), as LAPACK leaves them, with factors tau."""
    m, b = v.shape
    v, t = _unit_trapezoid(np.array(v, order="F")), np.zeros((b, b), v.dtype, order="F")
    routine(LETTER[v.dtype.char] + "larft")(
        b"F", b"C", _int(m), _int(b), v.ctypes.data, _int(m), tau.ctypes.data, t.ctypes.data, _int(b)
    )
    return Panel(v, t)


def _unit_trapezoid(v: Array) -> Array:
    top = v[: v.shape[1]]
    top[np.triu_indices(v.shape[1])] = 0
    np.fill_diagonal(top, 1)
    return v
