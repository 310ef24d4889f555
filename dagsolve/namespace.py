"""The array library of a value, and host ↔ device copies; the only file that imports CuPy.

NumPy values are served by `numpy` itself (NumPy ≥ 2 speaks the array API standard); everything else goes
through `array_api_compat`.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import array_api_compat
import numpy as np
import scipy.special

Array = Any  # an array of some library, or a tracer
Arrays = tuple[Array, ...]
Namespace = Any  # a module that speaks the array API standard

try:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # it warns where no CUDA toolkit lies beside the driver, and needs none
        import cupy
except ImportError:
    cupy = None


def namespace_of(*values: Array) -> Namespace:
    """The array library that the values belong to (numbers and tracers belong to NumPy)."""
    for value in values:
        if isinstance(value, (np.ndarray, np.generic)):
            continue
        if array_api_compat.is_array_api_obj(value):
            return array_api_compat.array_namespace(value)
    return np


def special_functions(xp: Namespace) -> Namespace:
    """The module of special functions, with scipy.special's names, for arrays of that library."""
    if not is_device_library(xp):
        return scipy.special
    return import_module("cupyx.scipy.special")  # slow to import, and seldom wanted


def triangular_solver(xp: Namespace) -> Callable[..., Array] | None:
    """The library's own `solve_triangular` in SciPy's signature, for stacks too; None where it has none."""
    if not is_device_library(xp):
        return None
    found: Callable[..., Array] = import_module("cupyx.scipy.linalg").solve_triangular
    return found


def lu_factoriser(xp: Namespace) -> Callable[..., tuple[Array, Array]] | None:
    """The library's own `lu_factor` of one matrix in SciPy's signature; None where it has none."""
    if not is_device_library(xp):
        return None
    found: Callable[..., tuple[Array, Array]] = import_module("cupyx.scipy.linalg").lu_factor
    return found


def failures_raised(xp: Namespace) -> AbstractContextManager[Any]:
    """A context in which a failed factorisation raises LinAlgError.

    CuPy does not look at the status of its solvers otherwise, and hands out a half-made factor.
    """
    if not is_device_library(xp):
        return nullcontext()
    context: AbstractContextManager[Any] = import_module("cupyx").errstate(linalg="raise")
    return context


def is_device_library(xp: Namespace) -> bool:
    """Whether the array library is CuPy, itself or behind array_api_compat."""
    return cupy is not None and xp.__name__.endswith("cupy")


def native_dtype(xp: Namespace, dtype: np.dtype[Any]) -> Any:
    """The array library's object for a NumPy dtype."""
    return dtype if xp is np or is_device_library(xp) else getattr(xp, dtype.name)


def is_host(value: Array) -> bool:
    """Whether the value lies in host memory as a NumPy array or number."""
    return cupy is None or not isinstance(value, cupy.ndarray)


def to_host(value: Array) -> Array:
    """The value as a NumPy array."""
    return np.asarray(value) if is_host(value) else cupy.asnumpy(value)


def to_device(value: Array) -> Array:
    """The value as a CuPy array on the current device."""
    return cupy.asarray(value)


def beside(value: Array, model: Array) -> Array:
    """The value in host or device memory, wherever the model lies; tracers and numbers stay as they are."""
    if cupy is None or not isinstance(value, (np.ndarray, cupy.ndarray)):
        return value
    if isinstance(model, cupy.ndarray):
        return to_device(value)
    return to_host(value)


def has_device() -> bool:
    """Whether CuPy is installed and finds a device."""
    if cupy is None:
        return False
    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return False
