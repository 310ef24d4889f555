"""Priorities follow the critical path, or save memory where it is short; Dask groups keys as named."""

import pickle

import numpy as np
import pytest
from dask.utils import key_split

from dagsolve.blocks.work import Rates
from dagsolve.planning.schedule import make_plan
from dagsolve.scheduler.placement import (
    Priorities,
    homes,
    key_prefix,
    ranks,
    remaining_seconds,
    task_key,
    timetable,
    urgency,
)
from dagsolve.specs import spec
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.reverse import joint_graph
from tests.scheduler.plans import blocked, dag_of, plan_of


def chain_and_side(x):
    r"""
    x ── exp ── sin ── sin ── sin ──┐
     \                              + ── sum
      cos ──────────────────────────┘
    The chain is the critical path: every block of it goes before the side branch.
    """
    return np.sum(np.sin(np.sin(np.sin(np.exp(x)))) + np.cos(x))


def test_remaining_seconds_is_the_longest_path(rng):
    dag, _ = dag_of(chain_and_side, rng.standard_normal((13, 17)))
    remaining = remaining_seconds(dag)
    successors = {b.index: [t for s, t in dag.edges if s == b.index] for b in dag.blocks}

    def longest(index):  # by enumerating paths
        return dag.blocks[index].seconds + max(map(longest, successors[index]), default=0.0)

    np.testing.assert_allclose(remaining, [longest(b.index) for b in dag.blocks], rtol=1e-12)


def test_critical_path_goes_first_and_producers_before_consumers(rng):
    dag, _ = dag_of(chain_and_side, rng.standard_normal((13, 17)))
    rank = ranks(dag)
    assert sorted(rank) == list(range(len(dag)))
    assert all(rank[source] < rank[target] for source, target in dag.edges)
    forward = {b.label: rank[b.index] for b in dag.blocks if b.sweep == 0}
    assert forward["exp"] < forward["cos"]
    assert forward["sin"] < forward["cos"]


CHUNKS = 41


def sum_over_chunks():
    """Blocks of the gradient of a sum over chunks of data, two that read each chunk, one per sweep."""
    with Recorder() as recorder:
        w = recorder.input(spec(7), "w")
        chunks = [recorder.input(spec((503, 7)), f"x{k}") for k in range(CHUNKS)]
        total = sum(np.sum(np.tanh(x @ w) ** 2) for x in chunks)
        graph = recorder.graph([total.id])
    return blocked(joint_graph(graph, [w.id], (0,)).graph, nodes_per_block=1), [x.id for x in chunks]


def test_order_saves_memory_where_the_critical_path_is_short():
    """Whatever runs, no more chunks wait for their second reader than threads are at work."""
    dag, chunks = sum_over_chunks()
    plan = make_plan(dag, base_bytes=0)
    assert plan.critical_seconds < 0.1 * plan.seconds
    assert most_open(dag, chunks, urgency(plan)) <= 2
    assert most_open(dag, chunks, ranks(dag)) > 10  # what the longest way first would hold
    order = np.argsort(urgency(plan))
    place = {int(block): k for k, block in enumerate(order)}
    assert all(place[source] < place[target] for source, target in dag.edges)


def most_open(dag, chunks, rank):
    """The most chunks that at one time have been read and will be again, in a run by these ranks."""
    moments = [sorted(rank[k] for k in dag.consumers[v]) for v in chunks]
    return max(sum(m[0] <= t < m[-1] for m in moments) for t in range(len(dag)))


def test_order_follows_the_critical_path_where_it_is_long(rng):
    dag, _ = dag_of(chain_and_side, rng.standard_normal((13, 17)))
    plan = plan_of(dag)
    assert plan.critical_seconds > 0.1 * plan.seconds
    assert urgency(plan) == ranks(dag)


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_blocks_go_where_what_is_given_was_read_first(workers):
    """No chunk is wanted on two workers, and the work is shared."""
    dag, chunks = sum_over_chunks()
    rates = Rates(task_seconds=1e-4, transfer_bytes_per_second=1e6)
    home = homes(dag, [1] * workers, rates, urgency(make_plan(dag, base_bytes=0)))
    readers = [{home[k] for k in dag.consumers[v]} for v in chunks]
    assert all(len(places) == 1 for places in readers)
    shares = np.bincount([place for (place,) in readers], minlength=workers)
    assert 2 * workers * shares.min() > CHUNKS  # more than half of an equal share


def test_timetable_of_given_values_on_several_workers_is_a_schedule():
    dag, _ = sum_over_chunks()
    slots = timetable(dag, [1, 2], Rates(task_seconds=1e-4))
    assert all(slots[t].start >= slots[s].finish for s, t in dag.edges)


@pytest.mark.parametrize(
    "label",
    ["cholesky", "reverse-cholesky", "reverse-solve_triangular", "log1p", "reverse-log1p", "4th-reverse-add"],
)
@pytest.mark.parametrize("run", ["01234567-89abcdef0123", "abcdefab-abcdefabcdef"])
def test_dask_groups_keys_by_label(label, run):
    keys = [task_key(label, run, 7), task_key(label, run, 70), task_key(label, run, 7, copy=1)]
    assert len(set(keys)) == 3
    assert {key_split(key) for key in keys} == {key_prefix(label)}


def test_prefix_is_the_label_in_one_word():
    assert key_prefix("cholesky") == "cholesky"
    assert key_prefix("reverse-cholesky") == "reverse_cholesky"


def test_priorities_travel_and_leave_foreign_keys_alone():
    priorities = pickle.loads(pickle.dumps(Priorities({"a": -3})))
    assert priorities("a") == -3
    assert priorities(("x", 0, 0)) == 0
