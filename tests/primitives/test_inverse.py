"""What is particular to inverses of every kind; the rest is in test_contract.py."""

import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.primitives.cholesky_inverse import cholesky_inverse
from dagsolve.primitives.inverse import inv
from dagsolve.primitives.lu import well_posed
from dagsolve.primitives.pseudo_inverse import pinv
from dagsolve.sampling import random_array, random_spd

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (67, 67), (2, 3, 19, 19), (0, 0)])
def test_inverse(shape, dtype, rng):
    a = well_posed(rng, *shape[:-2], m=shape[-1], n=shape[-1], dtype=dtype)
    y = inv(a)
    assert y.dtype == dtype
    assert y.shape == shape
    tolerance = 2e-3 if np.finfo(dtype).bits == 32 else 1e-10
    unit = np.broadcast_to(np.eye(shape[-1]), shape)
    np.testing.assert_allclose(y @ a, unit, atol=tolerance)
    np.testing.assert_allclose(a @ y, unit, atol=tolerance)


@pytest.mark.parametrize("order", [5, 67])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_singular_matrix_is_named(order, dtype):
    a = np.stack([np.eye(order), np.diag(np.arange(order) != 2)]).astype(dtype)
    with pytest.raises(
        FactorisationError, match=r"inv: a\[1\] .* is singular: pivot 2 \(of column 2\) has size 0"
    ):
        inv(a)
    a[0, 1, 1] = np.nan
    with pytest.raises(FactorisationError, match=r"inv: a\[0\] .* must be finite"):
        inv(a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("order", [1, 5, 37])
def test_inverse_from_a_factor_reads_one_triangle(order, lower, dtype, rng):
    a = random_spd(rng, 3, n=order, dtype=dtype)
    l = np.linalg.cholesky(a)
    factor = l if lower else np.conj(np.swapaxes(l, -1, -2))
    noise = np.full((order, order), np.nan, dtype)
    stored = np.where(np.tri(order, dtype=bool) if lower else np.tri(order, dtype=bool).T, factor, noise)
    y = cholesky_inverse(stored, lower=lower)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.conj(np.swapaxes(y, -1, -2)))
    tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-12
    np.testing.assert_allclose(y @ a, np.broadcast_to(np.eye(order), a.shape), atol=tolerance)


def test_factor_with_a_zero_is_named():
    with pytest.raises(FactorisationError, match=r"cholesky_inverse: l .* without zeros, got 0.0 at index 1"):
        cholesky_inverse(np.diag([1.0, 0.0, 2.0]))


def test_gradient_through_a_factor_is_that_of_the_inverse(rng):
    """φ = tr(C A⁻¹) by potri of potrf: Ā = -A⁻¹ C A⁻¹ for symmetric C."""
    a, c = random_spd(rng, n=5), random_spd(rng, n=5)
    for kwargs in ({}, {"lower": True}, {"lower": False}):
        found = ds.grad(lambda a: np.sum(c * ds.linalg.inv(a, assume_a="pos", **kwargs)), scheduler="sync")(a)  # noqa: B023
        y = np.linalg.inv(a)
        np.testing.assert_allclose(found, -y @ c @ y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 3, 5, 2), (0, 3)])
def test_pseudo_inverse_is_that_of_scipy(shape, dtype, rng):
    a = well_posed(rng, *shape[:-2], m=shape[-2], n=shape[-1], dtype=dtype)
    y = pinv(a)
    assert y.dtype == dtype
    tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-11
    np.testing.assert_allclose(y, np.linalg.pinv(a), rtol=tolerance, atol=tolerance)


def test_lower_rank_is_named(rng):
    a = random_array(rng, 2, 5, 3)
    a[1, :, 2] = a[1, :, 0] + a[1, :, 1]
    with pytest.raises(
        FactorisationError, match=r"pinv: a\[1\] \(5, 3\) float64 must have full rank, .* value 2"
    ):
        pinv(a)
    smallest = np.linalg.svd(a[0], compute_uv=False)[-1]
    pinv(a[0], atol=0.9 * smallest, rtol=0.0)
    with pytest.raises(FactorisationError, match="full rank"):
        pinv(a[0], atol=1.1 * smallest, rtol=0.0)


def test_least_squares_by_a_pseudo_inverse_has_the_gradient_of_normal_equations(rng):
    """x = A⁺ b and x = (Aᵀ A)⁻¹ Aᵀ b are one function of A and b."""
    a, b = well_posed(rng, m=7, n=3), random_array(rng, 7)
    by_inverse = ds.grad(lambda a, b: np.sum((ds.linalg.pinv(a) @ b) ** 3), (0, 1), scheduler="sync")(a, b)
    normal = ds.grad(
        lambda a, b: np.sum(ds.linalg.solve(a.T @ a, a.T @ b, assume_a="pos") ** 3), (0, 1), scheduler="sync"
    )(a, b)
    for found, expected in zip(by_inverse, normal, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("assumed", [None, "gen", "sym", "her", "pos"])
@pytest.mark.parametrize("lower", [False, True])
def test_public_inverse_is_that_of_scipy(assumed, lower, rng):
    a = random_spd(rng, n=5)
    found = ds.linalg.inv(a, overwrite_a=True, check_finite=False, assume_a=assumed, lower=lower)
    np.testing.assert_allclose(found, scipy.linalg.inv(a), rtol=1e-12, atol=1e-13)
