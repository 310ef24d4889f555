"""Levels and the critical path of blocks: those that NetworkX finds."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Partition, Targets
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates, node_work
from dagsolve.graph import Graph
from tests.blocks.task_graphs import find, tiled_cholesky
from tests.blocks.test_partition import graphs, partitioned, targets


def network(dag: BlockDag) -> "nx.DiGraph[int]":
    """The blocks' graph; an edge weighs the seconds of the block it starts from."""
    made: nx.DiGraph[int] = nx.DiGraph()
    made.add_nodes_from(range(len(dag)))
    made.add_weighted_edges_from((u, v, dag.blocks[u].seconds) for u, v in dag.edges)
    return made


@settings(max_examples=25)
@given(graphs(), targets())
def test_levels_are_the_generations_of_networkx(graph: Graph, wanted: Targets):
    *_, dag = partitioned(graph, wanted)
    expected = np.zeros(len(dag), dtype=np.int64)
    for level, blocks in enumerate(nx.topological_generations(network(dag))):
        expected[blocks] = level
    np.testing.assert_array_equal(dag.levels, expected)


@settings(max_examples=25)
@given(graphs(), targets())
def test_critical_path_is_the_longest(graph: Graph, wanted: Targets):
    *_, dag = partitioned(graph, wanted)
    found, path = network(dag), dag.critical_path
    for block in dag:  # a node behind each block, so that its own seconds count
        found.add_edge(block.index, -1 - block.index, weight=block.seconds)
    assert set(zip(path, path[1:], strict=False)) <= set(dag.edges)
    seconds = sum(dag.blocks[k].seconds for k in path)
    assert seconds == pytest.approx(nx.dag_longest_path_length(found), rel=1e-12)


def test_critical_path_of_a_tiled_cholesky_runs_down_the_diagonal():
    """cholesky(k) → solve(k+1, k) → update(k+1, k+1) → cholesky(k+1): 3p - 2 forward blocks for p tiles."""
    p, graph = 5, tiled_cholesky(5, 64)
    each_node = np.where(graph.is_leaf, -1, np.cumsum(~graph.is_leaf) - 1)
    alone = Partition(each_node, np.zeros(len(graph), dtype=np.bool_))
    dag = block_dag(graph, alone, node_work(graph, Rates(), find))
    path = [dag.blocks[k] for k in dag.critical_path]
    forward = [graph.node(b.nodes[0]).primitive for b in path if b.sweep == 0]
    assert forward == [*(p - 1) * ["cholesky", "solve_triangular", "update"], "cholesky"]


def test_no_blocks_have_no_path():
    empty = BlockDag(tiled_cholesky(1, 3), ())
    assert empty.critical_path == ()
    assert empty.levels.tolist() == []
