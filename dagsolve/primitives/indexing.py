"""Reading and placing parts of an array.

    getitem(a, index)            y = a[..., *index]                its adjoint is place
    place(x, index, shape)       zeros of `shape` with x at index  its adjoint is getitem
    take(a, indices, axis)       y = a taken along an axis         its adjoint is add_at
    add_at(x, indices, axis, length)   zeros plus x at the indices, repeated ones added up

An index is a tuple with an entry for each of the last axes of the array (axes before them are whole):
an int, a slice as `(start, stop, step)`, or None for a new axis of length one. `axis` is negative.
`indices` is an integer array of any shape and carries no derivative.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Shape, Spec, spec

Entry = int | tuple[int | None, int | None, int | None] | None
Index = tuple[Entry, ...]


def _native(index: Index) -> tuple[Any, ...]:
    """The index as Python's indexing takes it."""
    return (..., *(slice(*entry) if isinstance(entry, tuple) else entry for entry in index))


def indexed_shape(shape: Shape, index: Index) -> Shape:
    """Shape of the part that an index names.

    Raises ShapeError for more entries than axes or an int outside its axis.
    """
    count = sum(entry is not None for entry in index)
    if count > len(shape):
        raise ShapeError(f"getitem: a {shape} has {len(shape)} axes, the index has entries for {count}")
    out = list(shape[: len(shape) - count])
    axis = len(out)
    for entry in index:
        if entry is None:
            out.append(1)
            continue
        n = shape[axis]
        axis += 1
        if isinstance(entry, tuple):
            out.append(len(range(*slice(*entry).indices(n))))
        elif not -n <= entry < n:
            raise ShapeError(f"getitem: index {entry} is outside axis {axis - 1} of a {shape}")
    return tuple(out)


def getitem_forward(xp: Namespace, a: Array, *, index: Index) -> Array:
    return a[_native(index)]


def getitem_specs(a: Spec, *, index: Index) -> Specs:
    return (spec(indexed_shape(a.shape, index), a.dtype),)


def getitem_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, index: Index) -> Array:
    (a_dot,) = tangents
    return getitem(a_dot, index=index)


def getitem_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, index: Index
) -> Arrays:
    (y_bar,) = cotangents
    return (place(y_bar, index=index, shape=saved.specs["a"].shape),)


def place_forward(xp: Namespace, x: Array, *, index: Index, shape: Shape) -> Array:
    lead = tuple(x.shape[: len(x.shape) - len(indexed_shape(shape, index))])
    y = xp.zeros((*lead, *shape), dtype=x.dtype)
    index = tuple(entry for entry in index if entry is not None)  # the standard assigns to no new axes
    y[_native(index)] = xp.reshape(x, (*lead, *indexed_shape(shape, index)))
    return y


def place_specs(x: Spec, *, index: Index, shape: Shape) -> Specs:
    part = indexed_shape(shape, index)
    lead = x.ndim - len(part)
    if lead < 0 or x.shape[lead:] != part:
        raise ShapeError(f"place: x must have shape (..., {', '.join(map(str, part))}), got {x.shape}")
    return (spec((*x.shape[:lead], *shape), x.dtype),)


def place_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, index: Index, shape: Shape) -> Array:
    (x_dot,) = tangents
    return place(x_dot, index=index, shape=shape)


def place_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, index: Index, shape: Shape
) -> Arrays:
    (y_bar,) = cotangents
    return (getitem(y_bar, index=_whole(index, shape)),)


def _whole(index: Index, shape: Shape) -> Index:
    """The index with an entry for every axis of the shape."""
    count = sum(entry is not None for entry in index)
    return (*((0, n, 1) for n in shape[: len(shape) - count]), *index)


def take_forward(xp: Namespace, a: Array, indices: Array, *, axis: int) -> Array:
    at = len(a.shape) + axis
    flat = xp.take(a, xp.reshape(indices, (-1,)), axis=at)
    return xp.reshape(flat, (*a.shape[:at], *indices.shape, *a.shape[at + 1 :]))


def take_specs(a: Spec, indices: Spec, *, axis: int) -> Specs:
    at = a.ndim + axis
    if axis >= 0 or at < 0:
        raise ShapeError(f"take: axis must be from {-a.ndim} to -1 for a {a.shape}, got {axis}")
    if indices.dtype.kind not in "iu":
        raise ShapeError(f"take: indices must be integers, got {indices.dtype}")
    return (spec((*a.shape[:at], *indices.shape, *a.shape[at + 1 :]), a.dtype),)


def take_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, axis: int
) -> Array | None:
    a_dot, _ = tangents
    return None if a_dot is None else take(a_dot, saved.indices, axis=axis)


def take_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int) -> Arrays:
    (y_bar,) = cotangents
    return (add_at(y_bar, saved.indices, axis=axis, length=saved.specs["a"].shape[axis]),)


def add_at_forward(xp: Namespace, x: Array, indices: Array, *, axis: int, length: int) -> Array:
    lead, tail = _around(tuple(x.shape), len(indices.shape), axis)
    y = xp.zeros((*lead, length, *tail), dtype=x.dtype)
    flat = xp.reshape(x, (*lead, -1, *tail)) if x.size else x
    if x.size:
        xp.add.at(y, (..., xp.reshape(indices, (-1,)), *(slice(None) for _ in tail)), flat)
    return y


def _around(shape: Shape, ndim: int, axis: int) -> tuple[Shape, Shape]:
    """What stands before and after the axes that `take` made from an index array of so many axes."""
    after = len(shape) + axis + 1
    return shape[: after - ndim], shape[after:]


def add_at_specs(x: Spec, indices: Spec, *, axis: int, length: int) -> Specs:
    lead, tail = _around(x.shape, indices.ndim, axis)
    if (*lead, *indices.shape, *tail) != x.shape:
        wanted = f"the axes {indices.shape} of the indices at axis {axis}"
        raise ShapeError(f"add_at: x must have {wanted}, got {x.shape}")
    return (spec((*lead, length, *tail), x.dtype),)


def add_at_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, axis: int, length: int
) -> Array | None:
    x_dot, _ = tangents
    return None if x_dot is None else add_at(x_dot, saved.indices, axis=axis, length=length)


def add_at_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int, length: int
) -> Arrays:
    (y_bar,) = cotangents
    return (take(y_bar, saved.indices, axis=axis),)


def moved(operands: Specs, results: Specs, **params: Any) -> Cost:
    """A copy counts one flop per item, for it takes as long."""
    size = max(operands[0].size, results[0].size)
    return Cost(size, size)


def getitem_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5), {"index": (3,)}
    yield random_array(rng, 7), {"index": ((1, 6, 2),)}
    yield random_array(rng, 5), {"index": ((4, None, -1),)}
    yield random_array(rng, 2, 3, 5), {"index": (1, (0, 3, 1), None, 2)}
    yield random_array(rng, 2, 3, 5), {"index": ((0, 2, 1),)}  # the first two axes are whole


def place_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng), {"index": (3,), "shape": (5,)}
    yield random_array(rng, 3, 1), {"index": (1, (0, 3, 1), None, 2), "shape": (2, 3, 5)}
    yield random_array(rng, 2, 3, 2), {"index": ((0, 4, 2),), "shape": (3, 5)}


def take_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5), np.array([4, 0, 0, 3, 0, 1, 2]), {"axis": -1}
    yield random_array(rng, 2, 3, 5), np.array([[2, 0], [2, -1]]), {"axis": -2}
    yield random_array(rng, 5, 2), np.array(3), {"axis": -2}


def add_at_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 7), np.array([4, 0, 0, 3, 0, 1, 2]), {"axis": -1, "length": 5}
    yield random_array(rng, 2, 2, 2, 5), np.array([[2, 0], [2, -1]]), {"axis": -2, "length": 3}
    yield random_array(rng, 2), np.array(3), {"axis": -2, "length": 5}


getitem = Primitive(
    "getitem",
    "a(...) -> y(...)",
    getitem_forward,
    getitem_pushforward,
    getitem_pullback,
    saves={"a": ()},
    specs=getitem_specs,
    view=True,
    examples=getitem_examples,
)
place = Primitive(
    "place",
    "x(...) -> y(...)",
    place_forward,
    place_pushforward,
    place_pullback,
    saves={"x": ()},
    specs=place_specs,
    cost=moved,
    examples=place_examples,
)
take = Primitive(
    "take",
    "a(...), indices(...) -> y(...)",
    take_forward,
    take_pushforward,
    take_pullback,
    saves={"a": ("indices",)},
    specs=take_specs,
    cost=moved,
    examples=take_examples,
)
add_at = Primitive(
    "add_at",
    "x(...), indices(...) -> y(...)",
    add_at_forward,
    add_at_pushforward,
    add_at_pullback,
    saves={"x": ("indices",)},
    specs=add_at_specs,
    cost=moved,
    examples=add_at_examples,
)

PRIMITIVES = (getitem, place, take, add_at)
