"""Determinant, and the adjugate that is its derivative.

    det(a)         d = det A
    adjugate(a)    Y = adj A, with A Y = Y A = d I, a polynomial in the entries of A

    pushforward    ḋ = tr(Y Ȧ),           Ẏ = tr(Y Ȧ) A⁻¹ - Y Ȧ A⁻¹
    pullback       Ā = d̄ Yᴴ,              Ā = ⟨A⁻¹, Ȳ⟩ Yᴴ - Yᴴ Ȳ A⁻ᴴ,   ⟨X, Ȳ⟩ = Σ X* Ȳ

So the gradient of a determinant is right for a singular matrix too: of rank n - 1 it is a matrix of rank one,
below that zero. The adjugate is d A⁻¹ by the LU factors, and where a pivot may be rounding, by singular
values: adj A = det(U) det(Vᴴ) V adj(Σ) Uᴴ. Its own derivative, the second one of a determinant, needs an
inverse: FactorisationError for a singular matrix.
References: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008); G. W. Stewart, Linear Algebra Appl.
283 (1998), for the adjugate.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.column_lu import lu_by_columns
from dagsolve.kernels.dense import adjoint, factored
from dagsolve.kernels.lu import parity, refuse_infinite, small_pivots
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.inverse import inv, lu_kernel
from dagsolve.primitives.lu import well_posed


def forward(xp: Namespace, a: Array) -> Array:
    refuse_infinite(xp, "det", a)
    (d,) = factored(xp, "det", a, lambda: xp.linalg.det(a), "has a determinant too large for it; use slogdet")
    return d


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    return _trace_of_product(xp, adjugate(saved.a), a_dot)


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (d_bar,) = cotangents
    return (d_bar[..., None, None] * adjoint(xp, adjugate(saved.a)),)


def _trace_of_product(xp: Namespace, a: Array, b: Array) -> Array:
    """tr(A B)."""
    return xp.sum(xp.matrix_transpose(a) * b, axis=(-2, -1))


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(operands[0].size) * operands[0].shape[-1]
    return Cost(2 / 3 * flops, 2 * flops, 2 * operands[0].size)


def adjugate_forward(xp: Namespace, a: Array) -> Array:
    n = a.shape[-1]
    packed, p = lu_by_columns(xp, "adjugate", a)
    if not packed.size:
        return packed
    pivots = xp.linalg.diagonal(packed)
    regular = ~xp.any(small_pivots(xp, packed), axis=-1)[..., None, None]
    if not xp.any(regular):
        return _by_singular_values(xp, a)
    d = parity(xp, p, packed.dtype) * xp.prod(pivots, axis=-1)
    y = d[..., None, None] * lu_kernel(xp, xp.where(regular, packed, xp.eye(n, dtype=packed.dtype)), p)
    return y if xp.all(regular) else xp.where(regular, y, _by_singular_values(xp, a))


def _by_singular_values(xp: Namespace, a: Array) -> Array:
    u, s, vh = factored(xp, "adjugate", a, lambda: xp.linalg.svd(a, full_matrices=False))
    one = xp.ones_like(s[..., :1])
    up = xp.cumulative_prod(xp.concat([one, s[..., :-1]], axis=-1), axis=-1)
    down = xp.flip(
        xp.cumulative_prod(xp.concat([one, xp.flip(s, axis=-1)[..., :-1]], axis=-1), axis=-1), axis=-1
    )
    phase = xp.linalg.det(u) * xp.linalg.det(vh)
    scaled = adjoint(xp, vh) * (up * down)[..., None, :]  # products of all singular values but one
    return phase[..., None, None] * xp.matmul(scaled, adjoint(xp, u))


def adjugate_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    z = inv(saved.a)
    trace = _trace_of_product(xp, saved.y, a_dot)[..., None, None]
    return trace * z - xp.matmul(saved.y, xp.matmul(a_dot, z))


def adjugate_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    yh, zh = adjoint(xp, saved.y), adjoint(xp, inv(saved.a))
    share = _trace_of_product(xp, zh, y_bar)[..., None, None]
    return (share * yh - xp.matmul(yh, xp.matmul(y_bar, zh)),)


def adjugate_cost(operands: Specs, results: Specs) -> Cost:
    flops = float(operands[0].size) * operands[0].shape[-1]
    return Cost(2 * flops, 6 * flops, 2 * operands[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (well_posed(rng, m=5, n=5),)
    yield (well_posed(rng, m=1, n=1),)
    yield (well_posed(rng, 2, 3, m=3, n=3),)
    yield (well_posed(rng, m=3, n=3, dtype=complex),)


det = Primitive(
    "det",
    "a(n,n) -> d",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a",)},
    cost=cost,
    replaces=(np.linalg.det,),
    examples=examples,
)
adjugate = Primitive(
    "adjugate",
    "a(n,n) -> y(n,n)",
    adjugate_forward,
    adjugate_pushforward,
    adjugate_pullback,
    saves={"a": ("a", "y")},
    cost=adjugate_cost,
    examples=examples,
)

PRIMITIVES = (det, adjugate)
