"""Householder form of orthonormal columns Q (m, w), from their first w rows; without derivative.

With signs S = diag(s), Q S are the first columns of the unitary P = I - V T Vᴴ, where V is unit lower
trapezoidal and T upper triangular, by an elimination without pivots:

    Q - [S; 0] = V U,    T = -U S V₁⁻ᴴ

of which the first w rows give V₁, U, T and s; the other rows of V are those of Q U⁻¹. Each s_j is chosen in
its turn, against the sign of the entry that it is subtracted from: so no pivot is smaller than one, and V, T
and s are those that Householder's QR of any A = Q R would have found, with S R in place of R.
Reference: G. Ballard, J. Demmel, L. Grigori, M. Jacquelin, H. D. Nguyen, E. Solomonik, IPDPS (2014)
1159-1170, doi:10.1109/IPDPS.2014.120.
"""

import numpy as np

from dagsolve.kernels.dense import is_complex
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Specs
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.specs import Spec, spec

PANEL = 16  # columns that are eliminated one by one before the rest is updated


def forward(xp: Namespace, q: Array) -> Arrays:
    n = q.shape[-1]
    work = xp.asarray(q, copy=True)
    signs = xp.ones((n,), dtype=xp.real(q).dtype if is_complex(q) else q.dtype)
    for start in range(0, n, PANEL):
        end = min(n, start + PANEL)
        panel = work[start:, start:end]
        for j in range(end - start):
            pivot = xp.real(panel[j, j]) if is_complex(q) else panel[j, j]
            sign = xp.where(pivot < 0, xp.ones_like(pivot), -xp.ones_like(pivot))
            signs[start + j] = sign
            panel[j, j] = panel[j, j] - sign
            panel[j + 1 :, j] = panel[j + 1 :, j] / panel[j, j]
            panel[j + 1 :, j + 1 :] -= panel[j + 1 :, j, None] * panel[j, None, j + 1 :]
        if end < n:
            beside = _solved(work[start:end, start:end], work[start:end, end:])
            work[start:end, end:] = beside
            work[end:, end:] -= xp.matmul(work[end:, start:end], beside)
    return _parts(xp, work, signs)


def forward_kernel(xp: Namespace, q: Array) -> Arrays:
    """The same with fewer calls for each column, on NumPy."""
    if xp is not np:
        return forward(xp, q)
    n = q.shape[-1]
    work = np.array(q)
    signs = np.empty(n, work.real.dtype)
    for start in range(0, n, PANEL):
        end = min(n, start + PANEL)
        panel = np.array(work[start:, start:end], order="F")
        for j in range(end - start):
            sign = 1.0 if panel[j, j].real < 0 else -1.0
            signs[start + j] = sign
            panel[j, j] -= sign
            below = panel[j + 1 :, j]
            below /= panel[j, j]
            panel[j + 1 :, j + 1 :] -= np.multiply.outer(below, panel[j, j + 1 :])
        work[start:, start:end] = panel
        if end < n:
            work[start:end, end:] = _solved(work[start:end, start:end], work[start:end, end:])
            work[end:, end:] -= work[end:, start:end] @ work[start:end, end:]
    return _parts(np, work, signs)


def _parts(xp: Namespace, work: Array, signs: Array) -> Arrays:
    """V₁, U, T and s from V₁ and U in one matrix."""
    u = xp.triu(work)
    v = xp.tril(work, k=-1) + xp.eye(work.shape[-1], dtype=work.dtype)
    return v, u, xp.triu(_right(v, -u * signs)), signs


def _solved(l: Array, b: Array) -> Array:
    """L⁻¹ B for a unit lower triangular L."""
    return solve_triangular(l, b, lower=True, transposed=False, right=False, unit_diagonal=True)


def _right(l: Array, b: Array) -> Array:
    """B L⁻ᴴ for a unit lower triangular L."""
    return solve_triangular(l, b, lower=True, transposed=True, right=True, unit_diagonal=True)


def specs(q: Spec) -> Specs:
    n = householder.parsed.dims((q.shape,))["n"]
    square = spec((n, n), q.dtype)
    return square, square, square, spec((n,), q.dtype.type().real.dtype)


def cost(operands: Specs, results: Specs) -> Cost:
    n = operands[0].shape[-1]
    return Cost(5 * n**3 / 3, 0, 2 * n * n)


householder = Primitive(
    "householder",
    "q(n,n) -> v(n,n), u(n,n), t(n,n), s(n)",
    forward,
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
)

PRIMITIVES = (householder,)
