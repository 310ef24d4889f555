"""Functions that dask.array's tasks call and that no tracer can run as they stand, written for tracers.

They assign into arrays, keep pairs in structured arrays, or ask for values. Each has the signature and the
result of its namesake in dask.array (2026.8), which is found by identity.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from dask.array import chunk, creation, reductions, routines, slicing
from dask.array import core as arrays
from dask.array import utils as array_functions

from dagsolve.errors import UnsupportedError
from dagsolve.primitives import PRIMITIVES


def setitem(x: Any, v: Any, indices: Sequence[Any]) -> Any:
    """x with v at the indices: a choice between x and the items of v, each taken to its place.

    indices   a slice, an integer or one array of integers or truths for every axis
    """
    v = v if hasattr(v, "shape") else np.asarray(v)
    if 0 in v.shape:
        return x
    if any(hasattr(i, "__dagsolve_recorder__") for i in indices):
        raise UnsupportedError(
            "an assignment at indices that a Dask array holds: they are not known while tracing. "
            "Give them as a NumPy array, or use da.where."
        )
    native = tuple(
        i[i < n] if isinstance(i, np.ndarray) and i.dtype != bool else i
        for i, n in zip(indices, x.shape, strict=True)
    )
    # The place in v, flattened, of every item of x; -1 where x stays. NumPy itself assigns the places.
    places = np.full(x.shape, -1)
    shape = places[native].shape
    items = np.reshape(np.broadcast_to(v, shape), -1) if shape != v.shape else np.reshape(v, -1)
    places[native] = np.arange(places[native].size).reshape(shape)
    chosen = places >= 0
    moved = PRIMITIVES["take"](items, np.where(chosen, places, 0), axis=-1)
    dtype = np.dtype(x.dtype)
    return PRIMITIVES["where"](chosen, moved if moved.dtype == dtype else moved.astype(dtype), x)


def vindex_merge(locations: Sequence[Any], values: Sequence[Any]) -> Any:
    """Rows of several arrays in the order that their locations give."""
    order = np.concatenate([np.asarray(list(where), dtype=np.intp) for where in locations])
    return np.take(np.concatenate(list(values), axis=0), np.argsort(order), axis=0)


def arg_chunk(func: Any, argfunc: Any, x: Any, axis: Any, offset_info: Any) -> dict[str, Any]:
    """Extreme items of a chunk and their places in the whole array, as a dict."""
    along = None if len(axis) == x.ndim or x.ndim == 1 else axis[0]
    vals, arg = func(x, axis=along, keepdims=True), argfunc(x, axis=along, keepdims=True)
    if x.ndim and along is None:
        offset, total = offset_info
        corner = np.ix_(*(np.arange(o, o + n) for o, n in zip(offset, x.shape, strict=True)))
        places = np.ravel_multi_index(np.broadcast_arrays(*corner), total).ravel()
        arg = PRIMITIVES["take"](places, arg, axis=-1)  # np.take dispatches on its first argument only
    elif x.ndim:
        arg = arg + offset_info
    return {"vals": vals, "arg": arg}


def _best(argfunc: Any, data: Mapping[str, Any], axis: Any) -> tuple[Any, Any]:
    """(places, items) of the extreme ones, with the axis kept."""
    vals, arg = data["vals"], data["arg"]
    if len(axis) == vals.ndim or vals.ndim == 1:
        shape, along = (1,) * vals.ndim, 0
        vals, arg = np.reshape(vals, -1), np.reshape(arg, -1)
        chosen = argfunc(vals, axis=0, keepdims=True)
        return tuple(np.reshape(np.take_along_axis(x, chosen, along), shape) for x in (arg, vals))  # type: ignore[return-value]
    along = axis[0]
    chosen = argfunc(vals, axis=along, keepdims=True)
    return np.take_along_axis(arg, chosen, along), np.take_along_axis(vals, chosen, along)


def arg_combine(argfunc: Any, data: Mapping[str, Any], axis: Any = None, **options: Any) -> dict[str, Any]:
    arg, vals = _best(argfunc, data, axis)
    return {"vals": vals, "arg": arg}


def arg_agg(
    argfunc: Any, data: Mapping[str, Any], axis: Any = None, keepdims: bool = False, **options: Any
) -> Any:
    arg, _ = _best(argfunc, data, axis)
    return arg if keepdims else np.squeeze(arg, axis=tuple(axis))


def moment_chunk(
    A: Any,
    order: int = 2,
    sum: Callable[..., Any] = chunk.sum,
    numel: Callable[..., Any] = reductions.numel,
    dtype: Any = "f8",
    implicit_complex_dtype: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Count, sum and moments of a chunk. Items that a sum leaves out as NaN leave no NaN in its gradient."""
    n = numel(A, **options).astype(np.int64)
    total = sum(A, **options) if implicit_complex_dtype else sum(A, dtype=dtype, **options)
    d = A - total / np.where(n == 0, 1, n)
    d = np.where(np.isnan(A), 0.0, d) if sum is chunk.nansum else d
    d = np.abs(d) if A.dtype.kind == "c" else d
    moments = [sum(d**k, dtype=dtype, **options) for k in range(2, order + 1)]
    return {"total": total, "n": n, "M": np.stack(moments, axis=-1)}


def _each(name: str, pairs: Any) -> Any:
    """One entry of every dict in nested lists of them."""
    return [_each(name, pair) for pair in pairs] if isinstance(pairs, list) else pairs[name]


def moment_agg(
    pairs: Any,
    order: int = 2,
    ddof: float = 0,
    dtype: Any = "f8",
    sum: Callable[..., Any] = np.sum,
    axis: Any = None,
    **options: Any,
) -> Any:
    """Central moment of an array from the counts, sums and moments of its chunks."""
    pairs = pairs if isinstance(pairs, list) else [pairs]
    keep = {**options, "keepdims": True}
    counts, totals, parts = (
        arrays._concatenate2(_each(name, pairs), axes=axis) for name in ("n", "total", "M")
    )
    n = np.sum(counts, axis=axis, **keep)
    shift = totals / np.where(counts == 0, 1, counts) - np.sum(totals, axis=axis, **keep) / n
    shift = np.where(counts == 0, 0, np.abs(shift) if totals.dtype.kind == "c" else shift)
    whole = reductions._moment_helper(parts, counts, shift, order, sum, axis, {**options, "dtype": dtype})
    free = np.sum(n, axis=axis, **options) - ddof
    return np.divide(whole, np.where(free < 0, np.nan, free)).astype(dtype)


def searchsorted_block(x: Any, y: Any, side: Any) -> Any:
    """Places among the edges of one chunk; -1 stands for none before, as dask.array counts them."""
    places = np.searchsorted(x, y, side=side)
    return np.expand_dims(np.where(places == 0, -1, places), 0)


def linear_ramp_chunk(start: Any, stop: Any, num: int, dim: int, step: int) -> Any:
    """`num` items from start (left out) to stop along an axis of length one."""
    parts = np.arange(1, num + 1)[::step] / num
    weights = parts.reshape((-1, *(1,) * (start.ndim - dim - 1)))
    return (start + (stop - start) * weights).astype(start.dtype)


def slice_by_indices(x: Any, idx: Any, offset: Any, x_size: int, axis: int) -> Any:
    """Items of one chunk for every index, also for those that lie in other chunks: the aggregate chooses."""
    at = np.where(idx < 0, idx + x_size, idx) - offset
    return PRIMITIVES["take"](x, np.clip(at, 0, x.shape[axis] - 1), axis=axis - x.ndim)


def choose_by_indices(idx: Any, chunk_outputs: Any, x_chunks: Sequence[int], axis: int) -> Any:
    """Of the items that every chunk gave for an index, those of the chunk that the index lies in."""
    at = np.where(idx < 0, idx + sum(x_chunks), idx)
    n, start, made = at.shape[0], 0, None
    lead = (slice(None),) * axis
    for k, length in enumerate(x_chunks):
        part = chunk_outputs[(*lead, slice(k * n, (k + 1) * n))]
        here = np.reshape(at >= start, (n, *(1,) * (chunk_outputs.ndim - axis - 1)))
        made = part if made is None else np.where(here, part, made)
        start += length
    return made


def is_null(values: Any) -> Any:
    return np.isnan(values)


def as_array(a: Any, like: Any = None, **options: Any) -> Any:
    """The value itself, in another dtype where one is asked for."""
    dtype = options.get("dtype")
    a = a if hasattr(a, "shape") else np.asarray(a)
    return a if dtype is None else a.astype(dtype)


DASK_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    chunk.getitem: operator.getitem,
    array_functions.asarray_safe: as_array,
    array_functions.asanyarray_safe: as_array,
    array_functions.array_safe: as_array,
    chunk.slice_with_int_dask_array: slice_by_indices,
    chunk.slice_with_int_dask_array_aggregate: choose_by_indices,
    slicing.setitem: setitem,
    arrays._vindex_merge: vindex_merge,
    reductions.arg_chunk: arg_chunk,
    reductions.arg_combine: arg_combine,
    reductions.arg_agg: arg_agg,
    reductions.nanarg_agg: arg_agg,  # a line of NaN alone is not refused: values are not known while tracing
    reductions.moment_chunk: moment_chunk,
    reductions.moment_agg: moment_agg,
    routines._searchsorted_block: searchsorted_block,
    routines._asarray_isnull: is_null,
    creation.linear_ramp_chunk: linear_ramp_chunk,
}
