"""Real functions of two numbers, applied to every pair of items.

    y = arctan2(a, b)      ∂a = b / (a² + b²)     ∂b = -a / (a² + b²)
    y = hypot(a, b)        ∂a = a / y             ∂b = b / y, zero at the origin
    y = logaddexp(a, b)    ∂a = exp(a - y)        ∂b = exp(b - y)
    y = remainder(a, b)    ∂a = 1                 ∂b = -⌊a / b⌋, the jumps left out

`floor_divide` is constant between its jumps and carries no derivative.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dagsolve.kernels.dense import total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.elementary import TRANSCENDENTAL_FLOPS
from dagsolve.sampling import random_array, random_nonzero, random_positive

Rule = Callable[[Namespace, Saved, Array], Array]  # v ∂f
Examples = Callable[[np.random.Generator], Iterator[tuple[Any, ...]]]


def arctan2_in_a(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (saved.b / (saved.a * saved.a + saved.b * saved.b))


def arctan2_in_b(xp: Namespace, saved: Saved, v: Array) -> Array:
    return -(v * (saved.a / (saved.a * saved.a + saved.b * saved.b)))


def hypot_in_a(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (saved.a / xp.where(saved.y == 0, 1, saved.y))


def hypot_in_b(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (saved.b / xp.where(saved.y == 0, 1, saved.y))


def logaddexp_in_a(xp: Namespace, saved: Saved, v: Array) -> Array:
    # Equal infinities would give NaN as their difference.
    return v * xp.exp(xp.where(saved.a == saved.y, 0, saved.a - saved.y))


def logaddexp_in_b(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * xp.exp(xp.where(saved.b == saved.y, 0, saved.b - saved.y))


def remainder_in_a(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v


def remainder_in_b(xp: Namespace, saved: Saved, v: Array) -> Array:
    return -(v * xp.floor(saved.a / saved.b))


def cost(operands: Specs, results: Specs) -> Cost:
    flops = TRANSCENDENTAL_FLOPS * results[0].size
    return Cost(flops, 2 * flops)


def pairs(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_nonzero(rng, 5), random_nonzero(rng, 5)
    yield random_nonzero(rng, 3, 1), random_nonzero(rng, 2, 1, 7)
    yield random_array(rng), random_nonzero(rng, 1, 2)


def fractions(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """Quotients away from whole numbers."""
    for shape, other in (((5,), (5,)), ((3, 1), (2, 1, 7))):
        b = random_nonzero(rng, *other)
        whole = np.asarray(rng.integers(-3, 4, shape), dtype=float)
        yield whole + random_positive(rng, *shape, low=0.2, high=0.3), np.sign(b)


def bivariate(
    function: np.ufunc,
    rules: Mapping[str, Rule],
    saves: Mapping[str, tuple[str, ...]],
    examples: Examples,
    *,
    standard: str = "",
) -> Primitive:
    """The record of a NumPy function of two numbers from a rule per operand, which serves both directions."""
    name = function.__name__

    def forward(xp: Namespace, a: Array, b: Array) -> Array:
        return getattr(xp, standard or name)(a, b)

    def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...]) -> Array | None:
        a_dot, b_dot = tangents
        return total(
            None if a_dot is None else rules["a"](xp, saved, a_dot),
            None if b_dot is None else rules["b"](xp, saved, b_dot),
        )

    def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
        (y_bar,) = cotangents
        return tuple(rules[operand](xp, saved, y_bar) for operand in wanted)

    return Primitive(
        name,
        "a, b -> y",
        forward,
        pushforward if rules else None,
        pullback if rules else None,
        saves=saves,
        ufunc=name,
        cost=cost,
        replaces=(function,),
        examples=examples,
    )


arctan2 = bivariate(
    np.arctan2,
    {"a": arctan2_in_a, "b": arctan2_in_b},
    {"a": ("a", "b"), "b": ("a", "b")},
    pairs,
    standard="atan2",
)
hypot = bivariate(np.hypot, {"a": hypot_in_a, "b": hypot_in_b}, {"a": ("a", "y"), "b": ("b", "y")}, pairs)
logaddexp = bivariate(
    np.logaddexp, {"a": logaddexp_in_a, "b": logaddexp_in_b}, {"a": ("a", "y"), "b": ("b", "y")}, pairs
)
remainder = bivariate(
    np.remainder, {"a": remainder_in_a, "b": remainder_in_b}, {"a": (), "b": ("a", "b")}, fractions
)
floor_divide = bivariate(np.floor_divide, {}, {}, fractions)

PRIMITIVES = (arctan2, hypot, logaddexp, remainder, floor_divide)
