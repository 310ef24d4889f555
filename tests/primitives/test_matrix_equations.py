"""What is particular to Sylvester, Lyapunov and Toeplitz equations; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.primitives.sylvester import solve_discrete_lyapunov, solve_sylvester
from dagsolve.primitives.toeplitz import solve_toeplitz
from dagsolve.sampling import random_array, random_spd

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def tolerance(dtype):
    return 2e-4 if np.finfo(dtype).bits == 32 else 1e-11


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (7, 5), (2, 13), (0, 3), (3, 0)])
def test_sylvester_of_general_matrices(m, n, dtype, rng):
    """Real ones have conjugate pairs, in blocks of two rows of their Schur form."""
    a, b = random_array(rng, m, m, dtype=dtype), random_array(rng, n, n, dtype=dtype)
    a, b = a + 6 * np.eye(m, dtype=dtype), b + 6 * np.eye(n, dtype=dtype)
    q = random_array(rng, m, n, dtype=dtype)
    x = solve_sylvester(a, b, q)
    assert x.dtype == dtype
    np.testing.assert_allclose(a @ x + x @ b, q, atol=tolerance(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(), (3,)])
def test_sylvester_of_matrices_that_are_one_anothers(batch, dtype, rng):
    """Equal ones, adjoint ones and Hermitian ones go shorter ways."""
    a = random_array(rng, *batch, 5, 5, dtype=dtype) + 6 * np.eye(5, dtype=dtype)
    q, h = random_array(rng, *batch, 5, 5, dtype=dtype), random_spd(rng, *batch, n=5, dtype=dtype)
    turned = a.conj().swapaxes(-1, -2)
    for x, y in ((a, a), (a, a.copy()), (a, turned), (turned, a), (h, h), (h, h + h), (h, a), (a, h)):
        found = solve_sylvester(x, y, q)
        assert found.dtype == dtype
        np.testing.assert_allclose(x @ found + found @ y, q, atol=tolerance(dtype))
    for fault in (np.nan, np.inf):
        with pytest.raises(FactorisationError, match="solve_sylvester: an operand .* holds NaN"):
            solve_sylvester(np.full_like(h, fault), h, q)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_discrete_equation(n, dtype, direct, rng):
    a, q = random_array(rng, n, n, dtype=dtype) / 3, random_array(rng, n, n, dtype=dtype)
    x = solve_discrete_lyapunov(a, q, direct=direct)
    assert x.dtype == dtype
    np.testing.assert_allclose(x - a @ x @ a.conj().T, q, atol=tolerance(dtype))


@pytest.mark.parametrize("a", [np.eye(3), np.diag([1.0, -2.0, 3.0]), np.array([[0.0, 2.0], [-2.0, 0.0]])])
def test_singular_equations_are_refused(a, rng):
    """λ and -λ are eigenvalues of a and b; with (1 + λ)/(1 - λ) likewise for the discrete equation."""
    turned = np.linalg.qr(rng.standard_normal(a.shape))[0]
    a = turned @ a @ turned.T
    with pytest.raises(FactorisationError, match="solve_sylvester: the equation is singular"):
        solve_sylvester(a, -a, a)
    cayley = np.linalg.solve(np.eye(len(a)) - 0.4 * a, np.eye(len(a)) + 0.4 * a)
    reciprocal = scipy.linalg.block_diag(cayley, np.linalg.inv(cayley).T)
    for direct in (False, True):
        with pytest.raises(FactorisationError, match="solve_discrete_lyapunov: the equation is singular"):
            solve_discrete_lyapunov(reciprocal, np.eye(2 * len(a)), direct=direct)
    with pytest.raises(FactorisationError, match="holds NaN"):
        solve_sylvester(a * np.nan, a, a)


def test_gradient_agrees_with_kroneckers_system(rng):
    """vec X solves (I ⊗ A + Bᵀ ⊗ I) vec X = vec Q, another way to the gradient."""
    a, b, q = (
        rng.standard_normal((5, 5)) + 4 * np.eye(5),
        rng.standard_normal((3, 3)),
        rng.standard_normal((5, 3)),
    )

    def by_schur(a, b, q):
        return np.sum(np.sin(ds.linalg.solve_sylvester(a, b, q)))

    def by_kronecker(a, b, q):
        system = np.kron(a, np.eye(3)) + np.kron(np.eye(5), b.T)
        return np.sum(np.sin(np.linalg.solve(system, np.reshape(q, -1))))

    ours = ds.grad(by_schur, argnums=(0, 1, 2), scheduler="sync")(a, b, q)
    theirs = ds.grad(by_kronecker, argnums=(0, 1, 2), scheduler="sync")(a, b, q)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_has_no_derivative_of_sylvesters_equation(rng):
    a, b, q = (
        rng.standard_normal((3, 3)) + 4 * np.eye(3),
        rng.standard_normal((2, 2)),
        rng.standard_normal((3, 2)),
    )
    with pytest.raises(NotImplementedError):
        jax.grad(lambda a: jax.scipy.linalg.solve_sylvester(a, b, q).sum().real)(a)
    ds.testing.check_grads(ds.linalg.solve_sylvester, (a, b, q), rtol=1e-7, scheduler="sync")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 13])
def test_toeplitz_systems(n, dtype, rng):
    c, r = random_array(rng, n, dtype=dtype) / n, random_array(rng, n, dtype=dtype) / n
    c[0] += 2
    b = random_array(rng, n, 3, dtype=dtype)
    x = solve_toeplitz(c, r, b)
    assert x.dtype == dtype
    np.testing.assert_allclose(scipy.linalg.toeplitz(c, r) @ x, b, atol=tolerance(dtype))


def test_toeplitz_gradient_agrees_with_the_formed_matrix(rng):
    c, r, b = rng.standard_normal(11) / 11, rng.standard_normal(11) / 11, rng.standard_normal((11, 3))
    c[0] = 2

    def formed(c, r, b):
        return np.sum(np.sin(np.linalg.solve(ds.linalg.toeplitz(c, r), b)))

    def recursive(c, r, b):
        return np.sum(np.sin(ds.linalg.solve_toeplitz((c, r), b)))

    ours = ds.grad(recursive, argnums=(0, 1, 2), scheduler="sync")(c, r, b)
    theirs = ds.grad(formed, argnums=(0, 1, 2), scheduler="sync")(c, r, b)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_toeplitz_matrix_that_is_singular_to_rounding_is_refused(dtype, rng):
    """Rows that add to zero, or a first minor that is no more than rounding."""
    c = random_array(rng, 5, dtype=dtype)
    r = np.concatenate([c[:1], c[:0:-1]])  # a circulant, of which one frequency is missing
    c -= np.mean(c)
    r -= np.mean(r)
    tiny = np.array([1e-3 * np.finfo(dtype).eps, 1, 2, 3, 4], dtype)
    for column, row in ((c, r), (tiny, tiny)):
        with pytest.raises(FactorisationError, match="solve_toeplitz: .*(singular to rounding|is zero)"):
            solve_toeplitz(column, row, np.ones((5, 2), dtype))


def test_toeplitz_with_a_zero_minor_is_refused():
    with pytest.raises(FactorisationError, match="a leading minor of the matrix of order 2 is zero"):
        solve_toeplitz(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones((2, 1)))
    with pytest.raises(FactorisationError, match="holds NaN"):
        solve_toeplitz(np.array([np.nan, 1.0]), np.array([0.0, 1.0]), np.ones((2, 1)))
