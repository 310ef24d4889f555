"""Which NumPy call records what: ufuncs, NumPy functions and array methods on tracers.

A ufunc or function that stands for one primitive is found in the primitives' `replaces`; the functions
below are composed of primitives.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.errors import TraceError, UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing import (
    arrangement,
    fourier,
    lines,
    matrix_functions,
    order,
    pointwise,
    products,
    statistics,
)
from dagsolve.tracing.composed import COMPOSED, astype, matrix_transpose, power, reshape, transpose
from dagsolve.tracing.composed import METHODS as COMPOSED_METHODS
from dagsolve.tracing.contractions import matmul
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope

__all__ = [
    "BY_UFUNC",
    "METHODS", "call_function", "call_ufunc", "getitem", "matmul", "matrix_transpose", "power",
    "reshape", "transpose",
]  # fmt: skip

REPLACED: dict[Any, Any] = {f: p for p in PRIMITIVES.values() for f in p.replaces}


_UFUNCS: dict[Any, Callable[..., Any]] = {
    **pointwise.UFUNCS,
    np.power: power,
    np.float_power: power,
    np.matmul: matmul,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **COMPOSED,
    **pointwise.FUNCTIONS,
    **products.FUNCTIONS,
    **order.FUNCTIONS,
    **lines.FUNCTIONS,
    **fourier.FUNCTIONS,
    **matrix_functions.FUNCTIONS,
    **arrangement.FUNCTIONS,
    **statistics.FUNCTIONS,
}
METHODS = {**COMPOSED_METHODS, **products.METHODS}
bitwise_and, bitwise_or = _UFUNCS[np.bitwise_and], _UFUNCS[np.bitwise_or]
bitwise_xor, invert = _UFUNCS[np.bitwise_xor], _UFUNCS[np.invert]
BY_UFUNC = {f: p for f, p in REPLACED.items() if isinstance(f, np.ufunc) and f not in _UFUNCS}
_ASKING = {np.allclose, np.array_equal, np.nonzero, np.argwhere, np.flatnonzero}
_REDUCE = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any,
}  # fmt: skip


def call_ufunc(
    tracer: Any, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What `ufunc(*inputs)` records.

    Raises UnsupportedError for a ufunc without a rule, for `out=` and other keywords.
    """
    if method == "__call__" and not kwargs:
        primitive = BY_UFUNC.get(ufunc)
        if primitive is not None:
            return tracer.recorder.record(primitive, inputs, {})
        composed = _UFUNCS.get(ufunc)
        if composed is not None:
            return composed(*inputs)
    if method == "reduce" and ufunc in _REDUCE:
        return _FUNCTIONS[_REDUCE[ufunc]](*inputs, **kwargs)
    if kwargs.get("out") is not None:
        raise UnsupportedError(
            f"np.{ufunc.__name__}(…, out=…) or an in-place operation into an array with a traced value "
            f"(at {source_scope()}). Write `x = x + y` instead of `x += y` on data."
        )
    if kwargs.get("where", True) is not True:
        raise UnsupportedError(f"np.{ufunc.__name__} with where= (at {source_scope()}). Use np.where.")
    if method == "__call__" and kwargs:
        dtype = kwargs.get("dtype")
        made = call_ufunc(tracer, ufunc, method, inputs, {})
        return made if dtype is None else astype(made, dtype)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise UnsupportedError(
        f"{name} has no derivative rule in dagsolve (at {source_scope()}). "
        "Write it with functions that have one, or compute it outside the traced function."
    )


def call_function(tracer: Any, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What a NumPy function that dispatches by `__array_function__` records.

    Raises UnsupportedError naming the function and the user's line.
    """
    composed = _FUNCTIONS.get(func)
    if composed is not None:
        try:
            return composed(*args, **kwargs)
        except TypeError as fault:
            if "unexpected keyword argument" in str(fault) or "positional argument" in str(fault):
                raise UnsupportedError(
                    f"{_name(func)} {str(fault).rpartition('() ')[2]} (at {source_scope()}). "
                    "Leave that argument out, or write the step with other functions."
                ) from None
            raise
    primitive = REPLACED.get(func)
    if primitive is not None and not kwargs:
        return primitive(*args)
    if func in _ASKING:
        raise TraceError(
            f"{_name(func)} asks for values that a traced array does not have (at {source_scope()}). "
            "Use np.where(condition, a, b) to choose by value, or ask before the function is traced."
        )
    raise UnsupportedError(
        f"{_name(func)} has no derivative rule in dagsolve (at {source_scope()}). "
        "Write it with functions that have one (ds.linalg and ds.special offer SciPy's), "
        "or compute it outside the traced function."
    )


def _name(func: Callable[..., Any]) -> str:
    module = getattr(func, "__module__", None) or "numpy"
    return f"{'np' + module.removeprefix('numpy') if module.startswith('numpy') else module}.{func.__name__}"
