"""What is particular to QR; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError, UnsupportedError
from dagsolve.primitives.qr import examples, qr
from dagsolve.sampling import random_array, random_orthogonal
from dagsolve.specs import spec_of

MATRICES = [example[0] for example in examples(np.random.default_rng(20261121))]


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def pulled(a, q_bar, r_bar):
    q, r = qr(a)
    specs = {name: spec_of(x) for name, x in {"a": a, "q": q, "r": r}.items()}
    saved = qr.saved((a,), (q, r), specs, ("a",))
    return qr.pull(np, saved, (q_bar, r_bar), ("a",), {})[0]


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_factors(a):
    q, r = qr(a)
    np.testing.assert_allclose(q @ r, a, rtol=1e-13, atol=1e-13)
    eye = np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1]))
    np.testing.assert_allclose(adjoint(q) @ q, eye, atol=1e-13)
    assert not np.any(np.tril(r, -1))
    np.testing.assert_allclose(np.diagonal(r, axis1=-2, axis2=-1).imag, 0, atol=1e-14)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_cotangent_of_the_product_comes_back(a, rng):
    """φ = Re⟨C, Q R⟩ is Re⟨C, A⟩, hence Ā = C."""
    c = random_array(rng, *a.shape, dtype=a.dtype)
    q, r = qr(a)
    np.testing.assert_allclose(pulled(a, c @ adjoint(r), adjoint(q) @ c), c, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_gram_matrices_of_the_factors(a, rng):
    """Rᴴ R = Aᴴ A whatever the signs, and Qᴴ Q = I does not depend on A."""
    q, r = qr(a)
    c = random_array(rng, a.shape[-1], a.shape[-1], dtype=a.dtype)
    both = c + adjoint(c)
    np.testing.assert_allclose(pulled(a, None, r @ both), a @ both, rtol=1e-11, atol=1e-12)
    k = q.shape[-1]
    np.testing.assert_allclose(pulled(a, q @ (c + adjoint(c))[:k, :k], None), 0, atol=1e-12)


def test_volume():
    """Σ log |Rᵢᵢ| = log det AᵀA / 2, hence Ā = pinv(A)ᵀ."""
    a = MATRICES[2]
    _, r = qr(a)
    expected = np.linalg.pinv(a).T
    np.testing.assert_allclose(pulled(a, None, np.diag(1 / np.diag(r))), expected, rtol=1e-12, atol=1e-13)


def test_what_lies_below_the_diagonal_of_the_cotangent_of_r_is_not_seen(rng):
    for a in MATRICES[1:4]:
        r_bar = rng.standard_normal(qr(a)[1].shape)
        noise = np.tril(rng.standard_normal(r_bar.shape), -1)
        np.testing.assert_array_equal(pulled(a, None, r_bar + noise), pulled(a, None, np.triu(r_bar)))


def test_linearly_dependent_columns_have_factors_but_no_derivative():
    a = np.array([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(np.matmul(*qr(a)), a, atol=1e-15)
    with pytest.raises(FactorisationError, match="got pivot 1 of size 0"):
        pulled(a, np.ones((3, 2)), None)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 3, 0)])
def test_empty_matrix(shape):
    q, r = qr(np.ones(shape))
    np.testing.assert_array_equal(q @ r, np.ones(shape))
    assert pulled(np.ones(shape), q, r).shape == shape


def test_nan_is_refused():
    with pytest.raises(FactorisationError, match=r"qr: a \(3, 2\) float64 cannot be factored"):
        qr(np.full((3, 2), np.nan))


def test_vector_is_refused_before_any_work():
    with pytest.raises(ShapeError, match=r"a must have shape \(\.\.\., m, n\), got \(3,\)"):
        qr.result_specs((spec_of(np.ones(3)),), {})


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 7, 3)])
def test_gradients_equal_jaxs(shape, dtype, rng):
    """Both use LAPACK's signs. JAX's complex gradients are conjugate."""
    a = random_array(rng, *shape, dtype=dtype)
    k = min(shape[-2:])
    of_q = random_array(rng, shape[-2], k, dtype=dtype)
    of_r = random_array(rng, k, shape[-1], dtype=dtype)

    def f(a, xp):
        q, r = xp.linalg.qr(a)
        return xp.sum(xp.real(of_q * xp.sin(q))) + xp.sum(xp.real(of_r * r) ** 2)

    with jax.enable_x64(True):
        expected = np.conj(jax.grad(lambda a: f(a, jax.numpy))(a))
    np.testing.assert_allclose(ds.grad(lambda a: f(a, np))(a), expected, rtol=1e-10, atol=1e-11)


def least_squares(a, b):
    q, r = ds.linalg.qr(a, mode="economic")
    x = ds.linalg.solve_triangular(r, q.T @ b)
    return np.sum(np.sin(x)) + np.sum((a @ x - b) ** 2)


def test_gradient_of_least_squares(rng):
    """Both results read; q̄, r̄ and the direct use of A meet in one cotangent."""
    a, b = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    ds.testing.check_grads(least_squares, (a, b), order=2)
    expected = ds.grad(least_squares, (0, 1), scheduler="sync")(a, b)
    for options in (
        {"chunks": 2, "scheduler": "threads"},
        {"chunks": {0: (3, 2), 1: 5}, "scheduler": "sync"},
    ):
        for x_bar, other in zip(ds.grad(least_squares, (0, 1), **options)(a, b), expected, strict=True):
            np.testing.assert_allclose(x_bar, other, rtol=1e-11, atol=1e-12)


def test_numpys_and_scipys_signatures(rng):
    a = rng.standard_normal((5, 3))
    (r,) = ds.linalg.qr(a, mode="r")
    assert r.shape == (5, 3)
    np.testing.assert_allclose(r.T @ r, a.T @ a, rtol=1e-13)
    q, r = ds.linalg.qr(a.T)
    assert (q.shape, r.shape) == ((3, 3), (3, 5))
    ds.testing.check_grads(lambda a: ds.linalg.qr(a, mode="r")[0], (a,), order=1)
    value, pullback = ds.vjp(np.linalg.qr, a)
    assert type(value) is type(np.linalg.qr(a))
    assert pullback(value)[0].shape == a.shape
    for arguments in ({}, {"mode": "raw"}, {"mode": "full", "pivoting": True}):
        with pytest.raises(UnsupportedError, match=r"^qr: mode="):
            ds.linalg.qr(a, **arguments)


def test_orthogonal_columns_stay_when_scaled(rng):
    """A = Q D: R = ±D, so the cotangent of Q reaches A only where it turns the columns."""
    q, d = random_orthogonal(rng, n=5)[:, :3], np.diag([1.0, 2.0, 3.0])
    np.testing.assert_allclose(pulled(q @ d, qr(q @ d)[0], None), 0, atol=1e-14)
