"""NumPy's functions of order composed of primitives, for tracers: sorting, extremes' places, quantiles."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.errors import UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.composed import concatenate, moveaxis, one_axis, reshape
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope

_P = PRIMITIVES


def _along(a: Any, axis: int | None) -> tuple[Any, int]:
    """The array, flat for None, and the axis counted from the end."""
    if axis is None:
        return reshape(a, -1), -1
    return a, one_axis(a, axis) - a.ndim


def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
) -> Any:
    a, axis = _along(a, axis)
    return _P["argsort"](a, axis=axis)


def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
) -> Any:
    a, axis = _along(a, axis)
    return _P["take_along"](a, _P["argsort"](a, axis=axis), axis=axis)


def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Any:
    """Sorted, which is partitioned at every place."""
    return sort(a, axis)


def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Any:
    return argsort(a, axis)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    arr, axis = _along(arr, axis)
    at = arr.ndim + axis
    shape = tuple(
        m if k == at else max(n, m) for k, (n, m) in enumerate(zip(arr.shape, indices.shape, strict=True))
    )
    indices = np.broadcast_to(indices, shape)
    whole = tuple(arr.shape[k] if k == at else n for k, n in enumerate(shape))
    return _P["take_along"](np.broadcast_to(arr, whole), indices, axis=axis)


def _arg(name: str) -> Callable[..., Any]:
    def arg(a: Any, axis: int | None = None, out: None = None, *, keepdims: Any = False) -> Any:
        keep = keepdims is True
        shape = (1,) * a.ndim
        made = _P[name](*_along(a, axis)[:1], axis=_along(a, axis)[1], keepdims=keep and axis is not None)
        return reshape(made, shape) if keep and axis is None else made

    return arg


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """Quantiles, interpolated linearly between the items beside them."""
    if method != "linear":
        raise UnsupportedError(f'np.quantile with method={method!r} (at {source_scope()}). Use "linear".')
    shape = a.shape
    axes = tuple(range(a.ndim)) if axis is None else tuple(one_axis(a, k) for k in np.atleast_1d(axis))
    lines = reshape(
        moveaxis(a, axes, range(len(axes))), (-1, *(n for k, n in enumerate(shape) if k not in axes))
    )
    ordered = sort(lines, 0)
    n = lines.shape[0]
    at = np.asarray(q, dtype=float) * (n - 1)
    below = np.clip(np.floor(at).astype(int), 0, max(n - 2, 0))
    part = np.reshape(at - below, at.shape + (1,) * (lines.ndim - 1))
    low, high = (_P["take"](ordered, np.minimum(below + k, n - 1), axis=-ordered.ndim) for k in (0, 1))
    made = low + (high - low) * part
    if keepdims:
        made = reshape(made, (*at.shape, *(1 if k in axes else m for k, m in enumerate(shape))))
    return made


def percentile(a: Any, q: Any, axis: Any = None, *rest: Any, **options: Any) -> Any:
    return quantile(a, np.asarray(q, dtype=float) / 100, axis, *rest, **options)


def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return quantile(a, 0.5, axis, keepdims=keepdims)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: None = None) -> Any:
    return _P["searchsorted"](a, v, side=side)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Number of the bin that an item lies in; bins that fall are not read while tracing."""
    edges = np.asarray(bins)
    if np.any(np.diff(edges) < 0):
        return len(edges) - _P["searchsorted"](edges[::-1], x, side="right" if right else "left")
    return _P["searchsorted"](edges, x, side="left" if right else "right")


def flip(m: Any, axis: Any = None) -> Any:
    axes = range(m.ndim) if axis is None else [one_axis(m, k) for k in np.atleast_1d(axis)]
    return getitem(m, tuple(slice(None, None, -1 if k in axes else 1) for k in range(m.ndim)))


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return reshape(roll(reshape(a, -1), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    for by, k in zip(shifts.tolist(), axes.tolist(), strict=True):
        at = one_axis(a, k)
        cut = -by % max(a.shape[at], 1)
        lead = (slice(None),) * at
        if cut:
            a = concatenate([getitem(a, (*lead, slice(cut, None))), getitem(a, (*lead, slice(cut)))], at)
    return a


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    turned = {0: lambda: m, 1: lambda: np.swapaxes(flip(m, axes[1]), *axes), 2: lambda: flip(m, axes)}
    return turned.get(k % 4, lambda: flip(np.swapaxes(m, *axes), axes[1]))()


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a, axis = _along(a, axis)
    return _P["take"](a, np.repeat(np.arange(a.shape[axis]), repeats), axis=axis)


def tile(A: Any, reps: Any) -> Any:
    counts = tuple(np.atleast_1d(reps).tolist())
    shape = (1,) * (len(counts) - A.ndim) + A.shape
    counts = (1,) * (len(shape) - len(counts)) + counts
    spread = [n for pair in zip((1,) * len(shape), shape, strict=True) for n in pair]
    wide = [n for pair in zip(counts, shape, strict=True) for n in pair]
    whole = [n * m for n, m in zip(counts, shape, strict=True)]
    return reshape(np.broadcast_to(reshape(A, spread), wide), whole)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sort: sort, np.argsort: argsort, np.partition: partition, np.argpartition: argpartition,
    np.take_along_axis: take_along_axis, np.argmax: _arg("argmax"), np.argmin: _arg("argmin"),
    np.quantile: quantile, np.percentile: percentile, np.median: median,
    np.searchsorted: searchsorted, np.digitize: digitize,
    np.flip: flip, np.fliplr: lambda m: flip(m, 1), np.flipud: lambda m: flip(m, 0),
    np.roll: roll, np.rot90: rot90, np.repeat: repeat, np.tile: tile,
}  # fmt: skip
