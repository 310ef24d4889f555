"""NumPy's averages, covariances and integrals along lines, for tracers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dagsolve.errors import UnsupportedError
from dagsolve.tracing.composed import one_axis
from dagsolve.tracing.scope import source_scope


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """Σ w a / Σ w; weights have a's shape, or one length along a single axis."""
    if weights is None:
        weights = np.ones(np.shape(a))
    elif np.shape(weights) != np.shape(a):
        at = one_axis(a, axis) % a.ndim
        weights = np.reshape(weights, [-1 if k == at else 1 for k in range(a.ndim)])
    total = np.sum(np.broadcast_to(weights, np.shape(a)), axis=axis, keepdims=bool(keepdims))
    made = np.sum(a * weights, axis=axis, keepdims=bool(keepdims)) / total
    return (made, total) if returned else made


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: None = None,
    aweights: None = None,
    *,
    dtype: None = None,
) -> Any:
    """Covariances of the rows of m (and of y's below them), or of columns; divided by n - ddof."""
    if any(x is not None for x in (fweights, aweights, dtype)):
        raise UnsupportedError(
            f"np.cov with weights or dtype (at {source_scope()}). Write it with products: (w * d) @ d.T."
        )
    given = [np.atleast_2d(x) for x in (m, y) if x is not None]
    rows = np.concatenate([x if rowvar or x.shape[0] == 1 else x.T for x in given], axis=0)
    free = rows.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    d = rows - np.mean(rows, axis=1, keepdims=True)
    return np.squeeze(d @ np.conj(d).T / free)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: None = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diag(c)))
    return c / deviation[:, None] / deviation


def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    keep = bool(keepdims)
    return np.max(a, axis=axis, keepdims=keep) - np.min(a, axis=axis, keepdims=keep)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral by the trapezoidal rule along an axis, at the places x or at distances dx."""
    at = one_axis(y, axis)
    halves = 0.5 * (np.take(y, range(1, y.shape[at]), at) + np.take(y, range(y.shape[at] - 1), at))
    if x is not None:
        dx = np.diff(x, axis=-1 if np.ndim(x) == 1 else axis)
        dx = np.reshape(dx, [-1 if k == at else 1 for k in range(y.ndim)]) if np.ndim(dx) == 1 else dx
    return np.sum(halves * dx, axis=at)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.average: average, np.cov: cov, np.corrcoef: corrcoef, np.ptp: ptp, np.trapezoid: trapezoid,
}  # fmt: skip
