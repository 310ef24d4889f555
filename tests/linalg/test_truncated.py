"""Randomised truncated SVD: near the exact one, the same on every kind of array, with its own derivative."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.linalg import randomized_svd
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array


def decaying(rng, m, n, dtype=np.float64):
    """A matrix whose singular values halve from one to the next."""
    u, _, vh = np.linalg.svd(random_array(rng, m, n, dtype=dtype), full_matrices=False)
    return (u * 0.5 ** np.arange(min(m, n), dtype=u.real.dtype)) @ vh


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize(("m", "n"), [(31, 17), (17, 31)])
def test_largest_values_and_vectors_are_the_exact_ones(rng, m, n, dtype):
    a = decaying(rng, m, n, dtype)
    u, s, vh = find("svd")(a)
    exact = u[:, :3], s[:3], vh[:3]
    for x, y in zip(randomized_svd(a, 3, n_oversamples=5), exact, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, atol=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize(("m", "n"), [(31, 17), (17, 31)])
def test_on_dask_arrays_it_is_the_same(rng, m, n):
    a = decaying(rng, m, n)
    lazy = randomized_svd(da.from_array(a, chunks=(6, 5)), 3, n_oversamples=2)
    for x, y in zip(compute(*lazy, scheduler="sync"), randomized_svd(a, 3, n_oversamples=2), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-11)


def loss(a):
    u, s, vh = randomized_svd(a, 3, n_oversamples=4)
    return np.sum(s**2) + np.sum(((u * s) @ vh) ** 3)


def test_gradient_converges_to_that_of_the_exact_decomposition(rng):
    a = decaying(rng, 13, 11)

    def exact(a):
        u, s, vh = ds.linalg.svd(a, full_matrices=False)
        return np.sum(s[:3] ** 2) + np.sum(((u[:, :3] * s[:3]) @ vh[:3]) ** 3)

    np.testing.assert_allclose(ds.grad(loss)(a), ds.grad(exact)(a), atol=1e-7)


def test_gradient_is_that_of_what_is_computed(rng):
    """Also far from convergence."""
    a, d = random_array(rng, 13, 11), random_array(rng, 13, 11)

    def f(a):
        u, s, vh = randomized_svd(a, 3, n_oversamples=1, n_iter=0)
        return np.sum(s**2) + np.sum(((u * s) @ vh) ** 3)

    step = 1e-6
    difference = (f(a + step * d) - f(a - step * d)) / (2 * step)
    assert np.sum(ds.grad(f)(a) * d) == pytest.approx(difference, rel=1e-6)


def test_gradients_in_tiles_are_the_dense_ones(rng):
    a = decaying(rng, 19, 11)
    dense = ds.grad(loss)(a)
    np.testing.assert_allclose(ds.grad(loss, chunks=5)(a), dense, atol=1e-10)
    x = da.from_array(a, chunks=(7, 4))
    u, s, vh = randomized_svd(x, 3, n_oversamples=4)
    made = ds.gradients((s**2).sum() + (((u * s) @ vh) ** 3).sum(), x)
    np.testing.assert_allclose(made.compute(scheduler="sync"), dense, atol=1e-10)


def test_the_matrix_is_never_gathered():
    plan = ds.grad(loss, chunks=64).plan(ds.spec((256, 192)))
    assert [note.split(" (")[0] for note in plan.gathered] == ["svd: one task gathers 392 bytes"]


def test_seeds_choose_the_projection(rng):
    a = random_array(rng, 20, 20)
    first, again, other = (randomized_svd(a, 2, n_iter=0, n_oversamples=0, seed=k)[1] for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


def test_faults_are_named(rng):
    a = random_array(rng, 5, 3)
    with pytest.raises(ArgumentError, match=r"n_components must be in 1 … 3 for shape \(5, 3\), got 4"):
        randomized_svd(a, 4)
    with pytest.raises(ArgumentError, match="must not be negative, got 10 and -1"):
        randomized_svd(a, 2, n_iter=-1)
    with pytest.raises(ShapeError, match=r"a must be a matrix, got shape \(5,\)"):
        randomized_svd(a[:, 0], 1)
