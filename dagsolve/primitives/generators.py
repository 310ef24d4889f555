"""Arrays made from nothing: zeros, ones, identity and ranges.

Captured constants of these kinds are recorded as generators, so `K + s * np.eye(n)` keeps no n² numbers.
They have no operands and no derivative.
"""

from typing import Any

import numpy as np

from dagsolve.namespace import Array, Namespace, native_dtype
from dagsolve.primitive import Cost, Primitive, Specs
from dagsolve.specs import spec


def _free(operands: Specs, results: Specs, **params: Any) -> Cost:
    return Cost(0, 0)


def _full_forward(xp: Namespace, *, shape: tuple[int, ...], dtype: str, value: float) -> Array:
    return xp.full(shape, value, dtype=native_dtype(xp, np.dtype(dtype)))


def _full_specs(*, shape: tuple[int, ...], dtype: str, value: float) -> Specs:
    return (spec(shape, dtype),)


def _eye_forward(xp: Namespace, *, rows: int, columns: int, offset: int, dtype: str) -> Array:
    return xp.eye(rows, columns, k=offset, dtype=native_dtype(xp, np.dtype(dtype)))


def _eye_specs(*, rows: int, columns: int, offset: int, dtype: str) -> Specs:
    return (spec((rows, columns), dtype),)


def _range_forward(xp: Namespace, *, start: float, step: float, length: int, dtype: str) -> Array:
    wanted = np.dtype(dtype)
    counted = xp.arange(length, dtype=xp.float64 if wanted.kind == "f" else xp.int64)
    return xp.astype(start + step * counted, native_dtype(xp, wanted), copy=False)


def _range_specs(*, start: float, step: float, length: int, dtype: str) -> Specs:
    return (spec((length,), dtype),)


full = Primitive(name="full", signature="-> y", forward=_full_forward, specs=_full_specs, cost=_free)
eye = Primitive(name="eye", signature="-> y", forward=_eye_forward, specs=_eye_specs, cost=_free)
arange = Primitive(name="arange", signature="-> y", forward=_range_forward, specs=_range_specs, cost=_free)

PRIMITIVES = (full, eye, arange)
GENERATORS = frozenset(primitive.name for primitive in PRIMITIVES)
