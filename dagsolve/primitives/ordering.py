"""Order along an axis: where items stand, and taking them by place.

    i = argsort(a, axis)            stable; an integer array, no derivative
    i = argmax(a, axis), argmin     the first of equals; no derivative
    i = searchsorted(edges, a)      no derivative
    y = take_along(a, i, axis)      yⱼ = a[iⱼ] in every line along the axis; its adjoint is add_along
    y = add_along(x, i, axis, length)   zeros of that length plus xⱼ at iⱼ, repeated places added up

Sorting is `take_along(a, argsort(a))`: its derivative is the same permutation. At ties it is one of several
subgradients, that of the stable order. `axis` is negative; the other axes of a and i are equal.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.indexing import moved
from dagsolve.sampling import random_array, random_distinct
from dagsolve.specs import Spec, spec

_INDEX = np.dtype(np.intp)


def argsort_forward(xp: Namespace, a: Array, *, axis: int) -> Array:
    return xp.argsort(a, axis=axis, stable=True)


def argsort_specs(a: Spec, *, axis: int) -> Specs:
    return (spec(a.shape, _INDEX),)


def argmax_forward(xp: Namespace, a: Array, *, axis: int, keepdims: bool = False) -> Array:
    return xp.argmax(a, axis=axis, keepdims=keepdims)


def argmin_forward(xp: Namespace, a: Array, *, axis: int, keepdims: bool = False) -> Array:
    return xp.argmin(a, axis=axis, keepdims=keepdims)


def arg_specs(a: Spec, *, axis: int, keepdims: bool = False) -> Specs:
    at = a.ndim + axis
    if not 0 <= at < a.ndim or not a.shape[at]:
        raise ShapeError(f"argmax: axis {axis} of a {a.shape} has no items")
    return (spec((*a.shape[:at], *((1,) if keepdims else ()), *a.shape[at + 1 :]), _INDEX),)


def searchsorted_forward(xp: Namespace, edges: Array, a: Array, *, side: str = "left") -> Array:
    return xp.reshape(xp.searchsorted(edges, xp.reshape(a, (-1,)), side=side), tuple(a.shape))


def searchsorted_specs(edges: Spec, a: Spec, *, side: str = "left") -> Specs:
    if edges.ndim != 1:
        raise ShapeError(f"searchsorted: edges must have one axis, got {edges.shape}")
    return (spec(a.shape, _INDEX),)


def _check(who: str, a: Spec, indices: Spec, axis: int) -> None:
    at = a.ndim + axis
    same = a.ndim == indices.ndim and 0 <= at < a.ndim
    if not same or any(
        n != m for k, (n, m) in enumerate(zip(a.shape, indices.shape, strict=True)) if k != at
    ):
        raise ShapeError(
            f"{who}: an array {a.shape} and indices {indices.shape} must agree on every axis but {axis}"
        )
    if indices.dtype.kind not in "iu":
        raise ShapeError(f"{who}: indices must be integers, got {indices.dtype}")


def take_along_forward(xp: Namespace, a: Array, indices: Array, *, axis: int) -> Array:
    if len(a.shape) > len(indices.shape):  # extra leading axes of a tangent
        indices = xp.broadcast_to(indices, (*a.shape[: len(a.shape) - len(indices.shape)], *indices.shape))
    return xp.take_along_axis(a, indices, axis=axis)


def take_along_specs(a: Spec, indices: Spec, *, axis: int) -> Specs:
    lead = a.shape[: a.ndim - indices.ndim]
    _check("take_along", spec(a.shape[len(lead) :], a.dtype), indices, axis)
    return (spec((*lead, *indices.shape), a.dtype),)


def take_along_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, axis: int
) -> Array | None:
    a_dot, _ = tangents
    return None if a_dot is None else take_along(a_dot, saved.indices, axis=axis)


def take_along_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int
) -> Arrays:
    (y_bar,) = cotangents
    return (add_along(y_bar, saved.indices, axis=axis, length=saved.specs["a"].shape[axis]),)


def add_along_forward(xp: Namespace, x: Array, indices: Array, *, axis: int, length: int) -> Array:
    at = len(x.shape) + axis
    extra = tuple(x.shape[: len(x.shape) - len(indices.shape)])
    y = xp.zeros((*x.shape[:at], length, *x.shape[at + 1 :]), dtype=x.dtype)
    if x.size:
        indices = xp.broadcast_to(indices, (*extra, *indices.shape))
        places = [
            xp.reshape(xp.arange(n), (-1, *(1,) * (len(x.shape) - k - 1))) for k, n in enumerate(x.shape)
        ]
        places[at] = indices
        xp.add.at(y, tuple(places), x)
    return y


def add_along_specs(x: Spec, indices: Spec, *, axis: int, length: int) -> Specs:
    lead = x.shape[: x.ndim - indices.ndim]
    _check("add_along", spec(x.shape[len(lead) :], x.dtype), indices, axis)
    if x.shape[axis] != indices.shape[axis]:
        raise ShapeError(f"add_along: x {x.shape} must have the shape of the indices {indices.shape}")
    at = x.ndim + axis
    return (spec((*x.shape[:at], length, *x.shape[at + 1 :]), x.dtype),)


def add_along_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, axis: int, length: int
) -> Array | None:
    x_dot, _ = tangents
    return None if x_dot is None else add_along(x_dot, saved.indices, axis=axis, length=length)


def add_along_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int, length: int
) -> Arrays:
    (y_bar,) = cotangents
    return (take_along(y_bar, saved.indices, axis=axis),)


def sorting_cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    """Comparisons count as much as multiplications."""
    n = max(operands[0].shape[params["axis"]] if "axis" in params else operands[0].size, 2)
    items = operands[-1].size
    return Cost(items * float(np.log2(n)), 0)


def argsort_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_distinct(rng, 7), {"axis": -1}
    yield random_distinct(rng, 2, 5, 3), {"axis": -2}


def arg_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_distinct(rng, 7), {"axis": -1}
    yield random_distinct(rng, 2, 5, 3), {"axis": -2, "keepdims": True}


def searchsorted_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield np.sort(random_distinct(rng, 5)), random_array(rng, 2, 3)
    yield np.sort(random_distinct(rng, 5)), random_array(rng, 7), {"side": "right"}


def take_along_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5), np.array([4, 0, 0, 3]), {"axis": -1}
    yield random_array(rng, 2, 5, 3), rng.integers(0, 5, (2, 7, 3)), {"axis": -2}
    yield random_array(rng, 5, 2, dtype=complex), np.array([[0, 4]]), {"axis": -2}


def add_along_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 4), np.array([4, 0, 0, 3]), {"axis": -1, "length": 5}
    yield random_array(rng, 2, 7, 3), rng.integers(0, 5, (2, 7, 3)), {"axis": -2, "length": 5}


argsort = Primitive(
    "argsort",
    "a(...) -> i(...)",
    argsort_forward,
    specs=argsort_specs,
    cost=sorting_cost,
    examples=argsort_examples,
)
argmax = Primitive("argmax", "a(...) -> i(...)", argmax_forward, specs=arg_specs, examples=arg_examples)
argmin = Primitive("argmin", "a(...) -> i(...)", argmin_forward, specs=arg_specs, examples=arg_examples)
searchsorted = Primitive(
    "searchsorted",
    "edges(...), a(...) -> i(...)",
    searchsorted_forward,
    specs=searchsorted_specs,
    cost=sorting_cost,
    examples=searchsorted_examples,
)
take_along = Primitive(
    "take_along",
    "a(...), indices(...) -> y(...)",
    take_along_forward,
    take_along_pushforward,
    take_along_pullback,
    saves={"a": ("indices",)},
    specs=take_along_specs,
    cost=moved,
    examples=take_along_examples,
)
add_along = Primitive(
    "add_along",
    "x(...), indices(...) -> y(...)",
    add_along_forward,
    add_along_pushforward,
    add_along_pullback,
    saves={"x": ("indices",)},
    specs=add_along_specs,
    cost=moved,
    examples=add_along_examples,
)

PRIMITIVES = (argsort, argmax, argmin, searchsorted, take_along, add_along)
