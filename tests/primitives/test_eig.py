"""What is particular to eigenvectors of general matrices; the rest is in test_contract.py."""

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import FactorisationError, GaugeError, GaugeWarning
from dagsolve.primitives.eig import eig
from dagsolve.sampling import random_array

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 7), (2, 3, 5, 5), (0, 0)])
def test_vectors_and_their_convention(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    w, v = eig(a)
    assert w.dtype == v.dtype == np.result_type(dtype, np.complex64)
    tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-12
    np.testing.assert_allclose(a @ v, v * w[..., None, :], atol=tolerance * 10)
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), np.ones(w.shape), atol=tolerance)
    if v.size:
        first = np.argmax(np.abs(v) >= 0.99 * np.max(np.abs(v), axis=-2, keepdims=True), axis=-2)
        chosen = np.take_along_axis(v, first[..., None, :], axis=-2)
        np.testing.assert_allclose(chosen.imag, 0, atol=tolerance)
        assert np.all(chosen.real > 0)


def test_hermitian_matrices_have_the_gradient_of_eigh(rng):
    """Of a function that does not depend on the order, real though the rule is complex."""
    x = rng.standard_normal((5, 5))
    a = x + x.T

    def energy(w, v):
        return np.sum(np.abs(v) ** 4 * np.real(w) ** 2)

    general = ds.grad(lambda a: energy(*np.linalg.eig(a)), scheduler="sync")(a)
    hermitian = ds.grad(lambda a: energy(*np.linalg.eigh(a)), scheduler="sync")(a)
    assert general.dtype == np.float64
    np.testing.assert_allclose((general + general.T) / 2, hermitian, rtol=1e-10, atol=1e-10)


def test_gradient_of_an_eigenvalue_is_that_of_its_left_and_right_vectors(rng):
    """∂λ = yᴴ ∂A x / yᴴ x, SciPy's vectors."""
    a = rng.standard_normal((7, 7))
    w, left, right = scipy.linalg.eig(a, left=True)
    for k in range(7):
        found = ds.grad(lambda a, k=k: np.real(np.linalg.eigvals(a)[k]), scheduler="sync")(a)
        outer = np.outer(left[:, k].conj(), right[:, k]) / (left[:, k].conj() @ right[:, k])
        np.testing.assert_allclose(found, np.real(outer), rtol=1e-10, atol=1e-10)


def test_functions_of_a_repeated_eigenspace_have_a_derivative(rng):
    """The projector onto the space of a double eigenvalue, moved so that its values split, by differences."""
    turn = rng.standard_normal((5, 5)) + 3 * np.eye(5)
    a = turn @ np.diag([1.0, 1.0, 3.0, 4.5, -2.0]) @ np.linalg.inv(turn)
    weight, direction = rng.standard_normal((2, 5, 5))

    def projector(a):
        w, v = np.linalg.eig(a)
        near = 1.0 * (np.abs(w - 1.0) < 0.5)
        return np.sum(np.real((v * near) @ np.linalg.inv(v)) * weight)

    found = np.sum(ds.grad(projector, scheduler="sync")(a) * direction)
    step = 1e-4
    expected = (projector(a + step * direction) - projector(a - step * direction)) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_depends_on_the_choice_of_equal_values_is_told(rng):
    turn = rng.standard_normal((3, 3)) + 3 * np.eye(3)
    a = turn @ np.diag([2.0, 2.0, 3.0]) @ np.linalg.inv(turn)
    near = np.abs(eig(a)[0] - 2) < 0.5
    first = int(np.argmax(near))
    for function in (
        lambda a: np.real(np.linalg.eigvals(a)[first]),
        lambda a: np.sum(np.abs(np.linalg.eig(a)[1][:, first]) ** 4),
    ):
        with pytest.warns(GaugeWarning, match="eig: eigenvalues . and . are equal to rounding"):
            ds.grad(function, scheduler="sync")(a)
        with ds.degenerate("raise"), pytest.raises(GaugeError, match="eig: eigenvalues"):
            ds.grad(function, scheduler="sync")(a)
    total = ds.grad(lambda a: np.real(np.sum(np.linalg.eigvals(a))), scheduler="sync")(a)
    np.testing.assert_allclose(total, np.eye(3), atol=1e-10)


def test_defective_matrix_is_refused_in_the_reverse_sweep(rng):
    jordan = np.array([[2.0, 1.0, 0.5], [0.0, 2.0, -1.0], [0.0, 0.0, 2.0]])
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    for a in (jordan, turn @ jordan @ turn.T, jordan + np.diag([0, 0, 1e-12])):
        with pytest.raises(FactorisationError, match="eig: the eigenvectors of a .* are dependent"):
            ds.grad(lambda a: np.sum(np.real(np.linalg.eigvals(a)) ** 2), scheduler="sync")(a)
    assert np.all(np.isfinite(eig(jordan)[1]))
    with pytest.raises(FactorisationError, match="eig: a .* must be finite"):
        eig(jordan * np.nan)


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_has_no_derivative_of_general_vectors(rng):
    a = rng.standard_normal((5, 5))
    with pytest.raises(NotImplementedError):
        jax.grad(lambda a: abs(jax.numpy.linalg.eig(a)[1][0, 0]))(a)
    ds.testing.check_grads(ds.linalg.eig, (a,), order=1, rtol=1e-7, scheduler="sync")
