"""Singular values and vectors of matrices in tiles, by QR or LQ and the SVD of a triangle."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute

import dagsolve as ds
from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array

SHAPES = [(13, 5), (5, 13), (7, 7), (40, 3)]
DTYPES = [np.float32, np.float64, np.complex128]


def loss(a, u_weights, v_weights):
    u, s, vh = ds.linalg.svd(a, full_matrices=False)
    return np.sum(s**3) + np.sum(np.real(u * u_weights)) + np.sum(np.real(vh * v_weights))


def near(made, wanted, tolerance):
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(made / scale, wanted / scale, rtol=0, atol=tolerance)


def problem(rng, m, n, dtype=np.float64):
    """A matrix with separated singular values, and weights that see the signs of its vectors."""
    k = min(m, n)
    u, _, vh = np.linalg.svd(random_array(rng, m, n, dtype=dtype), full_matrices=False)
    a = (u * np.arange(k, 0, -1).astype(u.real.dtype)) @ vh
    return a, random_array(rng, m, k, dtype=dtype), random_array(rng, k, n, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_factors_are_the_dense_ones(rng, m, n, dtype):
    a, _, _ = problem(rng, m, n, dtype)
    made = TILED["svd"](da.from_array(a, chunks=(4, 3)))
    assert made[0].chunks[0] == da.core.normalize_chunks(4, (m,))[0]
    assert made[2].chunks[1] == da.core.normalize_chunks(3, (n,))[0]
    for x, y in zip(compute(*made, scheduler="sync"), find("svd")(a), strict=True):
        assert x.dtype == y.dtype
        near(x, y, 1e-4 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), SHAPES[:2])
def test_gradient_is_the_dense_one(rng, m, n, dtype):
    a, *weights = problem(rng, m, n, dtype)
    made = ds.grad(loss, chunks=4)(a, *weights)
    near(made, ds.grad(loss)(a, *weights), 1e-3 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize(("m", "n"), SHAPES[:3])
def test_second_derivatives_are_the_dense_ones(rng, m, n):
    a, *weights = problem(rng, m, n)
    d = random_array(rng, m, n)

    def f(a):
        return loss(a, *weights)

    near(ds.hvp(f, (a,), (d,), chunks=4)[0], ds.hvp(f, (a,), (d,))[0], 1e-9)


@pytest.mark.parametrize(("m", "n"), [(13, 5), (5, 13)])
def test_gradient_of_a_dask_program_is_the_dense_one(rng, m, n):
    a, uw, vw = problem(rng, m, n)
    x = da.from_array(a, chunks=(4, 3))
    u, s, vh = ds.linalg.svd(x, full_matrices=False)
    made = ds.gradients((s**3).sum() + (u * uw).sum() + (vh * vw).sum(), x).compute(scheduler="sync")
    near(made, ds.grad(loss)(a, uw, vw), 1e-10)


def test_gradient_of_values_alone_is_u_v(rng):
    """∂ Σ w s = U diag(w) Vᴴ."""
    a, _, _ = problem(rng, 13, 5)
    w = random_array(rng, 5)
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    made = ds.grad(lambda a: np.sum(w * ds.linalg.svdvals(a)), chunks=4)(a)
    near(made, (u * w) @ vh, 1e-11)


def test_the_plan_names_what_one_task_gathers():
    plan = ds.grad(lambda a: np.sum(ds.linalg.svdvals(a) ** 2), chunks=64).plan(ds.spec((512, 16)))
    assert [note.split(" (")[0] for note in plan.gathered] == ["svd: one task gathers 2,048 bytes"]


def test_a_stack_is_no_matrix():
    with pytest.raises(ShapeError, match=r"svd: a must be a matrix, got shape \(2, 3, 3\)"):
        TILED["svd"](da.ones((2, 3, 3)))
