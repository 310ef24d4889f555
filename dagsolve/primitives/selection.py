"""Choosing between items: smaller, larger, one or the other, and the comparisons that decide.

`where` passes the cotangent to the chosen operand, and an exact zero to the other. `minimum` and `maximum`
pass it to the operand that was chosen; at a tie each gets half, which is a subgradient and keeps the rule
symmetric in the operands. Where an operand is NaN neither gets any. Comparisons carry no derivative.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.dense import total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Wanted
from dagsolve.sampling import random_array, random_distinct

Tangents = tuple[Array | None, ...]


def _split(xp: Namespace, chosen: Array, other: Array, v: Array) -> Array:
    """v where `chosen` is the larger, half of it at a tie, zero elsewhere."""
    return xp.where(chosen > other, v, xp.where(chosen == other, 0.5 * v, 0))


def maximum_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else _split(xp, saved.a, saved.b, a_dot),
        None if b_dot is None else _split(xp, saved.b, saved.a, b_dot),
    )


def maximum_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    ordered = {"a": (saved.a, saved.b), "b": (saved.b, saved.a)}
    return tuple(_split(xp, *ordered[name], y_bar) for name in wanted)


def minimum_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else _split(xp, saved.b, saved.a, a_dot),
        None if b_dot is None else _split(xp, saved.a, saved.b, b_dot),
    )


def minimum_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    ordered = {"a": (saved.b, saved.a), "b": (saved.a, saved.b)}
    return tuple(_split(xp, *ordered[name], y_bar) for name in wanted)


def where_forward(xp: Namespace, condition: Array, x: Array, y: Array) -> Array:
    return xp.where(condition, x, y)


def where_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    _, x_dot, y_dot = tangents
    if x_dot is None and y_dot is None:
        return None
    return xp.where(saved.condition, 0 if x_dot is None else x_dot, 0 if y_dot is None else y_dot)


def where_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (z_bar,) = cotangents
    return tuple(
        xp.where(saved.condition, z_bar, 0) if name == "x" else xp.where(saved.condition, 0, z_bar)
        for name in wanted
    )


def pairs(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    drawn = random_distinct(rng, 10)
    yield drawn[:5], drawn[5:]
    drawn = random_distinct(rng, 17)
    yield np.reshape(drawn[:3], (3, 1)), np.reshape(drawn[3:], (2, 1, 7))


def choices(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield rng.random(5) < 0.5, random_array(rng, 5), random_array(rng, 5)
    yield rng.random((3, 1)) < 0.5, random_array(rng, 7), random_array(rng, 2, 1, 1)
    yield rng.random(5) < 0.5, random_array(rng, 5, dtype=complex), random_array(rng)


def truths(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield rng.random(5) < 0.5, rng.random((3, 1)) < 0.5


def one_truth(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (rng.random((2, 3)) < 0.5,)


def numbers(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (np.where(rng.random(7) < 0.3, np.inf, random_array(rng, 7)),)


def _undifferentiable(function: np.ufunc, signature: str, examples: Any) -> Primitive:
    """The record of a NumPy function whose result is a truth value."""
    name = function.__name__

    def forward(xp: Namespace, *operands: Array) -> Array:
        return getattr(xp, name)(*operands)

    return Primitive(name, signature, forward, ufunc=name, replaces=(function,), examples=examples)


def maximum_forward(xp: Namespace, a: Array, b: Array) -> Array:
    return xp.maximum(a, b)


def minimum_forward(xp: Namespace, a: Array, b: Array) -> Array:
    return xp.minimum(a, b)


maximum = Primitive(
    "maximum",
    "a, b -> y",
    maximum_forward,
    maximum_pushforward,
    maximum_pullback,
    saves={"a": ("a", "b"), "b": ("a", "b")},
    ufunc="maximum",
    replaces=(np.maximum,),
    examples=pairs,
)
minimum = Primitive(
    "minimum",
    "a, b -> y",
    minimum_forward,
    minimum_pushforward,
    minimum_pullback,
    saves={"a": ("a", "b"), "b": ("a", "b")},
    ufunc="minimum",
    replaces=(np.minimum,),
    examples=pairs,
)
where = Primitive(
    "where",
    "condition, x, y -> z",
    where_forward,
    where_pushforward,
    where_pullback,
    saves={"x": ("condition",), "y": ("condition",)},
    examples=choices,
)
greater = _undifferentiable(np.greater, "a, b -> y", pairs)
greater_equal = _undifferentiable(np.greater_equal, "a, b -> y", pairs)
less = _undifferentiable(np.less, "a, b -> y", pairs)
less_equal = _undifferentiable(np.less_equal, "a, b -> y", pairs)
equal = _undifferentiable(np.equal, "a, b -> y", pairs)
not_equal = _undifferentiable(np.not_equal, "a, b -> y", pairs)
logical_and = _undifferentiable(np.logical_and, "a, b -> y", truths)
logical_or = _undifferentiable(np.logical_or, "a, b -> y", truths)
logical_not = _undifferentiable(np.logical_not, "x -> y", one_truth)
logical_xor = _undifferentiable(np.logical_xor, "a, b -> y", truths)
isnan = _undifferentiable(np.isnan, "x -> y", numbers)
isinf = _undifferentiable(np.isinf, "x -> y", numbers)
signbit = _undifferentiable(np.signbit, "x -> y", numbers)
isfinite = _undifferentiable(np.isfinite, "x -> y", numbers)

PRIMITIVES = (
    maximum,
    minimum,
    where,
    greater,
    greater_equal,
    less,
    less_equal,
    equal,
    not_equal,
    logical_and,
    logical_or,
    logical_not,
    logical_xor,
    isnan,
    isinf,
    isfinite,
    signbit,
)
