"""Public matrix equations and functions: SciPy's results and arguments, stacks, Dask arrays, gradients."""

import inspect

import dask.array as da
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve import linalg
from dagsolve.errors import ArgumentError, FactorisationError, ShapeError, UnsupportedError
from dagsolve.linalg.refused import REASONS
from dagsolve.sampling import random_array, random_spd

DTYPES = [np.float64, np.complex128]


@pytest.mark.parametrize(
    "name",
    [
        "solve_sylvester", "solve_continuous_lyapunov", "solve_discrete_lyapunov", "solve_toeplitz",
        "toeplitz", "expm", "expm_frechet", "polar", "norm",
    ],
)  # fmt: skip
def test_arguments_are_those_of_scipy(name):
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (linalg, scipy.linalg))
    assert list(ours) == list(theirs)
    assert [own.default for own in ours.values()] == [other.default for other in theirs.values()]


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_scipys(dtype, rng):
    a, b = random_array(rng, 5, 5, dtype=dtype), random_array(rng, 5, 5, dtype=dtype)
    c, r = random_array(rng, 5, dtype=dtype), random_array(rng, 3, dtype=dtype)
    positive = random_spd(rng, n=5, dtype=dtype)
    root, inverse = (lambda w: np.sqrt(w)), (lambda w: 0.5 / np.sqrt(w))
    pairs = {
        "sylvester": (linalg.solve_sylvester(a, b, b), scipy.linalg.solve_sylvester(a, b, b)),
        "lyapunov": (linalg.solve_continuous_lyapunov(a, b), scipy.linalg.solve_continuous_lyapunov(a, b)),
        "toeplitz": (linalg.toeplitz(c, r), scipy.linalg.toeplitz(c, r)),
        "hermitian toeplitz": (linalg.toeplitz(c), scipy.linalg.toeplitz(c)),
        "expm": (linalg.expm(a), scipy.linalg.expm(a)),
        "expm_frechet": (linalg.expm_frechet(a, b), scipy.linalg.expm_frechet(a, b)),
        "sqrtm": (linalg.sqrtm(positive), scipy.linalg.sqrtm(positive)),
        "funm_psd": (linalg.funm_psd(np.tril(positive), root, inverse), scipy.linalg.sqrtm(positive)),
        "upper": (
            linalg.funm_psd(np.triu(positive), root, inverse, lower=False),
            scipy.linalg.sqrtm(positive),
        ),
        "signm": (linalg.signm(a), scipy.linalg.signm(a)),
        "kron": (linalg.kron(a, c), np.kron(a, c)),
        "power": (linalg.matrix_power(a, -5), np.linalg.matrix_power(a, -5)),
        "cond": (linalg.cond(a, "nuc"), np.linalg.cond(a, "nuc")),
    }
    for method in (None, "direct", "bilinear"):
        found = linalg.solve_discrete_lyapunov(a, b, method)
        pairs[f"discrete, {method}"] = found, scipy.linalg.solve_discrete_lyapunov(a, b, method)
    for shape in ((5, 5), (5, 3), (3, 5)):
        for side in ("left", "right"):
            x = random_array(rng, *shape, dtype=dtype)
            pairs[f"polar, {shape}, {side}"] = linalg.polar(x, side), scipy.linalg.polar(x, side)
    for name, (found, expected) in pairs.items():
        for y, other in zip(*((z if isinstance(z, tuple) else (z,)) for z in (found, expected)), strict=True):
            np.testing.assert_allclose(y, other, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("p", [None, 2, -2])
def test_an_infinite_condition_number_has_no_derivative(p, rng):
    a = np.zeros((2, 3, 3))
    a[0] = rng.standard_normal((3, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(linalg.cond(a, p), np.linalg.cond(a, p), rtol=1e-12)
    with (
        ds.degenerate("ignore"),
        pytest.raises(FactorisationError, match=r"cond: a\[1\] has a singular value of 0 to divide by"),
    ):
        ds.grad(lambda a: np.sum(linalg.cond(a, p)))(a)
    with pytest.raises(ShapeError, match=r"cond: x must have shape .* m, n ≥ 1, got \(2, 0, 3\)"):
        linalg.cond(np.ones((2, 0, 3)), p)


def test_vectors_and_pairs_of_toeplitz_systems(rng):
    c, r, b = rng.standard_normal(7) / 7, rng.standard_normal(7) / 7, rng.standard_normal((7, 2))
    c[0] = 2
    for given in (c, (c, r)):
        for right in (b, b[:, 0]):
            found = linalg.solve_toeplitz(given, right)
            np.testing.assert_allclose(found, scipy.linalg.solve_toeplitz(given, right), rtol=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3)])
def test_gradients_of_polar_factors(shape, side, rng):
    ds.testing.check_grads(
        lambda a: linalg.polar(a, side), (rng.standard_normal(shape),), order=1, rtol=1e-7, scheduler="sync"
    )


def test_gradients_of_compositions(rng):
    a, q, c = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), rng.standard_normal(5)
    for function, args in (
        (linalg.solve_continuous_lyapunov, (a, q)), (linalg.signm, (a,)), (linalg.toeplitz, (c, q[0])),
        (linalg.toeplitz, (c + 1j,)), (lambda a: linalg.expm_frechet(a, q), (a,)),
    ):  # fmt: skip
        ds.testing.check_grads(function, args, order=1, rtol=1e-7, scheduler="sync")


@pytest.mark.parametrize("options", [{"chunks": 3}, {}])
def test_on_tiles_and_on_dask_arrays(options, rng):
    """In one chunk; values and gradients as on NumPy arrays."""
    a = random_spd(rng, n=5)

    def function(a):
        x = linalg.solve_sylvester(a, a, linalg.expm(a / 10))
        return np.sum(linalg.polar(x)[0] * linalg.sqrtm(a)) + np.real(np.sum(np.linalg.eigvals(x) ** 2))

    expected = ds.grad(function, scheduler="sync")(a)
    given = a if options else da.from_array(a, chunks=3)
    if options:
        found = ds.grad(function, scheduler="sync", **options)(given)
    else:
        (found,) = ds.compute(ds.grad(function)(given), scheduler="sync")
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9, atol=1e-9)
    lazy = linalg.funm_psd(da.from_array(a, chunks=2), np.log, np.reciprocal).compute(scheduler="sync")
    np.testing.assert_allclose(lazy, scipy.linalg.logm(a), rtol=1e-10, atol=1e-11)


def test_faults_are_named(rng):
    a = np.eye(3)
    for call, message in (
        (lambda: linalg.solve_discrete_lyapunov(a, a, "dual"), "method must be None"),
        (lambda: linalg.polar(a, "middle"), 'side must be "left" or "right"'),
        (lambda: linalg.expm_frechet(a, a, "taylor"), "method must be None"),
        (lambda: linalg.solve_toeplitz((a[0],) * 3, a), "c or .c, r., got 3 items"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
    for call, message in (
        (lambda: linalg.solve_sylvester(a, a, np.ones((2, 3))), "solve_sylvester"),
        (lambda: linalg.expm(np.ones((2, 3))), "expm"),
        (lambda: linalg.toeplitz(a), "c must have shape"),
        (lambda: linalg.solve_toeplitz(a[0], np.ones((3, 1, 1))), "b must have shape"),
        (lambda: linalg.polar(a[0]), "polar: a must have shape"),
    ):
        with pytest.raises(ShapeError, match=message):
            call()


@pytest.mark.parametrize("name", sorted(REASONS))
def test_what_has_no_rule_is_refused_with_the_reason(name):
    with pytest.raises(UnsupportedError, match=f"^{name}: has no .* (Use|For) "):
        getattr(linalg, name)(np.eye(3))
    assert getattr(linalg, name).__doc__.startswith("Raises UnsupportedError: ")
