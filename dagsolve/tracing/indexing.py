"""Indices of traced arrays, normalised: integers, slices, None, Ellipsis, and one integer array."""

import operator
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import Shape
from dagsolve.tracing.scope import source_scope


def getitem(x: Any, index: Any) -> Any:
    """x[index], recorded as `getitem` for basic indices and as `take` for an integer array."""
    entries = index if isinstance(index, tuple) else (index,)
    arrays = [
        k
        for k, e in enumerate(entries)
        if isinstance(e, (list, np.ndarray)) or hasattr(e, "__dagsolve_recorder__")
    ]
    if arrays:
        return _fancy(x, entries, arrays)
    return PRIMITIVES["getitem"](x, index=normalised(entries, x.shape))


def normalised(entries: tuple[Any, ...], shape: Shape) -> tuple[Any, ...]:
    """Basic index as a tuple of non-negative ints, None and (start, stop, step), one per axis of the array.

    Raises ArgumentError for too many indices or one out of range.
    """
    used = sum(e is not None and e is not Ellipsis for e in entries)
    if used > len(shape):
        raise ArgumentError(
            f"index {entries} has {used} entries for an array of shape {shape} (at {source_scope()})"
        )
    if sum(e is Ellipsis for e in entries) > 1:
        raise ArgumentError(f"index {entries} holds more than one Ellipsis (at {source_scope()})")
    full = [slice(None)] * (len(shape) - used)
    if Ellipsis in [e for e in entries if e is Ellipsis]:
        at = next(k for k, e in enumerate(entries) if e is Ellipsis)
        entries = (*entries[:at], *full, *entries[at + 1 :])
    else:
        entries = (*entries, *full)
    made: list[Any] = []
    axis = 0
    for entry in entries:
        if entry is None:
            made.append(None)
            continue
        n = shape[axis]
        axis += 1
        if isinstance(entry, slice):
            made.append(_slice(entry, n))
        elif isinstance(entry, (bool, np.bool_)):
            raise UnsupportedError(
                f"a boolean index on a traced array (at {source_scope()}). Use np.where instead."
            )
        else:
            made.append(_integer(entry, n, entries))
    return tuple(made)


def _slice(entry: slice, n: int) -> tuple[int, int | None, int]:
    start, stop, step = entry.indices(n)
    count = len(range(start, stop, step))
    if count == 0:
        return 0, 0, 1
    end = start + count * step
    return start, end if end >= 0 else None, step


def _integer(entry: Any, n: int, entries: tuple[Any, ...]) -> int:
    try:
        k = operator.index(entry)
    except TypeError:
        raise ArgumentError(
            f"an index must be an integer, a slice, None, Ellipsis or an integer array, got {entry!r} "
            f"(at {source_scope()})"
        ) from None
    if not -n <= k < n:
        raise ArgumentError(
            f"index {k} is out of range for an axis of length {n} in {entries} (at {source_scope()})"
        )
    return k % n


def _fancy(x: Any, entries: tuple[Any, ...], arrays: list[int]) -> Any:
    if len(arrays) > 1:
        return _points(x, entries, arrays)
    (at,) = arrays
    others = (*entries[:at], slice(None), *entries[at + 1 :])
    if Ellipsis in [e for e in entries if e is Ellipsis] or any(e is None for e in entries):
        raise UnsupportedError(
            f"an index array beside None or Ellipsis on a traced array (at {source_scope()})."
        )
    indices = _places(entries[at], x.shape[at])
    basic = getitem(x, others) if any(e != slice(None) for k, e in enumerate(others) if k != at) else x
    dropped = sum(isinstance(e, (int, np.integer)) for e in entries[:at])
    axis = at - dropped - basic.ndim
    taken = PRIMITIVES["take"](basic, indices, axis=axis)
    chosen = [k for k, e in enumerate(entries) if k == at or isinstance(e, (int, np.integer))]
    if chosen[-1] - chosen[0] == len(chosen) - 1:
        return taken
    first = at - dropped  # integers apart from the array: NumPy then puts the array's axes in front
    return np.moveaxis(taken, range(first, first + indices.ndim), range(indices.ndim))


def _places(entry: Any, n: int) -> Any:
    """An index array as non-negative integers; a traced one, whose values nobody knows yet, as it is."""
    if hasattr(entry, "__dagsolve_recorder__"):
        if entry.dtype.kind not in "iu":
            raise UnsupportedError(
                f"a traced array as an index (at {source_scope()}): its values are not known while tracing. "
                "Use np.where for masks, or compute the indices outside the traced function."
            )
        return entry
    indices = np.asarray(entry)
    if indices.dtype == bool:
        if indices.ndim != 1 or len(indices) != n:
            raise UnsupportedError(
                f"a boolean index array must have shape ({n},) here, got {indices.shape} "
                f"(at {source_scope()})."
            )
        indices = np.flatnonzero(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise ArgumentError(
            f"an index array must hold integers or booleans, got {indices.dtype} (at {source_scope()})"
        )
    if indices.size and not (-n <= indices.min() and indices.max() < n):
        raise ArgumentError(f"an index array reaches out of an axis of length {n} (at {source_scope()})")
    return np.where(indices < 0, indices + n, indices).astype(np.intp)


def _points(x: Any, entries: tuple[Any, ...], arrays: list[int]) -> Any:
    """x at points that several index arrays name together: one take along their axes laid together."""
    if any(e is None or e is Ellipsis for e in entries) or any(
        isinstance(e, (int, np.integer)) for e in entries
    ):
        raise UnsupportedError(
            f"{len(arrays)} index arrays beside integers, None or Ellipsis on a traced array "
            f"(at {source_scope()}). Index in two steps."
        )
    x = getitem(x, tuple(slice(None) if k in arrays else e for k, e in enumerate(entries)))
    lengths = [x.shape[k] for k in arrays]
    places = [_places(entries[k], n) for k, n in zip(arrays, lengths, strict=True)]
    flat = places[0]
    for more, n in zip(places[1:], lengths[1:], strict=True):
        flat = flat * n + more
    together = arrays[-1] - arrays[0] == len(arrays) - 1
    first = arrays[0] if together else 0  # NumPy puts the axes of arrays that stand apart in front
    moved = np.moveaxis(x, arrays, range(first, first + len(arrays)))
    rest = tuple(moved.shape)
    merged = np.reshape(moved, (*rest[:first], -1, *rest[first + len(arrays) :]))
    return PRIMITIVES["take"](merged, flat, axis=first - merged.ndim)
