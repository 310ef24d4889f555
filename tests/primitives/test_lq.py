"""What is particular to LQ and to the triangle of QR alone; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.lq import examples, lq
from dagsolve.primitives.qr_triangle import qr_triangle
from dagsolve.sampling import random_array
from dagsolve.specs import spec_of

MATRICES = [example[0] for example in examples(np.random.default_rng(20261121))]
SHAPES = [(5, 5), (7, 3), (3, 7), (2, 3, 7)]


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def pulled(a, l_bar, q_bar):
    l, q = lq(a)
    specs = {name: spec_of(x) for name, x in {"a": a, "l": l, "q": q}.items()}
    saved = lq.saved((a,), (l, q), specs, ("a",))
    return lq.pull(np, saved, (l_bar, q_bar), ("a",), {})[0]


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_factors(a):
    l, q = lq(a)
    np.testing.assert_allclose(l @ q, a, rtol=1e-13, atol=1e-13)
    eye = np.broadcast_to(np.eye(q.shape[-2]), (*q.shape[:-2], q.shape[-2], q.shape[-2]))
    np.testing.assert_allclose(q @ adjoint(q), eye, atol=1e-13)
    assert not np.any(np.triu(l, 1))
    np.testing.assert_allclose(np.diagonal(l, axis1=-2, axis2=-1).imag, 0, atol=1e-14)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_cotangent_of_the_product_comes_back(a, rng):
    """φ = Re⟨C, L Q⟩ is Re⟨C, A⟩, hence Ā = C."""
    c = random_array(rng, *a.shape, dtype=a.dtype)
    l, q = lq(a)
    np.testing.assert_allclose(pulled(a, c @ adjoint(q), adjoint(l) @ c), c, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_gram_matrix_of_the_triangle(a, rng):
    """L Lᴴ = A Aᴴ whatever the signs."""
    c = random_array(rng, a.shape[-2], a.shape[-2], dtype=a.dtype)
    both = c + adjoint(c)
    np.testing.assert_allclose(pulled(a, both @ lq(a)[0], None), both @ a, rtol=1e-11, atol=1e-12)


def test_what_lies_above_the_diagonal_of_the_cotangent_of_l_is_not_seen(rng):
    for a in MATRICES[1:4]:
        l_bar = rng.standard_normal(lq(a)[0].shape)
        noise = np.triu(rng.standard_normal(l_bar.shape), 1)
        np.testing.assert_allclose(
            pulled(a, l_bar + noise, None), pulled(a, np.tril(l_bar), None), rtol=1e-12
        )


@pytest.mark.parametrize(("shape", "dtype"), [((7, 3), complex), ((2, 3, 7), float)])
def test_gradients_equal_jaxs(shape, dtype, rng):
    """By JAX's QR of the adjoint, which has the same signs. JAX's complex gradients are conjugate."""
    a = random_array(rng, *shape, dtype=dtype)
    k = min(shape[-2:])
    of_l = random_array(rng, shape[-2], k, dtype=dtype)
    of_q = random_array(rng, k, shape[-1], dtype=dtype)

    def f(l, q, xp):
        return xp.sum(xp.real(of_q * xp.sin(q))) + xp.sum(xp.real(of_l * l) ** 2)

    def by_jax(a):
        q, r = jax.numpy.linalg.qr(jax.numpy.conj(jax.numpy.swapaxes(a, -1, -2)))
        l, q = (jax.numpy.conj(jax.numpy.swapaxes(x, -1, -2)) for x in (r, q))
        return f(l, q, jax.numpy)

    with jax.enable_x64(True):
        expected = np.conj(jax.grad(by_jax)(a))
    found = ds.grad(lambda a: f(lq(a)[0], lq(a)[1], np))(a)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
def test_triangle_of_qr_alone(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    r = np.linalg.qr(a)[1]
    np.testing.assert_allclose(qr_triangle(a), r, rtol=1e-13, atol=1e-13)
    of_r = random_array(rng, *r.shape, dtype=dtype)
    alone = ds.grad(lambda a: np.sum(np.real(of_r * np.sin(qr_triangle(a)))))(a)
    both = ds.grad(lambda a: np.sum(np.real(of_r * np.sin(np.linalg.qr(a)[1]))))(a)
    np.testing.assert_allclose(alone, both, rtol=1e-12, atol=1e-13)


def test_gradient_of_the_triangle_is_as_accurate_as_its_matrix(rng):
    """For columns nearly in one plane: Σ log |Rᵢᵢ| has the gradient pinv(A)ᴴ, which A R⁻¹ would spoil."""
    u, _, vh = np.linalg.svd(rng.standard_normal((11, 5)), full_matrices=False)
    s = np.logspace(0, -10, 5)
    gradient = ds.grad(lambda a: np.sum(np.log(np.abs(np.diagonal(qr_triangle(a))))))((u * s) @ vh)
    expected = (u / s) @ vh
    assert np.max(np.abs(gradient - expected)) < 1e-5 * np.max(np.abs(expected))


def test_linearly_dependent_rows_have_factors_but_no_derivative():
    a = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(np.matmul(*lq(a)), a, atol=1e-15)
    with pytest.raises(FactorisationError, match="got pivot 1 of size 0"):
        pulled(a, None, np.ones((2, 3)))


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 3, 0)])
def test_empty_matrix(shape):
    l, q = lq(np.ones(shape))
    np.testing.assert_array_equal(l @ q, np.ones(shape))
    assert pulled(np.ones(shape), l, q).shape == shape
    assert qr_triangle(np.ones(shape)).shape == (*shape[:-2], min(shape[-2:]), shape[-1])


def test_matrices_that_cannot_be_taken():
    for primitive in (lq, qr_triangle):
        with pytest.raises(FactorisationError, match=rf"{primitive.name}: a \(3, 2\) float64 cannot be"):
            primitive(np.full((3, 2), np.nan))
        with pytest.raises(ShapeError, match=r"a must have shape \(\.\.\., m, n\), got \(3,\)"):
            primitive.result_specs((spec_of(np.ones(3)),), {})
