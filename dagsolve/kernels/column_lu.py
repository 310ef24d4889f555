"""LU factors of square matrices in rows, with pivots from the columns, packed.

    A[:, p] = L U,    packed = L + (U above its unit diagonal)

They are the transposed factors of Aᵀ: LAPACK, for which a matrix in rows is its transpose, makes them without
a transposing copy. Those of Aᴴ are the factors that `dagsolve.kernels.lu` makes of A, handed over in rows.
"""

import numpy as np

from dagsolve.kernels import lapack
from dagsolve.kernels.dense import adjoint
from dagsolve.kernels.layouts import in_rows
from dagsolve.kernels.lu import SMALL, lu_packed, refuse_infinite
from dagsolve.namespace import Array, Namespace


def lu_by_columns(xp: Namespace, who: str, a: Array) -> tuple[Array, Array]:
    """(packed, p): the factors of every matrix of a stack (..., n, n), its permutation (..., n) of columns.

    A zero pivot is no failure. Raises FactorisationError, beginning with `who`, for NaN or infinity.
    """
    refuse_infinite(xp, who, a)
    return _factored(xp, who, a)


def lu_of_adjoint(xp: Namespace, who: str, a: Array) -> tuple[Array, Array]:
    """The same of every Aᴴ: p (..., n) permutes rows of A, of which packed is the adjoint of the factors."""
    refuse_infinite(xp, who, a)
    return _factored(xp, who, adjoint(xp, a))


def _factored(xp: Namespace, who: str, a: Array) -> tuple[Array, Array]:
    stacked_small = len(a.shape) > 2 and a.shape[-1] <= SMALL
    if stacked_small or not (xp is np and lapack.supports(a)):
        packed, p = lu_packed(xp, who, xp.matrix_transpose(a))
        return xp.matrix_transpose(packed), p
    packed, p = in_rows(a), np.empty(a.shape[:-1], np.int64)
    for index in np.ndindex(*a.shape[:-2]):
        p[index] = lapack.getrf(packed[index].T)
    return packed, p
