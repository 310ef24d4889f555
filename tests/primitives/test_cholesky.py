"""What is particular to the Cholesky factorisation; the rest is in test_contract.py."""

import numpy as np
import pytest

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.cholesky import cholesky
from dagsolve.sampling import random_spd
from dagsolve.specs import spec_of


def pulled(a, l_bar, *, kernel):
    l = cholesky(a)
    specs = {"a": spec_of(a), "l": spec_of(l)}
    saved = cholesky.saved((a,), (l,), specs, ("a",))
    (a_bar,) = cholesky.pull(np, saved, (l_bar,), ("a",), {}, kernel=kernel)
    return a_bar


def stored(hermitian):
    """Gradient with respect to the lower triangle: what is below the diagonal stands for two items."""
    return 2 * np.tril(hermitian) - np.diag(np.diag(hermitian))


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 41, 131])
def test_gradient_of_log_determinant_is_inverse(n, kernel, rng):
    """log det A = 2 Σ log Lᵢᵢ, hence Ā = A⁻¹."""
    a = random_spd(rng, n=n)
    a_bar = pulled(a, np.diag(2 / np.diag(cholesky(a))), kernel=kernel)
    np.testing.assert_allclose(a_bar, stored(np.linalg.inv(a)), rtol=1e-11, atol=1e-13)


def test_gradient_of_complex_log_determinant_is_inverse(rng):
    a = random_spd(rng, n=5, dtype=complex)
    a_bar = pulled(a, np.diag(2 / np.diag(cholesky(a))), kernel=True)
    np.testing.assert_allclose(a_bar, stored(np.linalg.inv(a)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocked_sweep_is_the_closed_form(dtype, rng):
    n = 521  # five panels, the last one narrow
    a = random_spd(rng, n=n).astype(dtype)
    l_bar = rng.standard_normal((n, n)).astype(dtype)
    blocked, closed = pulled(a, l_bar, kernel=True), pulled(a, l_bar, kernel=False)
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(blocked, closed, rtol=tolerance, atol=tolerance)
    assert blocked.dtype == dtype


@pytest.mark.parametrize("kernel", [False, True])
def test_only_lower_triangles_matter(kernel, rng):
    a, l_bar = random_spd(rng, n=7), rng.standard_normal((7, 7))
    noise = np.triu(np.full((7, 7), np.nan), 1)
    np.testing.assert_array_equal(cholesky(np.tril(a) + noise), cholesky(a))
    expected = pulled(a, l_bar, kernel=kernel)
    other = l_bar + np.triu(rng.standard_normal((7, 7)), 1)
    np.testing.assert_array_equal(pulled(a, other, kernel=kernel), expected)
    assert not np.any(np.triu(expected, 1))


def test_factor_reconstructs_every_matrix_of_a_stack(rng):
    for n in (2, 67):  # one call for the stack, and one call per matrix
        a = random_spd(rng, 3, n=n)
        l = cholesky(a)
        assert np.all(np.diagonal(l, axis1=-2, axis2=-1) > 0)
        assert not np.any(np.triu(l, 1))
        np.testing.assert_allclose(l @ np.swapaxes(l, -1, -2), a, rtol=1e-12, atol=1e-12)


def test_indefinite_matrix_is_named():
    a = np.diag([1.0, 2.0, -3.0])
    with pytest.raises(FactorisationError, match=r"cholesky: a \(3, 3\) float64 is not .* of order 3 is not"):
        cholesky(a)
    with pytest.raises(FactorisationError, match=r"cholesky: a\[1\] \(3, 3\) float64 .* of order 3 is not"):
        cholesky(np.stack([np.eye(3), a]))
    with pytest.raises(FactorisationError, match="complex128 is not positive definite"):
        cholesky(a.astype(complex))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_nan_is_refused(dtype, rng):
    a = random_spd(rng, n=5).astype(dtype)
    a[3, 1] = np.nan
    with pytest.raises(FactorisationError, match="not positive definite"):
        cholesky(a)


def test_rectangular_matrix_is_refused_before_any_work():
    with pytest.raises(ShapeError, match=r"cholesky: a must have shape \(\.\.\., n, n\).*got \(3, 4\)"):
        cholesky.result_specs((spec_of(np.ones((3, 4))),), {})
