"""What is particular to singular values; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.blocks.evaluate import run_block
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.svd import examples, random_of_spectrum, svd
from dagsolve.sampling import random_array
from dagsolve.specs import spec_of
from tests.blocks.recorded import Recorded

MATRICES = [example[0] for example in examples(np.random.default_rng(20261121))]


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def pulled(a, u_bar, s_bar, vh_bar):
    results = svd(a)
    specs = {name: spec_of(x) for name, x in zip(("a", "u", "s", "vh"), (a, *results), strict=True)}
    saved = svd.saved((a,), results, specs, ("a",))
    return svd.pull(np, saved, (u_bar, s_bar, vh_bar), ("a",), {})[0]


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_factors_and_their_signs(a):
    u, s, vh = svd(a)
    assert s.dtype == a.real.dtype
    assert np.all(np.diff(s, axis=-1) < 0)
    assert np.all(s > 0)
    np.testing.assert_allclose((u * s[..., None, :]) @ vh, a, rtol=1e-12, atol=1e-13)
    eye = np.broadcast_to(np.eye(s.shape[-1]), (*s.shape, s.shape[-1]))
    np.testing.assert_allclose(adjoint(u) @ u, eye, atol=1e-13)
    np.testing.assert_allclose(vh @ adjoint(vh), eye, atol=1e-13)
    size = np.abs(u)
    first = np.argmax(size >= 0.99 * np.max(size, axis=-2, keepdims=True), axis=-2)
    chosen = np.take_along_axis(u, first[..., None, :], axis=-2)
    assert np.all(chosen.real > 0)
    np.testing.assert_allclose(chosen.imag, 0, atol=1e-15)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_cotangent_of_the_product_comes_back(a, rng):
    """φ = Re⟨C, U diag(s) Vᴴ⟩ is Re⟨C, A⟩, hence Ā = C."""
    c = random_array(rng, *a.shape, dtype=a.dtype)
    u, s, vh = svd(a)
    right, left = c @ adjoint(vh), adjoint(u) @ c
    s_bar = np.sum(np.conj(u) * right, axis=-2).real
    found = pulled(a, right * s[..., None, :], s_bar, s[..., :, None] * left)
    np.testing.assert_allclose(found, c, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", [(5, 5), (7, 5), (5, 7)])
def test_polar_factor_at_repeated_singular_values(shape, dtype, rng):
    """U Vᴴ depends on spaces alone: against differences of SciPy's polar factor."""
    s = (3.0, 2.0, 2.0, 2.0, 0.5)
    a = random_of_spectrum(rng, m=shape[0], n=shape[1], s=s, dtype=dtype)
    c = random_array(rng, *shape, dtype=dtype)

    def polar(a):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(np.real(np.conj(c) * (u @ vh)))

    def by_scipy(a):
        isometry = scipy.linalg.polar(a, side="left" if shape[0] < shape[1] else "right")[0]
        return np.sum(np.real(np.conj(c) * isometry))

    direction, h = random_array(rng, *shape, dtype=dtype), 1e-3
    near, far = (by_scipy(a + t * h * direction) - by_scipy(a - t * h * direction) for t in (1, 2))
    found = np.sum(np.real(np.conj(ds.grad(polar)(a)) * direction))
    assert found == pytest.approx((8 * near - far) / (12 * h), rel=1e-8)


@pytest.mark.parametrize("dtype", [float, complex])
def test_space_of_repeated_singular_values_has_an_exact_derivative(dtype, rng):
    """The best approximation of rank two beside three equal singular values, against differences."""
    a = random_of_spectrum(rng, m=7, n=5, s=(3.0, 2.0, 1.0, 1.0, 1.0), dtype=dtype)
    c = random_array(rng, 7, 5, dtype=dtype)

    def truncated(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(np.real(np.conj(c) * ((u[:, :2] * s[:2]) @ vh[:2])))

    def by_scipy(a):
        u, s, vh = scipy.linalg.svd(a, full_matrices=False)
        return np.sum(np.real(np.conj(c) * ((u[:, :2] * s[:2]) @ vh[:2])))

    direction, h = random_array(rng, 7, 5, dtype=dtype), 1e-3
    near, far = (by_scipy(a + t * h * direction) - by_scipy(a - t * h * direction) for t in (1, 2))
    found = np.sum(np.real(np.conj(ds.grad(truncated)(a)) * direction))
    assert found == pytest.approx((8 * near - far) / (12 * h), rel=1e-8)


def test_nuclear_norm_at_repeated_singular_values(rng):
    """Σ sᵢ has the gradient U Vᴴ, which values alone give without a division."""
    a = random_of_spectrum(rng, m=5, n=3, s=(2.0, 2.0, 2.0))
    gradient = ds.grad(lambda a: np.sum(np.linalg.svdvals(a)))(a)
    np.testing.assert_allclose(gradient, scipy.linalg.polar(a)[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e300])
def test_nothing_is_ever_infinite(scale, rng):
    for dtype in (float, complex):
        for a in (np.eye(5, 3, dtype=dtype), np.diag([1.0, 1, 2, 0]).astype(dtype), np.ones((2, 5), dtype)):
            c, d = random_array(rng, 5, 5, dtype=dtype), random_array(rng, 5, 5, dtype=dtype)

            def f(a, c=c, d=d):
                u, _, vh = np.linalg.svd(a, full_matrices=False)
                m, k = u.shape
                return np.sum(np.real(u * c[:m, :k])) + np.sum(np.real(vh * d[:k, : vh.shape[1]]))

            with ds.degenerate("ignore"):
                assert np.all(np.isfinite(ds.grad(f)(scale * a)))


def test_equal_singular_values_are_told_relatively(rng):
    """The rule compares with the largest singular value, so scaling A scales the cotangent."""
    a = random_of_spectrum(rng, m=7, n=5)
    u, _, vh = svd(a)
    bars = rng.standard_normal(u.shape), None, rng.standard_normal(vh.shape)
    for scale in (2.0**-40, 2.0**40):
        np.testing.assert_allclose(pulled(scale * a, *bars) * scale, pulled(a, *bars), rtol=1e-12)


@pytest.mark.parametrize(("shape", "dtype"), [((7, 3), complex), ((3, 7), float)])
def test_gradients_equal_jaxs(shape, dtype, rng):
    """For a function without signs; JAX's complex gradients are conjugate."""
    a = random_of_spectrum(rng, *shape[:-2], m=shape[-2], n=shape[-1], dtype=dtype)
    k = min(shape[-2:])
    of_u, of_v, of_s = rng.standard_normal((shape[-2], k)), rng.standard_normal((k, shape[-1])), np.arange(k)

    def f(a, xp):
        u, s, vh = xp.linalg.svd(a, full_matrices=False)
        return xp.sum(of_u * xp.abs(u) ** 2) + xp.sum(of_v * xp.abs(vh) ** 2) + xp.sum(of_s * xp.sin(s))

    with jax.enable_x64(True):
        expected = np.conj(jax.grad(lambda a: f(a, jax.numpy))(a))
    np.testing.assert_allclose(ds.grad(lambda a: f(a, np))(a), expected, rtol=1e-10, atol=1e-11)


def test_values_alone_make_no_vectors(rng, monkeypatch):
    """Where a graph's vectors have no reader; one of them is enough to make them."""
    a = rng.standard_normal((7, 5))
    expected = np.linalg.svd(a, full_matrices=False)
    blocks = []
    for offset in (1, 0):
        record = Recorded()
        blocks.append(record.block(record("svd", record.leaf(7, 5)) + offset))
    np.testing.assert_allclose(np.abs(run_block(blocks[1], [a])[0]), np.abs(expected[0]), rtol=1e-9)
    monkeypatch.setattr(np.linalg, "svd", None)
    np.testing.assert_allclose(run_block(blocks[0], [a])[0], expected[1], rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 3, 0)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_empty_matrix(shape, dtype):
    u, s, vh = svd(np.ones(shape, dtype))
    np.testing.assert_array_equal((u * s[..., None, :]) @ vh, np.ones(shape))
    assert pulled(np.ones(shape, dtype), u, s, vh).shape == shape


def test_matrices_that_cannot_be_taken():
    with pytest.raises(FactorisationError, match=r"svd: a \(3, 2\) float64 cannot be factored"):
        svd(np.full((3, 2), np.nan))
    with pytest.raises(ShapeError, match=r"a must have shape \(\.\.\., m, n\)"):
        svd.result_specs((spec_of(np.ones(3)),), {})
