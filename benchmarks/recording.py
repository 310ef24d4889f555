"""Cost of recording one array operation, in microseconds."""

import statistics
import timeit

import numpy as np

import dagsolve as ds

OPERATIONS = 2000


def product(x):
    for _ in range(OPERATIONS):
        x = x * x
    return x


def ufunc(x):
    for _ in range(OPERATIONS):
        x = np.tanh(x)
    return x


def number(x):
    for _ in range(OPERATIONS):
        x = 2.0 * x
    return x


def main(rounds: int = 150) -> list[dict[str, object]]:
    """The best round is the code's time, the median what the machine leaves of it."""
    x = np.ones(10)
    rows: list[dict[str, object]] = []
    for name, f in (("x * x", product), ("np.tanh(x)", ufunc), ("2.0 * x", number)):
        ds.trace(f, x)
        seconds = timeit.repeat(lambda f=f: ds.trace(f, x), number=1, repeat=rounds)
        best, median = (1e6 * of(seconds) / OPERATIONS for of in (min, statistics.median))
        rows.append({"operation": name, "µs, best": f"{best:.2f}", "µs, median": f"{median:.2f}"})
    return rows
