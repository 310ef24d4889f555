"""Time before the first block runs, in the second gradient of the same graph: tracing, binding, tasks.

The Gaussian process of examples/co2.py in the size of its data, n = 2,225 in 5 × 5 tiles, on threads.
"""

import time

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated
from dagsolve.scheduler import executor as executors


def nll(theta, x, y):
    d = x[:, None] - x[None, :]
    k = theta[0] ** 2 * np.exp(-(d**2) / theta[1] ** 2) + theta[2] * np.exp(-(np.sin(np.pi * d) ** 2))
    l = np.linalg.cholesky(k + theta[3] ** 2 * np.eye(len(x)))
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * np.sum(z**2) + np.sum(np.log(np.diag(l)))


def main(n: int = 2225, tile: int = 445) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=n))
    arguments = np.array([1.0, 0.5, 0.3, 0.7]), x, np.sin(x)
    fn = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False)
    fn(*arguments)
    started: list[float] = []
    original = executors.run_tasks

    def first_block(*args, **options):
        started.append(time.perf_counter())
        return original(*args, **options)

    executors.run_tasks = first_block
    try:
        shares, totals = [], []
        for _ in range(7):
            start = time.perf_counter()
            fn(*arguments)
            total = time.perf_counter() - start
            shares.append((started[-1] - start) / total)
            totals.append(total)
    finally:
        executors.run_tasks = original
    again = alternated({"threads": lambda: fn(*arguments)}, rounds=3)["threads"]
    return [
        {
            "n": n,
            "tile": tile,
            "s per gradient": f"{again:.2f}",
            "before the first block": f"{np.median(shares):.1%}",
            "ms": f"{1e3 * np.median(shares) * np.median(totals):.0f}",
        }
    ]
