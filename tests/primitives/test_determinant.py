"""What is particular to determinants; the rest is in test_contract.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.primitives.determinant import adjugate, det
from dagsolve.primitives.log_determinant import slogdet
from dagsolve.primitives.lu import well_posed
from dagsolve.sampling import random_array, random_orthogonal, random_spd

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def of_rank(rng, rank, n, dtype=np.float64):
    """Matrix with singular values 1, 2, …, and zeros."""
    u, v = random_orthogonal(rng, n=n, dtype=dtype), random_orthogonal(rng, n=n, dtype=dtype)
    return (u[:, :rank] * np.arange(1.0, rank + 1)) @ v[:rank]


def cofactors(a):
    """adj A by minors: the transpose of the matrix of cofactors."""
    n = len(a)
    out = np.empty_like(a)
    for i, j in np.ndindex(n, n):
        out[j, i] = (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (19, 19), (2, 3, 3, 3), (2, 23, 23)])
def test_determinants_are_those_of_numpy(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    sign, logarithm, *_ = slogdet(a)
    expected = np.linalg.slogdet(a)
    tolerance = 2e-3 if np.finfo(dtype).bits == 32 else 1e-11
    assert (sign.dtype, logarithm.dtype) == (expected.sign.dtype, expected.logabsdet.dtype)
    np.testing.assert_allclose(sign, expected.sign, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(logarithm, expected.logabsdet, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(det(a), np.linalg.det(a), rtol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("rank", range(5))
def test_adjugate_is_the_matrix_of_cofactors_at_every_rank(rank, dtype, rng):
    a = of_rank(rng, rank, 4, dtype)
    np.testing.assert_allclose(adjugate(a), cofactors(a), rtol=1e-12, atol=1e-12)


def test_stack_of_regular_and_singular_matrices(rng):
    a = np.stack([of_rank(rng, rank, 5) for rank in (5, 4, 3, 5)])
    np.testing.assert_allclose(adjugate(a), [cofactors(one) for one in a], rtol=1e-11, atol=1e-11)


@given(st.integers(0, 2**32 - 1), st.floats(-18, 0))
def test_adjugate_of_nearly_singular_matrices_is_accurate(seed, exponent):
    """adj is a polynomial: whatever the condition, its error is small against products of singular values."""
    rng = np.random.default_rng(seed)
    u, v = random_orthogonal(rng, n=4), random_orthogonal(rng, n=4)
    s = np.array([3.0, 2.0, 1.0, 10**exponent])
    without = np.array([np.prod(np.delete(s, k)) for k in range(4)])
    expected = np.linalg.det(u) * np.linalg.det(v) * (v.T * without) @ u.T
    np.testing.assert_allclose(adjugate((u * s) @ v), expected, atol=1e-12)


@pytest.mark.parametrize("rank", [4, 3, 2])
def test_gradient_of_a_determinant_of_a_singular_matrix(rank, rng):
    a = of_rank(rng, rank, 4)
    ds.testing.check_grads(np.linalg.det, (a,), order=1, scheduler="sync")
    integer = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    found = ds.grad(np.linalg.det, scheduler="sync")(integer)
    np.testing.assert_allclose(found, [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]], atol=1e-12)


def test_second_derivative_at_a_singular_matrix_is_refused():
    a = np.diag([1.0, 0.0, 2.0])
    with pytest.raises(FactorisationError, match="inv: a .* is singular: pivot 1"):
        ds.grad(lambda a: np.sum(ds.grad(np.linalg.det)(a) ** 2), scheduler="sync")(a)


def test_logarithm_of_a_singular_matrix_has_no_gradient():
    a = np.diag([1.0, 0.0, 2.0])
    assert ds.linalg.slogdet(a) == (0.0, -np.inf)
    with pytest.raises(FactorisationError, match=r"lu_inverse: a .* is singular: pivot 1 .*test_determinant"):
        ds.grad(lambda a: np.linalg.slogdet(a).logabsdet, scheduler="sync")(a)


def test_nan_is_refused():
    a = np.diag([1.0, np.nan, 2.0])
    for name in ("det", "slogdet", "logdet"):
        with pytest.raises(FactorisationError, match="finite|positive definite"):
            getattr(ds.linalg, name)(a)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("lower", [False, True])
def test_three_ways_to_a_log_determinant_have_one_gradient(dtype, lower, rng):
    """∂ log det A = A⁻ᴴ, by Cholesky, by LU, and by the determinant."""
    a = random_spd(rng, n=5, dtype=dtype)
    expected = np.conj(np.linalg.inv(a).T)
    ways = (
        lambda a: ds.linalg.logdet(a, lower=lower),
        lambda a: ds.linalg.slogdet(a)[1],
        lambda a: np.log(np.abs(ds.linalg.det(a))),
    )
    for way in ways:
        np.testing.assert_allclose(way(a), np.linalg.slogdet(a)[1], rtol=1e-12)
        np.testing.assert_allclose(ds.grad(way, scheduler="sync")(a), expected, rtol=1e-10, atol=1e-12)


def test_factors_are_reused_for_the_gradient(rng):
    a = well_posed(rng, m=5, n=5)
    trace = ds.trace(ds.grad(lambda a: np.linalg.slogdet(a).logabsdet), a)
    names = [node.primitive for node in trace.nodes()]
    assert names.count("slogdet") == names.count("lu_inverse") == 1
    assert not {"lu", "inv", "solve", "solve_triangular"} & set(names)
