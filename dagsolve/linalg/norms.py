"""Norms and condition numbers by the names of `np.linalg` and `scipy.linalg`.

Where a norm has no derivative, a subgradient is taken: zero for a vector norm of zeros, for the absolute
value of zero and for a norm of negative order with a zero among the entries, equal shares among the largest
(smallest) of a tie, u vᴴ for the singular vectors of a tie.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg.inverses import inv
from dagsolve.linalg.operands import call, floating
from dagsolve.linalg.orthogonal import svdvals
from dagsolve.namespace import Array

Axis = int | Sequence[int] | None


def norm(
    a: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False, check_finite: bool = True
) -> Array:
    """Norm of a vector or matrix, or of those along an axis or a pair of axes.

    ord of vectors   None or 2: √Σ|x|²; inf, -inf: largest, smallest |x|; 0: how many are not zero;
                     another p: (Σ|x|ᵖ)^(1/p)
    ord of matrices  None or "fro": √Σ|a|²; "nuc": sum of singular values; 2, -2: largest, smallest one;
                     1, -1: largest, smallest sum of |a| over a column; inf, -inf: over a row

    axis=None takes the whole array: a vector, a matrix, or where ord is None an array of any number of axes.
    Raises ArgumentError for another ord, ShapeError for axes that the array lacks.
    """
    a = floating(a)
    axes = _axes(a, axis, ord)
    if len(axes) == 1 or ord is None:
        kept = _of_vectors(a, ord, axes)
    else:
        kept = _of_matrices(a, ord, *axes)
    shape = tuple(1 if k in axes else n for k, n in enumerate(a.shape))
    return kept if keepdims else np.reshape(kept, tuple(n for k, n in enumerate(shape) if k not in axes))


def _axes(a: Array, axis: Axis, ord: Any) -> tuple[int, ...]:
    """The axes that a norm is taken over, not negative."""
    if axis is None:
        axes = tuple(range(a.ndim))
        if ord is not None and len(axes) not in (1, 2):
            raise ShapeError(
                f"norm: ord={ord!r} needs a vector or a matrix, got shape {tuple(a.shape)}. Say the axis."
            )
        return axes
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(int(k) % max(a.ndim, 1) for k in given)
    if not all(-a.ndim <= k < a.ndim for k in given) or len(set(axes)) < len(axes):
        raise ShapeError(f"norm: axis {axis} does not name axes of shape {tuple(a.shape)}")
    if len(axes) not in (1, 2):
        raise ShapeError(f"norm: axis must name one axis or two, got {axis}")
    return axes


def _of_vectors(a: Array, ord: Any, axes: tuple[int, ...]) -> Array:
    options: dict[str, Any] = {"axis": axes if len(axes) != 1 else axes[0], "keepdims": True}
    if ord is None or ord == 2:
        squares = np.real(a * np.conj(a)) if a.dtype.kind == "c" else np.square(a)
        return _root(np.sum(squares, **options), 0.5)
    if isinstance(ord, str) or not np.isreal(ord):
        raise ArgumentError(f"norm: ord of a vector must be a number, inf or -inf, got {ord!r}")
    sizes = np.abs(a)
    if ord == np.inf:
        return np.max(sizes, **options)
    if ord == -np.inf:
        return np.min(sizes, **options)
    if ord == 0:
        return np.sum(np.where(a != 0, np.ones_like(sizes), np.zeros_like(sizes)), **options)
    if ord == 1:
        return np.sum(sizes, **options)
    if ord < 0:
        return _reciprocal(sizes, float(ord), options)
    powers = _root(sizes, float(ord)) if ord < 1 else sizes ** float(ord)
    return _root(np.sum(powers, **options), 1 / float(ord))


def _reciprocal(sizes: Array, ord: float, options: dict[str, Any]) -> Array:
    """(Σ|x|ᵖ)^(1/p) for p < 0: zero, with a derivative of zero, where an entry is zero."""
    zero = np.min(sizes, **options) == 0
    safe = np.where(zero, np.ones_like(sizes), sizes)
    found = np.sum(safe**ord, **options) ** (1 / ord)
    return np.where(zero, np.zeros_like(found), found)


def _root(x: Array, power: float) -> Array:
    """x to a power for x ≥ 0, without a derivative at zero where that would be infinite."""
    zero = x == 0
    safe = np.where(zero, np.ones_like(x), x)
    return np.where(zero, np.zeros_like(x), np.sqrt(safe) if power == 0.5 else safe**power)


def _of_matrices(a: Array, ord: Any, row: int, column: int) -> Array:
    if ord == "fro":
        return _of_vectors(a, None, (row, column))
    if ord in (1, -1, np.inf, -np.inf):
        summed, other = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(a), axis=summed, keepdims=True)
        return (np.max if ord > 0 else np.min)(sums, axis=other, keepdims=True)
    if ord not in (2, -2, "nuc"):
        raise ArgumentError(
            f'norm: ord of a matrix must be None, "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}'
        )
    s = svdvals(np.moveaxis(a, (row, column), (-2, -1)))
    made = np.sum(s, axis=-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    return np.reshape(made, tuple(1 if k in (row, column) else n for k, n in enumerate(a.shape)))


def cond(x: Array, p: Any = None) -> Array:
    """Condition number of a matrix (..., n, n), or (..., m, n) where p is None, 2 or -2.

    None, 2: largest singular value over the smallest; -2: the reciprocal; another ord of `norm`: the norm
    times that of the inverse. Infinite where 2 or -2 divide by zero. Raises FactorisationError for the
    derivative of that, and for a singular matrix where the inverse is needed; ShapeError for a matrix without
    items.
    """
    x = floating(x)
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ShapeError(f"cond: x must have shape (..., m, n) with m, n ≥ 1, got {tuple(x.shape)}")
    if p is None or p in (2, -2):
        s = svdvals(x)
        largest, smallest = s[..., 0], s[..., -1]
        return call("condition", *((smallest, largest) if p == -2 else (largest, smallest)))
    return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
