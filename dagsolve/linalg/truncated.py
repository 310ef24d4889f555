"""The largest singular values and their vectors, from random projections."""

from typing import Any

import dask.array as da
import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.operands import adjoint, call, floating
from dagsolve.namespace import Array, namespace_of


def randomized_svd(
    a: Array, n_components: int, *, n_oversamples: int = 10, n_iter: int = 4, seed: int = 0
) -> tuple[Array, Array, Array]:
    """(U, s, Vᴴ), nearly the n_components largest singular values of a matrix (m, n) and their vectors.

    n_oversamples  columns beside the n_components that the projections have
    n_iter         power iterations, a product with a and one with its adjoint each; more where singular
                   values fall slowly
    seed           of the projections, standard normal numbers: the same seed gives the same result

    The matrix is read 2 (n_iter + 1) times in products with n_components + n_oversamples columns, and never
    gathered: on Dask arrays one task holds the square of that many. Of each column of U the first entry of
    nearly the largest magnitude is real and positive.

    The derivative is that of this computation. It converges to the derivative of the exact decomposition
    with the vectors, and asks for a rank of at least n_components + n_oversamples, without ties among these
    values for functions of single vectors.
    Raises ArgumentError for numbers out of range, ShapeError unless a is a matrix.
    Reference: N. Halko, P. G. Martinsson, J. A. Tropp, SIAM Rev. 53 (2011) 217-288.
    """
    a = floating(a)
    if a.ndim != 2:
        raise ShapeError(f"randomized_svd: a must be a matrix, got shape {tuple(a.shape)}")
    smaller = min(a.shape)
    if not 1 <= n_components <= smaller:
        raise ArgumentError(
            f"randomized_svd: n_components must be in 1 … {smaller} for shape {tuple(a.shape)}, "
            f"got {n_components}"
        )
    if n_oversamples < 0 or n_iter < 0:
        raise ArgumentError(
            f"randomized_svd: n_oversamples and n_iter must not be negative, got {n_oversamples} and {n_iter}"
        )
    columns = min(smaller, n_components + n_oversamples)
    a_adjoint = adjoint(a)
    z = _basis(call("matmul", a_adjoint, _projection(a, columns, seed)))
    for _ in range(n_iter):
        z = _basis(call("matmul", a_adjoint, _basis(call("matmul", a, z))))
    u, s, wh = call("svd", call("matmul", a, z))
    vh = call("matmul", wh, adjoint(z))
    return u[:, :n_components], s[:n_components], vh[:n_components]


def _basis(y: Array) -> Array:
    """Orthonormal columns that span those of y."""
    return call("qr", y)[0]


def _projection(a: Array, columns: int, seed: int) -> Any:
    """Standard normal numbers (m, columns), in the rows' chunks of a Dask array, beside a device array."""
    made = np.random.default_rng(seed).standard_normal((a.shape[0], columns)).astype(a.dtype.char.lower())
    if isinstance(a, da.Array):
        return da.from_array(made, chunks=(a.chunks[0], -1))
    xp = namespace_of(a)
    return made if xp is np else xp.asarray(made)
