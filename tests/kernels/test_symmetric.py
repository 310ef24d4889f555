"""Eigenvalues and vectors of large symmetric matrices: laws, and eigenvalues that are NumPy's."""

import numpy as np
import pytest

from dagsolve.errors import FactorisationError
from dagsolve.kernels import symmetric, wy
from dagsolve.primitives.eigh import eigh
from dagsolve.sampling import random_orthogonal

ORDERS = [1, 2, 7, wy.WIDTH - 1, wy.WIDTH, wy.WIDTH + 1, wy.WIDTH + 3, 2 * wy.WIDTH + 1]
ROUNDING = {"d": 2e-15, "f": 1e-6}


def symmetric_matrix(rng, n, dtype="d"):
    a = rng.standard_normal((n, n))
    return (a + a.T).astype(dtype)


def assert_decomposed(a, w, v):
    """A V = V diag(w) and VᵀV = I to a few rounding units of the largest number, w ascending and NumPy's."""
    n = a.shape[0]
    top = np.max(np.abs(a)) or a.dtype.type(1)
    unit = ROUNDING[a.dtype.char] * max(n, 8)
    assert (w.dtype, v.dtype, v.shape) == (a.dtype, a.dtype, (n, n))
    assert np.all(np.diff(w) >= 0)
    np.testing.assert_allclose((a / top) @ v, v * (w / top), atol=unit)
    np.testing.assert_allclose(v.T @ v, np.eye(n), atol=unit)
    np.testing.assert_allclose(w / top, np.linalg.eigvalsh(a) / top, atol=unit)


@pytest.mark.parametrize("dtype", "df")
@pytest.mark.parametrize("n", ORDERS)
def test_vectors_diagonalise_whatever_the_layout(n, dtype, rng):
    a = symmetric_matrix(rng, n, dtype)
    steps = np.zeros((2 * n, 3 * n), dtype)
    steps[::2, ::3] = a
    for given in (a, np.asfortranarray(a), steps[::2, ::3]):
        kept = given.copy()
        assert_decomposed(a, *symmetric.eigh(given))
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize(
    ("dtype", "scale"), [("d", 1e-300), ("d", 1e300), ("f", 1e-36), ("f", 1e36), ("d", 0)]
)
def test_tiny_huge_and_zero_matrices(dtype, scale, rng):
    a = (symmetric_matrix(rng, 131) * scale).astype(dtype)
    assert_decomposed(a, *symmetric.eigh(a))


@pytest.mark.parametrize("spread", [0.0, 1e-14, 1e-9])
def test_clustered_and_equal_eigenvalues(spread, rng):
    n = 131
    w = np.repeat([-2.0, 1.0, 1.5, 3.0], [40, 50, 1, 40]) + spread * rng.standard_normal(n)
    q = random_orthogonal(rng, n=n)
    a = (q * w) @ q.T
    assert_decomposed((a + a.T) / 2, *symmetric.eigh((a + a.T) / 2))


def test_only_the_lower_triangle_is_read(rng):
    a = symmetric_matrix(rng, 131)
    above = np.triu(np.full(a.shape, np.nan), 1)
    for layout in (np.ascontiguousarray, np.asfortranarray):
        given = layout(np.tril(a) + above)
        for found, expected in zip(symmetric.eigh(given), symmetric.eigh(a), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad, rng):
    a = symmetric_matrix(rng, 131)
    a[97, 3] = bad
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        symmetric.eigh(a)


def test_the_primitive_takes_it_for_large_matrices(rng, monkeypatch):
    """Same values, signs and refusals as for small ones, stacks too."""
    n = 131
    a = np.stack([symmetric_matrix(rng, n) for _ in range(2)])
    expected = eigh(a)
    monkeypatch.setattr(symmetric, "SMALL", n)
    for found, known in ((eigh(a), expected), (eigh(a[1]), tuple(x[1] for x in expected))):
        np.testing.assert_allclose(found[0], known[0], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found[1], known[1], atol=1e-10)
    a[1, 5, 2] = np.nan
    with pytest.raises(FactorisationError, match=r"eigh: a\[1\] .* it must be finite, got nan at \(5, 2\)"):
        eigh(a)
    assert not symmetric.serves(a[0].astype(complex))
    assert not symmetric.serves(a[0, : n - 1, : n - 1])
