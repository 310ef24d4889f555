"""Cost of recording one array operation, in microseconds."""

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated

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


def main() -> list[dict[str, object]]:
    x = np.ones(10)
    programs = {"x * x": product, "np.tanh(x)": ufunc, "2.0 * x": number}
    medians = alternated(
        {name: lambda f=f: ds.trace(f, x) for name, f in programs.items()}, rounds=15, warmups=3
    )
    return [
        {"operation": name, "µs": f"{1e6 * seconds / OPERATIONS:.2f}"} for name, seconds in medians.items()
    ]
