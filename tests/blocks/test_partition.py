"""Laws of partitions: cones and merges keep the quotient acyclic, nodes have a place, counts are known."""

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.cones import cones, placed_edges
from dagsolve.blocks.partition import Partition, Targets, partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import NodeWork, Rates, node_work
from dagsolve.graph import Graph
from tests.blocks.optimum import block_cost, optimum
from tests.blocks.task_graphs import Program, find, kernel_gradient, random_graph, tiled_cholesky

RATES = Rates(dense_flops=2e10)


@st.composite
def graphs(draw: st.DrawFn, nodes: int = 24, sweeps: int = 3) -> Graph:
    """Random graphs of vectors with several sweeps, views, unneeded nodes and nodes with two results."""
    g = Program()
    values = [g.input((draw(st.integers(1, 4000)),)) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, nodes))):
        g.sweep = min(g.sweep + draw(st.sampled_from([0] * 6 + [1])), sweeps - 1)
        name = draw(st.sampled_from(["add", "exp", "transpose", "sum", "eye"]))
        count = {"exp": 1, "transpose": 1, "sum": 1, "eye": 0}.get(name, draw(st.integers(1, 3)))
        operands = [draw(st.sampled_from(values)) for _ in range(count)]
        length = 1 if name == "sum" else draw(st.integers(1, 4000))
        results = draw(st.integers(1, 2)) if name == "add" else 1
        first = g.call(name, *operands, shape=(length,), results=results)
        values.extend(range(first, first + results))
    chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True))
    return g.graph(*chosen)


@st.composite
def targets(draw: st.DrawFn) -> Targets:
    return Targets(
        seconds=draw(st.sampled_from([3e-6, 1e-5, 1e-3])),
        bytes=draw(st.sampled_from([np.inf, 50_000, 1_000_003])),
        thin_seconds=draw(st.sampled_from([0.0, 4e-6, np.inf])),
    )


def quotient_is_acyclic(graph: Graph, label: np.ndarray) -> bool:
    """Whether merging nodes of equal label leaves no cycle; nodes labelled -1 are left out."""
    before: dict[int, set[int]] = {}
    for node in graph.nodes():
        block = int(label[node.id])
        if block >= 0:
            read = {int(label[graph.value_node[v]]) for v in node.operands} - {block, -1}
            before.setdefault(block, set()).update(read)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return False
    return True


def partitioned(graph: Graph, targets: Targets | None = None) -> tuple[NodeWork, Partition, BlockDag]:
    work = node_work(graph, RATES, find)
    made = partition(graph, work, targets=targets, rates=RATES)
    return work, made, block_dag(graph, made, work)


@given(graphs(), st.data())
def test_members_of_a_cone_reach_its_exit_inside_and_the_quotient_is_acyclic(
    graph: Graph, data: st.DataObject
):
    placed = ~graph.is_leaf
    nodes = np.flatnonzero(placed).tolist()
    forced = np.zeros(len(graph), dtype=np.bool_)
    forced[data.draw(st.lists(st.sampled_from(nodes), unique=True))] = True
    edges = placed_edges(graph, placed, np.zeros_like(placed))
    exits = cones(edges, graph.columns.sweep, placed, forced)

    indptr, consumers = graph.consumers
    sweep = graph.columns.sweep
    for n in nodes:
        readers = [int(m) for m in consumers[indptr[n] : indptr[n + 1]] if sweep[m] == sweep[n]]
        if exits[n] == n:
            joinable = readers and len({int(exits[m]) for m in readers}) == 1
            assert forced[n] or not joinable  # maximal
        else:
            assert not forced[n]
            assert {int(exits[m]) for m in readers} == {
                int(exits[n])
            }  # so some path inside leads to the exit
            assert exits[n] > n
            assert sweep[exits[n]] == sweep[n]
    assert quotient_is_acyclic(graph, exits)


@given(graphs(), targets())
def test_every_needed_node_has_its_block_and_the_quotient_is_acyclic(graph: Graph, wanted: Targets):
    _, made, dag = partitioned(graph, wanted)
    needed = graph.needed() & ~graph.is_leaf
    assert np.array_equal(made.block >= 0, needed)
    assert quotient_is_acyclic(graph, np.where(made.copied, -1, made.block))

    assert made.repeated is not None
    own = np.full(len(graph), 0)
    for block in dag:
        for n in block.nodes:
            own[n] += 1
            assert graph.columns.sweep[n] == block.sweep or made.copied[n] or made.repeated[n]
    assert np.all(own[needed & ~made.copied & ~made.repeated] == 1)
    assert np.all(own[needed] >= 1)
    assert not own[~needed].any()


@given(graphs(), targets())
def test_blocks_keep_to_the_targets_unless_they_are_one_node(graph: Graph, wanted: Targets):
    work, made, _ = partitioned(graph, wanted)
    for b in range(made.count):
        held = np.flatnonzero((made.block == b) & ~made.copied)
        if len(held) > 1:
            assert work.seconds[held].sum() <= 2 * wanted.seconds * (1 + 1e-12)


@given(graphs(), targets())
def test_a_partition_depends_on_nothing_but_its_arguments(graph: Graph, wanted: Targets):
    _, first, _ = partitioned(graph, wanted)
    _, again, _ = partitioned(Graph(graph.columns, graph.inputs, graph.outputs), wanted)
    assert np.array_equal(first.block, again.block)
    assert np.array_equal(first.copied, again.copied)


@pytest.mark.parametrize("p", [3, 4, 7, 13, 24])
def test_tiled_cholesky_has_a_block_per_tile_and_sweep(p: int):
    graph = tiled_cholesky(p, 256)
    _, _, dag = partitioned(graph)
    tiles = p * (p + 1) // 2
    assert [b.sweep for b in dag].count(0) == tiles
    assert [b.sweep for b in dag].count(1) == tiles
    assert all(len(b.writes) == 1 for b in dag)  # the tile, nothing of the chain of updates
    assert {b.writes[0] for b in dag} == set(graph.outputs)


def test_tiles_whose_chains_are_too_long_are_cut():
    p, b = 13, 512
    work, made, dag = partitioned(tiled_cholesky(p, b))
    assert made.count > p * (p + 1)
    assert max(b.seconds for b in dag if len(b.nodes) > 1) <= 0.1
    assert quotient_is_acyclic(dag.graph, made.block)


@pytest.mark.parametrize("parameters", [1, 2, 3])
def test_kernel_adjoint_has_a_block_per_tile_and_one_that_adds_up(parameters: int):
    """    k_bar o k o d --+-- sum --> + theta_1_bar      one block per tile with all its partial sums,
                           +-- sum --> + theta_2_bar      one small block for both chains of additions
    """  # fmt: skip
    tiles = 41
    _, _, dag = partitioned(kernel_gradient(tiles, 1024, parameters))
    reverse = [b for b in dag if b.sweep == 1]
    chains = [b for b in reverse if b.read_bytes > 2**20]
    (adds,) = [b for b in reverse if b not in chains]
    assert len(chains) == tiles
    assert all(len(b.writes) == parameters and b.write_bytes == 8 * parameters for b in chains)
    assert len(adds.nodes) == parameters * (tiles - 1)
    assert len(adds.reads) == parameters * tiles
    assert len([b for b in dag if b.sweep == 0]) == tiles


def test_an_elementwise_chain_is_one_block_though_its_reverse_reads_every_value():
    g = Program()
    x = g.input((1_000_003,))
    values = [x]
    for _ in range(3):
        values.append(g.call("exp", values[-1], shape=(1_000_003,)))
    g.sweep = 1
    bar = g.input((1_000_003,))
    for y in reversed(values[1:]):
        bar = g.call("multiply", bar, y, shape=(1_000_003,))
    _, _, dag = partitioned(g.graph(values[-1], bar))
    assert [b.sweep for b in dag] == [0, 1]
    assert set(dag.blocks[0].writes) == set(values[1:])


def test_what_takes_no_longer_than_a_transfer_stays_with_its_operand():
    """l (1031 x 1031) is read by two others; halving it costs about as much as sending it somewhere else."""
    g = Program()
    tile = (1031, 1031)
    l = g.call("cholesky", g.input(tile), shape=tile)
    half = g.call("multiply", l, l, shape=tile)
    others = [g.call("update", l, g.input(tile), shape=tile) for _ in range(2)]
    _, made, dag = partitioned(g.graph(half, *others))
    assert len(dag) == 3
    assert set(dag.blocks[0].writes) == {l, half}


def test_a_byte_target_cuts_what_reads_too_much():
    """One sum of 31 products of tiles: read at once, or in pieces that hold a few tiles each."""
    g = Program()
    tile = (257, 257)
    total = g.input(tile)
    for _ in range(31):
        total = g.call("update", total, g.input(tile), g.input(tile), shape=tile)
    graph = g.graph(total)
    assert len(partitioned(graph)[2]) == 1
    limit = 11 * 8 * 257**2
    _, _, dag = partitioned(graph, Targets(bytes=limit))
    assert 7 <= len(dag) <= 31
    assert all(b.read_bytes + b.write_bytes <= limit for b in dag)


def test_a_view_is_made_where_it_is_read():
    """l is read by two blocks through its transpose: l crosses, once, the view never."""
    g = Program()
    n = 331
    l = g.call("cholesky", g.input((n, n)), shape=(n, n))
    view = g.call("transpose", l, shape=(n, n))
    first = g.call("update", view, l, shape=(n, n))
    second = g.call("update", view, view, shape=(n, n))
    graph = g.graph(l, first, second)
    _, made, dag = partitioned(graph, Targets(thin_seconds=0))
    viewer = int(graph.value_node[view])
    assert made.copied[viewer]
    assert [viewer in b.nodes for b in dag] == [False, True, True]
    assert all(view not in b.writes and view not in b.reads for b in dag)
    assert dag.blocks[1].reads == dag.blocks[2].reads == (l,)


def test_a_view_that_is_an_output_is_owned():
    g = Program()
    l = g.call("cholesky", g.input((331, 331)), shape=(331, 331))
    view = g.call("transpose", l, shape=(331, 331))
    _, made, dag = partitioned(g.graph(view))
    assert not made.copied.any()
    assert dag.blocks[-1].writes == (view,)


def test_nodes_that_no_output_needs_are_in_no_block():
    g = Program()
    x = g.input((7,))
    used = g.call("exp", x, shape=(7,))
    g.call("exp", used, shape=(7,))
    _, made, dag = partitioned(g.graph(used))
    assert made.block.tolist() == [-1, 0, -1]
    assert "1 nodes into 1 blocks" in repr(made)
    assert len(dag) == 1


@pytest.mark.parametrize("outputs", [(), (0,)])
def test_a_graph_without_work_has_no_blocks(outputs: tuple[int, ...]):
    g = Program()
    g.input((7,))
    _, made, dag = partitioned(g.graph(*outputs))
    assert made.count == 0
    assert len(dag) == 0


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(2.01, 12), st.floats(-6, -4))
def test_cost_is_within_a_fifth_of_the_optimum(seed: int, pieces: float, magnitude: float):
    """Where width is worth nothing (every block is thin) the price is tasks and bytes; exact to 12 nodes."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(2, 13)), int(rng.integers(1, 4)), int(rng.integers(2, 7)))
    rates = replace(RATES, task_seconds=10**magnitude)
    work = node_work(graph, rates, find)
    wanted = Targets(seconds=float(work.seconds.sum()) / pieces, thin_seconds=np.inf)
    dag = block_dag(graph, partition(graph, work, targets=wanted, rates=rates), work)
    cost = sum(block_cost(graph, frozenset(b.nodes), rates) for b in dag)
    best = optimum(graph, work, wanted, rates)
    assert best * (1 - 1e-9) <= cost <= 1.2 * best


def test_thousands_of_tiny_nodes_are_gathered():
    graph = random_graph(np.random.default_rng(5), nodes=20_011, leaves=7, reach=31)
    work, made, dag = partitioned(graph)
    assert made.count < 200
    assert float(np.mean([b.seconds for b in dag])) > 1e-4
