"""What a trace keeps of the arrays that user code captures.

NumPy code may change an array after it used it (`buffer[:] = …` in a loop), and a graph runs later than it
is traced. So arrays up to 1 MiB are copied; larger ones are kept as they are and made read-only until the
trace ends, so that writing into them raises in the user's own line instead of changing the result. Dask and
Zarr arrays are kept as Dask arrays: their chunks are loaded by tasks when the graph runs, never here.
"""

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from dagsolve.errors import DtypeError, UnknownSpecError, UnsupportedError
from dagsolve.primitive import Primitive
from dagsolve.primitives.generators import arange, eye, full
from dagsolve.tracing.scope import source_scope

COPY_BYTES = 1 << 20
GENERATOR_ITEMS = 64  # smaller arrays are kept as they are


def capture(value: Any) -> Any:
    """The array that stands for a captured value.

    Raises UnsupportedError for a Dask collection that is no array, UnknownSpecError for a Dask array of
    unknown shape, DtypeError for what is not numeric.
    """
    value = chunked(value)
    if isinstance(value, da.Array):
        if any(n != n for n in value.shape):
            raise UnknownSpecError(
                f"the shape {value.shape} of a captured Dask array is unknown (at {source_scope()}). "
                "Call its compute_chunk_sizes() before."
            )
        return _numeric(value)
    if hasattr(value, "__dask_graph__"):
        raise UnsupportedError(
            f"a Dask {type(value).__name__} met a traced value (at {source_scope()}): only Dask arrays can. "
            "Make one with .to_dask_array(lengths=True) or da.from_delayed(value, shape=…, dtype=…)."
        )
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        value = np.asarray(value)
    elif not isinstance(value, (np.ndarray, np.generic)) and not hasattr(value, "__dlpack__"):
        value = np.asarray(value)
    value = _numeric(value)
    if isinstance(value, np.ndarray) and value.nbytes <= COPY_BYTES:
        value = value.copy()
    return value


def _numeric(value: Any) -> Any:
    if value.dtype.kind not in "biufc":
        raise DtypeError(
            f"a captured value must be a numeric array, got {type(value).__name__} of dtype {value.dtype} "
            f"(at {source_scope()}). Convert it to numbers, or keep it out of the traced expression."
        )
    return value


def chunked(value: Any) -> Any:
    """A Zarr array as the Dask array whose tasks load one chunk each; everything else as it is."""
    if type(value).__name__ == "Array" and type(value).__module__.partition(".")[0] == "zarr":
        return da.from_zarr(value)
    return value


def same_content(kept: Any, value: Any) -> bool:
    """Whether a kept copy still equals the array it was taken from."""
    if not isinstance(kept, np.ndarray) or not isinstance(value, np.ndarray) or kept.nbytes > COPY_BYTES:
        return False
    return kept.shape == value.shape and kept.dtype == value.dtype and _identical(kept, value)


def _identical(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two arrays of one shape are equal, zeros by their signs too."""
    return bool(np.array_equal(a, b)) and (
        a.dtype.kind not in "fc"
        or all(bool(np.all(np.signbit(f(a)) == np.signbit(f(b)))) for f in (np.real, np.imag))
    )


def generator_of(array: Any) -> tuple[Primitive, dict[str, Any]] | None:
    """The generator primitive and params that make this array to the bit, or None."""
    if not isinstance(array, np.ndarray) or array.size < GENERATOR_ITEMS or array.dtype.kind not in "iuf":
        return None
    if not array.flags.c_contiguous or array.itemsize > 8:
        return None
    dtype = array.dtype.str
    bits = array.reshape(-1).view(f"u{array.itemsize}")  # tells -0.0 from 0.0, and is compared faster
    first, second = array.flat[0].item(), array.flat[1].item()
    negative_zero = first == 0 and bits[0]  # equal to zero where params are compared: kept as data
    if bits[0] == bits[-1] == bits[1] and not negative_zero and bool(np.all(bits == bits[0])):
        return full, {"shape": array.shape, "dtype": dtype, "value": first}
    if array.ndim == 2 and first == 1 and bits[1] == 0 and _is_identity(array, bits):
        return eye, {"rows": array.shape[0], "columns": array.shape[1], "offset": 0, "dtype": dtype}
    if array.ndim == 1:
        step = second - first
        made = np.asarray(first + step * np.arange(array.size), dtype=array.dtype)
        if bool(np.array_equal(made.view(bits.dtype), bits)):
            return arange, {"start": first, "step": step, "length": array.size, "dtype": dtype}
    return None


def _is_identity(array: npt.NDArray[Any], bits: npt.NDArray[Any]) -> bool:
    diagonal = np.einsum("ii->i", array[: min(array.shape), : min(array.shape)])
    return bool(np.all(diagonal == 1)) and int(np.count_nonzero(bits)) == len(diagonal)
