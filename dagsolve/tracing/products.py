"""Products, truths and reductions without NaN composed of primitives, for tracers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.composed import (
    Axis,
    astype,
    axes_of,
    concatenate,
    cumsum,
    moveaxis,
    one_axis,
    reduction,
    reshape,
    sum_,
)
from dagsolve.tracing.indexing import getitem

_P = PRIMITIVES


def prod(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """Product along axes as a tree of products, whose derivative is right where items are zero."""
    a = a if dtype is None else astype(a, dtype)
    axes = tuple(k % a.ndim for k in (range(a.ndim) if axis is None else axes_of(a, axis) or ()))
    kept = tuple(n for k, n in enumerate(a.shape) if k not in axes)
    shape = tuple(1 if k in axes else n for k, n in enumerate(a.shape)) if keepdims is True else kept
    count = math.prod(a.shape[k] for k in axes)
    if count == 0:
        return np.ones(shape, a.dtype)
    parts = reshape(moveaxis(a, axes, range(len(axes))), (count, *kept))
    while parts.shape[0] > 1:
        half, odd = divmod(parts.shape[0], 2)
        made = getitem(parts, slice(half)) * getitem(parts, slice(half, 2 * half))
        parts = concatenate([made, getitem(parts, slice(2 * half, None))], 0) if odd else made
    return reshape(parts, shape)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running product by doubling: right where items are zero, at ⌈log₂ n⌉ products of the array."""
    a = a if dtype is None else astype(a, dtype)
    a, at = (reshape(a, -1), 0) if axis is None else (a, one_axis(a, axis))
    lead, n, done = (slice(None),) * at, a.shape[at], 1
    while done < n:
        tail = getitem(a, (*lead, slice(done, None))) * getitem(a, (*lead, slice(n - done)))
        a = concatenate([getitem(a, (*lead, slice(done))), tail], at)
        done *= 2
    return a


def _truths(a: Any) -> Any:
    return a if a.dtype.kind == "b" else _P["not_equal"](a, 0)


def _decided(name: str, empty: bool) -> Callable[..., Any]:
    """`all` is the smallest of truth values, `any` the largest; neither carries a derivative."""

    def decided(a: Any, axis: Axis = None, out: None = None, keepdims: Any = False) -> Any:
        truths = _truths(a)
        axes = axes_of(a, axis)
        if a.ndim == 0 or axes == ():
            return truths
        if a.size == 0:
            return np.full(np.sum(np.empty(a.shape), axis=axis, keepdims=keepdims is True).shape, empty)
        return _P[name](truths, axis=axes, keepdims=keepdims is True)

    return decided


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return sum_(_truths(a), axis, keepdims=keepdims)


def _filled(a: Any, value: float) -> Any:
    return a if a.dtype.kind not in "fc" else _P["where"](np.isnan(a), value, a)


def _counts(a: Any, axis: Axis, keepdims: Any = False) -> Any:
    """Numbers of items that are not NaN, as floats."""
    dtype = a.real.dtype if a.dtype.kind == "c" else a.dtype
    return sum_(astype(_P["logical_not"](np.isnan(a)), dtype), axis, keepdims=keepdims)


def nansum(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    return sum_(_filled(a, 0.0), axis, dtype, out, keepdims)


def nanprod(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    return prod(_filled(a, 1.0), axis, dtype, out, keepdims)


def nanmean(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    return nansum(a, axis, dtype, out, keepdims) / _counts(a, axis, keepdims)


def nanvar(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    # Filled after the subtraction: a square of NaN would turn its zero cotangent into NaN.
    centred = _filled(a - nanmean(a, axis, dtype, keepdims=True), 0.0)
    squares = _P["square"](_P["absolute"](centred)) if a.dtype.kind == "c" else _P["square"](centred)
    return nansum(squares, axis, None, out, keepdims) / (_counts(a, axis, keepdims) - ddof)


def nanstd(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    return _P["sqrt"](nanvar(a, axis, dtype, out, ddof, keepdims))


def _extreme(name: str, worst: float) -> Callable[..., Any]:
    reduce = reduction(name)

    def extreme(a: Any, axis: Axis = None, out: None = None, keepdims: Any = False) -> Any:
        """NaN where all items are."""
        made = reduce(_filled(a, worst), axis, None, out, keepdims)
        return _P["where"](_P["equal"](_counts(a, axis, keepdims), 0), np.nan, made)

    return extreme


def _arg(name: str, worst: float) -> Callable[..., Any]:
    def arg(a: Any, axis: int | None = None, out: None = None, *, keepdims: Any = False) -> Any:
        return getattr(np, name)(_filled(a, worst), axis=axis, keepdims=keepdims is True)

    return arg


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    return cumsum(_filled(a, 0.0), axis, dtype, out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    return cumprod(_filled(a, 1.0), axis, dtype, out)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.prod: prod, np.cumprod: cumprod, np.all: _decided("amin", True), np.any: _decided("amax", False),
    np.count_nonzero: count_nonzero, np.nansum: nansum, np.nanprod: nanprod, np.nanmean: nanmean,
    np.nanvar: nanvar, np.nanstd: nanstd, np.nanmax: _extreme("amax", -math.inf),
    np.nanmin: _extreme("amin", math.inf),
    np.nanargmax: _arg("argmax", -math.inf), np.nanargmin: _arg("argmin", math.inf),
    np.nancumsum: nancumsum, np.nancumprod: nancumprod,
}  # fmt: skip
METHODS: dict[str, Callable[..., Any]] = {
    "prod": prod, "cumprod": cumprod, "cumsum": cumsum, "all": FUNCTIONS[np.all], "any": FUNCTIONS[np.any],
}  # fmt: skip
