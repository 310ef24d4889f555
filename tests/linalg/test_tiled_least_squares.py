"""Least squares and minimum norm in tiles: the dense solutions and derivatives, without Q and its cost."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array

SEED = 20261121
DTYPES = [np.float32, np.float64, np.complex128]


def tolerance(dtype):
    return 2e-3 if dtype == np.float32 else 1e-10


@settings(max_examples=20)
@given(
    st.integers(1, 13),
    st.integers(1, 7),
    st.integers(1, 3),
    st.integers(2, 5),
    st.integers(2, 8),
    st.sampled_from([np.float64, np.complex128]),
)
def test_solutions_are_numpys(m, n, k, rows, columns, dtype):
    rng = np.random.default_rng(SEED)
    a, b = random_array(rng, m, n, dtype=dtype), random_array(rng, m, k, dtype=dtype)
    name = "lstsq" if m >= n else "minimum_norm"
    x = TILED[name](da.from_array(a, chunks=(rows, columns)), da.from_array(b, chunks=(4, 2)))[0]
    wanted = np.linalg.lstsq(a, b)[0]
    assert x.chunks[0] == da.core.normalize_chunks(columns, (n,))[0]
    np.testing.assert_allclose(
        x.compute(scheduler="sync"), wanted, atol=1e-9 * np.linalg.cond(a) * np.abs(wanted).max()
    )


@pytest.mark.parametrize(("m", "n"), [(13, 5), (6, 6), (40, 3)])
def test_solution_and_residual_are_the_dense_ones(rng, m, n):
    a, b = random_array(rng, m, n), random_array(rng, m, 2)
    made = compute(*TILED["lstsq"](da.from_array(a, chunks=(4, 2)), da.from_array(b)), scheduler="sync")
    for x, y in zip(made, find("lstsq")(a, b)[:2], strict=True):
        np.testing.assert_allclose(x, y, atol=1e-11)


def loss(a, b):
    x, residues, *_ = ds.linalg.lstsq(a, b)
    return np.sum(np.real(x * x * np.conj(x))) + np.sum(residues)


CASES = [(13, 5, 3), (13, 5, 6), (17, 3, 4), (5, 13, 3), (3, 11, 4)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n", "chunks"), [CASES[0], CASES[1], CASES[3]])
def test_gradients_are_the_dense_ones(rng, m, n, chunks, dtype):
    a, b = random_array(rng, m, n, dtype=dtype), random_array(rng, m, 2, dtype=dtype)
    dense = ds.grad(loss, (0, 1))(a, b)
    for x, y in zip(ds.grad(loss, (0, 1), chunks=chunks)(a, b), dense, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, atol=tolerance(dtype) * np.abs(y).max())


@pytest.mark.parametrize(("m", "n", "chunks"), CASES)
def test_forward_mode_and_second_derivatives_are_the_dense_ones(rng, m, n, chunks):
    a, b = random_array(rng, m, n), random_array(rng, m, 2)
    tangents = random_array(rng, m, n), random_array(rng, m, 2)
    dense = ds.hvp(loss, (a, b), tangents)
    for x, y in zip(ds.hvp(loss, (a, b), tangents, chunks=chunks), dense, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-9 * np.abs(y).max())
    _, dense = ds.jvp(loss, (a, b), tangents)
    _, made = ds.jvp(loss, (a, b), tangents, chunks=chunks)
    assert made == pytest.approx(dense, rel=1e-10)


def test_gradients_of_a_dask_program_are_the_dense_ones(rng):
    a, b = random_array(rng, 19, 4), random_array(rng, 19)
    x, y = da.from_array(a, chunks=(5, 2)), da.from_array(b, chunks=5)
    made = ds.gradients((ds.linalg.lstsq(x, y)[0] ** 3).sum(), [x, y])
    dense = ds.grad(lambda a, b: np.sum(ds.linalg.lstsq(a, b)[0] ** 3), (0, 1))(a, b)
    for bar, wanted in zip(compute(*made, scheduler="sync"), dense, strict=True):
        np.testing.assert_allclose(bar, wanted, atol=1e-10)


def test_gradient_needs_no_q_and_no_second_factorisation():
    """Forward R alone, 2 m n² and what a tree adds; in reverse products with the columns of B only."""
    m, n, k, rows = 4096, 32, 2, 256

    def f(a, b):
        return np.sum(ds.linalg.lstsq(a, b)[0] ** 2)

    plan = ds.grad(f, (0, 1), chunks={0: (rows, n), 1: (rows, k)}).plan(ds.spec((m, n)), ds.spec((m, k)))
    graph, flops = plan.dag.graph, [0.0, 0.0]
    needed = graph.needed()
    for node in graph.nodes():
        if needed[node.id] and not graph.is_leaf[node.id]:
            specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
            cost = find(node.primitive).costs(*specs, dict(node.params)).forward_flops
            flops[node.sweep] += cost
    assert flops[0] <= 3.5 * m * n * n
    assert flops[1] <= 16 * m * n * k


def test_faults_are_named(rng):
    a, b = random_array(rng, 9, 4), random_array(rng, 9, 1)
    with pytest.raises(ShapeError, match=r"lstsq: a must have shape \(m, n\), m ≥ n, and b \(m, k\)"):
        TILED["lstsq"](da.from_array(a.T), da.from_array(b))
    with pytest.raises(ShapeError, match=r"minimum_norm: a must have shape \(m, n\), m ≤ n"):
        TILED["minimum_norm"](da.from_array(a), da.from_array(b))
    a[:, 3] = a[:, 0] - a[:, 1]
    for chunks in ((3, 2), (3, 4)):
        with pytest.raises(FactorisationError, match=r"lstsq: a \(9, 4\) float64 must have full rank"):
            TILED["lstsq"](da.from_array(a, chunks=chunks), da.from_array(b))[0].compute(scheduler="sync")
    with pytest.raises(FactorisationError, match=r"minimum_norm: a \(4, 9\) float64 must have full rank"):
        TILED["minimum_norm"](da.from_array(a.T, chunks=2), da.from_array(b[:4]))[0].compute(scheduler="sync")
