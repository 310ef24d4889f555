"""Householder factorisations without the interpreter's lock, against NumPy's and SciPy's."""

import numpy as np
import pytest
import scipy.linalg

from dagsolve.kernels import reflectors
from dagsolve.sampling import random_array

SHAPES = [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1), (1, 1), (131, 67), (67, 131)]
EMPTY = [(0, 0), (3, 0), (0, 3)]


def close(found, expected):
    scale = 1e-4 if found.dtype.char in "fF" else 1e-12
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=scale, atol=scale * 100)


def layouts(a):
    """The matrix row by row, column by column, and with steps along both axes."""
    wide = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    wide[::2, ::3] = a
    return a, np.asfortranarray(a), wide[::2, ::3]


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_lapacks_whatever_the_layout(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    q, r = np.linalg.qr(a)
    mirrored = np.linalg.qr(np.conj(a.T))
    pivoted = scipy.linalg.qr(a, mode="economic", pivoting=True)
    for given in layouts(a):
        kept = given.copy()
        for found, expected in zip(reflectors.qr(given), (q, r), strict=True):
            close(found, expected)
        close(reflectors.triangle(given)[0], r)
        for found, expected in zip(reflectors.lq(given), mirrored[::-1], strict=True):
            close(found, np.conj(expected.T))
        *factors, p = reflectors.pivoted_qr(given)
        for found, expected in zip(factors, pivoted[:2], strict=True):
            close(found, expected)
        np.testing.assert_array_equal(p, pivoted[2])
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("shape", EMPTY)
def test_empty_matrices(shape):
    a, k = np.ones(shape), min(shape)
    for q, r, *p in (reflectors.qr(a), reflectors.pivoted_qr(a)):
        assert (q.shape, r.shape) == ((shape[0], k), (k, shape[1]))
        assert [x.tolist() for x in p] in ([], [list(range(shape[1]))])
    l, q = reflectors.lq(a)
    assert (l.shape, q.shape) == ((shape[0], k), (k, shape[1]))
    assert reflectors.triangle(a)[0].shape == (k, shape[1])


@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (0,), (2, 0)])
def test_stacks_are_factored_matrix_by_matrix(lead, rng):
    a = rng.standard_normal((*lead, 5, 3))
    q, r, p = reflectors.on_stack(reflectors.pivoted_qr, a)
    assert (q.shape, r.shape, p.shape) == ((*lead, 5, 3), (*lead, 3, 3), (*lead, 3))
    for index in np.ndindex(*lead):
        np.testing.assert_allclose(q[index] @ r[index], a[index][:, p[index]], rtol=1e-12, atol=1e-13)


def test_what_is_left_to_numpy(rng):
    assert reflectors.serves(rng.standard_normal((5, 3)))
    assert not reflectors.serves(rng.integers(0, 9, (5, 3)))
    assert not reflectors.serves(rng.standard_normal((5, 3)).astype(">f8"))
    assert not reflectors.serves(rng.standard_normal((9, 64, 64)))
    assert reflectors.serves(np.zeros((2, 65, 67), np.complex64))
