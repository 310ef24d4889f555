"""Priorities follow the critical path; keys are readable, unique and grouped by Dask as they are named."""

import pickle

import numpy as np
import pytest
from dask.utils import key_split

from dagsolve.scheduler.placement import Priorities, key_prefix, ranks, remaining_seconds, task_key
from tests.scheduler.plans import dag_of


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
