"""Threads give what the serial reference gives, within the store's budget and without oversubscription."""

import _thread
import threading
import time
from contextlib import contextmanager

import dask
import numpy as np
import pytest
import scipy.linalg
from dask._task_spec import Task, TaskRef
from threadpoolctl import threadpool_info, threadpool_limits

from dagsolve.errors import ArgumentError, BlockError, FactorisationError
from dagsolve.executor import SerialExecutor
from dagsolve.scheduler.executor import ThreadsExecutor, executor_of
from dagsolve.scheduler.worker import blas_threads
from tests.scheduler.plans import assert_same, dag_of, expected, plan_of, report_of, steps


@pytest.mark.parametrize("nodes_per_block", [1, 3])
@pytest.mark.parametrize("tiles", [None, 0, 3])
def test_threads_equal_the_graph_within_the_budget(rng, tmp_path, nodes_per_block, tiles):
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y, nodes_per_block=nodes_per_block)
    executor = ThreadsExecutor(directory=tmp_path)
    plan = plan_of(dag, store_bytes=None if tiles is None else tiles * x.nbytes)
    assert_same(executor.execute(plan, leaves), expected(dag, leaves))
    report = report_of(executor)
    assert sum(report.blocks.values()) == len(dag)
    if tiles is not None:
        assert report.store_peak_bytes <= tiles * x.nbytes
        assert report.spilled_bytes > 0
    assert not list(tmp_path.iterdir())


def test_leaves_of_a_dask_graph(rng):
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y)
    graph = {"x": Task("x", np.negative, TaskRef("-x")), "-x": -x}
    given = {**leaves, dag.graph.leaves[0]: TaskRef("x")}
    assert_same(ThreadsExecutor().execute(plan_of(dag), given, graph=graph), expected(dag, leaves))


def pool_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def listening_to(function):
    @contextmanager
    def watch(plan, progress):
        yield function

    return watch


def chain(x, y):
    for _ in range(3):
        x = np.tanh(x @ y)
    return np.sum(x)


def side_by_side(*arrays):
    return sum(chain(x, x) for x in arrays)


@pytest.mark.parametrize(("f", "count", "inside"), [(side_by_side, 5, 1), (chain, 2, 2)])
def test_blas_has_the_cores_that_blocks_leave_and_as_many_as_before_outside(rng, f, count, inside):
    dag, leaves = dag_of(f, *rng.standard_normal((count, 13, 13)), nodes_per_block=1 if count > 2 else 1000)
    scipy.linalg.inv(np.eye(3))  # SciPy brings its own BLAS
    seen = []
    with threadpool_limits(2, user_api="blas"), dask.config.set(num_workers=2):
        executor = ThreadsExecutor(watch=listening_to(lambda done: seen.append(pool_threads())))
        executor.execute(plan_of(dag), leaves)
        assert pool_threads() == {2}
    assert len(seen) == len(dag)
    assert all(threads == {inside} for threads in seen)


def test_blas_never_gets_more_threads_than_it_had(rng):
    dag, leaves = dag_of(chain, *rng.standard_normal((2, 13, 13)), nodes_per_block=1000)
    seen = []
    with threadpool_limits(1, user_api="blas"), dask.config.set(num_workers=2):
        executor = ThreadsExecutor(watch=listening_to(lambda done: seen.append(pool_threads())))
        executor.execute(plan_of(dag), leaves)
    assert all(threads == {1} for threads in seen)


def test_of_overlapping_limits_the_least_holds_to_the_last():
    with threadpool_limits(3, user_api="blas"):
        first, second = blas_threads(2), blas_threads(1)
        first.__enter__()
        assert pool_threads() == {2}
        second.__enter__()
        assert pool_threads() == {1}
        first.__exit__(None, None, None)
        assert pool_threads() == {1}
        second.__exit__(None, None, None)
        assert pool_threads() == {3}


@pytest.mark.parametrize("workers", [1, 3])
def test_number_of_threads_is_dasks(rng, workers):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    seen = set()
    executor = ThreadsExecutor(watch=listening_to(lambda done: seen.add(threading.get_ident())))
    with dask.config.set(num_workers=workers):
        executor.execute(plan_of(dag), leaves)
        assert executor.capacity().threads == workers
    assert 1 <= len(seen) <= workers
    assert threading.get_ident() not in seen


def test_independent_tasks_run_at_the_same_time(rng):
    """Two leaves that wait for each other could not be made one after the other."""
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y)
    barrier = threading.Barrier(2, timeout=20)

    def together(a):
        barrier.wait()
        return a

    first, second = dag.graph.leaves[:2]
    given = {**leaves, first: Task("x", together, x), second: Task("y", together, y)}
    with dask.config.set(num_workers=2):
        assert_same(ThreadsExecutor().execute(plan_of(dag), given), expected(dag, leaves))


def test_errors_of_blocks_come_through(rng):
    dag, leaves = dag_of(lambda a: np.sum(np.linalg.cholesky(a)), np.eye(5))
    (a,) = dag.graph.leaves[:1]
    with pytest.raises(FactorisationError, match="test_threads"):
        ThreadsExecutor().execute(plan_of(dag), {**leaves, a: -np.eye(5)})
    with pytest.raises(BlockError, match=r"must be \(5, 5\) float64, got \(3, 3\) float64"):
        ThreadsExecutor().execute(plan_of(dag), {**leaves, a: np.eye(3)})


@pytest.mark.usefixtures("interruptible")
def test_interrupt_ends_the_run_and_the_next_is_right(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    done = []

    def interrupt(block):
        done.append(block)
        if len(done) == 7:
            _thread.interrupt_main()
            time.sleep(0.2)

    with pytest.raises(KeyboardInterrupt):
        ThreadsExecutor(watch=listening_to(interrupt)).execute(plan_of(dag), leaves)
    assert len(done) < len(dag)
    assert_same(ThreadsExecutor().execute(plan_of(dag), leaves), expected(dag, leaves))


def test_scheduler_option():
    assert isinstance(executor_of(None), ThreadsExecutor)
    assert isinstance(executor_of("threads"), ThreadsExecutor)
    assert isinstance(executor_of("sync"), SerialExecutor)
    with pytest.raises(ArgumentError, match="got 'thread'"):
        executor_of("thread")
