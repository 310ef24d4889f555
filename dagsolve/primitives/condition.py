"""Condition number by the 2-norm: c = s / t of the largest and the smallest singular value, or reversed.

    pushforward    ċ = (ṡ - c ṫ) / t
    pullback       s̄ = c̄ / t,   t̄ = -c c̄ / t

It is infinite where t is zero, as NumPy's is, and then has no derivative: `divisor`, the identity that stands
in the derivatives, raises FactorisationError.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import named, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Wanted, handing_on
from dagsolve.sampling import random_array


def forward(xp: Namespace, s: Array, t: Array) -> Array:
    zero = t == 0
    return xp.where(zero, t + np.inf, s / xp.where(zero, t + 1.0, t))


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...]) -> Array | None:
    s_dot, t_dot = tangents
    moved = total(s_dot, None if t_dot is None else -saved.c * t_dot)
    return None if moved is None else moved / divisor(saved.t)


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (c_bar,) = cotangents
    share = c_bar / divisor(saved.t)
    return tuple(share if name == "s" else -saved.c * share for name in wanted)


def forward_divisor(xp: Namespace, t: Array) -> Array:
    if xp.any(t == 0):
        at = tuple(int(found[0]) for found in xp.nonzero(t == 0)) if t.ndim else ()
        raise FactorisationError(
            f"cond: {named(at)} has a singular value of 0 to divide by: the condition number is infinite"
            " and has no derivative; add a small multiple of the identity"
        )
    return t


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for shape in ((), (5,), (2, 3)):
        yield rng.uniform(1.0, 3.0, shape), rng.uniform(0.5, 1.0, shape)


def examples_divisor(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 3),)
    yield (random_array(rng),)


condition = Primitive(
    "condition",
    "s, t -> c",
    forward,
    pushforward,
    pullback,
    saves={"s": ("t", "c"), "t": ("t", "c")},
    examples=examples,
)
divisor = handing_on("divisor", "t -> y", forward_divisor, examples_divisor)

PRIMITIVES = (condition, divisor)
