"""NumPy functions composed of primitives, for tracers.

Each has its NumPy namesake's signature as far as it is supported; a keyword that is not raises
UnsupportedError in `calls`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError, UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.contractions import cross_products, dot, einsum, inner, matmul, outer, tensordot
from dagsolve.tracing.factorisations import cholesky, eigh, eigvalsh, lstsq, qr, svd, svdvals
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope
from dagsolve.tracing.systems import pinv, slogdet, solve

_P = PRIMITIVES
Axis = int | Sequence[int] | None


def axes_of(x: Any, axis: Axis) -> tuple[int, ...] | None:
    """Axes counted from the end; None stays None."""
    if axis is None:
        return None
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    for k in axes:
        if not -x.ndim <= k < x.ndim:
            raise ShapeError(
                f"axis {k} is out of range for an array of shape {x.shape} (at {source_scope()})"
            )
    return tuple(sorted(int(k) % x.ndim - x.ndim for k in axes))


def one_axis(x: Any, axis: Any, extra: int = 0) -> int:
    """An axis of an array of ndim + extra, non-negative."""
    n = int(x.ndim) + extra
    if not -n <= axis < n:
        raise ShapeError(f"axis {axis} is out of range for an array of shape {x.shape} (at {source_scope()})")
    return int(axis) % n


def power(x: Any, p: Any) -> Any:
    """xᵖ; small whole exponents become products, which are faster and defined for every x."""
    if isinstance(p, (int, float)) and not isinstance(p, bool):
        if p == 1:
            return x
        if p == 2:
            return _P["square"](x)
        if p == 3:
            return _P["square"](x) * x
        if p == 0.5:
            return _P["sqrt"](x)
        if p == -1:
            return 1.0 / x
    return _P["power"](x, p)


def reduction(name: str) -> Callable[..., Any]:
    def reduce(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
        if out is not None:
            raise UnsupportedError(
                f"np.{name} with out= (at {source_scope()}). Use the result that it returns."
            )
        if dtype is not None and np.dtype(dtype) != a.dtype:
            a = astype(a, dtype)
        axes = axes_of(a, axis)
        if a.ndim == 0 or axes == ():
            return a
        return _P[name](a, axis=axes, keepdims=keepdims is True)

    return reduce


sum_ = reduction("sum")


def mean(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: Any = False) -> Any:
    return sum_(a, axis, dtype, out, keepdims) / _count(a, axis)


def var(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    centred = a - mean(a, axis, dtype, keepdims=True)
    squares = _P["real"](centred * _P["conjugate"](centred)) if a.dtype.kind == "c" else _P["square"](centred)
    return sum_(squares, axis, None, out, keepdims) / (_count(a, axis) - ddof)


def std(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    return _P["sqrt"](var(a, axis, dtype, out, ddof, keepdims))


def _count(a: Any, axis: Axis) -> float:
    axes = axes_of(a, axis)
    return float(a.size if axes is None else math.prod(a.shape[k] for k in axes))


def reshape(x: Any, shape: Any, order: str = "C", copy: Any = None) -> Any:
    if order not in ("C", "A"):
        raise UnsupportedError(f"reshape with order={order!r} (at {source_scope()}). Use the default order.")
    wanted = [int(n) for n in ((shape,) if isinstance(shape, (int, np.integer)) else shape)]
    if wanted.count(-1) == 1:
        known = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = x.size // known if known else 0
    if math.prod(wanted) != x.size or any(n < 0 for n in wanted):
        raise ShapeError(
            f"reshape: an array of shape {x.shape} cannot take the shape {shape} (at {source_scope()})"
        )
    return x if tuple(wanted) == x.shape else _P["reshape"](x, shape=tuple(wanted))


def _reshape_method(x: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return reshape(x, shape[0] if len(shape) == 1 else shape, order)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    permutation = tuple(range(x.ndim))[::-1] if axes is None else tuple(one_axis(x, k) for k in axes)
    if sorted(permutation) != list(range(x.ndim)):
        raise ShapeError(
            f"transpose: axes {axes} are not a permutation for shape {x.shape} (at {source_scope()})"
        )
    if permutation == tuple(range(x.ndim)):
        return x
    return _P["transpose"](x, axes=tuple(k - x.ndim for k in permutation))


def _transpose_method(x: Any, *axes: Any) -> Any:
    return transpose(x, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else (axes or None))


def matrix_transpose(x: Any) -> Any:
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(x.ndim))
    a, b = one_axis(x, axis1), one_axis(x, axis2)
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    sources = [one_axis(x, k) for k in ([source] if isinstance(source, int) else source)]
    targets = [one_axis(x, k) for k in ([destination] if isinstance(destination, int) else destination)]
    order = [k for k in range(x.ndim) if k not in sources]
    for target, k in sorted(zip(targets, sources, strict=True)):
        order.insert(target, k)
    return transpose(x, order)


def expand_dims(x: Any, axis: Any) -> Any:
    axes = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    ndim = x.ndim + len(axes)
    put = {one_axis(x, k, len(axes)) for k in axes}
    lengths = iter(x.shape)
    return reshape(x, [1 if k in put else next(lengths) for k in range(ndim)])


def squeeze(x: Any, axis: Any = None) -> Any:
    gone = (
        [k for k, n in enumerate(x.shape) if n == 1]
        if axis is None
        else [k % x.ndim for k in (axes_of(x, axis) or ())]
    )
    return reshape(x, [n for k, n in enumerate(x.shape) if k not in gone])


def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Any:
    wanted = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if wanted == x.shape:
        return x
    padded = (1,) * (len(wanted) - x.ndim) + x.shape
    if len(padded) != len(wanted) or any(n not in (1, m) for n, m in zip(padded, wanted, strict=True)):
        raise ShapeError(f"broadcast_to: {x.shape} does not broadcast to {wanted} (at {source_scope()})")
    return _P["broadcast_to"](x, shape=wanted)


def concatenate(
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: None = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    parts = [x if hasattr(x, "shape") else np.asarray(x) for x in arrays]
    if axis is None:
        parts, axis = [np.reshape(x, -1) for x in parts], 0
    return _P["concatenate"](*parts, axis=one_axis(parts[0], axis) - parts[0].ndim)


def stack(arrays: Sequence[Any], axis: int = 0, out: None = None) -> Any:
    parts = [x if hasattr(x, "shape") else np.asarray(x) for x in arrays]
    return concatenate([np.expand_dims(x, axis) for x in parts], axis)


def _at_least(ndim: int, x: Any) -> Any:
    x = x if hasattr(x, "shape") else np.asarray(x)
    return x if x.ndim >= ndim else np.reshape(x, (1,) * (ndim - x.ndim) + tuple(x.shape))


def hstack(arrays: Sequence[Any]) -> Any:
    parts = [_at_least(1, x) for x in arrays]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal `offset` columns to the right, along a new last axis."""
    if a.ndim < 2:
        raise ShapeError(f"diagonal: an array of shape {a.shape} has no two axes (at {source_scope()})")
    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = max(-offset, 0), max(offset, 0)
    n = max(min(a.shape[-2] - rows, a.shape[-1] - columns), 0)
    part = (..., slice(rows, rows + n), slice(columns, columns + n))
    return _P["diagonal"](a if a.shape[-2:] == (n, n) else getitem(a, part))


def diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return diagonal(v, k)
    made = _P["diagonal_matrix"](v)
    if k == 0:
        return made
    n, size = v.shape[0], v.shape[0] + abs(k)
    index = ((max(-k, 0), max(-k, 0) + n, 1), (max(k, 0), max(k, 0) + n, 1))
    return _P["place"](made, index=index, shape=(size, size))


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Any:
    return sum_(diagonal(a, offset, axis1, axis2), -1, dtype, out)


def _triangle(name: str) -> Callable[..., Any]:
    def triangle(m: Any, k: int = 0) -> Any:
        return _P[name](m, k=k)

    return triangle


def where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise UnsupportedError(
            f"np.where with one argument needs values (at {source_scope()}). Pass both choices."
        )
    return _P["where"](condition, *choices)


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None
) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else _P["maximum"](a, low)
    return a if high is None else _P["minimum"](a, high)


def astype(x: Any, dtype: Any, copy: Any = None, **options: Any) -> Any:
    return x if np.dtype(dtype) == x.dtype else _P["astype"](x, dtype=np.dtype(dtype).name)


def _like(value: float) -> Callable[..., Any]:
    def like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
        return np.full(a.shape if shape is None else shape, value, a.dtype if dtype is None else dtype)

    return like


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    shape, dtype = a.shape if shape is None else shape, a.dtype if dtype is None else dtype
    if not hasattr(fill_value, "__dagsolve_recorder__"):
        return np.full(shape, fill_value, dtype)
    return broadcast_to(astype(fill_value, dtype), shape)


METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_, "mean": mean, "var": var, "std": std, "max": reduction("amax"), "min": reduction("amin"),
    "reshape": _reshape_method, "ravel": lambda x, order="C": reshape(x, -1, order),
    "flatten": lambda x, order="C": reshape(x, -1, order), "transpose": _transpose_method,
    "swapaxes": swapaxes, "squeeze": squeeze, "dot": dot, "astype": astype,
    "copy": lambda x, order="C": x, "clip": clip,
    "conj": lambda x: _P["conjugate"](x), "conjugate": lambda x: _P["conjugate"](x), "diagonal": diagonal,
    "trace": trace, "take": lambda x, k, axis=None: take(x, k, axis),
}  # fmt: skip


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    if out is not None:
        raise UnsupportedError(f"np.cumsum with out= (at {source_scope()}). Use the result that it returns.")
    a, axis = (reshape(a, -1), 0) if axis is None else (a, one_axis(a, axis))
    return _P["cumsum"](a if dtype is None else astype(a, dtype), axis=axis - a.ndim)


def take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    a, axis = (reshape(a, -1), 0) if axis is None else (a, one_axis(a, axis))
    traced = hasattr(indices, "__dagsolve_recorder__")
    return getitem(a, (*(slice(None),) * axis, indices if traced else np.asarray(indices)))


COMPOSED: dict[Any, Callable[..., Any]] = {
    np.sum: sum_, np.mean: mean, np.var: var, np.std: std,
    np.max: reduction("amax"), np.min: reduction("amin"),
    np.amax: reduction("amax"), np.amin: reduction("amin"), np.reshape: reshape,
    np.ravel: lambda a, order="C": reshape(a, -1, order), np.transpose: transpose,
    np.matrix_transpose: matrix_transpose, np.linalg.matrix_transpose: matrix_transpose,
    np.swapaxes: swapaxes, np.moveaxis: moveaxis, np.expand_dims: expand_dims, np.squeeze: squeeze,
    np.broadcast_to: broadcast_to,
    np.concatenate: concatenate, np.stack: stack, np.hstack: hstack,
    np.vstack: lambda arrays: concatenate([_at_least(2, x) for x in arrays], 0),
    np.atleast_1d: lambda x: _at_least(1, x), np.atleast_2d: lambda x: _at_least(2, x),
    np.diagonal: diagonal, np.diag: diag, np.trace: trace,
    np.tril: _triangle("tril"), np.triu: _triangle("triu"),
    np.where: where, np.clip: clip, np.copy: lambda a, order="K", subok=False: a, np.astype: astype,
    np.empty_like: _like(0.0), np.zeros_like: _like(0.0), np.ones_like: _like(1.0),
    np.full_like: full_like, np.take: take,
    np.cumsum: cumsum,
    np.dot: dot, np.inner: inner, np.outer: outer,
    np.vdot: lambda a, b: inner(np.conj(reshape(a, -1)), np.reshape(b, -1)),
    np.tensordot: tensordot, np.einsum: einsum,
    np.linalg.cholesky: cholesky, np.linalg.qr: qr, np.linalg.eigh: eigh, np.linalg.eigvalsh: eigvalsh,
    np.linalg.svd: svd, np.linalg.svdvals: svdvals, np.linalg.lstsq: lstsq,
    np.linalg.solve: solve, np.linalg.slogdet: slogdet, np.linalg.pinv: pinv,
    np.linalg.matmul: matmul, np.linalg.outer: outer, np.linalg.multi_dot: cross_products,
    np.linalg.diagonal: lambda x, /, *, offset=0: diagonal(x, offset, -2, -1),
    np.linalg.trace: lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype),
    np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.real: lambda val: _P["real"](val), np.imag: lambda val: _P["imag"](val),
    np.iscomplexobj: lambda x: x.dtype.kind == "c", np.isrealobj: lambda x: x.dtype.kind != "c",
    np.result_type: lambda *xs: np.result_type(
        *(x.dtype if hasattr(x, "__dagsolve_recorder__") else x for x in xs)
    ),
}  # fmt: skip
