"""Matrices in rows by LAPACK: what comes out is SciPy's, whatever the layout of what goes in."""

import numpy as np
import pytest
import scipy.linalg

from dagsolve.errors import FactorisationError
from dagsolve.kernels import lapack
from dagsolve.kernels.column_lu import lu_by_columns, lu_of_adjoint
from dagsolve.kernels.packing import together, unpacked
from dagsolve.kernels.permutations import from_swaps
from dagsolve.kernels.triangles import complete
from dagsolve.sampling import random_array, random_triangular

DTYPES = (np.float32, np.float64, np.complex64, np.complex128)


def tolerance(dtype):
    return 1e-3 if np.finfo(dtype).bits == 32 else 1e-11


def layouts(a):
    """The same matrix in rows, in columns, every other item of a larger one, and read-only."""
    sparse = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    sparse[::2, ::3] = a
    fixed = a.copy()
    fixed.flags.writeable = False
    return np.ascontiguousarray(a), np.asfortranarray(a), sparse[::2, ::3], fixed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 5, 67, 257])
def test_factors_of_the_adjoint_are_those_of_scipy_in_rows(n, dtype, rng):
    a = random_array(rng, n, n, dtype=dtype)
    close = {"rtol": tolerance(dtype), "atol": tolerance(dtype)}
    for given in layouts(a):
        before = given.copy()
        packed, p = lu_of_adjoint(np, "solve", given)
        np.testing.assert_array_equal(given, before)
        assert packed.flags.c_contiguous
        assert packed.base is None
        assert packed.dtype == dtype
        if n:
            expected, swaps = scipy.linalg.lu_factor(a)
            np.testing.assert_array_equal(p, from_swaps(swaps, n))
            np.testing.assert_allclose(packed.conj().T, expected, **close)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (67, 67), (2, 3, 19, 19), (3, 5, 5)])
def test_columns_are_pivoted_and_the_upper_factor_has_a_unit_diagonal(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    packed, p = lu_by_columns(np, "inv", a)
    product = np.tril(packed) @ (np.triu(packed, 1) + np.eye(shape[-1]))
    permuted = np.take_along_axis(a, p[..., None, :], -1)
    np.testing.assert_allclose(product, permuted, rtol=tolerance(dtype), atol=tolerance(dtype))
    if a.size:
        assert np.max(np.abs(np.triu(packed, 1))) <= np.sqrt(2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 0), (61, 1), (61, 7), (61, 131)])
def test_solutions_and_inverses_are_those_of_numpy(n, k, dtype, rng):
    a, b = (
        random_array(rng, n, n, dtype=dtype) + 9 * np.eye(n, dtype=dtype),
        random_array(rng, n, k, dtype=dtype),
    )
    close = {"rtol": tolerance(dtype), "atol": tolerance(dtype)}
    packed, p = lu_by_columns(np, "solve", a)
    for factors in (packed, np.asfortranarray(packed)):
        for right in layouts(b):
            for transposed, matrix in ((False, a), (True, a.conj().T)):
                x = lapack.solved(factors, p, right, transposed=transposed)
                assert x.flags.c_contiguous
                assert x.dtype == dtype
                np.testing.assert_allclose(x, np.linalg.solve(matrix, b), **close)
                np.testing.assert_array_equal(right, b)
        y = lapack.inverted(factors, p)
        assert y.flags.c_contiguous
        assert y.base is None
        np.testing.assert_allclose(y, np.linalg.inv(a), **close)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("n", [0, 1, 64, 149])
def test_positive_inverse_is_whole_and_reads_one_triangle(n, lower, dtype, rng):
    l = random_triangular(rng, n=n, lower=lower).astype(dtype)
    l += (
        np.tril(random_array(rng, n, n, dtype=dtype), -1)
        if lower
        else np.triu(random_array(rng, n, n, dtype=dtype), 1)
    ) / (n + 1)
    spoiled = l + (np.triu(np.full((n, n), 7.0), 1) if lower else np.tril(np.full((n, n), 7.0), -1)).astype(
        dtype
    )
    matrix = l @ l.conj().T if lower else l.conj().T @ l
    y = lapack.positive_inverse(spoiled, lower=lower)
    assert y is spoiled
    np.testing.assert_allclose(y @ matrix, np.eye(n), atol=50 * tolerance(dtype))
    np.testing.assert_array_equal(y, y.conj().T)


@pytest.mark.parametrize("lower", [True, False])
def test_complete_mirrors_the_named_triangle(lower, rng):
    a = random_array(rng, 131, 131, dtype=np.complex128)
    known = np.tril(a, -1) if lower else np.triu(a, 1)
    expected = known + known.conj().T + np.diag(np.diag(a))
    complete(a, lower=lower)
    np.testing.assert_array_equal(a, expected)


@pytest.mark.parametrize(("m", "n"), [(0, 0), (3, 0), (1, 1), (131, 131), (139, 67), (67, 139)])
def test_packed_factors_come_apart_and_together(m, n, rng):
    k = min(m, n)
    packed = random_array(rng, m, n)
    for given in layouts(packed):
        l, u = unpacked(given)
        np.testing.assert_array_equal(l, np.tril(packed[:, :k], -1) + np.eye(m, k))
        np.testing.assert_array_equal(u, np.triu(packed[:k]))
        assert l.base is None
        assert u.base is None
        assert l.flags.c_contiguous
        assert u.flags.c_contiguous
        np.testing.assert_array_equal(given, packed)
    spoiled = l + np.triu(np.full((m, k), 7.0)), u + np.tril(np.full((k, n), 7.0), -1)
    np.testing.assert_array_equal(together(*spoiled, m, n), packed)
    below = np.zeros((m, n))
    below[:, :k] = np.tril(packed[:, :k], -1)
    np.testing.assert_array_equal(together(spoiled[0], None, m, n), below)
    np.testing.assert_array_equal(together(None, spoiled[1], m, n), packed - below)


@pytest.mark.parametrize("place", [(0, 0), (66, 3)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_where_it_is(place, value, rng):
    a = random_array(rng, 67, 67)
    a[place] = value
    row, column = place
    for factorise in (lu_by_columns, lu_of_adjoint):
        for given in layouts(a):
            with pytest.raises(
                FactorisationError, match=rf"solve: a .* got -?{abs(value)} at \({row}, {column}\)"
            ):
                factorise(np, "solve", given)


def test_numbers_whose_squares_overflow_are_finite(rng):
    a = 1e200 * random_array(rng, 7, 7)
    packed, p = lu_by_columns(np, "solve", a)
    x = lapack.solved(packed, p, a[:, :2])
    np.testing.assert_allclose(x, np.eye(7)[:, :2], atol=1e-12)
