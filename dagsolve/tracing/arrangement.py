"""NumPy functions that split arrays, join them and spread them over each other, for tracers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.tracing.composed import broadcast_to, concatenate, one_axis, reshape
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of ary along an axis: as many of nearly equal length, or cut before these positions."""
    axis = one_axis(ary, axis)
    length = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        sections = int(indices_or_sections)
        if sections < 1:
            raise ArgumentError(
                f"np.split: sections must be at least 1, got {sections} (at {source_scope()})"
            )
        small, longer = divmod(length, sections)
        cuts = np.cumsum([small + 1] * longer + [small] * (sections - longer))[:-1].tolist()
    else:
        cuts = [int(cut) for cut in indices_or_sections]
    return [
        getitem(ary, (*(slice(None),) * axis, slice(start, stop)))
        for start, stop in zip([0, *cuts], [*cuts, length], strict=True)
    ]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    at = one_axis(ary, axis)
    if np.ndim(indices_or_sections) == 0 and ary.shape[at] % int(indices_or_sections):
        raise ShapeError(
            f"np.split: axis {axis} of {ary.shape} has no {indices_or_sections} equal parts "
            f"(at {source_scope()}). Use np.array_split, or positions to cut at."
        )
    return array_split(ary, indices_or_sections, at)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    at = one_axis(x, axis)
    return tuple(getitem(x, (*(slice(None),) * at, k)) for k in range(x.shape[at]))


def column_stack(tup: Sequence[Any]) -> Any:
    return concatenate([x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in tup], 1)


def dstack(tup: Sequence[Any]) -> Any:
    return concatenate([np.atleast_3d(x) for x in tup], 2)


def atleast_3d(x: Any) -> Any:
    shape = {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}.get(x.ndim)
    return x if shape is None else reshape(x, shape)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        return concatenate([np.ravel(arr), np.ravel(values)], 0)
    return concatenate([arr, values], axis)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*(np.shape(x) for x in args))
    return tuple(broadcast_to(x, shape) if hasattr(x, "shape") else np.full(shape, x) for x in args)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates on a grid: "xy" has the first vector along the second axis, "ij" along the first."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f'np.meshgrid: indexing must be "xy" or "ij", got {indexing!r}')
    count = len(xi)
    order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else list(range(count))
    along = [np.reshape(x, [-1 if k == order[j] else 1 for k in range(count)]) for j, x in enumerate(xi)]
    return tuple(along) if sparse else broadcast_arrays(*along)


_BY_PLACES = ("edge", "reflect", "symmetric", "wrap")


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """The array amid numbers, or amid its own items for mode "edge", "reflect", "symmetric" or "wrap"."""
    if mode not in ("constant", *_BY_PLACES):
        raise UnsupportedError(
            f'np.pad: mode must be "constant", {", ".join(map(repr, _BY_PLACES))}, got {mode!r} '
            f"(at {source_scope()})"
        )
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2))
    values = np.broadcast_to(np.asarray(options.pop("constant_values", 0)), (array.ndim, 2))
    if widths.dtype.kind != "i" or np.any(widths < 0):
        raise ArgumentError(
            f"np.pad: widths must be whole numbers ≥ 0, got {pad_width} (at {source_scope()})"
        )
    for axis, (width, value) in enumerate(zip(widths.tolist(), values.tolist(), strict=True)):
        if not any(width):
            continue
        if mode == "constant":
            before, after = (
                np.full((*array.shape[:axis], count, *array.shape[axis + 1 :]), x, array.dtype)
                for count, x in zip(width, value, strict=True)
            )
            array = concatenate([before, array, after], axis)
        else:
            places = np.pad(np.arange(array.shape[axis]), width, mode, **options)
            array = getitem(array, (*(slice(None),) * axis, places))
    return array


def block(arrays: Any) -> Any:
    """Nested lists of blocks put together: the innermost along the last axis, the next along that before."""
    depth, ndim = _depth(arrays), _most_axes(arrays)
    return _joined(arrays, max(ndim, depth), depth)


def _depth(nested: Any) -> int:
    return 1 + max(map(_depth, nested), default=0) if isinstance(nested, list) else 0


def _most_axes(nested: Any) -> int:
    return max(map(_most_axes, nested), default=0) if isinstance(nested, list) else np.ndim(nested)


def _joined(nested: Any, ndim: int, depth: int) -> Any:
    if isinstance(nested, list):
        return concatenate([_joined(x, ndim, depth - 1) for x in nested], -depth)
    if depth:
        raise ArgumentError(f"np.block: lists must be nested equally deep (at {source_scope()})")
    return np.reshape(nested, (1,) * (ndim - np.ndim(nested)) + np.shape(nested))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.split: split, np.array_split: array_split, np.hsplit: hsplit,
    np.vsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 0),
    np.dsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 2),
    np.unstack: unstack, np.column_stack: column_stack, np.dstack: dstack, np.atleast_3d: atleast_3d,
    np.append: append, np.broadcast_arrays: broadcast_arrays, np.meshgrid: meshgrid,
    np.pad: pad, np.block: block,
}  # fmt: skip
