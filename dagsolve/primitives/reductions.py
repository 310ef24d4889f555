"""Reductions over axes: sum, largest, smallest, and the running sum.

`axis` is a tuple of negative axes (counted from the end), or None for all; `keepdims` leaves axes of length
one. The cotangent of a sum is broadcast back; the cotangent of a largest (smallest) item goes to the items
that equal it, in equal parts where several do.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array, random_distinct
from dagsolve.specs import Shape, Spec, spec

Axes = tuple[int, ...] | None


def reduced_shape(shape: Shape, axis: Axes, keepdims: bool) -> Shape:
    """Shape after the axes are reduced."""
    ndim = len(shape)
    gone = set(range(ndim)) if axis is None else {k % ndim for k in axis}
    if keepdims:
        return tuple(1 if k in gone else n for k, n in enumerate(shape))
    return tuple(n for k, n in enumerate(shape) if k not in gone)


def unreduced(xp: Namespace, saved: Saved, y: Array, axis: Axes, keepdims: bool) -> Array:
    """A result (behind extra leading axes) with its reduced axes put back with length one."""
    if keepdims:
        return y
    extra = len(y.shape) - saved.specs["y"].ndim
    kept = reduced_shape(saved.specs["a"].shape, axis, True)
    return xp.reshape(y, (*y.shape[:extra], *kept))


def sum_forward(xp: Namespace, a: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    return xp.sum(a, axis=axis, keepdims=keepdims)


def sum_specs(a: Spec, *, axis: Axes = None, keepdims: bool = False) -> Specs:
    dtype = a.dtype if a.dtype.kind in "fc" else np.sum(np.ones(1, a.dtype)).dtype
    return (spec(reduced_shape(a.shape, axis, keepdims), dtype),)


def sum_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: Axes = None, keepdims: bool = False
) -> Array:
    (a_dot,) = tangents
    return xp.sum(a_dot, axis=axis, keepdims=keepdims)


def sum_pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    axis: Axes = None,
    keepdims: bool = False,
) -> Arrays:
    (y_bar,) = cotangents
    return (unreduced(xp, saved, y_bar, axis, keepdims),)  # `Primitive.pull` broadcasts it


def extreme_specs(a: Spec, *, axis: Axes = None, keepdims: bool = False) -> Specs:
    return (spec(reduced_shape(a.shape, axis, keepdims), a.dtype),)


def _shares(xp: Namespace, saved: Saved, axis: Axes, keepdims: bool) -> Array:
    """Share of each item in the extreme one: one over the number of items that equal it, or zero."""
    chosen = xp.astype(saved.a == unreduced(xp, saved, saved.y, axis, keepdims), saved.a.dtype)
    return chosen / xp.sum(chosen, axis=axis, keepdims=True)


def extreme_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: Axes = None, keepdims: bool = False
) -> Array:
    (a_dot,) = tangents
    return xp.sum(a_dot * _shares(xp, saved, axis, keepdims), axis=axis, keepdims=keepdims)


def extreme_pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    axis: Axes = None,
    keepdims: bool = False,
) -> Arrays:
    (y_bar,) = cotangents
    return (unreduced(xp, saved, y_bar, axis, keepdims) * _shares(xp, saved, axis, keepdims),)


def cumsum_forward(xp: Namespace, a: Array, *, axis: int, reverse: bool = False) -> Array:
    """Running sum along a negative axis, from its end if reversed."""
    if reverse:
        return xp.flip(xp.cumulative_sum(xp.flip(a, axis=axis), axis=axis), axis=axis)
    return xp.cumulative_sum(a, axis=axis)


def cumsum_specs(a: Spec, *, axis: int, reverse: bool = False) -> Specs:
    dtype = a.dtype if a.dtype.kind in "fc" else np.cumsum(np.ones(1, a.dtype)).dtype
    return (spec(a.shape, dtype),)


def cumsum_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: int, reverse: bool = False
) -> Array:
    (a_dot,) = tangents
    return cumsum(a_dot, axis=axis, reverse=reverse)


def cumsum_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int, reverse: bool = False
) -> Arrays:
    (y_bar,) = cotangents
    return (cumsum(y_bar, axis=axis, reverse=not reverse),)


def reduction_cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    return Cost(operands[0].size, operands[0].size)


def sum_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5),)
    yield random_array(rng, 2, 3, 5), {"axis": (-2,)}
    yield random_array(rng, 2, 3, 5), {"axis": (-3, -1)}
    yield random_array(rng, 2, 3, 5), {"axis": (-3, -1), "keepdims": True}
    yield random_array(rng, 1, 3, dtype=complex), {"axis": None, "keepdims": True}


def extreme_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_distinct(rng, 5),)
    yield random_distinct(rng, 2, 3, 5), {"axis": (-2,)}
    yield random_distinct(rng, 2, 3, 5), {"axis": (-3, -1), "keepdims": True}


def cumsum_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5), {"axis": -1}
    yield random_array(rng, 2, 3, 5), {"axis": -2}
    yield random_array(rng, 2, 3, dtype=complex), {"axis": -1, "reverse": True}


def _extreme(name: str, standard: str) -> Primitive:
    def forward(xp: Namespace, a: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
        reduce: Callable[..., Array] = getattr(xp, standard)
        return reduce(a, axis=axis, keepdims=keepdims)

    return Primitive(
        name,
        "a(...) -> y(...)",
        forward,
        extreme_pushforward,
        extreme_pullback,
        saves={"a": ("a", "y")},
        specs=extreme_specs,
        cost=reduction_cost,
        examples=extreme_examples,
    )


sum = Primitive(
    "sum",
    "a(...) -> y(...)",
    sum_forward,
    sum_pushforward,
    sum_pullback,
    saves={"a": ()},
    specs=sum_specs,
    cost=reduction_cost,
    examples=sum_examples,
)
amax = _extreme("amax", "max")
amin = _extreme("amin", "min")
cumsum = Primitive(
    "cumsum",
    "a(...) -> y(...)",
    cumsum_forward,
    cumsum_pushforward,
    cumsum_pullback,
    saves={"a": ()},
    specs=cumsum_specs,
    cost=reduction_cost,
    examples=cumsum_examples,
)

PRIMITIVES = (sum, amax, amin, cumsum)
