"""Reduced LQ factorisation A = L Q of an m × n matrix, k = min(m, n): Q Qᴴ = I, L lower triangular.

The signs are LAPACK's: L has a real diagonal of either sign. With L₁ the first k rows of L = [L₁; L₂], which
must be linearly independent for a derivative to exist (FactorisationError for a zero on its diagonal),
Φ(M) the lower triangle of M with its diagonal halved, and copyltu(M) = Φ(M) + Φ(M)ᴴ,

    pushforward    C = L₁⁻¹ Ȧ₁, B = C Qᴴ, Ω = Φ(Bᴴ)ᴴ - Φ(Bᴴ);    Q̇ = C - (B - Ω) Q,   L̇ = Ȧ Qᴴ - L Ω
    pullback       M = L₁ᴴ L̄₁ - Q̄ Qᴴ - L̄₂ᴴ L₂;    Ā = [L₁⁻ᴴ (Q̄ + (copyltu(M) + L̄₂ᴴ L₂) Q);  L̄₂ Q]

where Ȧ = [Ȧ₁; Ȧ₂] and L̄ = [L̄₁; L̄₂]; the terms of L₂ are there for deep matrices only. Only the lower triangle
of M is computed, and of L̄ only the lower one is seen.
References: M. Seeger et al., arXiv:1710.08717 (2017); D. Roberts, L. Roberts, arXiv:2009.10071 (2020).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import reflectors
from dagsolve.kernels.dense import adjoint, copyltu, factored, phi, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import qr as orthogonal
from dagsolve.primitives.independent import independent
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.specs import Spec, spec


def forward(xp: Namespace, a: Array) -> Arrays:
    """From the QR factorisation of Aᴴ."""
    return _mirrored(xp, "lq", a)


def forward_kernel(xp: Namespace, a: Array) -> Arrays:
    return factors(xp, "lq", a)


def factors(xp: Namespace, who: str, a: Array) -> Arrays:
    """L and Q, on NumPy by LAPACK in place on a row-major copy, the transpose that it wants."""
    if xp is np and reflectors.serves(a):
        return factored(xp, who, a, lambda: reflectors.on_stack(reflectors.lq, a))
    return _mirrored(xp, who, a)


def _mirrored(xp: Namespace, who: str, a: Array) -> Arrays:
    q, r = factored(xp, who, a, lambda: xp.linalg.qr(adjoint(xp, a)))
    return adjoint(xp, r), adjoint(xp, q)


def specs(a: Spec) -> Specs:
    return orthogonal.reduced_specs(lq, a)


def pushforward(xp: Namespace, saved: Saved, a_dots: Arrays) -> Arrays:
    return tangents(xp, saved.l, saved.q, *a_dots)


def tangents(xp: Namespace, l: Array, q: Array, a_dot: Array) -> Arrays:
    """L̇ and Q̇."""
    k = q.shape[-2]
    qh = adjoint(xp, q)
    first = _checked(xp, l, q, l[..., :k, :])
    c = _divided(first, a_dot[..., :k, :], transposed=False)
    b = xp.matmul(c, qh)
    half = phi(xp, adjoint(xp, b))
    omega = adjoint(xp, half) - half
    return xp.tril(xp.matmul(a_dot, qh) - xp.matmul(l, omega)), c - xp.matmul(b - omega, q)


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Array | None, ...], wanted: Wanted
) -> tuple[Array | None, ...]:
    return (pulled(xp, saved.l, saved.q, *cotangents),)


def pulled(xp: Namespace, l: Array, q: Array, l_bar: Array | None, q_bar: Array | None) -> Array:
    """Ā, of cotangents of which at least one is given."""
    m, k = l.shape[-2:]
    deep = m > k
    first, rest = (l[..., :k, :], l[..., k:, :]) if deep else (l, None)
    terms: list[Array | None] = []
    if q_bar is not None:
        terms.append(-triangle_product(q_bar, adjoint(xp, q)))
    if l_bar is not None:
        terms.append(triangle_product(adjoint(xp, first), l_bar[..., :k, :] if deep else l_bar))
    rest_bar = l_bar[..., k:, :] if deep and l_bar is not None else None
    product = None if rest_bar is None else xp.matmul(adjoint(xp, rest_bar), rest)
    if product is not None:
        terms.append(-product)  # of which copyltu sees the lower triangle
    middle = total(copyltu(xp, total(*terms)), product)
    first = _checked(xp, l, q, first)
    first_bar = _divided(first, total(q_bar, xp.matmul(middle, q)), transposed=True)
    if not deep:
        return first_bar
    if rest_bar is None:
        below = xp.zeros((*first_bar.shape[:-2], m - k, first_bar.shape[-1]), dtype=first_bar.dtype)
    else:
        below = xp.matmul(rest_bar, q)
    return xp.concat([first_bar, below], axis=-2)


def _checked(xp: Namespace, l: Array, q: Array, first: Array) -> Array:
    """The first rows of L, if they are independent."""
    if not first.shape[-1]:
        return first
    shape = (l.shape[-2], q.shape[-1])
    made: Array = independent(first, xp.max(xp.abs(first), axis=-1), who="lq", shape=shape)
    return made


def _divided(l: Array, b: Array, *, transposed: bool) -> Array:
    """L⁻¹ B, or L⁻ᴴ B."""
    return solve_triangular(l, b, lower=True, transposed=transposed, right=False, unit_diagonal=False)


def cost(operands: Specs, results: Specs) -> Cost:
    (a,) = operands
    mirrored = spec((*a.shape[:-2], *a.shape[:-3:-1]), a.dtype)
    return orthogonal.cost((mirrored,), orthogonal.specs(mirrored))


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((1, 1), (5, 5), (7, 3), (3, 7), (1, 3), (3, 1)):
        yield (adjoint(np, orthogonal.well_posed(rng, m=n, n=m)),)
    yield (adjoint(np, orthogonal.well_posed(rng, 2, 3, m=2, n=5)),)
    yield (adjoint(np, orthogonal.well_posed(rng, 2, m=5, n=2)),)
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (adjoint(np, orthogonal.well_posed(rng, m=n, n=m, dtype=complex)),)


lq = Primitive(
    "lq",
    "a(m,n) -> l(m,k), q(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("l", "q")},
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (lq,)
