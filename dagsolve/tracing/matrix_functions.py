"""NumPy's general eigenproblems, norms, powers and products of vectors and matrices for tracers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve import linalg
from dagsolve.errors import ShapeError
from dagsolve.tracing.scope import source_scope

EigResult: Any = type(np.linalg.eig(np.eye(1)))  # NumPy's named tuple, which has no public name


def eig(a: Any) -> Any:
    """(eigenvalues, eigenvectors), complex."""
    return EigResult(*linalg.eig(a))


def eigvals(a: Any) -> Any:
    """Eigenvalues, complex; the vectors are computed for the gradient's sake."""
    return linalg.eigvals(a)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    return linalg.norm(x, ord, axis, bool(keepdims))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    """Norms along an axis, or of all items where axis is None."""
    if axis is None:
        made = linalg.norm(np.reshape(x, -1), ord)
        return np.reshape(made, (1,) * x.ndim) if keepdims else made
    return linalg.norm(x, ord, axis, bool(keepdims))


def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    return linalg.norm(x, ord, (-2, -1), bool(keepdims))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross product of vectors of three items along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = np.moveaxis(a, axisa, 0), np.moveaxis(b, axisb, 0)
    if x.shape[0] != 3 or y.shape[0] != 3:
        raise ShapeError(
            f"np.cross: vectors must have 3 items, got {x.shape[0]} and {y.shape[0]} (at {source_scope()})"
        )
    made = [x[j] * y[k] - x[k] * y[j] for j, k in ((1, 2), (2, 0), (0, 1))]
    return np.stack(made, axis=axisc)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.sum(np.moveaxis(np.conj(x1), axis, -1) * np.moveaxis(x2, axis, -1), axis=-1)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """x with tensordot(a, x, x.ndim) = b; `axes` of a are moved behind the others before."""
    for axis in axes or ():
        a = np.moveaxis(a, axis, -1)
    shape = a.shape[b.ndim :]
    return np.reshape(linalg.solve(np.reshape(a, (b.size, -1)), np.reshape(b, -1)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of x ↦ tensordot(a, x, ind)."""
    rows, columns = a.shape[:ind], a.shape[ind:]
    return np.reshape(linalg.inv(np.reshape(a, (math.prod(rows), -1))), (*columns, *rows))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.linalg.eig: eig, np.linalg.eigvals: eigvals,
    np.linalg.norm: norm, np.linalg.vector_norm: vector_norm, np.linalg.matrix_norm: matrix_norm,
    np.linalg.cond: lambda x, p=None: linalg.cond(x, p),
    np.linalg.matrix_power: lambda a, n: linalg.matrix_power(a, n),
    np.cross: cross, np.linalg.cross: lambda x1, x2, /, *, axis=-1: cross(x1, x2, axis=axis),
    np.linalg.vecdot: vecdot, np.linalg.tensorsolve: tensorsolve, np.linalg.tensorinv: tensorinv,
    np.kron: lambda a, b: linalg.kron(a, b),
}  # fmt: skip
