"""Reductions, running sums and products, order statistics."""

from typing import Any

import numpy as np
from numpy import indices

from tests.dask_programs.program import Program


def logsumexp(np: Any, x: Any, y: Any) -> Any:
    top = np.max(x, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0]) * np.sum(y * y)


def softmax(np: Any, x: Any, y: Any) -> Any:
    e = np.exp(x * y - np.max(x * y, axis=1, keepdims=True))
    return np.sum((e / np.sum(e, axis=1, keepdims=True)) ** 2)


def running_product(np: Any, x: Any, axis: int) -> Any:
    """What np.cumprod is, from products that autograd knows."""
    n = x.shape[axis]
    parts = np.moveaxis(x, axis, 0)
    made = [parts[0]]
    for k in range(1, n):
        made.append(made[-1] * parts[k])
    return np.moveaxis(np.stack(made), 0, axis)


def ordered(np: Any, x: Any, ranks: Any, axis: int) -> Any:
    """Items of these ranks along an axis; autograd sorts vectors only."""
    values = x
    while hasattr(values, "_value"):
        values = values._value
    order = values.argsort(axis=axis).take(ranks, axis=axis)
    grid = list(indices(order.shape, sparse=True))
    grid[axis] = order
    return x[tuple(grid)]


def spread(np: Any, x: Any) -> Any:
    """x with some items NaN, by place."""
    return np.where(HOLES, np.nan, x)


HOLES = np.add.outer(np.arange(11), np.arange(7)) % 3 == 0
FULL = ~HOLES


def masked(np: Any, x: Any, fill: float) -> Any:
    return np.where(HOLES, fill, x)


ROW = ((3, 1, 7), (7,))  # the second axis in one chunk

PROGRAMS = {
    "sum over axes": Program(
        lambda np, x, y: np.sum(np.sum(x, axis=1) ** 2) * np.sum(np.sum(x * x, axis=0) * y), free=True
    ),
    "sum in trees": Program(
        lambda np, x, y: np.sum(np.sin(x) * y, split_every=2) + np.sum(np.sum(x, axis=0, split_every=3) ** 2),
        lambda np, x, y: np.sum(np.sin(x) * y) + np.sum(np.sum(x, axis=0) ** 2),
        free=True,
    ),
    "sum with keepdims": Program(
        lambda np, x, y: np.sum((x - np.sum(x, axis=0, keepdims=True)) ** 2 * y), free=True
    ),
    "prod": Program(
        lambda np, x, y: np.sum(np.prod(x, axis=0) * y) + np.sum(np.prod(x, axis=1) ** 2), free=True
    ),
    "prod with a zero": Program(
        lambda np, x, y: (
            np.sum(np.prod(x * (1.0 * FULL), axis=1)) + np.sum(np.prod(x * (1.0 * FULL), axis=0) * y)
        ),
        lambda np, x, y: (
            np.sum(running_product(np, x * (1.0 * FULL), 1)[:, -1])
            + np.sum(running_product(np, x * (1.0 * FULL), 0)[-1] * y)
        ),
    ),
    "mean": Program(lambda np, x, y: np.mean(x * y) ** 2 + np.sum(np.mean(x, axis=0) ** 3), free=True),
    "var": Program(lambda np, x, y: np.var(x) + np.sum(np.var(x * y, axis=0)), free=True),
    "std": Program(lambda np, x, y: np.std(x) * np.sum(np.std(x + y, axis=1, ddof=1))),
    "moment": Program(
        lambda np, x, y: np.moment(x, 3) * np.sum(np.moment(x * y, 4, axis=0)),
        lambda np, x, y: (
            np.mean((x - np.mean(x)) ** 3) * np.sum(np.mean((x * y - np.mean(x * y, axis=0)) ** 4, axis=0))
        ),
    ),
    "max, min": Program(lambda np, x, y: np.max(x) * np.min(x * y) + np.sum(np.max(x, axis=0)), free=True),
    "max in trees": Program(
        lambda np, x, y: np.sum(np.max(x, axis=1, split_every=2) ** 2) * np.min(y, split_every=2),
        lambda np, x, y: np.sum(np.max(x, axis=1) ** 2) * np.min(y),
    ),
    "ptp": Program(
        lambda np, x, y: np.sum(np.ptp(x, axis=0) * y),
        lambda np, x, y: np.sum((np.max(x, axis=0) - np.min(x, axis=0)) * y),
    ),
    "logsumexp": Program(logsumexp, free=True),
    "softmax": Program(softmax, free=True),
    "average": Program(
        lambda np, x, y: np.average(x, axis=1, weights=y * y + 1) @ np.average(x, axis=1),
        lambda np, x, y: (x @ (y * y + 1) / np.sum(y * y + 1)) @ np.mean(x, axis=1),
    ),
    "norm": Program(
        lambda np, x, y: np.linalg.norm(x) * np.linalg.norm(y) + np.sum(np.linalg.norm(x, axis=1)), free=True
    ),
    "norms of other orders": Program(
        lambda np, x, y: (
            np.linalg.norm(y, 1) * np.linalg.norm(y, 3)
            + np.linalg.norm(y, np.inf)
            + np.linalg.norm(y, -np.inf)
            + np.linalg.norm(x, "fro")
            + np.linalg.norm(x, 1)
            + np.linalg.norm(x, np.inf)
        ),
        lambda np, x, y: (
            np.sum(np.abs(y)) * np.sum(np.abs(y) ** 3) ** (1 / 3)
            + np.max(np.abs(y))
            + np.min(np.abs(y))
            + np.sqrt(np.sum(x * x))
            + np.max(np.sum(np.abs(x), axis=0))
            + np.max(np.sum(np.abs(x), axis=1))
        ),
    ),
    "cov": Program(
        lambda np, x, y: np.sum(np.cov(x.T) @ y),
        lambda np, x, y: np.sum((x - np.mean(x, axis=0)).T @ (x - np.mean(x, axis=0)) / 10 @ y),
    ),
    "corrcoef": Program(
        lambda np, x, y: np.sum(np.corrcoef(x.T) @ y),
        lambda np, x, y: np.sum(
            ((x - np.mean(x, axis=0)) / np.std(x, axis=0)).T
            @ ((x - np.mean(x, axis=0)) / np.std(x, axis=0))
            / 11
            @ y
        ),
    ),
    "cumsum": Program(
        lambda np, x, y: np.sum(np.cumsum(x, axis=0) ** 2 * y) + np.sum(np.cumsum(np.sin(x), axis=1) ** 2),
        free=True,
    ),
    "cumsum by Blelloch": Program(
        lambda np, x, y: np.sum(np.cumsum(x, axis=0, method="blelloch") ** 2 * y),
        lambda np, x, y: np.sum(np.cumsum(x, axis=0) ** 2 * y),
        free=True,
    ),
    "cumprod": Program(
        lambda np, x, y: (
            np.sum(np.cumprod(x, axis=0) * y) + np.sum(np.cumprod(x * (1.0 * FULL), axis=1) ** 2)
        ),
        lambda np, x, y: (
            np.sum(running_product(np, x, 0) * y) + np.sum(running_product(np, x * (1.0 * FULL), 1) ** 2)
        ),
    ),
    "cumprod by Blelloch": Program(
        lambda np, x, y: np.sum(np.cumprod(x, axis=0, method="blelloch") * y),
        lambda np, x, y: np.sum(running_product(np, x, 0) * y),
    ),
    "sums without NaN": Program(
        lambda np, x, y: (
            np.sum(np.nansum(spread(np, x), axis=0) * y)
            + np.nanmean(spread(np, x)) ** 2
            + np.sum(np.nanmean(spread(np, x * x), axis=1))
        ),
        lambda np, x, y: (
            np.sum(np.sum(masked(np, x, 0.0), axis=0) * y)
            + (np.sum(masked(np, x, 0.0)) / FULL.sum()) ** 2
            + np.sum(np.sum(masked(np, x * x, 0.0), axis=1) / FULL.sum(axis=1))
        ),
    ),
    "extremes without NaN": Program(
        lambda np, x, y: np.sum(np.nanmax(spread(np, x), axis=0) * y) * np.nanmin(spread(np, x)),
        lambda np, x, y: np.sum(np.max(masked(np, x, -np.inf), axis=0) * y) * np.min(masked(np, x, np.inf)),
    ),
    "products without NaN": Program(
        lambda np, x, y: np.sum(np.nanprod(spread(np, x), axis=0) * y),
        lambda np, x, y: np.sum(np.prod(masked(np, x, 1.0), axis=0) * y),
    ),
    "variance without NaN": Program(
        lambda np, x, y: np.nanvar(spread(np, x)) + np.nanstd(spread(np, x * y)),
        lambda np, x, y: scattered(np, x) + np.sqrt(scattered(np, x * y)),
    ),
    "running sums without NaN": Program(
        lambda np, x, y: (
            np.sum(np.nancumsum(spread(np, x), axis=0) ** 2 * y)
            + np.sum(np.nancumprod(spread(np, x), axis=1))
        ),
        lambda np, x, y: (
            np.sum(np.cumsum(masked(np, x, 0.0), axis=0) ** 2 * y)
            + np.sum(running_product(np, masked(np, x, 1.0), 1))
        ),
    ),
    "all, any, count_nonzero": Program(
        lambda np, x, y: (
            np.sum(np.where(np.all(x > -1, axis=0), y, y * y))
            + np.sum(np.where(np.any(x > 1.5, axis=0), 2 * y, y)) * np.count_nonzero(x > 0)
            + np.sum(x)
        ),
        lambda np, x, y: (
            np.sum(np.where(np.min(x, axis=0) > -1, y, y * y))
            + np.sum(np.where(np.max(x, axis=0) > 1.5, 2 * y, y)) * np.sum(np.where(x > 0, 1.0, 0.0))
            + np.sum(x)
        ),
    ),
    "topk": Program(
        lambda np, x, y: np.sum(np.topk(x, 3, axis=0) ** 2 * y) + np.sum(np.topk(x, -2, axis=1) ** 3),
        lambda np, x, y: (
            np.sum(ordered(np, x, [10, 9, 8], 0) ** 2 * y) + np.sum(ordered(np, x, [0, 1], 1) ** 3)
        ),
    ),
    "median": Program(
        lambda np, x, y: np.sum(np.median(x, axis=1) ** 2) + np.sum(np.median(x, axis=0) * y),
        lambda np, x, y: np.sum(ordered(np, x, [3], 1) ** 2) + np.sum(ordered(np, x, [5], 0) * y),
    ),
    "quantile": Program(
        lambda np, x, y: (
            np.sum(np.quantile(x, 0.25, axis=0) * y) + np.sum(np.quantile(x, [0.1, 0.8], axis=0) ** 2)
        ),
        lambda np, x, y: (
            np.sum((ordered(np, x, [2], 0) + ordered(np, x, [3], 0)) / 2 * y)
            + np.sum(ordered(np, x, [1], 0) ** 2)
            + np.sum(ordered(np, x, [8], 0) ** 2)
        ),
    ),
    "arguments of extremes": Program(
        lambda np, x, y: (
            np.sum(y[np.argmax(x, axis=1)] ** 2)
            + np.sum(np.argmin(x, axis=0) * y)
            + np.sum(np.where(np.argmax(x) > 3, x * y, y))
        ),
        lambda np, x, y: (
            np.sum(y[np.argmax(x, axis=1)] ** 2)
            + np.sum(np.argmin(x, axis=0) * y)
            + (np.sum(x * y) if np.argmax(x) > 3 else 11 * np.sum(y))
        ),
    ),
    "arguments of extremes without NaN": Program(
        lambda np, x, y: (
            np.sum(np.nanargmax(spread(np, x), axis=0) * y) + np.nanargmin(spread(np, x)) * np.sum(x)
        ),
        lambda np, x, y: (
            np.sum(np.argmax(masked(np, x, -np.inf), axis=0) * y)
            + np.argmin(masked(np, x, np.inf)) * np.sum(x)
        ),
    ),
    "argtopk": Program(
        lambda np, x, y: np.sum(np.take(y, np.argtopk(y, 3)) ** 2) + np.sum(np.argtopk(x, -2, axis=0) * y),
        lambda np, x, y: np.sum(ordered(np, y, [4, 5, 6], 0) ** 2) + np.sum(np.argsort(x, axis=0)[:2] * y),
    ),
    "a reduction of one's own": Program(
        lambda np, x, y: np.sum(np.reduction(x * y, square_sum, add_parts, axis=0, dtype=float) ** 2),
        lambda np, x, y: np.sum(np.sum((x * y) ** 2, axis=0) ** 2),
    ),
    "coarsen": Program(
        lambda da, x, y: da.sum(
            da.coarsen(np.mean, (x * y).rechunk((4, 6)), {0: 2, 1: 3}, trim_excess=True) ** 2
        ),
        lambda np, x, y: np.sum(np.mean(np.reshape((x * y)[:10, :6], (5, 2, 2, 3)), axis=(1, 3)) ** 2),
    ),
}


def scattered(np: Any, x: Any) -> Any:
    count = FULL.sum()
    mean = np.sum(masked(np, x, 0.0)) / count
    return np.sum(np.where(HOLES, 0.0, (x - mean) ** 2)) / count


def square_sum(block: Any, axis: Any, keepdims: bool) -> Any:
    return np.sum(block**2, axis=axis, keepdims=keepdims)


def add_parts(parts: Any, axis: Any, keepdims: bool) -> Any:
    return np.sum(parts, axis=axis, keepdims=keepdims)
