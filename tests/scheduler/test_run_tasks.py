"""Threads that take tasks themselves: every task once, the most urgent first, and nothing kept too long."""

import operator
import threading

import dask.local
import numpy as np
import pytest
from dask._task_spec import Alias, DataNode, Task, TaskRef
from hypothesis import given, settings
from hypothesis import strategies as st

from dagsolve.scheduler.threads import run_tasks


def total(*values):
    return sum(values) + 1


def graph_of(edges, calls):
    """Tasks 0, 1, …: each adds one to the sum of those it reads, and notes that it ran."""

    def noted(k, *values):
        calls.append(k)
        return total(*values)

    return {k: Task(k, noted, k, *map(TaskRef, reads)) for k, reads in enumerate(edges)}


@st.composite
def dags(draw):
    n = draw(st.integers(1, 23))
    return [sorted(draw(st.sets(st.integers(0, k - 1), max_size=3))) if k else [] for k in range(n)]


@settings(max_examples=50, deadline=None)
@given(dags(), st.integers(1, 3), st.data())
def test_any_graph(edges, threads, data):
    calls: list[int] = []
    tasks = graph_of(edges, calls)
    keys = data.draw(st.lists(st.sampled_from(range(len(edges))), min_size=1, max_size=4))
    cache: dict[object, object] = {}
    found = run_tasks(tasks, keys, priorities={}, cache=cache, threads=threads)
    ran = list(calls)
    assert found == list(dask.local.get_sync(tasks, keys))
    needed = set(keys)
    for k in reversed(range(len(edges))):
        needed |= set(edges[k]) if k in needed else set()
    assert sorted(ran) == sorted(needed)  # each once, and no other
    assert set(cache) == set(keys)


def test_the_highest_priority_goes_first():
    calls: list[int] = []
    tasks = graph_of([[], [], [], [0, 1, 2]], calls)
    run_tasks(tasks, [3], priorities={0: 1, 1: 7, 2: 5}, cache={}, threads=1)
    assert calls == [1, 2, 0, 3]


def test_a_value_goes_with_its_last_reader():
    """At any time of a chain, two values are there."""
    held = []
    cache: dict[object, object] = {}

    def step(x):
        held.append(len(cache))
        return x + 1

    tasks = {0: DataNode(0, 0), **{k: Task(k, step, TaskRef(k - 1)) for k in range(1, 31)}}
    assert run_tasks(tasks, [30], priorities={}, cache=cache, threads=2) == [30]
    assert max(held) == 1  # the one being read


def test_threads_run_at_the_same_time():
    together = threading.Barrier(2, timeout=20)
    tasks = {name: Task(name, together.wait) for name in "ab"}
    assert sorted(run_tasks(tasks, ["a", "b"], priorities={}, cache={}, threads=2)) == [0, 1]


def test_aliases_and_nothing_to_do():
    tasks = {"a": DataNode("a", 5), "b": Alias("b", "a")}
    assert run_tasks(tasks, ["b", "b", "a"], priorities={}, cache={}, threads=2) == [5, 5, 5]
    assert run_tasks(tasks, [], priorities={}, cache={}, threads=2) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_ends_the_run(threads):
    calls: list[int] = []
    tasks = graph_of([[], [0], [1], [2]], calls)
    tasks[1] = Task(1, operator.truediv, TaskRef(0), 0)
    with pytest.raises(ZeroDivisionError):
        run_tasks(tasks, [3], priorities={}, cache={}, threads=threads)
    assert calls == [0]


def test_tasks_see_the_error_state_of_the_caller():
    tasks = {"x": Task("x", np.divide, np.ones(3), np.zeros(3))}
    with np.errstate(divide="ignore"):
        (found,) = run_tasks(tasks, ["x"], priorities={}, cache={}, threads=2)
    assert np.all(np.isinf(found))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        run_tasks(tasks, ["x"], priorities={}, cache={}, threads=2)
