"""Sign (phase) and logarithm of the magnitude of a determinant, det A = s eˡ; the LU factors come with it.

    pushforward    l̇ = Re t,  ṡ = i s Im t,   t = tr(A⁻¹ Ȧ)
    pullback       Ā = (l̄ + i Im(s* s̄)) A⁻ᴴ,       s* the conjugate of s

so that a real sign has no derivative. A⁻ᴴ is made from the stored factors of Aᴴ
(`dagsolve.kernels.column_lu`). They are results with a derivative of their own: a second derivative goes
through it. A singular matrix has s = 0, l = -∞, and no derivative (FactorisationError).
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008), for the real case.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.column_lu import lu_of_adjoint
from dagsolve.kernels.dense import adjoint, is_complex, total
from dagsolve.kernels.lu import parity
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.column_lu import column_solved, matrix_cotangent, packed_tangent
from dagsolve.primitives.inverse import lu_inverse
from dagsolve.primitives.lu import well_posed
from dagsolve.primitives.solve import extra_axes, zeros_behind
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array) -> Arrays:
    packed, p = lu_of_adjoint(xp, "slogdet", a)
    pivots = xp.linalg.diagonal(packed)
    pivots = xp.conj(pivots) if is_complex(pivots) else pivots
    size = xp.abs(pivots)
    zero = size == 0
    one = xp.ones_like(size)
    phases = xp.where(zero, 0.0 * pivots, pivots / xp.where(zero, one, size))
    logarithms = xp.where(zero, -np.inf * one, xp.log(xp.where(zero, one, size)))
    sign = parity(xp, p, packed.dtype) * xp.prod(phases, axis=-1)
    return sign, xp.sum(logarithms, axis=-1), packed, p


def specs(a: Spec) -> Specs:
    slogdet.parsed.dims((a.shape,))
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    real = np.empty(0, dtype).real.dtype
    lead = a.shape[:-2]
    return spec(lead, dtype), spec(lead, real), spec(a.shape, dtype), spec(a.shape[:-1], np.int64)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> tuple[Maybe, ...]:
    (a_dot,) = tangents
    moved = column_solved(saved.luh, saved.p, a_dot, transposed=True)
    trace = xp.sum(xp.linalg.diagonal(moved), axis=-1)
    luh_dot = packed_tangent(xp, saved.luh, saved.p, adjoint(xp, a_dot))
    if not is_complex(trace):
        return None, trace, luh_dot, None
    return saved.sign * (1j * xp.imag(trace)), xp.real(trace), luh_dot, None


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> Arrays:
    sign_bar, log_bar, luh_bar, _ = cotangents
    turn = None
    if sign_bar is not None and is_complex(saved.luh):
        turn = 1j * xp.imag(xp.conj(saved.sign) * sign_bar)[..., None, None]
    scale = total(None if log_bar is None else log_bar[..., None, None], turn)
    parts: list[Maybe] = []
    if scale is not None:
        parts.append(scale * lu_inverse(saved.luh, saved.p))
    if luh_bar is not None:
        parts.append(adjoint(xp, matrix_cotangent(xp, saved.luh, saved.p, luh_bar)))
    a_bar = total(*parts)
    if a_bar is None:
        a_bar = zeros_behind(
            xp, extra_axes(saved, ("sign", "logabsdet", "luh", "p"), cotangents), saved.specs["a"]
        )
    return (a_bar,)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = 2 / 3 * float(operands[0].size) * operands[0].shape[-1]
    return Cost(flops, 2 * flops, operands[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (well_posed(rng, m=5, n=5),)
    yield (well_posed(rng, m=1, n=1),)
    yield (well_posed(rng, m=19, n=19),)
    yield (well_posed(rng, 2, 3, m=3, n=3),)
    yield (well_posed(rng, m=3, n=3, dtype=complex),)
    yield (well_posed(rng, 2, m=2, n=2, dtype=complex),)


slogdet = Primitive(
    "slogdet",
    "a(n,n) -> sign, logabsdet, luh(n,n), p(n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("sign", "luh", "p")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (slogdet,)
