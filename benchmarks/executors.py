"""What executors cost beside the work: a run of the same plan by each, on the same cores."""

import time

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated


def chain(x):
    for _ in range(1000):
        x = np.tanh(x) + x
    return np.sum(x)


def cholesky_sum(a):
    return np.sum(np.log(np.diag(np.linalg.cholesky(a))))


def plain(x):
    """The chain's value and its gradient written by hand in NumPy: what the nodes themselves cost."""
    kept = []
    for _ in range(1000):
        t = np.tanh(x)
        kept.append(t)
        x = t + x
    bar = np.ones_like(x)
    for t in reversed(kept):
        bar = bar + bar * (1 - t * t)
    return np.sum(x), bar


def main(rounds: int = 7) -> list[dict[str, object]]:
    x = np.linspace(-1, 1, 100)
    frozen = ds.value_and_grad(ds.freeze(chain, x), scheduler="sync", progress=False)
    nodes = len(frozen.plan(x).dag.graph)
    medians = alternated({"serial": lambda: frozen(x), "numpy": lambda: plain(x)}, rounds)
    extra = (medians["serial"] - medians["numpy"]) / nodes
    rows: list[dict[str, object]] = [
        {
            "what": f"serial executor, {nodes} small nodes",
            "result": f"{1e6 * extra:.2f} µs per node over NumPy",
        }
    ]
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(2048, 2048))
    a = factor @ factor.T / 2048 + np.eye(2048)
    runs = {}
    for name in ("sync", "threads"):
        fn = ds.value_and_grad(cholesky_sum, chunks=256, scheduler=name, progress=False)
        fn(a)
        runs[name] = fn
    work, elapsed = [], []
    for _ in range(rounds):
        runs["threads"](a)
        report = runs["threads"].last_report
        work.append(sum(report.seconds.values()))
        elapsed.append(report.elapsed_seconds)
        time.sleep(0)
    share = 2 * float(np.median(elapsed)) / float(np.median(work)) - 1
    rows.append(
        {
            "what": "threads, n = 2048, tiles of 256: 2 cores x elapsed over work in blocks",
            "result": f"+{share:.0%}",
        }
    )
    return rows
