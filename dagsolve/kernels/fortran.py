"""SciPy's BLAS and LAPACK routines as ctypes functions, which run without the interpreter's lock.

`scipy.linalg.blas` and `.lapack` hold the lock while they work; the C pointers that SciPy exports for Cython
do not.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from scipy.linalg import cython_blas, cython_lapack

LETTER = {"f": "s", "d": "d", "F": "c", "D": "z"}  # of a routine's name, by the dtype's character


@cache
def routine(name: str) -> Callable[..., None]:
    """A routine by its full name, "dgemm"; its arguments are read from the C signature of its capsule.

    ctypes takes the address of a `c_int` itself; what points to numbers is given as an address.
    """
    blas, lapack = cython_blas.__pyx_capi__, cython_lapack.__pyx_capi__
    capsule = blas[name] if name in blas else lapack[name]
    arguments = _name(capsule).decode().split("(", 1)[1].split(",")
    known = {"char": ctypes.c_char_p, "int": ctypes.POINTER(ctypes.c_int)}
    types: list[Any] = [known.get(argument.strip(" *)"), ctypes.c_void_p) for argument in arguments]
    return ctypes.CFUNCTYPE(None, *types)(_pointer(capsule))


def _name(capsule: Any) -> bytes:
    read = ctypes.pythonapi.PyCapsule_GetName
    read.restype, read.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found: bytes = read(capsule)
    return found


def _pointer(capsule: Any) -> int:
    read = ctypes.pythonapi.PyCapsule_GetPointer
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: int = read(capsule, _name(capsule))
    return found
