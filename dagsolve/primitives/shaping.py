"""Shapes: reshape, transpose, broadcast and concatenate. Nothing is computed, only moved.

Each map is linear and its own pushforward. Axes are counted from the end, so that a cotangent with extra
leading axes (many right-hand sides) is moved by the same params:

    reshape         ā has the operand's shape
    transpose       ā = ȳ under the inverse permutation
    broadcast_to    ā = ȳ summed over the axes that were broadcast (`Primitive.pull` does it)
    concatenate     x̄ₖ = the slice of ȳ that xₖ became
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.indexing import getitem
from dagsolve.sampling import random_array
from dagsolve.specs import Shape, Spec, broadcast_shapes, spec


def reshape_forward(xp: Namespace, a: Array, *, shape: Shape) -> Array:
    return xp.reshape(a, shape)


def reshape_specs(a: Spec, *, shape: Shape) -> Specs:
    made = spec(shape, a.dtype)
    if made.size != a.size:
        raise ShapeError(f"reshape: a {a.shape} has {a.size} items, shape {shape} has {made.size}")
    return (made,)


def reshape_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, shape: Shape) -> Array:
    (a_dot,) = tangents
    return xp.reshape(a_dot, shape)


def reshape_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, shape: Shape
) -> Arrays:
    (y_bar,) = cotangents
    lead = tuple(y_bar.shape[: len(y_bar.shape) - len(shape)])
    return (xp.reshape(y_bar, (*lead, *saved.specs["a"].shape)),)


def transpose_forward(xp: Namespace, a: Array, *, axes: tuple[int, ...]) -> Array:
    """The last axes in the order `axes`, a permutation of -len(axes) … -1; axes before them stay."""
    ndim = len(a.shape)
    lead = tuple(range(ndim - len(axes)))
    return xp.permute_dims(a, (*lead, *(ndim + axis for axis in axes)))


def transpose_specs(a: Spec, *, axes: tuple[int, ...]) -> Specs:
    if sorted(axes) != list(range(-len(axes), 0)) or len(axes) > a.ndim:
        raise ShapeError(
            f"transpose: axes must be a permutation of the last axes of a {a.shape} "
            f"written as negative numbers, got {axes}"
        )
    lead = a.shape[: a.ndim - len(axes)]
    return (spec((*lead, *(a.shape[axis] for axis in axes)), a.dtype),)


def transpose_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, axes: tuple[int, ...]) -> Array:
    (a_dot,) = tangents
    return transpose(a_dot, axes=axes)


def transpose_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axes: tuple[int, ...]
) -> Arrays:
    (y_bar,) = cotangents
    inverse = tuple(axes.index(axis) - len(axes) for axis in range(-len(axes), 0))
    return (transpose(y_bar, axes=inverse),)


def broadcast_to_forward(xp: Namespace, a: Array, *, shape: Shape) -> Array:
    return xp.broadcast_to(a, shape)


def broadcast_to_specs(a: Spec, *, shape: Shape) -> Specs:
    if broadcast_shapes(a.shape, shape) != tuple(shape):
        raise ShapeError(f"broadcast_to: a {a.shape} cannot be broadcast to {shape}")
    return (spec(shape, a.dtype),)


def broadcast_to_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, shape: Shape) -> Array:
    (a_dot,) = tangents
    return xp.broadcast_to(a_dot, shape)


def broadcast_to_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, shape: Shape
) -> Arrays:
    return cotangents


def concatenate_forward(xp: Namespace, *xs: Array, axis: int) -> Array:
    """The arrays one after the other along a negative axis."""
    return xp.concat(xs, axis=axis)


def concatenate_specs(*xs: Spec, axis: int) -> Specs:
    if not xs:
        raise ShapeError("concatenate: needs at least one array")
    first = xs[0]
    at = first.ndim + axis
    rest = {x.shape[:at] + x.shape[at + 1 :] if x.ndim == first.ndim else None for x in xs}
    if not 0 <= at < first.ndim or len(rest) > 1:
        shapes = ", ".join(str(x.shape) for x in xs)
        raise ShapeError(f"concatenate: arrays must agree on every axis but {axis}, got {shapes}")
    length = sum(x.shape[at] for x in xs)
    shape = (*first.shape[:at], length, *first.shape[at + 1 :])
    return (spec(shape, np.result_type(*(x.dtype for x in xs))),)


def concatenate_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, axis: int
) -> Array:
    parts = []
    for k, x_dot in enumerate(tangents):
        x = saved.specs[f"x{k}"]
        parts.append(xp.zeros(x.shape, dtype=getattr(xp, x.dtype.name)) if x_dot is None else x_dot)
    return concatenate(*parts, axis=axis)


def concatenate_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int
) -> Arrays:
    (y_bar,) = cotangents
    y = saved.specs["y"]
    tail = tuple((0, n, 1) for n in y.shape[y.ndim + axis + 1 :])
    starts, start = {}, 0
    for k in range(len(saved.specs) - 1):
        starts[f"x{k}"] = start
        start += saved.specs[f"x{k}"].shape[axis]
    return tuple(
        getitem(y_bar, index=((starts[x], starts[x] + saved.specs[x].shape[axis], 1), *tail)) for x in wanted
    )


def moved(operands: Specs, results: Specs, **params: Any) -> Cost:
    """A copy counts one flop per item, for it takes as long."""
    return Cost(results[0].size, 0)


def reshape_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 3), {"shape": (6,)}
    yield random_array(rng, 1), {"shape": ()}
    yield random_array(rng, 2, 3, 5), {"shape": (3, 1, 10)}


def transpose_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 3), {"axes": (-1, -2)}
    yield random_array(rng, 2, 3, 5), {"axes": (-1, -2)}  # the first axis stays
    yield random_array(rng, 2, 3, 5), {"axes": (-2, -1, -3)}


def broadcast_to_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng), {"shape": (5,)}
    yield random_array(rng, 3, 1), {"shape": (2, 3, 5)}


def concatenate_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2), random_array(rng, 3), random_array(rng, 1), {"axis": -1}
    yield random_array(rng, 2, 3, 5), random_array(rng, 2, 1, 5), {"axis": -2}
    yield random_array(rng, 2, 3), {"axis": -1}


reshape = Primitive(
    "reshape",
    "a(...) -> y(...)",
    reshape_forward,
    reshape_pushforward,
    reshape_pullback,
    saves={"a": ()},
    specs=reshape_specs,
    view=True,
    examples=reshape_examples,
)
transpose = Primitive(
    "transpose",
    "a(...) -> y(...)",
    transpose_forward,
    transpose_pushforward,
    transpose_pullback,
    saves={"a": ()},
    specs=transpose_specs,
    view=True,
    examples=transpose_examples,
)
broadcast_to = Primitive(
    "broadcast_to",
    "a(...) -> y(...)",
    broadcast_to_forward,
    broadcast_to_pushforward,
    broadcast_to_pullback,
    saves={"a": ()},
    specs=broadcast_to_specs,
    view=True,
    examples=broadcast_to_examples,
)
concatenate = Primitive(
    "concatenate",
    "x*(...) -> y(...)",
    concatenate_forward,
    concatenate_pushforward,
    concatenate_pullback,
    specs=concatenate_specs,
    cost=moved,
    examples=concatenate_examples,
)

PRIMITIVES = (reshape, transpose, broadcast_to, concatenate)
