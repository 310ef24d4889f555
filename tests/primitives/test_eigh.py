"""What is particular to Hermitian eigenproblems; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.evaluate import run_block
from dagsolve.errors import ArgumentError, FactorisationError, ShapeError, UnsupportedError
from dagsolve.primitives.eigh import eigh, examples
from dagsolve.sampling import random_array, random_orthogonal, random_separated, random_symmetric
from dagsolve.specs import spec_of
from tests.blocks.recorded import Recorded

MATRICES = [example[0] for example in examples(np.random.default_rng(20261121))]


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def pulled(a, w_bar, v_bar):
    w, v = eigh(a)
    specs = {name: spec_of(x) for name, x in {"a": a, "w": w, "v": v}.items()}
    saved = eigh.saved((a,), (w, v), specs, ("a",))
    return eigh.pull(np, saved, (w_bar, v_bar), ("a",), {})[0]


def stored(hermitian):
    """Gradient with respect to the lower triangle: what is below the diagonal stands for two items."""
    return np.tril(hermitian) + np.tril(hermitian, -1)


def spectrum(rng, *w, dtype=float):
    """A Hermitian matrix with these eigenvalues."""
    q = random_orthogonal(rng, n=len(w), dtype=dtype)
    a = (q * np.array(w)) @ adjoint(q)
    return (a + adjoint(a)) / 2


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_factors_and_their_signs(a):
    w, v = eigh(a)
    assert w.dtype == a.real.dtype
    assert np.all(np.diff(w, axis=-1) > 0)
    np.testing.assert_allclose((v * w[..., None, :]) @ adjoint(v), a, rtol=1e-12, atol=1e-12)
    size = np.abs(v)
    first = np.argmax(size >= 0.99 * np.max(size, axis=-2, keepdims=True), axis=-2)
    chosen = np.take_along_axis(v, first[..., None, :], axis=-2)
    assert np.all(chosen.real > 0)
    np.testing.assert_allclose(chosen.imag, 0, atol=1e-15)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_cotangent_of_the_product_comes_back(a, rng):
    """φ = Re⟨C, V diag(w) Vᴴ⟩ is Re⟨C, A⟩, hence Ā = C for a Hermitian C."""
    c = random_symmetric(rng, *a.shape[:-2], n=a.shape[-1], dtype=a.dtype)
    w, v = eigh(a)
    cv = c @ v
    w_bar = np.sum(np.conj(v) * cv, axis=-2).real
    np.testing.assert_allclose(pulled(a, w_bar, 2 * cv * w[..., None, :]), stored(c), rtol=1e-10, atol=1e-11)


def test_only_the_lower_triangle_is_read():
    for a in MATRICES[2:]:
        noise = np.triu(np.full(a.shape[-2:], np.nan), 1)
        for found, expected in zip(eigh(np.tril(a) + noise), eigh(a), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [float, complex])
def test_space_of_repeated_eigenvalues_has_an_exact_derivative(dtype, rng):
    """P projects on the space of the three smallest eigenvalues, which coincide."""
    a = spectrum(rng, -2.0, -2.0, -2.0, 1.0, 3.0, dtype=dtype)
    c = random_symmetric(rng, n=5, dtype=dtype)

    def projected(a):
        v = np.linalg.eigh(a)[1][:, :3]
        return np.sum(np.real(np.conj(c) * (v @ np.conj(v.T))))

    w, q = np.linalg.eigh(a)
    low, high = q[:, :3], q[:, 3:]
    coupling = low @ ((adjoint(low) @ c @ high) / (w[:3, None] - w[None, 3:])) @ adjoint(high)
    expected = coupling + adjoint(coupling)  # perturbation theory: only the two spaces mix
    np.testing.assert_allclose(ds.grad(projected)(a), expected, rtol=1e-9, atol=1e-10)


def test_trace_functions_at_repeated_eigenvalues(rng):
    """Σ exp(wᵢ) has the gradient exp(A), which values alone give without a division."""
    a = spectrum(rng, 0.5, 0.5, 0.5, 2.0)
    w, q = np.linalg.eigh(a)
    gradient = ds.grad(lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))))(a)
    np.testing.assert_allclose(gradient, (q * np.exp(w)) @ q.T, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e300])
def test_nothing_is_ever_infinite(scale, rng):
    for dtype in (float, complex):
        c = random_array(rng, 5, 5, dtype=dtype)
        for a in (
            np.zeros((5, 5), dtype),
            scale * np.eye(5, dtype=dtype),
            scale * np.diag([1.0, 1, 1, 1, 2]),
        ):
            with ds.degenerate("ignore"):
                gradient = ds.grad(lambda a, c=c: np.sum(np.real(np.linalg.eigh(a)[1] * c)))(a)
            assert np.all(np.isfinite(gradient))


def test_order_of_close_eigenvalues_is_relative(rng):
    """The rule compares gaps with the largest eigenvalue, so scaling A scales the cotangent."""
    a, c = random_separated(rng, n=5), rng.standard_normal((5, 5))
    for scale in (2.0**-40, 2.0**40):
        np.testing.assert_allclose(pulled(scale * a, None, c) * scale, pulled(a, None, c), rtol=1e-12)


def test_real_entry_of_a_complex_vector_stays_real(rng):
    """What is seen of V at the chosen entries is their size, so i there reaches nothing."""
    a = random_separated(rng, n=5, dtype=complex)
    v = eigh(a)[1]
    chosen = np.abs(v) >= 0.99 * np.max(np.abs(v), axis=0)
    assert np.all(np.sum(chosen, axis=0) == 1)
    np.testing.assert_allclose(pulled(a, None, 1j * chosen), 0, atol=1e-14)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_gradients_equal_jaxs(batch, dtype, rng):
    """For a function without signs; JAX's complex gradients are conjugate."""
    a = random_separated(rng, *batch, n=5, dtype=dtype)
    c = rng.standard_normal((5, 5))

    def f(a, xp):
        w, v = xp.linalg.eigh(a)
        return xp.sum(c * xp.abs(v) ** 2) + xp.sum(xp.sin(w) * c[0])

    with jax.enable_x64(True):
        expected = np.conj(jax.grad(lambda a: f(a, jax.numpy))(a))
    np.testing.assert_allclose(ds.grad(lambda a: f(a, np))(a), expected, rtol=1e-10, atol=1e-11)


def principal(x):
    w, v = ds.linalg.eigh(x.T @ x, subset_by_index=(1, 2))
    return np.sum((x @ v) ** 2 / (1.0 + w)) + np.sum(np.sin(v**2))


def test_gradient_of_principal_components(rng):
    x = rng.standard_normal((11, 3)) * np.array([1.0, 2.0, 4.0])
    ds.testing.check_grads(principal, (x,), order=2)
    expected = ds.grad(principal, scheduler="sync")(x)
    for options in ({"chunks": 4, "scheduler": "threads"}, {"chunks": {0: (5, 2)}, "scheduler": "sync"}):
        np.testing.assert_allclose(ds.grad(principal, **options)(x), expected, rtol=1e-10, atol=1e-11)


def test_input_takes_the_symmetric_representative(rng):
    a = random_separated(rng, n=5)
    for lower in (True, False):
        gradient = ds.grad(lambda a, lower=lower: ds.linalg.eigvalsh(a, lower=lower)[-1])(a)
        top = np.linalg.eigh(a)[1][:, -1]
        np.testing.assert_allclose(gradient, np.outer(top, top), rtol=1e-11, atol=1e-13)
        half = np.tril(a) if lower else np.triu(a)
        np.testing.assert_allclose(ds.linalg.eigvalsh(half, lower=lower), np.linalg.eigvalsh(a), rtol=1e-13)


def test_values_alone_make_no_vectors(rng, monkeypatch):
    """Neither of a plain array nor where a graph's vectors have no reader."""
    a = random_symmetric(rng, n=7)
    expected = np.linalg.eigvalsh(a)
    record = Recorded()
    block = record.block(record("eigh", record.leaf(7, 7)))
    monkeypatch.setattr(np.linalg, "eigh", None)
    for found in (ds.linalg.eigvalsh(a), ds.linalg.eigh(a, eigvals_only=True), *run_block(block, [a])):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ds.linalg.eigvalsh(a, subset_by_index=(2, 4)), expected[2:5], rtol=1e-12)
    with pytest.raises(FactorisationError, match=r"eigh: a \(3, 3\) float64 cannot be factored"):
        ds.linalg.eigvalsh(np.full((3, 3), np.nan))
    with pytest.raises(ShapeError, match=r"a must have shape"):
        ds.linalg.eigvalsh(np.ones((3, 5)))


def test_what_is_not_supported_is_named():
    a = np.eye(3)
    with pytest.raises(UnsupportedError, match="^eigh: subset_by_value"):
        ds.linalg.eigh(a, subset_by_value=(0, 1))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="subset_by_index must be"):
        ds.linalg.eigh(a, subset_by_index=(1, 3))
    with pytest.raises(ArgumentError, match="driver must be"):
        ds.linalg.eigvalsh(a, driver="qr")


@pytest.mark.parametrize("dtype", [float, complex])
def test_empty_matrix(dtype):
    for shape in ((0, 0), (3, 0, 0)):
        w, v = eigh(np.ones(shape, dtype))
        assert (w.shape, v.shape) == (shape[:-1], shape)
        assert pulled(np.ones(shape, dtype), w, v).shape == shape


def test_matrices_that_cannot_be_taken():
    with pytest.raises(FactorisationError, match=r"eigh: a \(3, 3\) float64 cannot be factored"):
        eigh(np.full((3, 3), np.nan))
    with pytest.raises(ShapeError, match=r"a must have shape \(\.\.\., n, n\)"):
        eigh.result_specs((spec_of(np.ones((3, 5))),), {})
