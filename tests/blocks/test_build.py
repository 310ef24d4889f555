"""Blocks of a partition: what they read, write and need."""

import numpy as np
import pytest
from hypothesis import given

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Partition, Targets, partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates, node_work
from dagsolve.errors import GraphError
from dagsolve.graph import Graph
from dagsolve.primitive import Cost, Primitive
from tests.blocks.task_graphs import Program, find, tiled_cholesky
from tests.blocks.test_partition import graphs, partitioned, targets


def one_block(graph: Graph) -> BlockDag:
    block = np.where(graph.is_leaf, -1, 0)
    work = node_work(graph, Rates(), find)
    return block_dag(graph, Partition(block, np.zeros(len(graph), dtype=np.bool_)), work)


@given(graphs(), targets())
def test_blocks_run_in_order_and_write_what_is_read(graph: Graph, wanted: Targets):
    work, made, dag = partitioned(graph, wanted)
    present = set(graph.leaves)
    for index, block in enumerate(dag):
        assert block.index == index
        inside = set(block.reads)
        assert inside <= present
        for n in block.nodes:
            assert set(graph.node(n).operands) <= inside
            inside.update(graph.node(n).results)
        assert set(block.writes) <= inside - set(block.reads)
        assert not present & set(block.writes)  # one owner
        present.update(block.writes)
        assert block.read_bytes == sum(graph.spec(v).nbytes for v in block.reads)
        assert block.write_bytes == sum(graph.spec(v).nbytes for v in block.writes)
        assert block.flops == pytest.approx(sum(work.flops[n] for n in block.nodes))
    read = {v for b in dag for v in b.reads} | set(graph.outputs)
    assert {v for b in dag for v in b.writes} == read - set(graph.leaves)
    assert [b.sweep for b in dag] == sorted(b.sweep for b in dag)


def test_workspace_is_the_peak_of_what_lives_inside():
    """x(101) -> a(211) -> b(307) -> c(401): while c is made, b lives and a is gone."""
    g = Program()
    x = g.input((101,))
    a = g.call("exp", x, shape=(211,))
    b = g.call("exp", a, shape=(307,))
    c = g.call("exp", b, shape=(401,))
    (block,) = one_block(g.graph(c)).blocks
    assert block.workspace_bytes == 8 * (211 + 307)
    assert block.working_set_bytes == 8 * (101 + 401 + 211 + 307)


def test_a_view_keeps_its_operand_and_owns_nothing():
    """x -> a -> view, then b from x, then c from view and b: a lives until c."""
    g = Program()
    x = g.input((101,))
    a = g.call("exp", x, shape=(211,))
    view = g.call("transpose", a, shape=(211,))
    b = g.call("exp", x, shape=(307,))
    c = g.call("add", view, b, shape=(401,))
    (block,) = one_block(g.graph(c)).blocks
    assert block.workspace_bytes == 8 * (211 + 307)


def test_workspace_of_a_primitive_counts_while_it_runs():
    def needy(name: str) -> Primitive:
        return Primitive(
            name=name,
            signature="x* -> y",
            forward=lambda xp, x: x,
            cost=lambda operands, results: Cost(1, 1, workspace_items=53),
        )

    g = Program()
    a = g.call("exp", g.input((101,)), shape=(211,))
    graph = g.graph(g.call("exp", a, shape=(307,)))
    work = node_work(graph, Rates(), needy)
    made = Partition(np.where(graph.is_leaf, -1, 0), np.zeros(len(graph), dtype=np.bool_))
    assert block_dag(graph, made, work).blocks[0].workspace_bytes == 8 * (211 + 53)


def test_labels_say_the_longest_primitive_and_the_sweep():
    _, _, dag = partitioned(tiled_cholesky(3, 256))
    labels = {b.label for b in dag}
    assert labels == {"cholesky", "update", "reverse-update", "reverse-cholesky"} or labels >= {"cholesky"}
    assert all(b.label.startswith("reverse-") == (b.sweep == 1) for b in dag)


def test_a_partition_of_another_graph_is_refused():
    graph, other = tiled_cholesky(2, 17), tiled_cholesky(3, 17)
    work = node_work(graph, Rates(), find)
    foreign = partition(other, node_work(other, Rates(), find))
    with pytest.raises(GraphError, match="partition is of 36 nodes, the graph has 15"):
        block_dag(graph, foreign, work)


def test_a_partition_with_a_cycle_is_refused():
    """a -> b -> c with a and c in one block."""
    g = Program()
    a = g.call("exp", g.input((7,)), shape=(7,))
    b = g.call("exp", a, shape=(7,))
    graph = g.graph(g.call("exp", b, shape=(7,)))
    cyclic = Partition(np.array([-1, 0, 1, 0]), np.zeros(4, dtype=np.bool_))
    with pytest.raises(GraphError, match="which no block before it makes"):
        block_dag(graph, cyclic, node_work(graph, Rates(), find))


def test_work_takes_the_longer_of_arithmetic_and_traffic():
    rates = Rates(dense_flops=1e9, elementwise_flops=1e6, bytes_per_second=1e7, call_seconds=0.5)
    g = Program()
    x = g.input((101, 101))
    l = g.call("update", x, x, x, shape=(101, 101))
    e = g.call("exp", l, shape=(101, 101))
    s = g.call("add", e, e, shape=(101, 101))
    view = g.call("transpose", s, shape=(101, 101))
    work = node_work(g.graph(view), rates, find)
    n = 101 * 101
    expected = [0, 0.5 + 4 * 8 * n / 1e7, 0.5 + 15 * n / 1e6, 0.5 + 3 * 8 * n / 1e7, 0.5]
    assert work.seconds == pytest.approx(expected)
    assert work.flops == pytest.approx([0, 2 * 101**3, 15 * n, n, 0])
    assert work.view.tolist() == [False, False, False, False, True]
    assert work.dense.tolist() == [False, True, False, False, False]
