"""NumPy functions along lines of an array, for tracers: differences, slopes, a function of every line."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, UnsupportedError
from dagsolve.tracing.composed import concatenate, moveaxis, one_axis, reshape, stack
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope


def _part(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return getitem(a, (*(slice(None),) * axis, slice(start, stop)))


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    at = one_axis(a, axis)
    beside = [x for x in (prepend, a, append) if x is not None]
    a = concatenate(beside, at) if len(beside) > 1 else a
    for _ in range(n):
        later, earlier = _part(a, at, 1, None), _part(a, at, None, -1)
        a = later != earlier if a.dtype.kind == "b" else later - earlier
    return a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, diff(reshape(ary, -1)), to_end]
    given = [np.reshape(x, -1) for x in parts if x is not None]
    return concatenate(given, 0) if len(given) > 1 else given[0]


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences, of second order for any spacing; one-sided at both ends."""
    axes = [one_axis(f, k) for k in (range(f.ndim) if axis is None else np.atleast_1d(axis).tolist())]
    spacings = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise ArgumentError(
            f"np.gradient: {len(varargs)} spacings for {len(axes)} axes (at {source_scope()})"
        )
    made = [_slope(f, np.asarray(h), k, edge_order) for h, k in zip(spacings, axes, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1 or edge_order not in (1, 2) or (edge_order == 2 and h.ndim):
        raise UnsupportedError(
            f"np.gradient with edge_order={edge_order} along {n} items (at {source_scope()}). "
            "Use edge_order=1 on axes of two items or more; uneven spacing has it only."
        )
    left, mid, right = _part(f, axis, None, -2), _part(f, axis, 1, -1), _part(f, axis, 2, None)
    if h.ndim:
        steps = np.diff(h).reshape((-1, *(1,) * (f.ndim - axis - 1)))
        d1, d2 = steps[:-1], steps[1:]
        inner = -d2 / (d1 * (d1 + d2)) * left + (d2 - d1) / (d1 * d2) * mid + d1 / (d2 * (d1 + d2)) * right
        first, last = steps[:1], steps[-1:]
    else:
        inner, first, last = (right - left) * (0.5 / h), h, h
    if edge_order == 1:
        begin = (_part(f, axis, 1, 2) - _part(f, axis, None, 1)) / first
        end = (_part(f, axis, n - 1, None) - _part(f, axis, n - 2, n - 1)) / last
    else:
        one, two, three = (_part(f, axis, k, k + 1) for k in range(3))
        begin = (-1.5 * one + 2.0 * two - 0.5 * three) / h
        one, two, three = (_part(f, axis, n - k, n - k + 1) for k in (1, 2, 3))
        end = (1.5 * one - 2.0 * two + 0.5 * three) / h
    return concatenate([begin, inner, end], axis)


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """func1d of every line along the axis: recorded once a line, so write whole-array functions for many."""
    at = one_axis(arr, axis)
    lines = moveaxis(arr, at, -1)
    outer = tuple(lines.shape[:-1])
    made = [func1d(getitem(lines, index), *args, **kwargs) for index in np.ndindex(*outer)]
    if not made:
        raise ArgumentError(
            f"np.apply_along_axis: an array of shape {arr.shape} has no lines (at {source_scope()})"
        )
    rows = stack([x if hasattr(x, "shape") else np.asarray(x) for x in made])
    whole = reshape(rows, (*outer, *rows.shape[1:]))
    inner = len(whole.shape) - len(outer)
    return moveaxis(whole, range(len(outer), len(outer) + inner), range(at, at + inner))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.diff: diff, np.ediff1d: ediff1d, np.gradient: gradient, np.apply_along_axis: apply_along_axis,
}  # fmt: skip
