"""QR and LQ in tiles of both dimensions are the dense factors, and so are their derivatives."""

from collections import defaultdict

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
from dagsolve.sampling import random_array, random_orthogonal

SEED = 20261121
SHAPES = [(13, 7), (7, 13), (11, 11), (17, 3), (3, 17), (6, 6)]
DTYPES = [np.float32, np.float64, np.complex128]
GRADIENTS = [(*shape, np.float64) for shape in SHAPES] + [
    (13, 7, np.float32),
    (7, 13, np.float32),
    (13, 7, np.complex128),
    (7, 13, np.complex128),
]


def factors(a, *chunks, name="qr"):
    return compute(*TILED[name](da.from_array(a, chunks=chunks)), scheduler="sync")


def near(made, wanted, dtype=np.float64, factor=1.0):
    tolerance = 1e-4 if np.dtype(dtype).char in "fF" else 1e-11
    np.testing.assert_allclose(made, wanted, rtol=0, atol=factor * tolerance)


@settings(max_examples=25)
@given(
    st.integers(1, 13),
    st.integers(1, 13),
    st.integers(2, 7),
    st.integers(2, 7),
    st.sampled_from(DTYPES),
    st.sampled_from(["qr", "lq"]),
)
def test_factors_are_lapacks(m, n, rows, columns, dtype, name):
    a = random_array(np.random.default_rng(SEED), m, n, dtype=dtype)
    made = factors(a, rows, columns, name=name)
    dense = find(name)(a)
    for x, y in zip(made, dense, strict=True):
        assert x.dtype == y.dtype
        near(x, y, dtype, 10.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), SHAPES[:3])
def test_product_is_a_and_q_is_orthonormal(rng, m, n, dtype):
    a = random_array(rng, m, n, dtype=dtype)
    q, r = factors(a, 3, 2)
    near(q @ r, a, dtype)
    near(q.conj().T @ q, np.eye(min(m, n)), dtype)
    near(np.tril(r, -1), 0 * r, dtype, 0.0)
    near(np.imag(np.diagonal(r)), 0 * np.diagonal(r).real, dtype, 0.0)


def test_chunks_are_those_of_the_matrix():
    q, r = TILED["qr"](da.ones((13, 7), chunks=(4, 3)))
    assert q.chunks == ((4, 4, 4, 1), (3, 3, 1))
    assert r.chunks == ((3, 3, 1), (3, 3, 1))
    q, r = TILED["qr"](da.ones((5, 11), chunks=(2, 3)))
    assert q.chunks == ((2, 2, 1), (3, 2))
    assert r.chunks == ((3, 2), (3, 3, 3, 2))


@pytest.mark.parametrize(("m", "n"), [(160, 96), (96, 96), (96, 160)])
def test_orthogonality_does_not_depend_on_the_condition_number(rng, m, n):
    k = min(m, n)
    left, right = random_orthogonal(rng, n=m)[:, :k], random_orthogonal(rng, n=n)[:, :k]
    a = left * np.logspace(0, -12, k) @ right.T
    q, r = factors(a, 32, 24)
    assert np.abs(q.T @ q - np.eye(k)).max() <= 1e-13 * k
    assert np.linalg.norm(q @ r - a) <= 1e-13 * np.linalg.norm(a)


def test_columns_of_zeros_are_no_obstacle(rng):
    a = random_array(rng, 12, 8)
    a[:, [1, 5]] = 0
    q, r = factors(a, 4, 2)
    near(q @ r, a)
    near(q.T @ q, np.eye(8))


def test_nan_is_found_at_run_time(rng):
    a = random_array(rng, 9, 6)
    a[7, 4] = np.nan
    with pytest.raises(FactorisationError, match="qr: a"):
        factors(a, 3, 2)


def test_a_stack_is_no_matrix():
    with pytest.raises(ShapeError, match=r"qr: a must be a matrix, got shape \(2, 3, 3\)"):
        TILED["qr"](da.ones((2, 3, 3)))


# Derivatives


def weights(rng, m, n, dtype):
    k = min(m, n)
    return random_array(rng, m, k, dtype=dtype), random_array(rng, k, n, dtype=dtype)


def loss(a, q_weights, r_weights):
    """A loss that sees signs and phases."""
    q, r = np.linalg.qr(a)
    return np.sum(np.real(q * q_weights)) + np.sum(np.real(r * r_weights * r))


@pytest.mark.parametrize(("m", "n", "dtype"), GRADIENTS)
def test_gradient_is_the_dense_one(rng, m, n, dtype):
    a, w = random_array(rng, m, n, dtype=dtype), weights(rng, m, n, dtype)
    dense = ds.grad(loss)(a, *w)
    made = ds.grad(loss, chunks=3)(a, *w)
    assert made.dtype == dense.dtype
    near(made / np.abs(dense).max(), dense / np.abs(dense).max(), dtype, 10.0)


@pytest.mark.parametrize(("m", "n"), SHAPES[:4])
def test_gradient_of_a_dask_program_is_the_dense_one(rng, m, n):
    a, (wq, wr) = random_array(rng, m, n), weights(rng, m, n, float)
    x = da.from_array(a, chunks=(4, 3))
    q, r = ds.linalg.qr(x, mode="economic")
    made = ds.gradients((q * wq).sum() + (r * wr * r).sum(), x).compute(scheduler="sync")
    near(made, ds.grad(loss)(a, wq, wr), factor=1e2)


@pytest.mark.parametrize(("m", "n"), [(13, 7), (7, 13), (6, 6)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_forward_mode_and_second_derivatives_are_the_dense_ones(rng, m, n, dtype):
    a, d, w = random_array(rng, m, n, dtype=dtype), random_array(rng, m, n), weights(rng, m, n, dtype)

    def f(a):
        return loss(a, *w)

    for dense, made in (
        (ds.jvp(np.linalg.qr, (a,), (d,))[1], ds.jvp(np.linalg.qr, (a,), (d,), chunks=3)[1]),
        (ds.hvp(f, (a,), (d,)), ds.hvp(f, (a,), (d,), chunks=3)),
    ):
        for x, y in zip(made, dense, strict=True):
            near(x / np.abs(y).max(), y / np.abs(y).max(), factor=1e2)


def test_invariant_loss_needs_no_signs(rng):
    """‖Qᴴ B‖² is the squared length of B's projection: its gradient by finite differences."""
    a, b, d = random_array(rng, 9, 4), random_array(rng, 9, 2), random_array(rng, 9, 4)

    def f(a):
        return np.sum((np.linalg.qr(a)[0].T @ b) ** 2)

    step = 1e-6
    difference = (f(a + step * d) - f(a - step * d)) / (2 * step)
    assert np.sum(ds.grad(f, chunks=2)(a) * d) == pytest.approx(difference, rel=1e-7)


# Counts


def flops(graph, sweep):
    needed = graph.needed()
    found: dict[str, float] = defaultdict(float)
    for node in graph.nodes():
        if (
            needed[node.id]
            and graph.columns.sweep[node.id] == sweep
            and node.primitive not in ("input", "constant")
        ):
            specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
            found[node.primitive] += find(node.primitive).costs(*specs, dict(node.params)).forward_flops
    return found


@pytest.mark.parametrize("p", [4, 8])
def test_flops_of_both_sweeps(p):
    """Products 8/3 n³ forward, panels of order n² b; 5 n³ in reverse at most, less for triangles."""
    b = 128
    n = p * b
    w = np.ones((n, n))
    graph = ds.grad(lambda a: loss(a, w, w), chunks=b).plan(ds.spec((n, n))).dag.graph
    forward, reverse = flops(graph, 0), flops(graph, 1)
    assert forward["matmul"] == pytest.approx(8 / 3 * n**3, rel=1.5 / p)
    assert sum(forward.values()) - forward["matmul"] <= 8 * n * n * b
    assert sum(reverse.values()) <= 6 * n**3


def test_plan_gathers_nothing():
    plan = ds.grad(lambda a: np.sum(np.linalg.qr(a)[1] ** 3), chunks=64).plan(ds.spec((512, 256)))
    assert plan.gathered == ()
    assert all(not name.startswith(("anchor", "bundle")) for name in needed_primitives(plan.dag.graph))


def needed_primitives(graph):
    needed = graph.needed()
    return {node.primitive for node in graph.nodes() if needed[node.id]}
