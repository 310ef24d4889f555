"""Condition number by the 2-norm, c = s₀ / s_k of descending singular values s, or its reciprocal.

    pushforward    ċ = (ṡ_i - c ṡ_j) / s_j
    pullback       s̄_i = c̄ / s_j,   s̄_j = -c c̄ / s_j

where c = s_i / s_j. It is infinite where s_j is zero, as NumPy's is, and then has no derivative: `divisor`,
the identity that stands in the derivatives, raises FactorisationError.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import named
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Wanted, handing_on
from dagsolve.sampling import random_array


def _places(s: Array, reciprocal: bool) -> tuple[int, int]:
    """i and j."""
    last = s.shape[-1] - 1
    return (last, 0) if reciprocal else (0, last)


def forward(xp: Namespace, s: Array, *, reciprocal: bool = False) -> Array:
    i, j = _places(s, reciprocal)
    zero = s[..., j] == 0
    one = xp.ones_like(s[..., j])
    return xp.where(zero, np.inf * one, s[..., i] / xp.where(zero, one, s[..., j]))


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, reciprocal: bool = False) -> Array:
    (s_dot,) = tangents
    i, j = _places(saved.s, reciprocal)
    under = divisor(saved.s[..., j])
    return (s_dot[..., i] - saved.c * s_dot[..., j]) / under


def pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, reciprocal: bool = False
) -> Arrays:
    (c_bar,) = cotangents
    i, j = _places(saved.s, reciprocal)
    share = c_bar / divisor(saved.s[..., j])
    places = xp.arange(saved.s.shape[-1], dtype=saved.s.dtype)
    one = xp.ones_like(places)
    over, under = (xp.where(places == place, one, 0.0 * one) for place in (i, j))
    return (share[..., None] * (over - saved.c[..., None] * under),)


def forward_divisor(xp: Namespace, s: Array) -> Array:
    if xp.any(s == 0):
        at = tuple(int(found[0]) for found in xp.nonzero(s == 0)) if s.ndim else ()
        raise FactorisationError(
            f"cond: {named(at)} has a singular value of 0 to divide by: the condition number is infinite"
            " and has no derivative; add a small multiple of the identity"
        )
    return s


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for shape in ((5,), (1,), (2, 3)):
        s = np.flip(np.cumsum(rng.uniform(0.7, 1.3, shape), axis=-1), axis=-1)
        yield (s,)
        yield s, {"reciprocal": True}


def examples_divisor(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 3),)
    yield (random_array(rng),)


condition = Primitive(
    "condition",
    "s(k) -> c",
    forward,
    pushforward,
    pullback,
    saves={"s": ("s", "c")},
    examples=examples,
)
divisor = handing_on("divisor", "s -> y", forward_divisor, examples_divisor)

PRIMITIVES = (condition, divisor)
