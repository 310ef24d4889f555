"""Laws of moves across boundaries: no cycle, no sweep mixed, no more bytes, no block too large."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.blocks.cones import placed_edges
from dagsolve.blocks.moves import Bounds, moved
from dagsolve.blocks.quotient import Weights
from dagsolve.blocks.work import node_work
from dagsolve.graph import Graph
from tests.blocks.task_graphs import Program, find, random_graph, tiled_cholesky
from tests.blocks.test_partition import RATES, graphs, partitioned, quotient_is_acyclic

FREE = Bounds(np.inf, np.inf, 1.0, np.inf)


def weights_of(graph: Graph) -> Weights:
    output = np.zeros(graph.value_count, dtype=np.bool_)
    output[list(graph.outputs)] = True
    seconds = node_work(graph, RATES, find).seconds
    return Weights(graph.columns.sweep, seconds, graph.value_nbytes, graph.value_node, output)


def runs(graph: Graph, lengths: list[int]) -> np.ndarray:
    """Labels by runs of ascending ids, of these lengths in turn, cut where the sweep changes."""
    label = np.full(len(graph), -1)
    at, left = 0, lengths[0]
    last_sweep = -1
    for node in graph.nodes():
        if graph.is_leaf[node.id]:
            continue
        if left == 0 or node.sweep != last_sweep:
            at, left = at + 1, lengths[at % len(lengths)]
        label[node.id], left, last_sweep = at, left - 1, node.sweep
    return label


def traffic(graph: Graph, label: np.ndarray) -> dict[int, int]:
    """Bytes that each block reads and writes."""
    reads: dict[int, set[int]] = {}
    writes: dict[int, set[int]] = {}
    for node in graph.nodes():
        home = int(label[node.id])
        if home < 0:
            continue
        reads.setdefault(home, set())
        writes.setdefault(home, set()).update(set(node.results) & set(graph.outputs))
        for v in node.operands:
            maker = int(label[graph.value_node[v]])
            if maker != home:
                reads[home].add(v)
                if maker >= 0:
                    writes[maker].add(v)
    return {b: sum(graph.spec(v).nbytes for v in (*reads[b], *writes[b])) for b in reads}


def moved_runs(graph: Graph, label: np.ndarray, bounds: Bounds, dense: bool = False) -> np.ndarray:
    edges = placed_edges(graph, ~graph.is_leaf, np.zeros(len(graph), dtype=np.bool_))
    return moved(label, edges, weights_of(graph), np.full(len(graph), dense), bounds)


@given(
    graphs(),
    st.lists(st.integers(1, 7), min_size=1, max_size=5),
    st.sampled_from([np.inf, 3e-6, 2e-5]),
    st.sampled_from([np.inf, 20_000, 100_000]),
)
def test_moves_keep_the_quotient_acyclic_and_never_add_bytes(
    graph: Graph, lengths: list[int], seconds: float, nbytes: float
):
    label = runs(graph, lengths)
    found = moved_runs(graph, label, Bounds(seconds, nbytes, 1.0, np.inf))
    assert quotient_is_acyclic(graph, found)
    assert np.array_equal(found >= 0, label >= 0)
    assert len(np.unique(found)) == len(np.unique(label))
    before, after = traffic(graph, label), traffic(graph, found)
    assert sum(after.values()) <= sum(before.values())
    assert max(after.values()) <= max(nbytes, *before.values())

    placed = found >= 0
    of_block = {b: set(graph.columns.sweep[found == b].tolist()) for b in set(found[placed].tolist())}
    assert all(len(sweeps) == 1 for sweeps in of_block.values())
    time = weights_of(graph).seconds[placed]
    held = np.bincount(np.unique(found[placed], return_inverse=True)[1], weights=time)
    heaviest = np.bincount(label[placed], weights=time).max()
    assert held.max() <= heaviest * (1 + 1e-12)


def test_a_sum_moves_to_what_it_is_the_sum_of():
    """x = exp(big) | sum(x), exp(sum): the sum of a million numbers crosses instead of the numbers."""
    g = Program()
    big = g.call("exp", g.input((1_000_003,)), shape=(1_000_003,))
    small = g.call("sum", big, shape=(1,))
    more = [g.call("exp", small, shape=(1009,))]
    more.append(g.call("exp", more[0], shape=(1009,)))
    graph = g.graph(more[-1])
    label = np.array([-1, 0, 1, 1, 1])
    bounds = Bounds(np.inf, np.inf, 1.0, np.inf)
    # the heaviest block may not grow: without a heavier one beside them nothing moves
    assert np.array_equal(moved_runs(graph, label, bounds), label)

    other = g.input((5_000_011,))
    other = g.call("exp", other, shape=(5_000_011,))
    graph = g.graph(more[-1], other)
    label = np.array([-1, 0, 1, 1, 1, -1, 2])
    found = moved_runs(graph, label, bounds)
    assert found[1] == found[2] != found[3] == found[4]
    assert np.array_equal(moved_runs(graph, label, bounds, dense=True), label)  # matrix arithmetic stays
    assert np.array_equal(moved_runs(graph, label, bounds._replace(seconds_per_byte=1e-15)), label)


def test_a_pass_goes_through_a_loss_to_a_gain():
    """a - b - c is a chain whose middle values are the largest: only both moves together gain."""
    g = Program()
    start = g.call("exp", g.input((101,)), shape=(9001,))
    a = g.call("exp", start, shape=(2003,))
    b = g.call("exp", a, shape=(3001,))
    c = g.call("exp", b, shape=(97,))
    end = g.call("exp", c, shape=(89,))
    aside = g.call("exp", g.input((50_021,)), shape=(50_021,))
    graph = g.graph(end, aside)
    # cut behind a: 2003 numbers cross; behind start: 9001; behind b: 3001; behind c: 97
    label = np.array([-1, 0, 0, 1, 1, 1, -1, 2])
    found = moved_runs(graph, label, FREE)
    assert len(set(found[[1, 2, 3, 4]])) == 1
    assert found[5] != found[4]


@pytest.mark.parametrize("sweeps", [1, 2])
def test_random_graphs_lose_a_tenth_of_their_traffic(sweeps: int):
    graph = random_graph(np.random.default_rng(5), nodes=2003, leaves=7, reach=31, sweeps=sweeps)
    label = runs(graph, [61])
    found = moved_runs(graph, label, FREE)
    assert quotient_is_acyclic(graph, found)
    assert sum(traffic(graph, found).values()) < 0.9 * sum(traffic(graph, label).values())
    assert np.array_equal(found, moved_runs(graph, label, FREE))


def test_values_with_many_readers_are_judged_from_the_safe_side():
    g = Program()
    shared = g.call("exp", g.input((1013,)), shape=(1013,))
    made = [g.call("add", shared, g.input((11,)), shape=(13,)) for _ in range(101)]
    sums = [g.call("add", *made[k : k + 3], shape=(13,)) for k in range(0, 99, 3)]
    graph = g.graph(*sums)
    for length in (2, 7, 31):
        label = runs(graph, [length])
        found = moved_runs(graph, label, FREE)
        assert sum(traffic(graph, found).values()) <= sum(traffic(graph, label).values())
        assert quotient_is_acyclic(graph, found)


def test_tiles_of_a_factorisation_stay_where_they_are():
    graph = tiled_cholesky(7, 256)
    edges = placed_edges(graph, ~graph.is_leaf, np.zeros(len(graph), dtype=np.bool_))
    work, made, _ = partitioned(graph)
    bounds = Bounds(0.1, np.inf, 1 / RATES.transfer_bytes_per_second, np.inf)
    found = moved(made.block, edges, weights_of(graph), work.dense, bounds)
    assert np.array_equal(found, made.block)
