"""Least squares by SciPy's and NumPy's signatures."""

import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import ArgumentError, FactorisationError, ShapeError
from dagsolve.sampling import random_array

SHAPES = [(7, 3), (5, 5), (3, 7)]


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("columns", [(), (2,)])
def test_results_equal_scipys(shape, dtype, columns, rng):
    a, b = random_array(rng, *shape, dtype=dtype), random_array(rng, shape[0], *columns, dtype=dtype)
    x, residues, rank, s = ds.linalg.lstsq(
        a, b, 1e-14, overwrite_a=True, overwrite_b=True, check_finite=False, lapack_driver="gelsy"
    )
    expected = scipy.linalg.lstsq(a, b)
    np.testing.assert_allclose(x, expected[0], rtol=1e-11, atol=1e-12)
    assert np.shape(residues) == np.shape(expected[1])
    assert residues.dtype == np.float64
    np.testing.assert_allclose(residues, expected[1], rtol=1e-11)
    assert (rank, s) == (expected[2], None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("columns", [(), (2,)])
def test_numpys_shapes_on_tracers(shape, columns, rng):
    a, b = rng.standard_normal(shape), rng.standard_normal((shape[0], *columns))

    def f(a, b):
        return np.linalg.lstsq(a, b, rcond=None)[:2]

    value, _ = ds.vjp(f, a, b)
    for found, expected in zip(value, f(a, b), strict=True):
        assert np.shape(found) == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    ds.testing.check_grads(f, (a, b), order=1, scheduler="sync")


def test_stacks(rng):
    a, b = rng.standard_normal((2, 7, 3)), rng.standard_normal((2, 7, 2))
    x, residues, rank, _ = ds.linalg.lstsq(a, b)
    for k in range(2):
        expected = scipy.linalg.lstsq(a[k], b[k])
        np.testing.assert_allclose(x[k], expected[0], rtol=1e-11)
        np.testing.assert_allclose(residues[k], expected[1], rtol=1e-11)
    assert rank == 3


def test_what_cannot_be_taken(rng):
    a = rng.standard_normal((5, 3))
    with pytest.raises(ArgumentError, match="lstsq: lapack_driver must be"):
        ds.linalg.lstsq(a, np.ones(5), lapack_driver="gels")
    with pytest.raises(ShapeError, match=r"lstsq: a must have shape \(\.\.\., m, n\)"):
        ds.linalg.lstsq(np.ones(3), np.ones(3))
    with pytest.raises(ShapeError, match=r"and b \(m,\) or \(\.\.\., m, k\), got \(5, 3\) and \(4,\)"):
        ds.linalg.lstsq(a, np.ones(4))
    with pytest.raises(ShapeError, match=r"np\.linalg\.lstsq: a must have shape \(m, n\)"):
        ds.grad(lambda a: np.sum(np.linalg.lstsq(a, np.ones(5))[0]))(np.ones((2, 5, 3)))
    a[:, 1] = a[:, 0]
    with pytest.raises(FactorisationError, match="must have full rank, got pivot 1"):
        ds.linalg.lstsq(a, np.ones(5))
    with pytest.raises(FactorisationError, match="minimum_norm: .* must have full rank"):
        ds.linalg.lstsq(a.T, np.ones(3))
