"""Loops over tiles give what the dense primitives give, with the calls and flops of the textbook."""

from collections import Counter

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Targets, partition
from dagsolve.blocks.work import node_work
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array, random_spd, random_triangular
from dagsolve.tracing.chunked import tiled
from dagsolve.tracing.layout import normalised_chunks
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.trace import trace_function

SEED = 20261121
sizes = st.integers(1, 13)
tiles = st.integers(1, 6)
quick = settings(max_examples=25)


def cut(x, *lengths):
    return da.from_array(x, chunks=lengths)


def same(lazy, dense):
    assert lazy.shape == dense.shape
    assert lazy.dtype == dense.dtype
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), dense, rtol=1e-11, atol=1e-12)


@quick
@given(sizes, tiles, tiles, st.sampled_from([float, complex]))
def test_cholesky(n, rows, columns, dtype):
    a = random_spd(np.random.default_rng(SEED), n=n, dtype=dtype)
    l = TILED["cholesky"](cut(a, rows, columns))
    same(l, np.linalg.cholesky(a))
    assert l.chunks[0] == l.chunks[1]


@quick
@given(sizes, sizes, tiles, tiles, tiles, st.tuples(*[st.booleans()] * 4), st.sampled_from([float, complex]))
def test_solve_triangular(n, k, tile, other, columns, flags, dtype):
    lower, transposed, right, unit_diagonal = flags
    rng = np.random.default_rng(SEED)
    t = random_triangular(rng, n=n, lower=lower, dtype=dtype)
    t = t + np.triu(np.ones((n, n)), 1) if lower else t + np.tril(np.ones((n, n)), -1)  # never read
    b = random_array(rng, *((k, n) if right else (n, k)), dtype=dtype)
    flags = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit_diagonal}
    dense = PRIMITIVES["solve_triangular"](t, b, **flags)
    same(TILED["solve_triangular"](cut(t, tile, other), cut(b, columns, tile), **flags), dense)


@quick
@given(sizes, sizes, sizes, tiles, tiles, tiles)
def test_matmul(m, k, n, rows, inner, columns):
    rng = np.random.default_rng(SEED)
    a, b = random_array(rng, m, k), random_array(rng, k, n)
    same(TILED["matmul"](cut(a, rows, inner), cut(b, columns, columns)), a @ b)


@quick
@given(sizes, sizes, tiles, tiles, st.sampled_from(["tril", "triu"]))
def test_triangles_at_every_diagonal(m, n, rows, columns, name):
    a = random_array(np.random.default_rng(SEED), m, n)
    for k in range(-m - 1, n + 2):
        same(TILED[name](cut(a, rows, columns), k=k), getattr(np, name)(a, k))


@quick
@given(sizes, tiles, tiles)
def test_diagonals(n, rows, columns):
    a = random_array(np.random.default_rng(SEED), n, n)
    same(TILED["diagonal"](cut(a, rows, columns)), np.diag(a))
    same(TILED["diagonal_matrix"](cut(a[0], rows)), np.diag(a[0]))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"cholesky: a must have shape \(n, n\), got \(3, 5\)"):
        TILED["cholesky"](da.ones((3, 5)))
    with pytest.raises(
        ShapeError, match=r"t must have shape \(n, n\) and b \(n, k\), got \(5, 5\) and \(3, 2\)"
    ):
        TILED["solve_triangular"](da.ones((5, 5)), da.ones((3, 2)))


def test_an_indefinite_tile_is_found_at_run_time():
    a = np.diag([1.0, 1.0, 1.0, -1.0, 1.0])
    l = TILED["cholesky"](cut(a, 2, 2))
    with pytest.raises(FactorisationError, match="not positive definite"):
        l.compute(scheduler="sync")


# Counts


def sweeps(p, b):
    """The joint graph of Σ W ∘ chol(A) in p × p tiles of b × b, from specs: no data."""
    weights = np.random.default_rng(SEED).standard_normal((p * b, p * b))
    f = ds.grad(lambda a: np.sum(weights * np.linalg.cholesky(2.0 * a)), chunks=b)
    return f.trace(ds.spec((p * b, p * b)))


def flops(graph, sweep):
    """Flops of all needed nodes of a sweep that are no elementwise work."""
    needed, total = graph.needed(), 0.0
    for node in graph.nodes():
        if (
            needed[node.id]
            and graph.columns.sweep[node.id] == sweep
            and node.primitive not in ("input", "constant")
        ):
            primitive = find(node.primitive)
            cost = primitive.costs(
                tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results)), dict(node.params)
            )
            total += cost.forward_flops
    return total


@pytest.mark.parametrize("p", [1, 2, 5, 8])
def test_forward_calls_of_cholesky(p):
    """p potrf, p(p-1)/2 trsm, p(p-1)/2 syrk, p(p-1)(p-2)/6 gemm."""
    graph = sweeps(p, 3)
    needed = graph.needed()
    counts = Counter(n.primitive for n in graph.nodes() if needed[n.id] and graph.columns.sweep[n.id] == 0)
    assert counts["cholesky"] == p
    assert counts["solve_triangular"] == p * (p - 1) // 2
    assert counts["rank_update"] == p * (p - 1) // 2
    assert counts["matmul"] == p * (p - 1) * (p - 2) // 6


@pytest.mark.parametrize("p", [4, 12])
def test_flops_of_both_sweeps(p):
    """Forward p³/3 b³; reverse twice that, in large tiles, where work of order b² does not count."""
    b = 128
    graph = sweeps(p, b)
    forward, reverse = flops(graph, 0), flops(graph, 1)
    assert forward == pytest.approx((p * b) ** 3 / 3, rel=0.06)
    assert reverse / forward <= 2.05


@pytest.mark.parametrize("p", [4, 5, 8, 12])
def test_cones_of_the_joint_graph_are_the_tiles_of_both_sweeps(p):
    """p(p+1)/2 blocks forward and in reverse; one tile of zeros stands for all above the diagonal."""
    n = 64 * p  # smaller tiles would be merged into one block
    trace = trace_function("test", np.linalg.cholesky, (ds.spec((n, n)),))
    cut = tiled(trace.graph, (normalised_chunks(64, (n, n), "a"),), 64)
    outputs = range(len(cut.outputs[0].values))
    graph = joint_graph(cut.graph, cut.inputs[0].values, outputs, seeds_are_inputs=True).graph
    work = node_work(graph)
    endless = Targets(seconds=np.inf, bytes=np.inf, thin_seconds=0.0, workers=1)
    dag = block_dag(graph, partition(graph, work, targets=endless), work)
    forward = [b for b in dag.blocks if b.sweep == 0 and b.label != "full"]
    reverse = [b for b in dag.blocks if b.sweep == 1]
    assert len(forward) == len(reverse) == p * (p + 1) // 2
    assert all(
        len(b.writes) == 1 for b in forward
    )  # the tile of L, which is all that the reverse sweep reads
    assert len(dag.blocks) == p * (p + 1) + 1
