"""Specs: the shape and dtype of an array, without its data.

Specs are interned: two equal specs of one process are the same object, so recording compares them by
identity and memo tables hash them for nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError

Shape = tuple[int, ...]


class Spec:
    """Shape and dtype of one array; made by `spec` only."""

    __slots__ = ("dtype", "nbytes", "ndim", "shape", "size")

    shape: Shape
    dtype: np.dtype[Any]
    ndim: int
    size: int  # items
    nbytes: int  # bytes

    def __repr__(self) -> str:
        return f"spec({self.shape}, {self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (spec, (self.shape, self.dtype.str))


_INTERNED: dict[tuple[Shape, np.dtype[Any]], Spec] = {}


def spec(shape: int | Sequence[int], dtype: Any = np.float64) -> Spec:
    """The spec of an array of this shape and dtype.

    Stands for an array wherever only its size matters: `fn.plan(ds.spec((20_000, 20_000)))`.

    Raises ArgumentError for a negative length or an unknown dtype.
    """
    lengths = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    try:
        key = (lengths, np.dtype(dtype))
        found = _INTERNED.get(key)
    except TypeError as fault:
        raise ArgumentError(
            f"spec: shape and dtype must be lengths and a NumPy dtype, got {shape!r}, {dtype!r}"
        ) from fault
    if found is not None:
        return found
    lengths = tuple(int(n) for n in lengths)
    if any(n < 0 for n in lengths):
        raise ArgumentError(f"spec: shape must hold lengths of at least 0, got {lengths}")
    made = object.__new__(Spec)
    made.shape, made.dtype = lengths, key[1]
    made.ndim, made.size = len(lengths), math.prod(lengths)
    made.nbytes = made.size * made.dtype.itemsize
    return _INTERNED.setdefault((lengths, key[1]), made)


def spec_of(value: Any) -> Spec:
    """The spec of an array, of a number, or of a spec itself."""
    if isinstance(value, Spec):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return spec(value.shape, value.dtype)
    return spec((), np.result_type(value))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of operands that broadcast against each other (NumPy's rule, on tuples).

    Raises ShapeError naming the shapes that do not fit.
    """
    ndim = max(map(len, shapes), default=0)
    out = [1] * ndim
    for shape in shapes:
        for axis, n in enumerate(shape, ndim - len(shape)):
            if n != 1:
                if out[axis] not in (1, n):
                    named = " and ".join(str(s) for s in shapes)
                    raise ShapeError(f"shapes {named} do not broadcast against each other")
                out[axis] = n
    return tuple(out)
