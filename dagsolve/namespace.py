"""The array library of a value, and host ↔ device copies; the only file that imports CuPy.

NumPy values are served by `numpy` itself (NumPy ≥ 2 speaks the array API standard); everything else goes
through `array_api_compat`.
"""

from importlib import import_module
from typing import Any

import array_api_compat
import numpy as np
import scipy.special

Array = Any  # an array of some library, or a tracer
Arrays = tuple[Array, ...]
Namespace = Any  # a module that speaks the array API standard

try:
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
    if cupy is None or xp is np:
        return scipy.special
    return import_module("cupyx.scipy.special")  # slow to import, and seldom wanted


def is_host(value: Array) -> bool:
    """Whether the value lies in host memory as a NumPy array or number."""
    return cupy is None or not isinstance(value, cupy.ndarray)


def to_host(value: Array) -> Array:
    """The value as a NumPy array."""
    return np.asarray(value) if is_host(value) else cupy.asnumpy(value)


def to_device(value: Array) -> Array:
    """The value as a CuPy array on the current device."""
    return cupy.asarray(value)


def has_device() -> bool:
    """Whether CuPy is installed and finds a device."""
    if cupy is None:
        return False
    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return False
