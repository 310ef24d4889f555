"""Primitives that `dask.array` does by itself: shaping, reductions and products, by our names and params."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import unify_chunks

from dagsolve.primitives.derived import apply


def _getitem(x: Any, *, index: tuple[Any, ...]) -> Any:
    native = tuple(slice(*entry) if isinstance(entry, tuple) else entry for entry in index)
    return x[(..., *native)]


def _transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    lead = x.ndim - len(axes)
    return da.transpose(x, (*range(lead), *(k + x.ndim for k in axes)))


def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    try:
        return da.reshape(x, shape)
    except NotImplementedError:  # (6, 4) to (8, 3): only by way of one axis
        return da.reshape(da.reshape(x, (-1,)), shape)


def _einsum(a: Any, b: Any, *, subscripts: str) -> Any:
    left, right = subscripts.split("->")[0].split(",")
    _, (a, b) = unify_chunks(a, left, b, right)
    return da.einsum(subscripts, a, b)


def _stop_gradient(x: Any) -> Any:
    """As a task of its own: the function alone would hand a tracer on as it is."""
    return da.map_blocks(partial(apply, "stop_gradient"), x, dtype=x.dtype, meta=x._meta)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return da.core.elemwise(np.where, condition, x, y)


NATIVE: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "stop_gradient": _stop_gradient,
    "transpose": _transpose,
    "broadcast_to": da.broadcast_to,
    "getitem": _getitem,
    "concatenate": lambda *xs, axis: da.concatenate(xs, axis=axis % xs[0].ndim),
    "sum": da.sum,
    "amax": da.max,
    "amin": da.min,
    "matmul": da.matmul,
    "einsum": _einsum,
    "astype": lambda x, dtype: x.astype(dtype),
    "where": _where,
}
