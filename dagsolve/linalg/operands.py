"""Operands of the public functions: arrays, tracers and Dask arrays reach the same primitives.

`call` is the one place that tells them apart: on Dask arrays a primitive goes by its loop over tiles, or in
one chunk where it has none; on anything else the primitive itself runs, or is recorded.
"""

from typing import Any

import dask.array as da
import numpy as np

from dagsolve.linalg.tiled import on_dask
from dagsolve.namespace import Array, namespace_of
from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec_of


def call(name: str, *operands: Array, **params: Any) -> Any:
    """Result of a primitive, a tuple where it has several; a lazy one where an operand is a Dask array."""
    if any(isinstance(x, da.Array) for x in operands):
        return on_dask(name, *operands, **params)
    primitive = PRIMITIVES[name]
    if not any(traced(x) for x in operands):
        _refuse_shapes(primitive, operands, params)
    return primitive(*operands, **params)


def call_for(needed: tuple[str, ...], name: str, a: Array) -> tuple[Any, ...]:
    """Results of a primitive of one operand; of a plain array None for those that `needed` does not name."""
    primitive = PRIMITIVES[name]
    if traced(a) or isinstance(a, da.Array) or primitive.forward_needed is None:
        return tuple(call(name, a))
    _refuse_shapes(primitive, (a,), {})
    return tuple(primitive.forward_needed(namespace_of(a), needed, a))


def _refuse_shapes(primitive: Primitive, operands: tuple[Array, ...], params: dict[str, Any]) -> None:
    """Raises ShapeError where operands do not fit the signature; recorders and loops over tiles look too."""
    if primitive.specs is None:
        primitive.parsed.result_shapes(tuple(tuple(x.shape) for x in operands))
    elif all(isinstance(x.dtype, np.dtype) for x in operands):
        primitive.specs(*map(spec_of, operands), **params)


def adjoint(a: Array) -> Array:
    """Conjugate transpose of the last two axes."""
    swapped = np.swapaxes(a, -1, -2) if isinstance(a, da.Array) else PRIMITIVES["transpose"](a, axes=(-1, -2))
    if a.dtype.kind != "c":
        return swapped
    return np.conj(swapped) if isinstance(a, da.Array) else PRIMITIVES["conjugate"](swapped)


def array(a: Any) -> Array:
    """The operand itself if it is an array of any kind, else a NumPy array of it."""
    return a if hasattr(a, "shape") else np.asarray(a)


def traced(a: Array) -> bool:
    """Whether calls on the operand are recorded."""
    return hasattr(a, "__dagsolve_recorder__")


def floating(a: Any) -> Array:
    """The operand as an array of real or complex numbers."""
    a = array(a)
    return a if a.dtype.kind in "fc" else a.astype(np.float64)


def hermitian(a: Array) -> Array:
    """The operand; an input of a traced function as the Hermitian matrix that it is taken to be.

    The gradient of such an input is its symmetric representative, whichever triangle is read.
    """
    recorder = getattr(a, "__dagsolve_recorder__", None)
    if recorder is not None and a.id in recorder.inputs and a.ndim >= 2 and a.shape[-1] == a.shape[-2]:
        return PRIMITIVES["hermitian"](a, a)
    return a


def identity(dtype: Any, n: int, tiles: tuple[int, ...] | None = None) -> Array:
    """The identity matrix (n, n): a Dask array of these tiles where they are given."""
    if tiles is None:
        return np.eye(n, dtype=dtype)
    return call("diagonal_matrix", da.ones(n, chunks=(tiles,), dtype=dtype))
