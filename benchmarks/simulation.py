"""Simulated beside real runs: gradients on one and two threads, and on one and two worker processes.

Each cluster is measured first (`ds.measure_cluster`). A run is then simulated three times: from the measured
rates alone; with each primitive as fast as it was in a run of half the size on the same workers; and with the
real run's own durations, which leaves only the order, the places and what tasks cost beside their work to be
wrong. The ratios are simulated over real seconds of the median run. Nothing else should run meanwhile.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import numpy as np
from distributed import Client, LocalCluster

import dagsolve as ds

Rows = list[dict[str, object]]


def factor(a, v):
    return v @ (np.linalg.cholesky(a) @ v)


def product(a, b):
    return np.sum((a @ b) ** 2)


def process(theta, x, y):
    """Negative log-likelihood of a Gaussian process: length scale, noise."""
    d = (x[:, None] - x[None, :]) / np.exp(theta[0])
    k = np.exp(-0.5 * d**2) + np.exp(2 * theta[1]) * np.eye(len(x))
    l = np.linalg.cholesky(k)
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l)))


def programs(n: int):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(n, n))
    spd, x = a @ a.T / n + np.eye(n), np.linspace(0, 10, n)
    return {
        "Cholesky": (factor, (spd, rng.normal(size=n))),
        "product": (product, (spd, a)),
        "Gaussian process": (process, (np.zeros(2), x, np.sin(x))),
    }


@contextmanager
def threads(count: int) -> Iterator[tuple[object, ds.Cluster]]:
    with dask.config.set(num_workers=count):
        yield "threads", ds.measure_cluster()


@contextmanager
def processes(count: int) -> Iterator[tuple[object, ds.Cluster]]:
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield client, ds.measure_cluster(client)


WHERE = {
    "1 thread": lambda: threads(1),
    "2 threads": lambda: threads(2),
    "1 process": lambda: processes(1),
    "2 processes": lambda: processes(2),
}


def median_run(fn, args, rounds: int):
    """(report, plan) of the run whose seconds are the median's, after one that nobody times."""
    fn(*args)
    reports = []
    for _ in range(rounds):
        fn(*args)
        reports.append(fn.last_report)
    report = sorted(reports, key=lambda r: r.elapsed_seconds)[len(reports) // 2]
    return report, report.plan


def main(n: int = 2048, tile: int = 512, rounds: int = 5) -> Rows:
    rows: Rows = []
    for where, opened in WHERE.items():
        with opened() as (scheduler, cluster):
            for name, (f, args) in programs(n).items():
                fn = ds.value_and_grad(f, chunks=tile, scheduler=scheduler, progress=False)
                half, _ = median_run(fn, programs(n // 2)[name][1], 1)
                real, plan = median_run(fn, args, rounds)
                start = time.perf_counter()
                guesses = {
                    "from rates": ds.simulate(plan, cluster),
                    "from a run of n / 2": ds.simulate(plan, cluster, measured=half),
                    "with its own durations": ds.simulate(plan, cluster, measured=real),
                }
                spent = time.perf_counter() - start
                row: dict[str, object] = {
                    "gradient": name,
                    "n, tile": f"{n:,}, {tile}",
                    "on": where,
                    "tasks": guesses["from rates"].tasks,
                    "real s": f"{real.elapsed_seconds:.3f}",
                }
                for way, guess in guesses.items():
                    row[way] = f"{guess.seconds:.3f}, × {guess.seconds / real.elapsed_seconds:.2f}"
                row["moved MiB, real / simulated"] = (
                    f"{real.moved_bytes / 2**20:.0f} / {guesses['from rates'].moved_bytes / 2**20:.0f}"
                )
                row["ms to simulate"] = f"{1e3 * spent / len(guesses):.0f}"
                rows.append(row)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2048)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for found in main(options.n, options.tile, options.rounds):
        print("  ".join(f"{key} {text}" for key, text in found.items()))  # noqa: T201
