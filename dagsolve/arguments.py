"""Arguments and results of transformed functions: their containers, their dtypes, their numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np

from dagsolve.binding import check_known_shape
from dagsolve.errors import ArgumentError, DtypeError, ShapeError
from dagsolve.namespace import beside
from dagsolve.tracing.trace import Frozen, Trace, is_traceable, trace_function
from dagsolve.tracing.tracer import Tracer
from dagsolve.tree import flatten, paths, unflatten


def traced(who: str, f: Callable[..., Any], args: tuple[Any, ...], wanted: Sequence[int]) -> Trace:
    """The trace of f(*args), to be differentiated by `wanted`; a frozen f is not traced again."""
    for k in wanted:
        if not -len(args) <= k < len(args):
            raise ArgumentError(f"{who}: argnums holds {k}, but only {len(args)} arguments were given")
    for k, arg in enumerate(args):
        for position, leaf in enumerate(flatten(arg)[0]):
            if hasattr(leaf, "__dask_graph__"):
                _check_collection(who, leaf, f"argument {k}{paths(arg)[position]}")
    return f.bound(who, args, wanted) if isinstance(f, Frozen) else trace_function(who, f, args, wanted)


def _check_collection(who: str, leaf: Any, name: str) -> None:
    if not isinstance(leaf, da.Array):
        raise ArgumentError(
            f"{who}: {name} must be an array, got a Dask {type(leaf).__name__}. Make a Dask array of it with "
            ".to_dask_array(lengths=True) or da.from_delayed(…)."
        )
    check_known_shape(who, leaf, name)


def argument_numbers(who: str, argnums: Any) -> tuple[int, ...]:
    """argnums as a tuple of argument numbers."""
    found = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    if not found or any(not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 0 for k in found):
        raise ArgumentError(f"{who}: argnums must be a non-negative int or a tuple of them, got {argnums!r}")
    return found


def by_argument(trace: Trace, wanted: Sequence[int], inputs: Sequence[int], bars: Sequence[Any]) -> list[Any]:
    """Cotangents in the containers of the wanted arguments and in their memory, on the host or a device.

    Where the arguments were numbers they are numbers.
    """
    found = dict(zip(inputs, bars, strict=True))
    made = []
    for argument in wanted:
        positions = trace.input_of_leaf[argument]
        leaves = []
        for leaf in range(trace.leaf_count[argument]):
            value = trace.values[positions[leaf]]
            bar = beside(found[positions[leaf]], value)
            leaves.append(bar if hasattr(value, "shape") else number(bar))
        made.append(unflatten(trace.structures[argument], leaves))
    return made


def matching(who: str, trace: Trace, cotangent: Any) -> list[Any]:
    """Leaves of a cotangent in the containers, shapes and dtypes of the function's results."""
    leaves, structure = flatten(cotangent)
    if structure != trace.result:
        raise ArgumentError(f"{who} must have the containers of the value")
    return [like(who, x, trace.graph.spec(v)) for x, v in zip(leaves, trace.graph.outputs, strict=True)]


def like(who: str, x: Any, of: Any) -> Any:
    """An array or number in the dtype of a spec, whose shape it must have."""
    if not is_traceable(x) and not isinstance(x, (int, np.ndarray, da.Array)):
        raise DtypeError(f"{who} must be an array or a number of dtype {of.dtype}, got {type(x).__name__}")
    if isinstance(x, Tracer):
        found: Any = x
    else:
        found = (
            np.asarray(x, dtype=of.dtype)
            if not hasattr(x, "dtype") or isinstance(x, np.generic)
            else x.astype(of.dtype, copy=False)
        )
    if tuple(found.shape) != of.shape:
        raise ShapeError(f"{who} must have shape {of.shape}, got {tuple(found.shape)}")
    return found


def spec_leaf(value: Any) -> Any:
    """What `spec_of` takes for an input."""
    return value.spec if isinstance(value, Tracer) else value


def number(y: Any) -> Any:
    """A 0-d array as a NumPy number; everything else as it is."""
    return y[()] if isinstance(y, np.ndarray) and y.ndim == 0 else y
