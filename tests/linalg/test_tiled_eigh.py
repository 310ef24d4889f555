"""Hermitian eigenproblems of matrices in tiles: gathered to be solved, differentiated tile by tile."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array, random_separated

DTYPES = [np.float32, np.float64, np.complex128]


def hermitian(a):
    return 0.5 * (a + np.conj(a).T)


def loss(a, w_weights, v_weights):
    w, v = np.linalg.eigh(hermitian(a))
    return np.sum(w_weights * w) + np.sum(np.real(v * v_weights))


def near(made, wanted, tolerance):
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(made / scale, wanted / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "rows", "columns"), [(11, 4, 3), (7, 7, 2), (6, 2, 2), (5, 8, 8)])
def test_values_and_vectors_are_the_dense_ones(rng, n, rows, columns, dtype):
    a = random_separated(rng, n=n, dtype=dtype)
    spoilt = a + np.triu(np.ones((n, n)), 1).astype(dtype)  # never read
    made = compute(*TILED["eigh"](da.from_array(spoilt, chunks=(rows, columns))), scheduler="sync")
    for x, y in zip(made, find("eigh")(a), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, atol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "chunks"), [(11, 4), (6, 2), (7, 5)])
def test_gradient_is_the_dense_one(rng, n, chunks, dtype):
    a = random_separated(rng, n=n, dtype=dtype)
    w_weights, v_weights = random_array(rng, n), random_array(rng, n, n, dtype=dtype)
    dense = ds.grad(loss)(a, w_weights, v_weights)
    near(ds.grad(loss, chunks=chunks)(a, w_weights, v_weights), dense, 1e-3 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_forward_mode_and_second_derivatives_are_the_dense_ones(rng, dtype):
    a, d = random_separated(rng, n=7, dtype=dtype), random_array(rng, 7, 7, dtype=dtype)
    weights = random_array(rng, 7), random_array(rng, 7, 7, dtype=dtype)

    def f(a):
        return loss(a, *weights)

    def vectors(a):
        return np.linalg.eigh(hermitian(a))[1]

    near(ds.jvp(vectors, (a,), (d,), chunks=3)[1], ds.jvp(vectors, (a,), (d,))[1], 1e-10)
    near(ds.hvp(f, (a,), (d,), chunks=3)[0], ds.hvp(f, (a,), (d,))[0], 1e-10)


def test_gradient_of_a_dask_program_is_the_dense_one(rng):
    a, w_weights, v_weights = random_separated(rng, n=7), random_array(rng, 7), random_array(rng, 7, 7)
    x = da.from_array(a, chunks=3)
    w, v = ds.linalg.eigh((x + x.T) / 2)
    made = ds.gradients((w * w_weights).sum() + (v * v_weights).sum(), x).compute(scheduler="sync")
    near(made, ds.grad(loss)(a, w_weights, v_weights), 1e-10)


def test_repeated_eigenvalues_harm_no_invariant_loss(rng):
    """The trace of a function of A: f(A) has a derivative wherever A is."""
    q = np.linalg.qr(random_array(rng, 7, 7))[0]
    a = q * np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0]) @ q.T
    b = random_array(rng, 7, 7)

    def f(a):
        w, v = np.linalg.eigh(a)
        return np.sum((v[:, :3] @ v[:, :3].T) * b) + np.sum(w**2)

    near(ds.grad(f, chunks=2)(a), ds.grad(f)(a), 1e-9)


def test_the_plan_names_what_one_task_gathers():
    plan = ds.grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2), chunks=16).plan(ds.spec((48, 48)))
    assert len(plan.gathered) == 1
    assert plan.gathered[0].startswith("eigh: one task gathers 18,432 bytes")


def test_faults_are_named(rng):
    with pytest.raises(ShapeError, match=r"eigh: a must have shape \(n, n\), got \(3, 5\)"):
        TILED["eigh"](da.ones((3, 5)))
    a = random_separated(rng, n=5)
    a[4, 1] = np.nan
    with pytest.raises(FactorisationError, match="eigh: a"):
        compute(*TILED["eigh"](da.from_array(a, chunks=2)), scheduler="sync")
