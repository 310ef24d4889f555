"""What is particular to exponentials, roots, spectral functions and polar factors beside test_contract.py."""

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.primitives.expm import expm, expm_frechet
from dagsolve.primitives.polar import polar
from dagsolve.primitives.sqrtm import sqrtm
from dagsolve.sampling import random_array, random_orthogonal, random_spd

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 10.0])
def test_exponential_is_scipys(scale, dtype, rng):
    """The approximant that other array libraries take, and SciPy's; a stack of norms far apart."""
    a = random_array(rng, 2, 5, 5, dtype=dtype) * np.array([scale, 0.1])[:, None, None].astype(dtype)
    expected = np.stack([scipy.linalg.expm(x.astype(np.result_type(dtype, np.float64))) for x in a])
    tolerance = (1e-3 if np.finfo(dtype).bits == 32 else 1e-11) * np.abs(expected).max()
    for y in (expm(a), expm.forward(np, a)):
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, atol=tolerance)


def test_exponential_of_nothing_and_of_too_much():
    assert expm(np.zeros((0, 0))).shape == (0, 0)
    for a, message in ((np.diag([1e4, 1.0]), "is too large"), (np.array([[np.inf]]), "must be finite")):
        for routine in (expm, lambda a: expm.forward(np, a), lambda a: expm_frechet(a, np.eye(len(a)))):
            with pytest.raises(FactorisationError, match=message), np.errstate(all="ignore"):
                routine(a)
    with pytest.raises(FactorisationError, match="is not finite"):
        expm_frechet(np.eye(2), np.full((2, 2), np.nan))


def test_derivatives_along_the_matrix_itself(rng):
    """exp(tA) has the derivatives Aᵏ exp(tA): the first, and the second through the first's pushforward."""
    a, t = rng.standard_normal((3, 3)), np.ones(())

    def first(t):
        return ds.jvp(lambda t: ds.linalg.expm(t * a), (t,), (t,), scheduler="sync")[1]

    value, slope = ds.jvp(
        lambda t: ds.linalg.expm_frechet(t * a, a, compute_expm=False), (t,), (t,), scheduler="sync"
    )
    y = scipy.linalg.expm(a)
    np.testing.assert_allclose(first(t), a @ y, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(value, a @ y, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(slope, a @ a @ y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 13])
def test_square_root(n, dtype, rng):
    a = random_array(rng, n, n, dtype=dtype) / np.sqrt(n).astype(dtype) + 2 * np.eye(n, dtype=dtype)
    y = sqrtm(a)
    assert y.dtype == dtype
    np.testing.assert_allclose(y @ y, a, atol=1e-4 if np.finfo(dtype).bits == 32 else 1e-12)
    assert np.all(np.linalg.eigvals(y).real > 0)


@pytest.mark.parametrize("a", [np.diag([1.0, -1.0]), np.diag([1.0, 0.0]), np.ones((3, 3)), -np.eye(2) + 0j])
def test_no_principal_root(a, rng):
    q = random_orthogonal(rng, n=len(a))
    with pytest.raises(FactorisationError, match="zero or negative within rounding"):
        sqrtm(q @ a @ q.T)
    with pytest.raises(FactorisationError, match="holds NaN"):
        sqrtm(a * np.nan)


def test_root_of_a_rotation_is_half_the_rotation():
    """Eigenvalues off the real axis: exp(±it) → exp(±it/2), beyond a right angle too."""
    for t in (0.3, 1.9, 3.1):
        turn = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
        half = [[np.cos(t / 2), -np.sin(t / 2)], [np.sin(t / 2), np.cos(t / 2)]]
        np.testing.assert_allclose(sqrtm(np.array(turn)), half, atol=1e-12)


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_has_no_derivative_of_the_square_root(rng):
    a = random_spd(rng, n=3)
    with pytest.raises(NotImplementedError):
        jax.grad(lambda a: jax.scipy.linalg.sqrtm(a).real.sum())(a)
    ds.testing.check_grads(ds.linalg.sqrtm, (a,), rtol=1e-7, scheduler="sync")


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(
    "w",
    [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (1.0, 1 + 1e-9, 2.0), (1.0, 1 + 1e-5, 1 + 1e-3), (1e-9, 2e-9, 1.0)],
)
def test_spectral_gradient_does_not_mind_close_eigenvalues(w, dtype, rng):
    """Beside the exponential's Fréchet derivative, which knows no eigenvalues, and the root's square."""
    q = random_orthogonal(rng, n=3, dtype=dtype)
    a, e = (q * np.array(w)) @ q.conj().T, random_spd(rng, n=3, dtype=dtype)
    a = (a + a.conj().T) / 2

    gradient = ds.grad(
        lambda a: np.sum(np.real(ds.linalg.funm_psd(a, np.exp, np.exp) * e.T)), scheduler="sync"
    )(a)
    np.testing.assert_allclose(gradient, expm_frechet(a, e), rtol=1e-10, atol=1e-10)

    def moved(f, df):
        return ds.jvp(lambda a: ds.linalg.funm_psd(a, f, df), (a,), (e,), scheduler="sync")[1]

    np.testing.assert_allclose(moved(np.exp, np.exp), expm_frechet(a, e), rtol=1e-10, atol=1e-10)
    y, y_dot = (
        ds.linalg.funm_psd(a, np.sqrt, lambda w: 0.5 / np.sqrt(w)),
        moved(np.sqrt, lambda w: 0.5 / np.sqrt(w)),
    )
    np.testing.assert_allclose(y @ y_dot + y_dot @ y, e, rtol=1e-5 if min(w) < 1e-3 else 1e-10, atol=1e-9)


def test_symmetric_functions_of_opposite_eigenvalues(rng):
    """w³ has equal derivatives at ±1, which is no reason to take them for the divided difference."""
    q = random_orthogonal(rng, n=2)
    a = (q * np.array([-1.0, 1.0])) @ q.T
    e = np.array([[1.0, 2.0], [2.0, -1.0]])
    f = lambda a: ds.linalg.funm_psd(a, lambda w: w**3, lambda w: 3 * w**2)  # noqa: E731
    found = ds.jvp(f, (a,), (e,), scheduler="sync")[1]
    np.testing.assert_allclose(found, e @ a @ a + a @ e @ a + a @ a @ e, atol=1e-12)


def test_spectral_function_outside_its_domain_is_refused(rng):
    with (
        np.errstate(all="ignore"),
        pytest.raises(FactorisationError, match="f is not finite at an eigenvalue"),
    ):
        ds.linalg.funm_psd(np.diag([1.0, -1.0]), np.log, np.reciprocal)


def test_spectral_function_with_an_infinite_slope_has_no_gradient(rng):
    """The root of a semidefinite matrix: a value, but no derivative, in either mode."""
    half = rng.standard_normal((3, 2))
    a = np.stack([np.eye(3), np.diag([0.0, 1.0, 2.0])])

    def root(a):
        return ds.linalg.funm_psd(a, np.sqrt, lambda w: 0.5 / np.sqrt(w))

    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(root(a) @ root(a), a, atol=1e-12)
        with pytest.raises(FactorisationError, match=r"finite at the .* of a\[1\], got inf at eig.* 0"):
            ds.grad(lambda a: np.sum(root(a)), scheduler="sync")(a)
        with pytest.raises(FactorisationError, match="got inf at eigenvalue 0"):
            ds.jvp(root, (a[1],), (half @ half.T,), scheduler="sync")


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (2, 5, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_polar_factors(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    u, p = polar(a)
    tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-12
    np.testing.assert_allclose(u @ p, a, atol=tolerance)
    unit = np.broadcast_to(np.eye(shape[-1]), p.shape)
    np.testing.assert_allclose(u.conj().swapaxes(-1, -2) @ u, unit, atol=tolerance)
    assert np.all(np.linalg.eigvalsh(p) > 0)


def test_polar_of_a_deficient_matrix_is_refused():
    with pytest.raises(FactorisationError, match="does not have full rank: the unitary factor is not unique"):
        polar(np.ones((3, 2)))
    with pytest.raises(FactorisationError, match="polar"):
        polar(np.full((3, 2), np.nan))
