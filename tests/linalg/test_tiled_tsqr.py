"""One column of tiles: QR by a tree and its closed reverse sweep, with the textbook's calls and flops."""

from collections import Counter, defaultdict

import dask.array as da
import numpy as np
import pytest
from dask.base import compute

import dagsolve as ds
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array

N = 16  # columns
PRODUCTS = ("triangle_product", "matmul", "solve_triangular")


def tall(rng, rows, dtype=np.float64):
    return random_array(rng, rows, 5, dtype=dtype)


@pytest.mark.parametrize("rows", [(7, 6, 5, 9), (2, 2, 2, 2, 2), (1, 3, 11), (5,), (40, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_uneven_tiles_give_lapacks_factors(rng, rows, dtype):
    a = tall(rng, sum(rows), dtype)
    made = compute(*TILED["qr"](da.from_array(a, chunks=(rows, 5))), scheduler="sync")
    for x, y in zip(made, np.linalg.qr(a), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12)


def test_deep_trees_keep_q_orthonormal(rng):
    a = random_array(rng, 1600, N) * np.logspace(0, -12, N)
    q, r = compute(*TILED["qr"](da.from_array(a, chunks=(50, N))), scheduler="sync")
    assert np.abs(q.T @ q - np.eye(N)).max() <= 1e-14
    assert np.linalg.norm(q @ r - a) <= 1e-14 * np.linalg.norm(a)


def graph_of(tiles):
    """Both sweeps of a loss of Q and R, for tiles of 8 N rows."""
    m = 8 * N * tiles
    w = np.ones((m, N))

    def loss(a):
        q, r = np.linalg.qr(a)
        return np.sum(w * q) + np.sum(r**2)

    return ds.grad(loss, chunks={0: (8 * N, N)}).plan(ds.spec((m, N))).dag.graph


def work(graph, sweep):
    """Calls of needed nodes by primitive, and flops in units of N³."""
    needed = graph.needed()
    calls: Counter[str] = Counter()
    flops: dict[str, float] = defaultdict(float)
    for node in graph.nodes():
        if needed[node.id] and graph.columns.sweep[node.id] == sweep and not graph.is_leaf[node.id]:
            specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
            calls[node.primitive] += 1
            cost = find(node.primitive).costs(*specs, dict(node.params)).forward_flops
            flops[node.primitive] += cost / N**3
    return calls, flops


@pytest.mark.parametrize("tiles", [4, 16, 64])
def test_forward_calls_and_flops(tiles):
    """P leaves and P - 1 merges; Q is formed by P products at leaves and P - 2 at merges."""
    calls, flops = work(graph_of(tiles), 0)
    assert calls["qr"] == 2 * tiles - 1
    assert calls["matmul"] == 2 * tiles - 2
    rho = 8
    assert flops["qr"] == pytest.approx(tiles * (4 * rho - 4 / 3) + (tiles - 1) * 20 / 3)
    assert flops["matmul"] == pytest.approx(2 * rho * tiles + 4 * (tiles - 2))


@pytest.mark.parametrize("tiles", [4, 16, 64])
def test_reverse_is_the_closed_form(tiles):
    """5ρP + 1 at most: Q̄ᴴQ (its triangle only), Q S and the solve at each tile, one n × n sum."""
    calls, flops = work(graph_of(tiles), 1)
    assert sum(flops[name] for name in PRODUCTS) <= 5 * 8 * tiles + 1.5
    assert calls["solve_triangular"] == calls["matmul"] == tiles
    assert calls["triangle_product"] == tiles + 1
    assert "qr" not in calls


def test_reverse_has_a_critical_path_that_does_not_depend_on_the_number_of_tiles():
    """5ρ + 1 in flops of products, whatever P."""
    for tiles in (4, 16, 64):
        graph = graph_of(tiles)
        needed, weight = graph.needed(), np.zeros(len(graph))
        for node in graph.nodes():
            if needed[node.id] and node.sweep == 1 and node.primitive in PRODUCTS:
                specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
                cost = find(node.primitive).costs(*specs, dict(node.params)).forward_flops
                weight[node.id] = cost / N**3
        assert graph.critical_path(node_weight=weight).length <= 5 * 8 + 1.5


def test_gradient_is_the_dense_one(rng):
    a, w = tall(rng, 37), tall(rng, 37)

    def loss(a):
        q, r = np.linalg.qr(a)
        return np.sum(w * q) + np.sum(np.sin(r))

    made = ds.grad(loss, chunks=6)(a)
    np.testing.assert_allclose(made, ds.grad(loss)(a), atol=1e-11)
