"""Which values of a block get keys of their own, and what that costs in tasks, bytes and lifetimes."""

from dataclasses import replace

import numpy as np
import pytest
from dask.local import get_sync
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.blocks.work import Rates
from dagsolve.planning.cost import DISTRIBUTED
from dagsolve.scheduler.cluster import Cluster
from dagsolve.scheduler.parts import USER, Homes, bundles, groups
from dagsolve.scheduler.placement import homes, urgency
from dagsolve.scheduler.tasks import executions, expected_homes, project, task_graph
from tests.scheduler.plans import assert_same, dag_of, expected, plan_of, steps

RUN = "01234567-run"


class Written:
    """What `groups` asks of a block: block 0, which writes so many values."""

    index = 0

    def __init__(self, count: int) -> None:
        self.writes = tuple(range(count))


def whole(readers, nbytes, worker, rates=DISTRIBUTED, wait=0.02):
    """Values read under the block's own key; block k runs at moment k."""
    known = Homes(worker, {k: k for k in range(len(worker))}, rates, wait)
    found = groups(Written(len(nbytes)), dict(enumerate(readers)), nbytes, known)  # type: ignore[arg-type]
    return sorted(i for group in found if group.whole for i in group.positions)


TILE, LITTLE = 2**21, 2**12


def test_a_tile_that_goes_on_is_not_projected_and_what_the_user_gets_is():
    readers = [{1, 2}, {(USER, 1)}, {(USER, 2)}]
    assert whole(readers, [TILE] * 3, [0, 0, 0]) == [0]
    assert whole(readers, [TILE] * 3, [0, 0, 1]) == [0]  # the wait for a thread is longer than the wire
    slow = Rates(task_seconds=2e-3, transfer_bytes_per_second=1e7)
    assert whole(readers, [TILE] * 3, [0, 0, 1], slow) == []
    assert whole(readers, [TILE] * 3, [0, 0, 0], slow) == [0]  # nothing is sent


def test_little_is_read_beside_a_tile_at_home_and_sent_alone_elsewhere():
    readers = [{1, 3}, {2}]
    assert whole(readers, [TILE, LITTLE], [0, 0, 0, 0]) == [0, 1]
    assert whole(readers, [TILE, LITTLE], [0, 0, 1, 0]) == [0]


def test_a_residual_does_not_keep_a_large_value_beside_it():
    assert whole([{1}, {3}], [TILE, TILE], [0] * 4) == [0]
    assert whole([set(), {3}], [TILE, TILE], [0] * 4) == []  # one that nobody reads any more


@given(
    st.lists(
        st.tuples(st.sets(st.integers(1, 6)), st.integers(1, 10**7), st.booleans()), min_size=2, max_size=6
    ),
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
)
def test_what_lies_under_the_blocks_key_outlives_the_plan_by_little(values, worker):
    readers = [of | ({(USER, i)} if user else set()) for i, (of, _, user) in enumerate(values)]
    nbytes = [size for _, size, _ in values]
    found = whole(readers, nbytes, worker)
    ends = [max((99 if isinstance(r, tuple) else r for r in of), default=-1) for of in readers]
    if not found or len({frozenset(USER if isinstance(r, tuple) else r for r in of) for of in readers}) == 1:
        return
    last = max(ends[i] for i in found)
    held = sum(size for size, end in zip(nbytes, ends, strict=True) if end < last)
    assert held <= max(64 * 1024, sum(nbytes) // 16)


def test_given_values_with_the_same_readers_share_a_key():
    assert bundles({5: {1, 2}, 6: {1}, 7: {2, 1}}) == {5: (5, 0), 7: (5, 1), 6: (6, None)}


def quadratic(a, v):
    return v @ (np.linalg.cholesky(a) @ v)


@pytest.mark.parametrize("workers", [1, 2])
def test_graph_of_a_factorisation_has_at_most_two_tasks_a_block_beside_its_tiles(rng, workers):
    n, tile = 31, 7
    x = rng.standard_normal((n, n))
    cluster = Cluster(workers=workers, dense_flops=1e6, elementwise_flops=1e6)
    fn = ds.value_and_grad(quadratic, chunks=tile, scheduler=cluster)
    plan = fn.plan(x @ x.T + n * np.eye(n), rng.standard_normal(n))
    home = homes(plan.dag, [1] * workers, cluster.rates, urgency(plan))
    leaves = {v: np.zeros(plan.dag.graph.spec(v).shape) for v in plan.leaves}
    made = task_graph(plan, leaves, RUN, inline_bytes=0, home=home, rates=cluster.rates)
    alone = task_graph(plan, leaves, RUN, inline_bytes=0)
    parts, before = (
        sum(getattr(node, "func", None) is project for node in of.tasks.values()) for of in (made, alone)
    )
    assert parts <= plan.tasks
    assert 2 * parts <= before


@pytest.mark.parametrize("nodes_per_block", [2, 3, 5])
@pytest.mark.parametrize("workers", [1, 3])
def test_numbers_are_those_of_the_graph_wherever_values_lie(rng, nodes_per_block, workers):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)), nodes_per_block=nodes_per_block)
    plan = plan_of(dag)
    home = [block.index % workers for block in dag.blocks]
    made = task_graph(plan, leaves, RUN, inline_bytes=0, home=home, rates=DISTRIBUTED)
    keys = list(dict.fromkeys(made.outputs.values()))
    found = dict(zip(keys, get_sync(made.tasks, keys), strict=True))
    values = {v: found[k][made.places[v]] if v in made.places else found[k] for v, k in made.outputs.items()}
    assert_same(values, expected(dag, leaves))


def test_under_a_budget_every_set_of_readers_has_its_key(rng):
    dag, _ = dag_of(steps, *rng.standard_normal((2, 13, 13)), nodes_per_block=3)
    plan = plan_of(dag)
    made_by, _ = executions(plan)
    assert expected_homes(plan, made_by, [0] * len(dag), DISTRIBUTED) is not None
    assert expected_homes(replace(plan, memory_limit=2**30), made_by, [0] * len(dag), DISTRIBUTED) is None
