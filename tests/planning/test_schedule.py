"""Plans: topological orders with low peaks, replayed, projected and printed."""

import pytest
from hypothesis import given

from dagsolve.errors import BudgetError, PlanError
from dagsolve.graph import Graph
from dagsolve.planning.actions import Drop, Output, Run
from dagsolve.planning.budget import budget
from dagsolve.planning.cost import DISTRIBUTED, THREADS, measured_rates, targets_for
from dagsolve.planning.replay import replay
from dagsolve.planning.schedule import greedy_order, keep_everything, make_plan, plan_of
from tests.blocks.task_graphs import Program, kernel_gradient, tiled_cholesky
from tests.blocks.test_partition import graphs, partitioned


@given(graphs())
def test_the_greedy_order_is_topological(graph: Graph):
    _, _, dag = partitioned(graph)
    position = {block: k for k, block in enumerate(greedy_order(dag))}
    assert sorted(position) == list(range(len(dag)))
    assert all(position[source] < position[target] for source, target in dag.edges)


@given(graphs())
def test_a_plan_runs_every_block_once_and_forgets_all_but_the_outputs(graph: Graph):
    _, _, dag = partitioned(graph)
    made = make_plan(dag, base_bytes=0)
    assert sorted(a.block for a in made.actions if isinstance(a, Run)) == list(range(len(dag)))
    assert {a.value for a in made.actions if isinstance(a, Output)} == set(graph.outputs)
    dropped = [a.value for a in made.actions if isinstance(a, Drop)]
    crossing = {v for b in dag for v in (*b.reads, *b.writes)}
    assert sorted(dropped) == sorted(crossing - set(graph.outputs))
    assert made.peak_bytes == replay(dag, made.actions).peak_bytes
    assert made.tasks == len(dag)


def test_the_greedy_order_finishes_a_tile_before_it_begins_the_next():
    """Forward tiles are residuals of their own reverse tile only: sweep after sweep keeps them all."""
    _, _, dag = partitioned(kernel_gradient(tiles=23, b=1031))
    by_sweep = replay(dag, keep_everything(dag, range(len(dag)))).peak_bytes
    assert make_plan(dag, base_bytes=0).peak_bytes < 0.7 * by_sweep


def test_the_projection_bounds_the_replay_in_any_store():
    _, _, dag = partitioned(tiled_cholesky(7, 257))
    floor = budget(dag, None, threads=1, base_bytes=0).floor_bytes
    for store in (0, 8 * 257**2, 13 * 8 * 257**2):
        made = make_plan(dag, memory_limit=floor + store, threads=1, base_bytes=0)
        assert made.store_bytes == store
        assert made.peak_bytes <= made.projected_bytes <= floor + store


def test_a_budget_that_cannot_hold_is_refused_before_any_work():
    _, _, dag = partitioned(tiled_cholesky(3, 257))
    with pytest.raises(BudgetError, match="Give at least"):
        make_plan(dag, memory_limit="1 MiB", threads=2)


def test_actions_of_another_dag_make_no_plan():
    _, _, dag = partitioned(tiled_cholesky(3, 257))
    _, _, other = partitioned(tiled_cholesky(4, 257))
    with pytest.raises(PlanError):
        plan_of(dag, make_plan(other).actions, budget(dag, None, threads=1))


def test_the_digest_follows_the_graph_and_the_actions():
    _, _, dag = partitioned(tiled_cholesky(3, 257))
    _, _, same = partitioned(tiled_cholesky(3, 257))
    _, _, other = partitioned(tiled_cholesky(3, 263))
    digests = [make_plan(d, base_bytes=0).digest for d in (dag, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_plan_says_what_it_takes():
    graph = tiled_cholesky(3, 257)
    _, _, dag = partitioned(graph)
    made = make_plan(dag, memory_limit="1 GiB", threads=2, base_bytes=0)
    text = repr(made)
    assert text == str(made)
    for words in ("36", "12 in ", "with 2 threads, budget 1.00 GiB", "flops", "critical path", "then disk"):
        assert words in text
    assert all(name in made._repr_html_() for name, _ in made.summary())
    assert made.critical_seconds <= made.seconds


def test_the_critical_path_of_a_chain_is_all_of_it():
    g = Program()
    x = g.input((257, 257))
    for _ in range(3):
        x = g.call("cholesky", x, shape=(257, 257))
    _, _, dag = partitioned(g.graph(x))
    made = make_plan(dag)
    assert made.critical_seconds == pytest.approx(made.seconds)


def test_targets_follow_what_a_task_costs():
    assert targets_for(THREADS, workers=2).seconds == 0.05
    assert targets_for(DISTRIBUTED, workers=2).seconds == 0.15
    assert targets_for(THREADS, workers=2).thin_seconds < targets_for(DISTRIBUTED, workers=2).thin_seconds


def test_the_measured_rate_is_that_of_a_computer():
    assert 1e8 < measured_rates().dense_flops < 1e13
    assert measured_rates() == measured_rates()
