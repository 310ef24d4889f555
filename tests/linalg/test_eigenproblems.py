"""Public eigenvalue problems: SciPy's results, and gradients of pairs of matrices by differences."""

import inspect
from typing import Any

import dask.array as da
import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve import linalg
from dagsolve.errors import ArgumentError, FactorisationError, UnsupportedError
from dagsolve.sampling import random_array, random_spd, random_symmetric

DTYPES = [np.float64, np.complex128]
INTERVAL: Any = (0, 1)


@pytest.mark.parametrize("name", ["eig", "eigvals", "eigh", "eigvalsh"])
def test_arguments_are_those_of_scipy(name):
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (linalg, scipy.linalg))
    assert list(ours) == list(theirs)
    for own, other in zip(ours.values(), theirs.values(), strict=True):
        assert own.kind == other.kind
        assert own.default == other.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("type", [1, 2, 3])
def test_generalised_problem(type, lower, dtype, rng):
    """SciPy's values, the same vectors up to phases; one triangle of both is read."""
    a, b = random_symmetric(rng, n=5, dtype=dtype), random_spd(rng, n=5, dtype=dtype)
    w, v = linalg.eigh(*((np.tril if lower else np.triu)(x) for x in (a, b)), lower=lower, type=type)
    expected, vectors = scipy.linalg.eigh(a, b, type=type)
    np.testing.assert_allclose(w, expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(np.abs(v), np.abs(vectors), rtol=1e-9, atol=1e-10)
    lazy = linalg.eigvalsh(da.from_array(a, chunks=2), da.from_array(b, chunks=3), type=type)
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), expected, rtol=1e-10, atol=1e-10)
    index = linalg.eigh(a, b, type=type, eigvals_only=True, subset_by_index=(1, 3))
    np.testing.assert_allclose(index, expected[1:4], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("type", [1, 2, 3])
def test_gradients_of_pairs(type, dtype, rng):
    a, b = random_symmetric(rng, n=3, dtype=dtype), random_spd(rng, n=3, dtype=dtype)
    ds.testing.check_grads(
        lambda a, b: linalg.eigh(a, b, type=type),
        (a, b),
        order=1,
        hermitian=True,
        rtol=1e-7,
        scheduler="sync",
    )


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_has_no_generalised_problem(rng):
    with pytest.raises(NotImplementedError):
        jax.scipy.linalg.eigh(np.eye(3), random_spd(rng, n=3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_general_problem_and_pair(dtype, rng):
    a, b = random_array(rng, 5, 5, dtype=dtype), random_array(rng, 5, 5, dtype=dtype)
    np.testing.assert_allclose(linalg.eigvals(a), scipy.linalg.eigvals(a), atol=1e-11)
    w, v = linalg.eig(a, b)
    np.testing.assert_allclose(a @ v, (b @ v) * w, atol=1e-10)
    np.testing.assert_allclose(np.sort(np.abs(w)), np.sort(np.abs(scipy.linalg.eigvals(a, b))), rtol=1e-9)
    lazy = linalg.eigvals(da.from_array(a, chunks=2))
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), scipy.linalg.eigvals(a), atol=1e-11)


def test_faults_are_named(rng):
    a = random_symmetric(rng, n=3)
    with pytest.raises(ArgumentError, match="eigh: type must be 1, 2 or 3, got 4"):
        linalg.eigh(a, np.eye(3), type=4)
    with pytest.raises(FactorisationError, match="cholesky: .*not positive definite"):
        linalg.eigh(a, -np.eye(3))
    with pytest.raises(UnsupportedError, match="subset_by_value is not supported"):
        linalg.eigh(a, subset_by_value=INTERVAL)
    with pytest.raises(UnsupportedError, match="left=True is not supported"):
        linalg.eig(a, left=True)
    with pytest.raises(UnsupportedError, match="homogeneous_eigvals=True"):
        linalg.eigvals(a, homogeneous_eigvals=True)
