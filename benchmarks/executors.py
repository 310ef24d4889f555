"""What executors cost beside the work: a run of the same plan by each, on the same cores."""

import os

import dask.threaded
import numpy as np
from dask._task_spec import Task, TaskRef
from distributed import Client, LocalCluster

import dagsolve as ds
from benchmarks.measure import alternated
from dagsolve.scheduler.threads import run_tasks


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
    share = os.cpu_count() * float(np.median(elapsed)) / float(np.median(work)) - 1
    rows.append(
        {
            "what": "threads, n = 2048, tiles of 256: cores x elapsed over work in blocks",
            "result": f"+{share:.0%}",
        }
    )
    return rows + task_costs(rounds)


def nothing(*_: object) -> None:
    """What a task without work does."""


def layers(name: str, width: int = 20, depth: int = 50) -> dict[object, Task]:
    """Tasks without work, each reading three of the layer before."""
    return {
        (name, d, k): Task(
            (name, d, k), nothing, *(TaskRef((name, d - 1, (k + j) % width)) for j in range(3 if d else 0))
        )
        for d in range(depth)
        for k in range(width)
    }


def task_costs(rounds: int) -> list[dict[str, object]]:
    """Seconds of a task without work: our threads, Dask's, and a cluster of two processes."""
    count = len(layers("x"))
    names = (f"layer{number}" for number in range(10**9))  # a scheduler takes equal keys for equal results

    def last(tasks: dict[object, Task]) -> list[object]:
        depth = max(d for _, d, _ in tasks)  # type: ignore[misc]
        return [key for key in tasks if key[1] == depth]  # type: ignore[index]

    def ours() -> None:
        tasks = layers(next(names))
        run_tasks(tasks, last(tasks), priorities={}, cache={}, threads=os.cpu_count() or 1)

    def dask_threads() -> None:
        tasks = layers(next(names))
        dask.threaded.get(tasks, last(tasks))

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster) as client:

            def processes() -> None:
                tasks = layers(next(names))
                client.get(tasks, last(tasks))

            found = alternated(
                {"threads": ours, "dask.threaded": dask_threads, "2 processes": processes}, rounds
            )
    return [
        {"what": f"a task without work, {name}", "result": f"{1e6 * seconds / count:.0f} µs"}
        for name, seconds in found.items()
    ]
