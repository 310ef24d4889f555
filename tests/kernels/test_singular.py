"""Singular value decompositions of large matrices: laws, and singular values that are NumPy's."""

import numpy as np
import pytest

from dagsolve.errors import FactorisationError
from dagsolve.kernels import singular, wy
from dagsolve.primitives.svd import random_of_spectrum, svd

W = wy.WIDTH
SHAPES = [
    (1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (3, 5), (W, W), (W + 1, W + 1), (W - 1, W + 3), (W + 3, W - 1),
    (2 * W + 1, 2 * W - 3), (W + 3, 3 * W + 1), (3 * W + 1, W + 3),
]  # fmt: skip
ROUNDING = {"d": 2e-15, "f": 1e-6}


def assert_decomposed(a, u, s, vh):
    """A = U diag(s) Vᵀ with orthonormal columns to a few rounding units, s descending and NumPy's."""
    (m, n), k = a.shape, min(a.shape)
    top = np.max(np.abs(a)) or a.dtype.type(1)
    unit = ROUNDING[a.dtype.char] * max(m, n, 8)
    assert (u.shape, s.shape, vh.shape) == ((m, k), (k,), (k, n))
    assert {u.dtype, s.dtype, vh.dtype} == {a.dtype}
    assert u.flags.c_contiguous
    assert vh.flags.c_contiguous
    assert np.all(np.diff(s) <= 0)
    assert np.all(s >= 0)
    np.testing.assert_allclose((u * (s / top)) @ vh, a / top, atol=unit)
    np.testing.assert_allclose(u.T @ u, np.eye(k), atol=unit)
    np.testing.assert_allclose(vh @ vh.T, np.eye(k), atol=unit)
    np.testing.assert_allclose(s / top, np.linalg.svdvals(a) / top, atol=unit)


@pytest.mark.parametrize("dtype", "df")
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_of_every_shape_and_layout(shape, dtype, rng):
    a = rng.standard_normal(shape).astype(dtype)
    steps = np.zeros((2 * shape[0], 3 * shape[1]), dtype)
    steps[::2, ::3] = a
    for given in (a, np.asfortranarray(a), steps[::2, ::3]):
        kept = given.copy()
        assert_decomposed(a, *singular.svd(given))
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize(
    ("dtype", "scale"), [("d", 1e-300), ("d", 1e300), ("f", 1e-36), ("f", 1e36), ("d", 0)]
)
@pytest.mark.parametrize("shape", [(131, 127), (67, 131)])
def test_tiny_huge_and_zero_matrices(shape, dtype, scale, rng):
    a = (rng.standard_normal(shape) * scale).astype(dtype)
    assert_decomposed(a, *singular.svd(a))


@pytest.mark.parametrize("shape", [(131, 131), (131, 149), (251, 131)])
def test_clustered_equal_and_zero_singular_values(shape, rng):
    s = np.repeat([3.0, 1.0, 1.0 + 1e-14, 1e-9, 0.0], [40, 30, 21, 20, 20])
    a = random_of_spectrum(rng, m=shape[0], n=shape[1], s=s)
    assert_decomposed(a, *singular.svd(a))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad, rng):
    a = rng.standard_normal((131, 127))
    a[97, 3] = bad
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        singular.svd(a)


@pytest.mark.parametrize("shape", [(131, 131), (131, 241), (151, 137)])
def test_the_primitive_takes_it_for_large_matrices(shape, rng, monkeypatch):
    """Same values, signs and refusals as for small ones, stacks too."""
    a = rng.standard_normal((2, *shape))
    expected = svd(a)
    monkeypatch.setattr(singular, "SMALL", 131)
    for found, known in ((svd(a), expected), (svd(a[1]), tuple(x[1] for x in expected))):
        for part, same in zip(found, known, strict=True):
            np.testing.assert_allclose(part, same, rtol=1e-10, atol=1e-10)
    a[1, 5, 2] = np.nan
    with pytest.raises(FactorisationError, match=r"svd: a\[1\] .* it must be finite, got nan at \(5, 2\)"):
        svd(a)
    assert not singular.serves(a[0].astype(complex))
    assert not singular.serves(a[0, :, :130])
