"""Laws of list schedules, and of blocks that are cut shorter where workers would wait."""

import numpy as np
import pytest

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Targets, partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates, node_work
from dagsolve.planning.width import makespan, wide_dag
from tests.blocks.task_graphs import find, random_graph, tiled_cholesky

RATES = Rates()


def parted(graph, targets: Targets) -> BlockDag:
    work = node_work(graph, RATES, find)
    return block_dag(graph, partition(graph, work, targets=targets, rates=RATES), work)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_list_schedule_is_between_its_bounds(workers, rng):
    graph = random_graph(rng, nodes=307, leaves=5, reach=23, sweeps=2)
    dag = parted(graph, Targets(seconds=2e-5, thin_seconds=0))
    assert len(dag) > 50
    whole, _ = makespan(dag, 1, RATES)
    seconds, way = makespan(dag, workers, RATES)
    assert max(way, whole / workers) <= seconds * (1 + 1e-12)
    assert seconds <= whole / workers + (1 - 1 / workers) * way * (1 + 1e-12)  # Graham's bound
    endless, _ = makespan(dag, len(dag), RATES)
    assert endless == pytest.approx(way)


def test_a_block_per_tile_stays_where_two_workers_are_busy():
    graph = tiled_cholesky(8, 512)
    dag = wide_dag(graph, node_work(graph, RATES, find), Targets(workers=2), RATES)
    assert [b.sweep for b in dag].count(0) == 36
    assert [b.sweep for b in dag].count(1) == 36


def test_blocks_are_cut_shorter_for_many_workers():
    graph = tiled_cholesky(8, 512)
    wanted = Targets(workers=16)
    aimed = parted(graph, wanted)
    dag = wide_dag(graph, node_work(graph, RATES, find), wanted, RATES)
    assert len(dag) > len(aimed)
    assert makespan(dag, 16, RATES)[0] <= 0.9 * makespan(aimed, 16, RATES)[0]
    assert {v for b in dag for v in b.writes} >= set(graph.outputs)


def test_a_chain_is_not_cut_in_vain(rng):
    """One block after the other: shorter ones only cost tasks."""
    graph = random_graph(rng, nodes=211, leaves=1, reach=1)
    wanted = Targets(seconds=1e-3, workers=8)
    aimed, dag = parted(graph, wanted), wide_dag(graph, node_work(graph, RATES, find), wanted, RATES)
    assert len(dag) == len(aimed)
    assert all(np.array_equal(a.nodes, b.nodes) for a, b in zip(aimed, dag, strict=True))
