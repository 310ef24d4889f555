"""Reduced QR factorisation A = Q R of an m × n matrix, k = min(m, n): Qᴴ Q = I, R upper triangular.

The signs are LAPACK's: R has a real diagonal of either sign. With R = [U V], U the first k columns, which
must be linearly independent for a derivative to exist (FactorisationError where a diagonal entry of U is
at most max(m, n) ε times the largest of its column),
Φ(M) the lower triangle of M with its diagonal halved, and copyltu(M) = Φ(M) + Φ(M)ᴴ,

    pushforward    C = Ẋ U⁻¹, B = Qᴴ C, Ω = Φ(B) - Φ(B)ᴴ;    Q̇ = C - Q (B - Ω),   Ṙ = Qᴴ Ȧ - Ω R
    pullback       M = U Ūᴴ - Q̄ᴴ Q - V̄ Vᴴ;    Ā = [(Q̄ + Q (copyltu(M) + V V̄ᴴ)) U⁻ᴴ,  Q V̄]

where Ȧ = [Ẋ Ẏ] and R̄ = [Ū V̄]; the terms of V are there for wide matrices only. Only the lower triangle of M
is computed, and of R̄ only the upper one is seen.
References: M. Seeger et al., arXiv:1710.08717 (2017); D. Roberts, L. Roberts, arXiv:2009.10071 (2020).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import reflectors
from dagsolve.kernels.dense import adjoint, copyltu, factored, phi, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.independent import independent
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.sampling import random_array, random_orthogonal, random_triangular
from dagsolve.specs import Spec, spec


def forward(xp: Namespace, a: Array) -> Arrays:
    return factored(xp, "qr", a, lambda: xp.linalg.qr(a))


def forward_kernel(xp: Namespace, a: Array) -> Arrays:
    return factors(xp, "qr", a)


def factors(xp: Namespace, who: str, a: Array) -> Arrays:
    """Q and R, on NumPy by LAPACK without the copies that make Q row-major; errors speak of `who`."""
    if xp is np and reflectors.serves(a):
        return factored(xp, who, a, lambda: reflectors.on_stack(reflectors.qr, a))
    return factored(xp, who, a, lambda: xp.linalg.qr(a))


def specs(a: Spec) -> Specs:
    return reduced_specs(qr, a)


def reduced_specs(primitive: Primitive, a: Spec) -> Specs:
    """Specs (…, m, k) and (…, k, n) of the two factors of a matrix (…, m, n), k = min(m, n)."""
    dims = primitive.parsed.dims((a.shape,))
    lead, m, n = a.shape[:-2], dims["m"], dims["n"]
    dtype = a.dtype if a.dtype.kind in "fc" else np.float64
    k = min(m, n)
    return spec((*lead, m, k), dtype), spec((*lead, k, n), dtype)


def pushforward(xp: Namespace, saved: Saved, a_dots: Arrays) -> Arrays:
    return tangents(xp, saved.q, saved.r, *a_dots)


def tangents(xp: Namespace, q: Array, r: Array, a_dot: Array, who: str = "qr") -> Arrays:
    """Q̇ and Ṙ; errors speak of `who`."""
    c, turn, r_dot = turned(xp, q, r, a_dot, who)
    return c - xp.matmul(q, turn), r_dot


def turned(xp: Namespace, q: Array, r: Array, a_dot: Array, who: str = "qr") -> Arrays:
    """C, B - Ω and Ṙ."""
    k = q.shape[-1]
    qh = adjoint(xp, q)
    u = _checked(xp, q, r, r[..., :k], who)
    c = _divided(u, a_dot[..., :k], transposed=False)
    b = xp.matmul(qh, c)
    half = phi(xp, b)
    omega = half - adjoint(xp, half)
    return c, b - omega, xp.triu(xp.matmul(qh, a_dot) - xp.matmul(omega, r))


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Array | None, ...], wanted: Wanted
) -> tuple[Array | None, ...]:
    return (pulled(xp, saved.q, saved.r, *cotangents),)


def pulled(
    xp: Namespace, q: Array, r: Array, q_bar: Array | None, r_bar: Array | None, *, who: str = "qr"
) -> Array:
    """Ā, of cotangents of which at least one is given."""
    k, n = r.shape[-2:]
    wide = n > k
    u, v = (r[..., :k], r[..., k:]) if wide else (r, None)
    terms: list[Array | None] = []
    if q_bar is not None:
        terms.append(-triangle_product(adjoint(xp, q_bar), q))
    if r_bar is not None:
        terms.append(triangle_product(u, adjoint(xp, r_bar[..., :k] if wide else r_bar)))
    v_bar = r_bar[..., k:] if wide and r_bar is not None else None
    product = None if v_bar is None else xp.matmul(v, adjoint(xp, v_bar))
    if product is not None:
        terms.append(-adjoint(xp, product))  # of which copyltu sees the lower triangle
    middle = total(copyltu(xp, total(*terms)), product)
    u = _checked(xp, q, r, u, who)
    x_bar = _divided(u, total(q_bar, xp.matmul(q, middle)), transposed=True)
    if not wide:
        return x_bar
    if v_bar is None:
        y_bar = xp.zeros((*x_bar.shape[:-1], n - k), dtype=x_bar.dtype)
    else:
        y_bar = xp.matmul(q, v_bar)
    return xp.concat([x_bar, y_bar], axis=-1)


def _checked(xp: Namespace, q: Array, r: Array, u: Array, who: str) -> Array:
    """U, the first columns of R, if they are independent."""
    if not u.shape[-1]:
        return u
    shape = (q.shape[-2], r.shape[-1])
    made: Array = independent(u, xp.max(xp.abs(u), axis=-2), who=who, shape=shape)
    return made


def _divided(u: Array, b: Array, *, transposed: bool) -> Array:
    """B U⁻¹, or B U⁻ᴴ."""
    return solve_triangular(u, b, lower=False, transposed=transposed, right=True, unit_diagonal=False)


def cost(operands: Specs, results: Specs) -> Cost:
    m, n = operands[0].shape[-2:]
    stack = operands[0].size / (m * n) if m * n else 0.0
    k = min(m, n)
    forward_flops = 4 * m * n * n - 4 * n**3 / 3 if m >= n else 2 * m * m * n + 2 * m**3 / 3
    pullback_flops = 4 * m * k * k + 2 * k**3 + 2 * (m + k) * k * (n - k)
    return Cost(stack * forward_flops, stack * pullback_flops, stack * k * k + results[0].size)


def well_posed(rng: np.random.Generator, *batch: int, m: int, n: int, dtype: Any = np.float64) -> Array:
    """Matrices whose first min(m, n) columns are far from linear dependence."""
    k = min(m, n)
    columns = random_orthogonal(rng, *batch, n=m, dtype=dtype)[..., :k]
    triangle = random_triangular(rng, *batch, n=k, lower=False, dtype=dtype)
    rest = random_array(rng, *batch, m, n - k, dtype=dtype)
    return np.concatenate([columns @ triangle, rest], axis=-1)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((1, 1), (5, 5), (7, 3), (3, 7), (1, 3), (3, 1)):
        yield (well_posed(rng, m=m, n=n),)
    yield (well_posed(rng, 2, 3, m=5, n=2),)
    yield (well_posed(rng, 2, m=2, n=5),)
    yield (well_posed(rng, 2, m=71, n=67),)  # past the stacks that NumPy does in one call
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (well_posed(rng, m=m, n=n, dtype=complex),)


qr = Primitive(
    "qr",
    "a(m,n) -> q(m,k), r(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("q", "r")},
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (qr,)
