"""Public systems, factors, inverses and determinants: SciPy's results, names and order of arguments."""

import inspect

import dask.array as da
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve import linalg
from dagsolve.errors import ArgumentError, FactorisationError, ShapeError, UnsupportedError
from dagsolve.primitives.lu import well_posed
from dagsolve.sampling import random_array, random_spd

DTYPES = [np.float64, np.complex128]
NAMES = [
    "solve", "lu", "lu_factor", "lu_solve", "inv", "det", "pinv", "cho_factor", "cho_solve",
    "solve_triangular",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_scipy(name):
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (linalg, scipy.linalg))
    assert list(ours) == list(theirs)
    for own, other in zip(ours.values(), theirs.values(), strict=True):
        assert own.kind == other.kind
        assert own.default == other.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("vector", [False, True])
def test_solve_reads_what_is_assumed(dtype, lower, transposed, vector, rng):
    a = well_posed(rng, m=5, n=5, dtype=dtype)
    definite = random_spd(rng, n=5, dtype=dtype)
    b = random_array(rng, *((5,) if vector else (5, 2)), dtype=dtype)
    tri = np.tril if lower else np.triu
    cases = {
        None: (a, a), "gen": (a, a), "general": (a, a),
        "sym": (tri(a + a.T), a + a.T), "symmetric": (tri(a + a.T), a + a.T),
        "her": (tri(definite), definite), "hermitian": (tri(definite), definite),
        "pos": (tri(definite), definite), "positive definite": (tri(definite), definite),
        "upper triangular": (definite, np.triu(definite)), "lower triangular": (definite, np.tril(definite)),
        "diagonal": (definite, np.diag(np.diag(definite))),
    }  # fmt: skip
    for assumed, (stored, meant) in cases.items():
        options = {"lower": lower, "assume_a": assumed, "transposed": transposed}
        found = linalg.solve(stored, b, overwrite_a=True, overwrite_b=True, check_finite=False, **options)
        expected = np.linalg.solve(meant.T if transposed else meant, b)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
        if not (transposed and dtype == np.complex128):  # which SciPy refuses
            np.testing.assert_allclose(
                found, scipy.linalg.solve(stored, b, **options), rtol=1e-11, atol=1e-12
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 3, 3)])
def test_factors_are_those_of_scipy(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    for options in ({}, {"permute_l": True}, {"p_indices": True}):
        for found, expected in zip(linalg.lu(a, **options), scipy.linalg.lu(a, **options), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(linalg.lu_factor(a), scipy.linalg.lu_factor(a), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("trans", [0, 1, 2])
def test_factors_are_exchanged_with_scipy(trans, dtype, rng):
    a, b = random_array(rng, 7, 7, dtype=dtype), random_array(rng, 7, 2, dtype=dtype)
    expected = scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b, trans)
    for factor in (linalg.lu_factor, scipy.linalg.lu_factor):
        np.testing.assert_allclose(linalg.lu_solve(factor(a), b, trans), expected, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(linalg.lu_solve(factor(a), b[:, 0], trans), expected[:, 0], rtol=1e-10)
        np.testing.assert_allclose(scipy.linalg.lu_solve(linalg.lu_factor(a), b, trans), expected)


def test_gradient_through_factors_is_that_of_the_solution(rng):
    a, b = well_posed(rng, m=5, n=5), random_array(rng, 5)
    for trans in (0, 1):
        by_factors = ds.grad(
            lambda a, b, t=trans: np.sum(linalg.lu_solve(linalg.lu_factor(a), b, t) ** 3),
            (0, 1),
            scheduler="sync",
        )(a, b)
        direct = ds.grad(
            lambda a, b, t=trans: np.sum(linalg.solve(a, b, transposed=bool(t)) ** 3),
            (0, 1),
            scheduler="sync",
        )(a, b)
        for found, expected in zip(by_factors, direct, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.int64, bool, np.float32])
def test_whole_numbers_become_doubles(dtype):
    a, b = np.array([[2, 1], [1, 1]], dtype), np.array([3, 2], dtype)
    expected = np.float32 if dtype == np.float32 else np.float64
    if dtype is not bool:
        assert linalg.solve(a, b).dtype == linalg.det(a).dtype == linalg.inv(a).dtype == expected
        np.testing.assert_allclose(linalg.solve(a.tolist(), b.tolist()), [1, 1])
    assert all(x.dtype == expected for x in linalg.lu(a))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dask_arrays_give_lazy_results(dtype, rng):
    a, b = well_posed(rng, m=7, n=7, dtype=dtype), random_array(rng, 7, 2, dtype=dtype)
    lazy, right = da.from_array(a, chunks=3), da.from_array(b, chunks=(3, 1))
    definite = random_spd(rng, n=7, dtype=dtype)
    pairs = [
        (linalg.solve(lazy, right), np.linalg.solve(a, b)),
        (linalg.solve(da.from_array(np.tril(definite), chunks=3), right, lower=True, assume_a="pos"),
         np.linalg.solve(definite, b)),
        (linalg.lu_solve(linalg.lu_factor(lazy), right), np.linalg.solve(a, b)),
        (linalg.inv(lazy), np.linalg.inv(a)), (linalg.det(lazy), np.linalg.det(a)),
        (linalg.slogdet(lazy).logabsdet, np.linalg.slogdet(a).logabsdet),
        (linalg.logdet(da.from_array(definite, chunks=3)), np.linalg.slogdet(definite).logabsdet),
        (linalg.pinv(lazy[:, :3]), np.linalg.pinv(a[:, :3])),
    ]  # fmt: skip
    for found, expected in pairs:
        assert isinstance(found, da.Array)
        np.testing.assert_allclose(found.compute(scheduler="sync"), expected, rtol=1e-10, atol=1e-11)


def test_gradients_in_tiles_are_those_in_one_piece(rng):
    a, b = random_spd(rng, n=7), random_array(rng, 7)

    def f(a, b):
        x, y = np.linalg.solve(a, b), linalg.solve(a, b, assume_a="pos")
        return x @ y + np.linalg.slogdet(a).logabsdet + np.sum(np.linalg.inv(a)) + linalg.logdet(a)

    whole = ds.grad(f, (0, 1), scheduler="sync")(a, b)
    for found, expected in zip(ds.grad(f, (0, 1), chunks=3, scheduler="sync")(a, b), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linalg.solve(np.eye(3), np.ones(3), assume_a="banded"), UnsupportedError, "'banded'"),
        (lambda: linalg.solve(np.eye(3), 1.0), ShapeError, r"solve: b must have shape \(n,\) or"),
        (lambda: linalg.solve(np.eye(3), np.ones(2)), ShapeError, r"with n = 3, got \(2, 1\)"),
        (lambda: linalg.lu_solve(linalg.lu_factor(np.eye(3)), np.ones(3), 5), ArgumentError, "got 5"),
        (
            lambda: linalg.lu_solve(linalg.lu_factor(np.zeros((2, 2))), np.ones(2)),
            FactorisationError,
            "lu_solve: a .2, 2. .* pivot 0",
        ),
        (lambda: linalg.solve(np.zeros((2, 2)), np.ones(2)), FactorisationError, "pivot 0"),
        (
            lambda: linalg.solve(-np.eye(2), np.ones(2), assume_a="pos"),
            FactorisationError,
            "positive_solve: a",
        ),
        (lambda: linalg.inv(-np.eye(2), assume_a="pos"), FactorisationError, "not positive definite"),
        (lambda: linalg.logdet(-np.eye(2)), FactorisationError, "not positive definite"),
        (lambda: linalg.det(np.ones((3, 2))), ShapeError, r"det: a must have shape \(\.\.\., n, n\)"),
    ],
)
def test_faults_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
