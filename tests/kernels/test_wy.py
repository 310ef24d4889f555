"""Factorisations by wide panels of reflectors, against NumPy's and the laws of orthogonal factors."""

import numpy as np
import pytest
import scipy.linalg

from dagsolve.kernels import reflectors, wy
from dagsolve.sampling import random_array, random_orthogonal

WIDTH = 7
SHAPES = [(5, 5), (7, 7), (13, 13), (29, 23), (23, 29), (14, 7), (7, 14), (37, 3), (3, 37), (1, 1), (15, 14)]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Panels so narrow, and used so early, that small matrices have several."""
    monkeypatch.setattr(wy, "WIDTH", WIDTH)
    monkeypatch.setattr(reflectors, "WIDE", 1)
    monkeypatch.setattr(reflectors, "MANY", 1)


def layouts(a):
    """The matrix row by row, column by column, and with steps along both axes."""
    wide = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    wide[::2, ::3] = a
    return a, np.asfortranarray(a), wide[::2, ::3]


def error(found, expected):
    return np.max(np.abs(found - expected)) / np.finfo(found.dtype).eps


def unitary(columns):
    return error(columns.T @ columns, np.eye(columns.shape[1], dtype=columns.dtype))


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_lapacks_whatever_the_layout(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    (q, r), mirrored = np.linalg.qr(a), np.linalg.qr(a.T)
    for given in layouts(a):
        kept = given.copy()
        found = *reflectors.qr(given), *reflectors.triangle(given), *reflectors.lq(given)
        for y, expected in zip(found, (q, r, r, *(x.T for x in mirrored[::-1])), strict=True):
            assert y.dtype == a.dtype
            assert error(y, expected) < 1000
            assert y.flags.c_contiguous  # what a block hands on without a copy
            assert y.base is None
        assert error(found[0] @ found[1], a) < 200
        assert not np.any(np.tril(found[1], -1))
        assert not np.any(np.triu(found[3], 1))
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("shape", [(41, 23), (29, 29), (23, 41)])
def test_factors_of_an_ill_conditioned_matrix_are_orthonormal(shape, dtype, rng):
    """A Gram-Schmidt process, and Q = A R⁻¹, would lose as many digits as the condition number has."""
    m, n = shape
    k = min(shape)
    sizes = np.logspace(0, -12, k)
    left, right = random_orthogonal(rng, n=m)[:, :k], random_orthogonal(rng, n=n)[:, :k]
    a = ((left * sizes) @ right.T).astype(dtype)
    (q, r), (l, p) = reflectors.qr(a), reflectors.lq(a)
    assert unitary(q) < 100
    assert unitary(p.T) < 100
    assert error(q @ r, a) < 20
    assert error(l @ p, a) < 20


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("shape", [(5, 5), (29, 23), (14, 14), (37, 3)])
def test_right_hand_sides_are_turned_without_q(shape, dtype, rng):
    a, b = random_array(rng, *shape, dtype=dtype), random_array(rng, shape[0], 3, dtype=dtype)
    q, r = np.linalg.qr(a)
    for given in layouts(a):
        c, triangle, v, t = reflectors.least_squares(given, b)
        assert error(c, q.T @ b) < 1000
        assert error(triangle, r) < 1000
        assert error(reflectors.adjoint_product(v, t, b), q.T @ b) < 1000
        assert error(reflectors.product(v, t, c), q @ (q.T @ b)) < 1000


def test_columns_of_zeros_and_of_nan(rng):
    a = random_array(rng, 23, 17)
    a[:, 9] = 0
    q, r = reflectors.qr(a)
    assert unitary(q) < 100
    assert error(q @ r, a) < 100
    a[3, 11] = np.nan
    assert not np.all(np.isfinite(reflectors.qr(a)[1]))


@pytest.mark.parametrize("dtype", "df")
@pytest.mark.parametrize("shape", [(5, 5), (29, 23), (37, 3)])
def test_reflectors_as_lapack_leaves_them_are_multiplied_in_their_order(shape, dtype, rng):
    (packed, tau), _ = scipy.linalg.qr(rng.standard_normal(shape).astype(dtype), mode="raw")
    tau[1::3] = 0  # the identity
    c = rng.standard_normal((shape[0], 7)).astype(dtype)
    expected = c.astype("d")
    for k in reversed(range(tau.size)):
        v = np.concatenate([np.zeros(k), [1.0], packed[k + 1 :, k]])
        expected -= tau[k] * np.outer(v, v @ expected)
    for found in (np.ascontiguousarray(c), np.asfortranarray(c)):
        wy.multiply(packed, tau, found)
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-13 if dtype == "d" else 1e-5)
