"""A cluster of two worker processes gives what the graph gives, also when workers die on the way."""

import asyncio
import gc
import logging
import os
import signal
import threading
import time
import warnings
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
from dask._task_spec import Task, TaskRef
from dask.base import annotate
from distributed import Client, Event, LocalCluster
from threadpoolctl import threadpool_info, threadpool_limits

from dagsolve.errors import ArgumentError, BlockError, FactorisationError, SchedulerError
from dagsolve.scheduler.executor import ClusterExecutor, executor_of
from dagsolve.scheduler.placement import Priorities
from dagsolve.scheduler.tasks import task_graph
from dagsolve.scheduler.worker import TRANSFER_BYTES, RunPlugin
from dagsolve.storage import TileStore
from tests.scheduler.plans import assert_same, dag_of, expected, plan_of, report_of, steps

N = 67  # a tile of 67 × 67 is above what is sent inside tasks


@pytest.fixture(scope="module")
def client():
    options = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(autouse=True)
def _untouched(client):
    """Every test finds two workers and leaves them with their own memory and no tasks."""
    client.wait_for_workers(2, timeout=30)
    yield
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks):
            break
        time.sleep(0.05)
    client.wait_for_workers(2, timeout=30)
    assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0
    plugins = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))
    assert not [name for name in plugins if name.startswith("dagsolve")]
    assert set(data_types(client).values()) == {("SpillBuffer", "SpillBuffer")}


@pytest.fixture
def local():
    """A cluster inside this process: quick to start and to lose."""
    options = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL, "processes": False}
    with LocalCluster(n_workers=0, threads_per_worker=1, protocol="tcp", **options) as cluster:
        with Client(cluster, set_as_default=False) as client:
            yield cluster, client


def data_types(client):
    def names(dask_worker):
        return type(dask_worker.data).__name__, type(dask_worker.state.data).__name__

    return client.run(names)


def pids(client):
    return client.run(os.getpid)


def hear(function):
    @contextmanager
    def watch(plan, progress):
        yield function

    return watch


def case(rng, nodes_per_block=1, **plan):
    x, y = rng.standard_normal((2, N, N)) / 8
    dag, leaves = dag_of(steps, x, y, nodes_per_block=nodes_per_block)
    return plan_of(dag, **plan), leaves, expected(dag, leaves)


@pytest.mark.parametrize("nodes_per_block", [1, 3])
def test_cluster_equals_the_graph_within_the_budget(client, rng, nodes_per_block):
    plan, leaves, wanted = case(rng, nodes_per_block, store_bytes=3 * N * N * 8)
    executor = ClusterExecutor(client)
    found = executor.execute(plan, leaves)
    assert_same(found, wanted)
    assert all(array.flags.writeable for array in found.values())
    report = report_of(executor)
    assert sum(report.blocks.values()) == len(plan.dag)
    assert set(report.blocks) == {block.label for block in plan.dag.blocks}
    assert report.store_peak_bytes <= plan.store_bytes
    assert report.spilled_bytes > 0
    assert set(report.peak_bytes) == set(pids(client))


def test_leaves_of_an_existing_graph_and_of_the_cluster(client, rng):
    plan, leaves, wanted = case(rng)
    first, second = plan.leaves[:2]
    graph = {("x", 0): Task(("x", 0), np.negative, TaskRef("-x")), "-x": -leaves[first]}
    persisted = client.submit(np.transpose, leaves[second].T)
    given = {**leaves, first: TaskRef(("x", 0)), second: persisted}
    assert_same(ClusterExecutor(client).execute(plan, given, graph=graph), wanted)


def slowly(a):
    time.sleep(0.7)
    return a


def test_what_was_given_is_let_go_with_the_run(client, rng):
    """Also where the executor has looked at the futures more than once: nothing waits for the collector."""
    plan, leaves, _ = case(rng)
    first, second = plan.leaves[:2]
    slow = Task("slow", slowly, leaves[first])
    kept = client.submit(np.transpose, leaves[second].T)
    gc.collect()
    gc.disable()
    try:
        ClusterExecutor(client).execute(plan, {**leaves, first: slow, second: kept})
        given = weakref.ref(kept)
        del kept
        assert given() is None
    finally:
        gc.enable()


def test_store_is_the_workers_memory_also_after_a_restart(client, rng):
    kept = client.scatter(rng.standard_normal((N, N)), broadcast=True)
    frame = client.submit(dict, a=1)
    before = client.gather([kept, frame])
    client.register_plugin(RunPlugin("first", 2000, {}))
    client.register_plugin(RunPlugin("first", 2000, {}))  # repeated: no second store
    client.register_plugin(RunPlugin("second", 1000, {}))
    assert set(data_types(client).values()) == {("TileStore", "TileStore")}

    def limit(dask_worker):
        return dask_worker.state.transfer_incoming_bytes_limit

    assert set(client.run(limit).values()) == {TRANSFER_BYTES}

    def budget(dask_worker):
        return dask_worker.data.budget_bytes, isinstance(dask_worker.data.others, TileStore)

    assert set(client.run(budget).values()) == {(1000, False)}
    np.testing.assert_array_equal(client.gather([kept, frame])[0], before[0])
    made = client.submit(np.negative, kept)  # larger than the budget: on disk
    assert client.submit(np.linalg.norm, made).result() == np.linalg.norm(before[0])

    (victim, pid), *_ = pids(client).items()
    os.kill(pid, signal.SIGKILL)
    wait_for_successor(client, pid)
    assert set(data_types(client).values()) == {("TileStore", "TileStore")}
    assert set(client.run(budget).values()) == {(1000, False)}

    client.unregister_worker_plugin("dagsolve-second")
    assert set(client.run(budget).values()) == {(2000, False)}
    client.unregister_worker_plugin("dagsolve-first")
    assert set(data_types(client).values()) == {("SpillBuffer", "SpillBuffer")}
    np.testing.assert_array_equal(made.result(), -before[0])  # handed back
    assert min(client.run(limit).values()) > TRANSFER_BYTES


def wait_for_successor(client, pid):
    """Until the nanny has started another worker in place of a killed one."""
    deadline = time.monotonic() + 30
    while len(running := client.run(os.getpid, on_error="ignore")) < 2 or pid in running.values():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_blas_of_the_workers_has_one_thread_during_a_run_only(client):
    def blas_threads():
        return sorted({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})

    client.run(lambda: threadpool_limits(2, user_api="blas") and None)
    client.register_plugin(RunPlugin("run", None, {}))
    assert list(client.run(blas_threads).values()) == [[1], [1]]
    client.unregister_worker_plugin("dagsolve-run")
    assert list(client.run(blas_threads).values()) == [[2], [2]]
    client.run(lambda: threadpool_limits(1, user_api="blas") and None)


def test_killed_worker_is_made_up_for(client, rng):
    plan, leaves, wanted = case(rng, store_bytes=3 * N * N * 8)
    victim = next(iter(pids(client).values()))
    done = []

    def kill(block):
        done.append(block)
        if len(done) == len(plan.dag) // 2:
            os.kill(victim, signal.SIGKILL)

    executor = ClusterExecutor(client, watch=hear(kill))
    assert_same(executor.execute(plan, leaves), wanted)
    assert len(done) >= len(plan.dag)
    wait_for_successor(client, victim)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_cancels_the_run_and_the_client_goes_on(client, rng):
    plan, leaves, wanted = case(rng)
    done = []

    def interrupt(block):
        done.append(block)
        if len(done) == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ClusterExecutor(client, watch=hear(interrupt)).execute(plan, leaves)
    assert client.submit(sum, [1, 2]).result() == 3
    assert_same(ClusterExecutor(client).execute(plan, leaves), wanted)


def test_failing_block_raises_its_own_error_with_the_workers_traceback(client):
    dag, leaves = dag_of(lambda a: np.sum(np.linalg.cholesky(a)), np.eye(5))
    (a,) = dag.graph.leaves[:1]
    with pytest.raises(FactorisationError, match=r"cholesky.*test_cluster") as failure:
        ClusterExecutor(client).execute(plan_of(dag), {**leaves, a: -np.eye(5)})
    assert "run_block" in str(failure.value.__cause__)
    with pytest.raises(BlockError, match=r"must be \(5, 5\) float64, got \(3, 3\) float64"):
        ClusterExecutor(client).execute(plan_of(dag), {**leaves, a: np.eye(3)})


def test_task_that_fails_twice_is_tried_again(client, rng, tmp_path):
    plan, leaves, wanted = case(rng)
    first = plan.leaves[0]

    def flaky(a, folder):
        tries = len(os.listdir(folder))
        open(f"{folder}/{tries}", "w").close()
        if tries < 2:
            raise OSError("the file system is busy")
        return a

    given = {**leaves, first: Task("x", flaky, leaves[first], str(tmp_path))}
    assert_same(ClusterExecutor(client).execute(plan, given), wanted)
    assert len(os.listdir(tmp_path)) == 3


def test_worker_that_dies_of_a_task_is_told(client, rng):
    plan, leaves, _ = case(rng)
    first = plan.leaves[0]
    deadly = Task("x", lambda a: os.kill(os.getpid(), signal.SIGKILL), leaves[first])
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    try:
        with pytest.raises(SchedulerError, match="run out of memory"):
            ClusterExecutor(client).execute(plan, {**leaves, first: deadly})
    finally:
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 3))


def test_keys_are_readable_and_priorities_follow_the_plan(client, rng):
    plan, leaves, _ = case(rng)
    first = plan.leaves[0]
    held = Task("x", lambda a: (Event("go").wait(), a)[1], leaves[first])
    made = task_graph(plan, {**leaves, first: held}, "01234567-run")
    keys = list(made.outputs.values())
    with annotate(priority=Priorities(made.priorities), retries=2):
        futures = client.get(made.tasks, keys, sync=False)

    def priorities(dask_scheduler):
        return {key: (ts.priority, ts.retries) for key, ts in dask_scheduler.tasks.items()}

    while len(seen := client.run_on_scheduler(priorities)) < len(made.tasks):
        time.sleep(0.02)

    def groups(dask_scheduler):
        return set(dask_scheduler.task_prefixes)

    assert {block.label.replace("-", "_") for block in plan.dag.blocks} <= client.run_on_scheduler(groups)
    Event("go").set()
    client.gather(futures)
    Event("go").clear()
    for future in futures:
        future.release()
    assert {key: -priority[0] for key, (priority, _) in seen.items()} == made.priorities
    by_priority = sorted(seen, key=lambda key: seen[key][0])
    place = {key: i for i, key in enumerate(by_priority)}
    assert all(place[d] < place[k] for k in made.tasks for d in made.tasks[k].dependencies)
    assert {retries for _, retries in seen.values()} <= {1, 2}


def test_runs_inside_tasks_do_not_block_each_other(client, rng):
    """Two tasks hold both threads of the cluster, and each waits for blocks that need one."""
    plan, leaves, wanted = case(rng, nodes_per_block=3)

    def run(number):
        return executor_of(None).execute(plan, leaves)

    for found in client.gather(client.map(run, [1, 2])):
        assert_same(found, wanted)


def test_client_need_not_be_the_current_one(local, rng):
    cluster, other = local
    cluster.scale(1)
    other.wait_for_workers(1, timeout=30)
    plan, leaves, wanted = case(rng)
    executor = ClusterExecutor(other)
    assert_same(executor.execute(plan, leaves), wanted)
    assert set(report_of(executor).peak_bytes) == set(pids(other))


def test_closed_client_is_told_at_once(client, rng):
    plan, leaves, _ = case(rng)
    other = Client(client.scheduler.address, set_as_default=False)
    other.close()
    start = time.monotonic()
    with pytest.raises(SchedulerError, match="the client is closed; connect a new Client"):
        ClusterExecutor(other).execute(plan, leaves)
    assert time.monotonic() - start < 1


def test_cluster_without_workers_is_told_at_once(local, rng):
    plan, leaves, _ = case(rng)
    with pytest.raises(SchedulerError, match="has no workers"):
        ClusterExecutor(local[1]).execute(plan, leaves)


def test_scheduler_that_goes_away_is_told_within_seconds(local, rng):
    cluster, client = local
    cluster.scale(1)
    client.wait_for_workers(1, timeout=30)
    plan, leaves, _ = case(rng)
    closed: list[float] = []

    def close(block):
        if not closed:
            closed.append(time.monotonic())
            threading.Thread(target=cluster.close).start()

    def late(a):
        time.sleep(1)
        return a

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # distributed leaves coroutines behind when it is torn down
        slow = Task("slow", late, leaves[plan.leaves[0]])
        with pytest.raises(SchedulerError, match="is gone"):
            ClusterExecutor(client, watch=hear(close)).execute(plan, {**leaves, plan.leaves[0]: slow})
    assert time.monotonic() - closed[0] < 10


def test_scheduler_option(client):
    assert isinstance(executor_of(client), ClusterExecutor)
    assert isinstance(executor_of(None), ClusterExecutor)  # the active client
    capacity = executor_of(client).capacity()
    assert (capacity.workers, capacity.threads, capacity.distributed) == (2, 1, True)


def test_client_of_an_event_loop_is_refused(client, rng):
    plan, leaves, _ = case(rng)

    async def execute():
        async with Client(client.scheduler.address, asynchronous=True, set_as_default=False) as other:
            ClusterExecutor(other).execute(plan, leaves)

    with pytest.raises(ArgumentError, match="asynchronous=True"):
        asyncio.run(execute())
