"""Routines of NumPy and SciPy on whole stacks in host memory, for arrays of any library."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.namespace import Array, Namespace, to_host


def on_host(xp: Namespace, routine: Callable[..., Any], *operands: Array) -> Any:
    """Results of a routine of NumPy arrays, in the operands' library.

    Device arrays are copied to the host and the results back; integers become float64.
    """
    made = routine(*(floating(to_host(x)) for x in operands))
    if xp is np:
        return made
    return tuple(map(xp.asarray, made)) if isinstance(made, tuple) else xp.asarray(made)


def floating(a: Array) -> Array:
    """A NumPy array of real or complex numbers."""
    return a if a.dtype.kind in "fc" else a.astype(np.float64)


def one_by_one(routine: Callable[..., Array], *operands: Array, ndims: tuple[int, ...]) -> Array:
    """A routine of single matrices or vectors on stacks that broadcast; the last `ndims` axes are theirs."""
    lead = np.broadcast_shapes(*(x.shape[: x.ndim - k] for x, k in zip(operands, ndims, strict=True)))
    each = [np.broadcast_to(x, (*lead, *x.shape[x.ndim - k :])) for x, k in zip(operands, ndims, strict=True)]
    if not lead:
        return np.asarray(routine(*operands))
    made = [routine(*(x[index] for x in each)) for index in np.ndindex(*lead)]
    return np.reshape(np.stack(made), (*lead, *made[0].shape)) if made else np.zeros_like(each[-1])
