"""What is particular to pivoted QR; the rest is in test_contract.py."""

import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.pivoted_qr import examples, pivoted_qr
from dagsolve.sampling import random_array
from dagsolve.specs import spec_of

MATRICES = [example[0] for example in examples(np.random.default_rng(20261121))]


def pulled(a, q_bar, r_bar):
    results = pivoted_qr(a)
    specs = {name: spec_of(x) for name, x in zip(("a", "q", "r", "p"), (a, *results), strict=True)}
    saved = pivoted_qr.saved((a,), results, specs, ("a",))
    return pivoted_qr.pull(np, saved, (q_bar, r_bar, None), ("a",), {})[0]


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_factors_equal_scipys(a):
    q, r, p = pivoted_qr(a)
    for index in np.ndindex(*a.shape[:-2]):
        expected = scipy.linalg.qr(a[index], mode="economic", pivoting=True)
        for found, other in zip((q[index], r[index], p[index]), expected, strict=True):
            np.testing.assert_allclose(found, other, rtol=1e-12, atol=1e-13)
    pivots = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
    assert np.all(np.diff(pivots, axis=-1) <= 0)


@pytest.mark.parametrize("a", MATRICES, ids=lambda a: f"{a.shape} {a.dtype.kind}")
def test_cotangent_of_the_product_comes_back(a, rng):
    """φ = Re⟨C, Q R⟩ is Re⟨C, A[:, p]⟩, hence Ā[:, p] = C."""
    c = random_array(rng, *a.shape, dtype=a.dtype)
    q, r, p = pivoted_qr(a)
    back = np.conj(np.swapaxes(r, -1, -2)), np.conj(np.swapaxes(q, -1, -2))
    permuted = np.take_along_axis(pulled(a, c @ back[0], back[1] @ c), p[..., None, :], axis=-1)
    np.testing.assert_allclose(permuted, c, rtol=1e-11, atol=1e-12)


def test_pivots_and_factors_meet_in_one_program(rng):
    """The permutation of a traced call chooses columns of another traced array."""
    a, b = rng.standard_normal((3, 7)), rng.standard_normal((7, 2))

    def f(a, b):
        q, r, p = ds.linalg.qr(a, mode="economic", pivoting=True)
        x = ds.linalg.solve_triangular(r[:, :3], np.transpose(q) @ a @ b)
        return np.sum(np.sin(x) * np.take(b, p, axis=0)[:3])

    ds.testing.check_grads(f, (a, b), order=2, scheduler="sync")


def test_rank_deficient_matrices_have_factors_but_no_derivative(rng):
    a = np.outer(rng.standard_normal(5), rng.standard_normal(3))
    q, r, p = pivoted_qr(a, full_rank=False)
    np.testing.assert_allclose(q @ r, a[:, p], rtol=1e-12, atol=1e-13)
    with pytest.raises(FactorisationError, match=r"pivoted_qr: a \(5, 3\) float64 must have full rank"):
        pivoted_qr(a)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 0, 3), (0, 5, 3)])
def test_empty_matrix(shape):
    q, r, p = pivoted_qr(np.ones(shape))
    np.testing.assert_array_equal(q @ r, np.ones(shape))
    assert p.shape == (*shape[:-2], shape[-1])
    assert pulled(np.ones(shape), q, r).shape == shape


def test_matrices_that_cannot_be_taken():
    with pytest.raises(FactorisationError, match=r"pivoted_qr: a \(3, 2\) float64 cannot be factored"):
        pivoted_qr(np.full((3, 2), np.nan))
    with pytest.raises(ShapeError, match=r"a must have shape \(\.\.\., m, n\)"):
        pivoted_qr.result_specs((spec_of(np.ones(3)),), {})
