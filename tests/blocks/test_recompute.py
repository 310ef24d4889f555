"""Laws of repeated nodes: residuals that later sweeps make again change no result and little work."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Partition, Targets, partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import node_work
from dagsolve.executor import SerialExecutor
from dagsolve.graph import Graph
from dagsolve.planning.schedule import make_plan
from dagsolve.tracing.chunked import tiled
from dagsolve.tracing.layout import normalised_chunks
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.trace import trace_function
from tests.blocks.task_graphs import Program, find, kernel_gradient
from tests.blocks.test_partition import RATES, graphs, targets

TILE = (331, 331)


def parted(graph: Graph, wanted: Targets) -> tuple[Partition, BlockDag]:
    work = node_work(graph, RATES, find)
    made = partition(graph, work, targets=wanted, rates=RATES)
    return made, block_dag(graph, made, work)


def pricing(wanted: Targets, recompute: float) -> Targets:
    return Targets(wanted.seconds, wanted.bytes, wanted.thin_seconds, wanted.workers, recompute)


@given(graphs(nodes=40), targets(), st.sampled_from([1e-10, 1e-9, 1.0]))
def test_repeated_nodes_have_one_owner_and_only_later_sweeps_repeat_them(
    graph: Graph, wanted: Targets, recompute: float
):
    before, _ = parted(graph, wanted)
    made, dag = parted(graph, pricing(wanted, recompute))
    assert np.array_equal(made.block, before.block)
    assert np.array_equal(made.copied, before.copied)
    assert made.repeated is not None
    sweep = graph.columns.sweep
    for block in dag:  # that every read was made by a block before, block_dag has seen to
        assert sum(made.block[n] == block.index and not made.copied[n] for n in block.nodes) >= 1
        for n in block.nodes:
            if made.block[n] != block.index and not made.copied[n]:
                assert made.repeated[n]
                assert sweep[n] < block.sweep
    for n in np.flatnonzero(made.repeated).tolist():
        assert n in dag.blocks[made.block[n]].nodes


@given(graphs(nodes=40), targets(), st.sampled_from([1e-10, 1e-9, 1.0]))
def test_repeating_moves_fewer_bytes_and_costs_at_most_what_it_saves(
    graph: Graph, wanted: Targets, recompute: float
):
    _, before = parted(graph, wanted)
    _, dag = parted(graph, pricing(wanted, recompute))
    saved = sum(b.read_bytes for b in before) - sum(b.read_bytes for b in dag)
    added = sum(b.seconds for b in dag) - sum(b.seconds for b in before)
    tasks = len(before.edges) - len(dag.edges)
    slack = 4096 * len(graph)  # copied generators and views of small values
    price = recompute + 1 / RATES.transfer_bytes_per_second
    assert saved >= -slack
    assert added <= price * (saved + slack) + RATES.task_seconds * max(tasks, 0) + 1e-4 * len(graph)


def kernel_tiles(tiles: int) -> Graph:
    """Tiles made of two rows by a chain; the reverse sweep reads every value again."""
    g = Program()
    rows = [g.input((331,)) for _ in range(tiles + 1)]
    made = []
    for i in range(tiles):
        k = [g.call("multiply", rows[i], rows[i + 1], shape=TILE)]
        for _ in range(4):
            k.append(g.call("multiply", k[-1], k[-1], shape=TILE))
        made.append(k)
    factors = [g.call("cholesky", k[-1], shape=TILE) for k in made]
    g.sweep = 1
    sums = []
    for k, l in zip(made, factors, strict=True):
        bar = g.call("cholesky.pullback.a", l, l, shape=TILE)
        for value in reversed(k):
            bar = g.call("multiply", bar, value, shape=TILE)
        sums.append(g.call("sum", bar, shape=()))
    return g.graph(*sums)


def test_a_tile_chain_is_made_again_from_its_rows():
    """Five residuals of a tile wait for one block, but for the first, which is cheaper made than moved.

    With a price for waiting only the factor waits.
    """
    tiles = 5
    graph = kernel_tiles(tiles)
    nbytes = 8 * TILE[0] * TILE[1]
    _, kept = parted(graph, Targets())
    made, dag = parted(graph, Targets(recompute=1e-7))
    assert sum(b.write_bytes for b in kept if b.sweep == 0) == 5 * tiles * nbytes
    assert sum(b.write_bytes for b in dag if b.sweep == 0) == tiles * nbytes
    assert made.repeated is not None
    assert int(np.count_nonzero(made.repeated)) == 5 * tiles
    assert len(dag) == len(kept)
    repeated = dag.flops - kept.flops
    assert repeated == pytest.approx(4 * tiles * TILE[0] * TILE[1])


def test_what_is_dear_crosses_and_what_is_cheap_is_repeated():
    """exp of a tile costs eight products: with a price between the two it waits, its squares do not."""
    g = Program()
    k = [g.call("exp", g.input((331,)), shape=TILE)]
    for _ in range(4):
        k.append(g.call("multiply", k[-1], k[-1], shape=TILE))
    bar = g.call("cholesky", k[-1], shape=TILE)
    g.sweep = 1
    for value in reversed(k):
        bar = g.call("multiply", bar, value, shape=TILE)
    graph = g.graph(g.call("sum", bar, shape=()))
    made, dag = parted(graph, Targets(recompute=2.5e-10))
    assert made.repeated is not None
    assert [graph.node(int(n)).primitive for n in np.flatnonzero(made.repeated)] == ["multiply"] * 4
    assert k[0] in dag.blocks[0].writes
    assert not {*k[1:]} & {*dag.blocks[0].writes}


def test_a_factor_is_never_repeated():
    g = Program()
    l = g.call("cholesky", g.input(TILE), shape=TILE)
    g.sweep = 1
    bar = g.call("cholesky.pullback.a", l, l, shape=TILE)
    made, _ = parted(g.graph(bar), Targets(recompute=1.0))
    assert made.repeated is not None
    assert not made.repeated.any()


def gaussian_process(theta, x, y):
    t = x[:, None] - x[None, :]
    k = np.exp(theta[0] - np.exp(theta[1]) * t**2) + np.exp(theta[2]) * np.cos(t) + 3 * np.eye(len(x))
    l = np.linalg.cholesky(k)
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l)))


def network(theta, x, y):
    h = np.tanh(x[:, None] * y[None, :] + theta[0])
    h = np.sin(h * theta[1]) @ np.exp(-h).T
    return np.sum(np.sqrt(1 + h**2)) * theta[2]


@pytest.mark.parametrize("f", [gaussian_process, network])
def test_copies_change_no_result(f, rng):
    """Value and gradient with nothing repeated, what pays, or all that may be: the same to the last bit."""
    n, chunk = 101, 37
    args = (rng.standard_normal(3), rng.standard_normal(n), rng.standard_normal(n))
    trace = trace_function("test", f, args, (0, 1))
    cut = tiled(trace.graph, tuple(normalised_chunks(chunk, np.shape(a), "a") for a in args), chunk)
    inputs = [v for layout in cut.inputs[:2] for v in layout.values]
    sweeps = joint_graph(cut.graph, inputs, range(len(cut.outputs[0].values)), seeds_are_inputs=False)
    leaves = {**cut.literals, **sweeps.constants}
    for layout, value in zip(cut.inputs, args, strict=True):
        leaves.update(layout.split(value))
    for v, layout in cut.constants.items():
        leaves.update(layout.split(trace.constants[v]))
    work, found, counts = node_work(sweeps.graph), [], []
    for recompute in (None, 0.0, 1.0):
        made = partition(sweeps.graph, work, targets=Targets(recompute=recompute or 0.0))
        if recompute is None:
            made = replace(made, repeated=None)
        counts.append(0 if made.repeated is None else int(np.count_nonzero(made.repeated)))
        plan = make_plan(block_dag(sweeps.graph, made, work))
        found.append(SerialExecutor().execute(plan, leaves))
    assert counts[0] < counts[-1]
    for values in found[1:]:
        assert values.keys() == found[0].keys()
        assert all(np.array_equal(values[v], found[0][v]) for v in values)


def test_components_times_blocks_may_pass_32_bits():
    """180,099 nodes, 40,023 blocks: their product is 7.2e9."""
    made, _ = parted(kernel_gradient(20_011, 1024), Targets())
    assert made.count == 40_023
