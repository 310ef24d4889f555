"""A Hermitian matrix given in full, of which half is read: Y = A, where B = Aᴴ.

Factorisations read the lower triangle of an input only, as LAPACK does. On the space of Hermitian matrices
the upper half carries the same numbers, so the cotangent is shared between both; the gradient of an input is
then its symmetric representative. A and B are one matrix, or the tiles (i, j) and (j, i) of one.

    pushforward    Ẏ = (Ȧ + Ḃᴴ) / 2
    pullback       Ā = Ȳ / 2,   B̄ = Ȳᴴ / 2

It is the derivative for Hermitian tangents (Ḃ = Ȧᴴ) and costs nothing forward.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.dense import adjoint, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec


def forward(xp: Namespace, a: Array, b: Array) -> Array:
    return a


def specs(a: Spec, b: Spec) -> tuple[Spec, ...]:
    hermitian.parsed.dims((a.shape, b.shape))
    return (spec(a.shape, a.dtype),)


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...]) -> Array | None:
    a_dot, b_dot = tangents
    both = total(a_dot, None if b_dot is None else adjoint(xp, b_dot))
    return None if both is None else both * 0.5


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    half = y_bar * 0.5
    return tuple(half if name == "a" else adjoint(xp, half) for name in wanted)


def tangent_space(xp: Namespace, tangents: tuple[Any, ...]) -> tuple[Any, ...]:
    a_dot, _ = tangents
    return a_dot, adjoint(xp, a_dot)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for a in (random_array(rng, 5, 3), random_array(rng, 2, 3, 7), random_array(rng, 3, 2, dtype=complex)):
        yield a, adjoint(np, a)


hermitian = Primitive(
    "hermitian",
    "a(m,n), b(n,m) -> y(m,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": (), "b": ()},
    specs=specs,
    view=True,
    tangent_space=tangent_space,
    examples=examples,
)

PRIMITIVES = (hermitian,)
