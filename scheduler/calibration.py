"""measure_cluster: the numbers of a real cluster, or of this process's threads, in about two seconds.

Rates are measured on all threads at once, because cores share memory and clock. What tasks cost beside their
work is told apart by who spends it: the processor time of the scheduler's and of a worker's event loop while
tasks that do nothing run, and the rest of the time of a chain of them, in which messages are on their way.
"""

import statistics
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import dask
import numpy as np
from dask.base import annotate
from dask.system import CPU_COUNT
from distributed import Client

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import partition
from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError, SchedulerError
from dagsolve.planning.schedule import make_plan
from dagsolve.reports import BlockDone
from dagsolve.scheduler.cluster import Cluster
from dagsolve.scheduler.events import TOPIC, announce, receive
from dagsolve.scheduler.executor import ClusterExecutor
from dagsolve.scheduler.placement import AnyWorker, Places, Priorities
from dagsolve.scheduler.threads import run_tasks
from dagsolve.scheduler.worker import blas_threads
from dagsolve.tracing.trace import trace_function

_ROWS = 384  # of the tiles that are multiplied
_PROBE_SECONDS = 0.1
_ITEMS = 2**21  # of the arrays that are read and sent: 16 MiB, more than a cache holds
_CHAIN, _LAYERS = (24, 1), (6, 32)  # layers and width of graphs
_ROUNDS = 3


class _Rates(NamedTuple):
    dense_flops: float
    elementwise_flops: float
    memory_bytes_per_second: float


def measure_cluster(client: Client | None = None) -> Cluster:
    """The cluster of a client, or the threads of this process for None, as numbers for plans and simulations.

    Takes about two seconds, in which nothing else should run. Workers are taken to be equal: their number is
    counted, the slowest is measured. Where a worker is alone, the network is that to the client.
    """
    if client is None:
        return _threads()
    if not isinstance(client, Client):
        raise ArgumentError(
            f"measure_cluster: client must be a distributed.Client or None, got {type(client).__name__}"
        )
    threads: dict[str, int] = dict(client.nthreads())
    if not threads:
        raise SchedulerError("measure_cluster: the cluster has no workers; start some first")
    found: list[_Rates] = list(client.run(machine_rates, min(threads.values())).values())
    rates = _Rates(*(min(column) for column in zip(*found, strict=True)))
    costs = task_costs(client)
    to_client, between = _wires(client, sorted(threads))
    return Cluster(
        workers=len(threads),
        threads=min(threads.values()),
        **rates._asdict(),
        network_bytes_per_second=between,
        client_seconds=_run_seconds(client, 2 * costs.latency_seconds + costs.worker_seconds),
        client_bytes_per_second=to_client,
        **costs._asdict(),
    )


def machine_rates(threads: int) -> _Rates:
    """What each of so many threads of this process does in a second while all of them work."""
    a = np.full((_ROWS, _ROWS), 1.0)

    def product() -> Callable[[], Any]:
        out = np.empty_like(a)
        return lambda: np.matmul(a, a, out=out)

    def loop() -> Callable[[], Any]:
        few = np.full(_ROWS, 1.0)
        return lambda: np.exp(few, out=few.copy())

    def copy() -> Callable[[], Any]:
        source, target = np.ones(_ITEMS), np.ones(_ITEMS)
        return lambda: np.copyto(target, source)

    with blas_threads():
        return _Rates(
            2 * _ROWS**3 * _calls_a_second(product, threads),
            _EXP_FLOPS * _ROWS * _calls_a_second(loop, threads),
            16 * _ITEMS * _calls_a_second(copy, threads),
        )


_EXP_FLOPS = 10  # what an elementary function counts, per item


def _calls_a_second(make: Callable[[], Callable[[], Any]], threads: int) -> float:
    """Calls of one thread in a second, the mean of threads that all call."""
    counts = [0.0] * threads
    together = threading.Barrier(threads)

    def work(k: int) -> None:
        call = make()
        call()
        together.wait()
        start, calls = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < _PROBE_SECONDS or not calls:
            call()
            calls += 1
        counts[k] = calls / spent

    workers = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / threads


def _nothing(name: str, *first: float) -> float:
    """When the first task of a graph began, from those before; announced as a block is."""
    announce(name, BlockDone(name, "calibration", 0.0))
    return min(first, default=time.time())


def _graph(name: str, layers: int, width: int) -> dict[str, Any]:
    """Layers of tasks, each of which reads up to three of the one before; and the task to ask for."""
    made: dict[str, Any] = {}
    for layer in range(layers):
        for k in range(width):
            key = f"{name}-{layer}-{k}"
            reads = {f"{name}-{layer - 1}-{(k + j) % width}" for j in range(3)} if layer else set()
            made[key] = (_nothing, name, *sorted(reads))
    made[f"{name}-end"] = (_nothing, name, *(f"{name}-{layers - 1}-{k}" for k in range(width)))
    return made


@dataclass(frozen=True)
class _Idle:
    """A task of this process's threads that does nothing, announced as a block is."""

    dependencies: frozenset[str]

    def __call__(self, values: object, /) -> float:
        return _nothing("calibration")


def _threads() -> Cluster:
    threads = int(dask.config.get("num_workers", None) or CPU_COUNT)
    rates = machine_rates(threads)
    graph = _graph("calibration", *_LAYERS)
    tasks = {key: _Idle(frozenset(reads)) for key, (_, _, *reads) in graph.items()}
    last = ["calibration-end"]
    spent = _median(lambda: run_tasks(tasks, last, priorities={}, cache={}, threads=threads))
    return Cluster(
        threads=threads,
        **rates._asdict(),
        latency_seconds=0.0,
        worker_seconds=0.0,
        scheduler_seconds=spent / len(graph),
        submit_seconds=0.0,
        client_seconds=1e-3,
    )


class TaskCosts(NamedTuple):
    """Seconds that a task takes beside its work: fields of a Cluster."""

    scheduler_seconds: float
    worker_seconds: float
    submit_seconds: float
    latency_seconds: float


def task_costs(client: Client) -> TaskCosts:
    """What a task that does nothing takes, the median of some rounds."""
    client.subscribe_topic(TOPIC, receive)
    _run(client, 1, 1)  # the workers import
    layered = [_run(client, *_LAYERS) for _ in range(_ROUNDS)]
    chains = [_run(client, *_CHAIN) for _ in range(_ROUNDS)]
    served = statistics.median(of.served for of in layered)
    worked = statistics.median(of.worked for of in layered)
    submit = statistics.median(of.before for of in layered)
    chained = statistics.median(of.after for of in chains)
    return TaskCosts(served, worked, submit, max(chained - served - worked, 0.0) / 2)


class _Spent(NamedTuple):
    """Seconds of one task among many."""

    before: float  # until the first one began
    after: float
    served: float  # of processors: of the scheduler's event loop
    worked: float  # and of a worker's


def _run(client: Client, layers: int, width: int) -> _Spent:
    name = f"calibration-{uuid.uuid4().hex[:12]}"
    graph = _graph(name, layers, width)
    served, worked = _processor_seconds(client)
    start = time.time()
    places = {
        "priority": Priorities(dict.fromkeys(graph, -1)),
        "workers": Places({}),
        "allow_other_workers": AnyWorker(),
    }
    with annotate(**places):
        first = client.get(graph, f"{name}-end")
    end = time.time()
    served_after, worked_after = _processor_seconds(client)
    count = len(graph)
    before = max(first - start, 0.0) / count
    after = (end - first) / count
    return _Spent(
        before,
        after,
        min(max(served_after - served, 0.0) / count, after),
        max(worked_after - worked, 0.0) / count,
    )


def _processor_seconds(client: Client) -> tuple[float, float]:
    """Of the scheduler's event loop, and of all workers' together."""
    served = client.run_on_scheduler(time.thread_time)
    return float(served), float(sum(client.run(time.thread_time).values()))


def _wires(client: Client, workers: list[str]) -> tuple[float, float]:
    """Bytes a second between the client and a worker, there and back, and between two workers."""
    array = np.zeros(_ITEMS)

    def through() -> None:
        name = f"wire-{uuid.uuid4().hex[:12]}"
        graph = {name: array, f"{name}-back": (_same, name)}
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            client.get(graph, f"{name}-back")

    to_client = 2 * array.nbytes / _median(through)
    if len(workers) < 2:
        return to_client, to_client
    made = client.submit(np.zeros, _ITEMS, workers=workers[:1], pure=False)

    def across() -> None:
        client.submit(len, made, workers=workers[1:2], pure=False).result()

    def here() -> None:
        client.submit(len, made, workers=workers[:1], pure=False).result()

    nothing = _median(here)
    first = time.perf_counter()
    across()  # afterwards the array is there
    return to_client, array.nbytes / max(time.perf_counter() - first - nothing, 1e-6)


def _same(array: Any) -> Any:
    return array


def _run_seconds(client: Client, task_seconds: float) -> float:
    """What the executor sets up and undoes for a run, beside its one task."""
    trace = trace_function("measure_cluster", np.negative, (np.ones(1),), ())
    work = node_work(trace.graph)
    plan = make_plan(block_dag(trace.graph, partition(trace.graph, work), work), base_bytes=0)
    leaves = dict(zip(plan.leaves, trace.values, strict=True))
    executor = ClusterExecutor(client)
    spent = _median(lambda: executor.execute(plan, leaves, progress=False))
    return max(spent - task_seconds, 0.0)


def _median(call: Callable[[], object]) -> float:
    found = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)
