"""Polar decomposition A = U P of a deep or square matrix of full rank.

A is m × n with m ≥ n, UᴴU = I, P Hermitian positive definite; both are smooth functions of A, also where
singular values repeat. With M = Uᴴ Ȧ and 𝓛(C) the solution X of P X + X P = C,

    pushforward    Ω = 𝓛(M - Mᴴ),   U̇ = U Ω + (Ȧ - U M) P⁻¹,   Ṗ = M - Ω P
    pullback       X = 𝓛(Uᴴ Ū - P̄ P),   Ā = U (X - Xᴴ + P̄) + (Ū - U Uᴴ Ū) P⁻¹

Nothing is divided by a difference of singular values, only by their sums. A singular value of at most
max(m, n) rounding units of the largest raises FactorisationError.
Reference: N. J. Higham, Functions of Matrices, SIAM (2008), chapter 8.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.kernels.dense import adjoint, factored, hermitian, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.positive_solve import positive_solve
from dagsolve.primitives.svd import random_of_spectrum
from dagsolve.primitives.sylvester import solve_sylvester
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array) -> Arrays:
    w, s, vh = factored(xp, "polar", a, lambda: xp.linalg.svd(a, full_matrices=False))
    m, n = a.shape[-2:]
    if s.size and bool(xp.any(s[..., -1] <= max(m, n) * float(xp.finfo(s.dtype).eps) * s[..., 0])):
        raise FactorisationError(
            f"polar: a {tuple(a.shape)} {a.dtype} does not have full rank: the unitary factor is not unique"
        )
    return xp.matmul(w, vh), hermitian(xp, xp.matmul(adjoint(xp, vh) * s[..., None, :], vh))


def specs(a: Spec) -> Specs:
    dims = polar.parsed.dims((a.shape,))
    m, n = dims["m"], dims["n"]
    if m < n:
        raise ShapeError(f"polar: a must have at least as many rows as columns, got shape {a.shape}")
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    return spec(a.shape, dtype), spec((*a.shape[:-2], n, n), dtype)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Arrays:
    (a_dot,) = tangents
    u, p = saved.u, saved.p
    moved = xp.matmul(adjoint(xp, u), a_dot)
    turn = solve_sylvester(p, p, moved - adjoint(xp, moved))
    u_dot = xp.matmul(u, turn)
    if u.shape[-2] > u.shape[-1]:
        u_dot = u_dot + _divided(xp, a_dot - xp.matmul(u, moved), p)
    return u_dot, moved - xp.matmul(turn, p)


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    u_bar, p_bar = cotangents
    u, p = saved.u, saved.p
    inner = None if u_bar is None else xp.matmul(adjoint(xp, u), u_bar)
    x = solve_sylvester(p, p, total(inner, None if p_bar is None else -xp.matmul(p_bar, p)))
    a_bar = xp.matmul(u, total(x - adjoint(xp, x), p_bar))
    if u_bar is not None and u.shape[-2] > u.shape[-1]:
        a_bar = a_bar + _divided(xp, u_bar - xp.matmul(u, inner), p)
    return (a_bar,)


def _divided(xp: Namespace, x: Array, p: Array) -> Array:
    """X P⁻¹."""
    return adjoint(xp, positive_solve(p, adjoint(xp, x))[0])


def cost(operands: Specs, results: Specs) -> Cost:
    m, n = operands[0].shape[-2:]
    count = operands[0].size / (m * n) if m * n else 0.0
    return Cost(
        count * (8.0 * m * n * n + 22 * n**3), count * (60.0 * n**3 + 8 * m * n * n), 4 * count * n * n
    )


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_of_spectrum(rng, m=3, n=3, s=(2.0, 1.5, 1.0)),)
    yield (random_of_spectrum(rng, m=5, n=3, s=(2.0, 1.0, 1.0)),)  # equal singular values
    yield (random_of_spectrum(rng, m=3, n=3, s=(1.0, 1.0, 1.0)),)
    yield (random_of_spectrum(rng, m=3, n=1),)
    yield (random_of_spectrum(rng, 2, 3, m=3, n=2),)
    yield (random_of_spectrum(rng, m=3, n=2, dtype=complex),)
    yield (random_of_spectrum(rng, 2, m=3, n=3, dtype=complex),)


polar = Primitive(
    "polar",
    "a(m,n) -> u(m,n), p(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("u", "p")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (polar,)
