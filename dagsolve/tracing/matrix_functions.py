"""NumPy's general eigenproblems, norms, powers and Kronecker products for tracers, in its signatures."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve import linalg

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


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.linalg.eig: eig, np.linalg.eigvals: eigvals,
    np.linalg.norm: norm, np.linalg.vector_norm: vector_norm, np.linalg.matrix_norm: matrix_norm,
    np.linalg.cond: lambda x, p=None: linalg.cond(x, p),
    np.linalg.matrix_power: lambda a, n: linalg.matrix_power(a, n),
    np.kron: lambda a, b: linalg.kron(a, b),
}  # fmt: skip
