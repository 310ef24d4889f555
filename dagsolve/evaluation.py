"""A traced function evaluated: recorded in the trace around it, lazily on Dask arrays, or run now."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from dagsolve.lazy import is_lazy, lazy_results, refuse_run_options
from dagsolve.nesting import inlined, inlined_tangents, inlined_values, is_nested
from dagsolve.options import Options
from dagsolve.pipeline import COLUMNS, FORWARD, ROWS, TANGENT, compile_trace, executor_for, run
from dagsolve.reports import RunReport
from dagsolve.specs import Shape
from dagsolve.tracing.layout import Chunks, slices
from dagsolve.tracing.trace import Trace
from dagsolve.tracing.tracer import Tracer


class Evaluated(NamedTuple):
    """Results and derivatives: tracers, lazy Dask arrays, or arrays and the report of their run."""

    values: list[Any]
    derivatives: list[Any]
    report: RunReport | None = None


def evaluated(
    who: str,
    trace: Trace,
    inputs: Sequence[int],
    mode: str,
    options: Options,
    *,
    seeded: Sequence[int] = (0,),
    seeds: Sequence[Any] = (),
) -> Evaluated:
    """Values and derivatives of a traced function by the inputs at these positions.

    mode     of `dagsolve.pipeline`; seeds are cotangents of the results `seeded`, or tangents of the inputs

    Dask arrays among arguments or seeds make lazy results: options of a run then raise ArgumentError.
    """
    if is_nested(trace) or any(isinstance(x, Tracer) for x in seeds):
        return _nested(trace, inputs, mode, seeded, seeds)
    lazy = is_lazy(trace, seeds)
    if lazy:
        refuse_run_options(who, options)
    executor = executor_for(options)
    compiled = compile_trace(trace, inputs, mode, options, executor, seeded)
    if mode == ROWS:
        of = trace.graph.spec(trace.graph.outputs[0])
        seeds = (_lazy_units(compiled.seeds[0].chunks, of.dtype) if lazy else _units(of.shape, of.dtype),)
    if lazy:
        return Evaluated(*lazy_results(compiled, trace, seeds))
    values, derivatives = run(compiled, trace, executor, options, seeds)
    return Evaluated(values, derivatives, executor.last_report)


def _nested(
    trace: Trace, inputs: Sequence[int], mode: str, seeded: Sequence[int], seeds: Sequence[Any]
) -> Evaluated:
    if mode == FORWARD:
        return Evaluated(inlined_values(trace), [])
    if mode == TANGENT:
        return Evaluated(*inlined_tangents(trace, seeds))
    if mode not in (ROWS, COLUMNS):
        return Evaluated(*inlined(trace, inputs, seeded=seeded, seeds=seeds))
    of = trace.graph.spec(trace.graph.outputs[0])
    units = _units(of.shape, of.dtype)
    values, bars = inlined(trace, inputs, seeded=(0,), seeds=(units,), lead=(of.size,))
    return Evaluated(values, [np.reshape(bar, (*of.shape, *bar.shape[1:])) for bar in bars])


def _units(shape: Shape, dtype: Any, tile: tuple[slice, ...] = ()) -> npt.NDArray[Any]:
    """All unit cotangents of an array, or one tile of each: of shape (items of the array, *tile)."""
    size = math.prod(shape)
    items = np.arange(size).reshape(shape)[tile]
    return np.equal(np.arange(size).reshape(-1, *(1,) * len(shape)), items).astype(dtype)


def _lazy_units(chunks: Chunks, dtype: Any) -> Any:
    """All unit cotangents as a Dask array, cut along its later axes; a task makes each tile."""
    shape = tuple(map(sum, chunks[1:]))
    name = f"units-{tokenize(chunks, dtype)}"
    tiles = zip(np.ndindex(*map(len, chunks[1:])), slices(chunks[1:]), strict=True)
    tasks = {(name, 0, *at): partial(_units, shape, dtype, tile) for at, tile in tiles}
    return da.Array({key: (unit,) for key, unit in tasks.items()}, name, chunks, dtype=dtype)
