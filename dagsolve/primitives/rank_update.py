"""Rank update of a symmetric matrix, lower triangle only: Y = tril(C - A Aᴴ).

The trailing update of a tiled Cholesky on a diagonal tile. Only tril(C) is read. With S = tril(Ȳ),

    pushforward    Ẏ = tril(Ċ - Ȧ Aᴴ - A Ȧᴴ)
    pullback       C̄ = S,   Ā = -(S + Sᴴ) A
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import broadcast_shapes


def forward(xp: Namespace, c: Array, a: Array) -> Array:
    return xp.tril(c - xp.matmul(a, adjoint(xp, a)))


def forward_kernel(xp: Namespace, c: Array, a: Array) -> Array:
    """By syrk on a copy of the triangle: half the flops of the full product."""
    if not (xp is np and blas.supports(c, a)):
        return forward(xp, c, a)
    lead = broadcast_shapes(c.shape[:-2], a.shape[:-2])
    y = np.tril(np.broadcast_to(c, (*lead, *c.shape[-2:])))
    a = np.broadcast_to(a, (*lead, *a.shape[-2:]))
    for index in np.ndindex(*lead):
        blas.syrk(a[index], y[index], alpha=-1.0)
    return y


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...]) -> Array:
    c_dot, a_dot = tangents
    if a_dot is None:
        return xp.tril(c_dot)
    half = xp.matmul(a_dot, adjoint(xp, saved.a))
    whole = half + adjoint(xp, half)
    return xp.tril(-whole if c_dot is None else c_dot - whole)


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    s = xp.tril(y_bar)
    return tuple(s if name == "c" else -xp.matmul(s + adjoint(xp, s), saved.a) for name in wanted)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[0].size) * operands[1].shape[-1]
    return Cost(flops, 2 * flops, results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5, 5), random_array(rng, 5, 3)
    yield random_array(rng, 2, 3, 3), random_array(rng, 3, 7)
    yield random_array(rng, 1, 1), random_array(rng, 2, 1, 1)
    yield random_array(rng, 3, 3, dtype=complex), random_array(rng, 3, 2, dtype=complex)


rank_update = Primitive(
    "rank_update",
    "c(n,n), a(n,k) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"c": (), "a": ("a",)},
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (rank_update,)
