"""What is particular to LU factors and permutations; the rest is in test_contract.py."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.kernels import lapack
from dagsolve.kernels.layouts import in_columns
from dagsolve.kernels.lu import eliminated, parity
from dagsolve.kernels.permutations import from_swaps, to_swaps
from dagsolve.primitives.lu import lu, well_posed
from dagsolve.sampling import random_array
from dagsolve.specs import spec_of


def pulled(a, l_bar, u_bar, *, kernel):
    results = lu(a)
    named = dict(zip(("p", "l", "u"), results, strict=True))
    specs = {name: spec_of(x) for name, x in {"a": a, **named}.items()}
    saved = lu.saved((a,), results, specs, ("a",))
    (a_bar,) = lu.pull(np, saved, (None, l_bar, u_bar), ("a",), {}, kernel=kernel)
    return a_bar


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize(
    "shape", [(5, 5), (7, 3), (3, 7), (67, 67), (2, 3, 5, 2), (2, 19, 17), (0, 0), (3, 0)]
)
def test_factors_are_those_of_scipy(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    p, l, u = lu(a)
    expected = scipy.linalg.lu(a, p_indices=True) if a.size else (p, l, u)
    tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-12
    np.testing.assert_allclose(l, expected[1], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(u, expected[2], rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(
        np.take_along_axis(a, p[..., None], -2), l @ u, rtol=tolerance, atol=10 * tolerance
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n"), [(389, 389), (389, 263), (263, 389)])
def test_blocked_sweep_is_the_closed_form(m, n, dtype, rng):
    """Four panels, the last of them narrow; deep and wide matrices too."""
    k = min(m, n)
    a = well_posed(rng, m=m, n=n).astype(dtype)
    l_bar, u_bar = random_array(rng, m, k, dtype=dtype), random_array(rng, k, n, dtype=dtype)
    closed = pulled(a, l_bar, u_bar, kernel=False)
    tolerance = 1e-3 if dtype == np.float32 else 1e-11
    scale = np.max(np.abs(closed))
    blocked = pulled(a, l_bar, u_bar, kernel=True)
    np.testing.assert_allclose(blocked, closed, rtol=tolerance, atol=tolerance * scale)
    assert blocked.dtype == dtype


@pytest.mark.parametrize("kernel", [False, True])
def test_gradient_of_the_logarithm_of_pivots_is_the_inverse(kernel, rng):
    """log |det A| = Σ log |u_ii|, hence Ā = A⁻ᵀ."""
    a = well_posed(rng, m=41, n=41)
    u = lu(a)[2]
    a_bar = pulled(a, np.zeros_like(u), np.diag(1 / np.diag(u)), kernel=kernel)
    np.testing.assert_allclose(a_bar, np.linalg.inv(a).T, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(("m", "n"), [(5, 5), (7, 3), (3, 7)])
def test_elimination_of_a_stack_chooses_the_pivots_of_lapack(m, n, dtype, rng):
    a = random_array(rng, 11, m, n, dtype=dtype)
    a[3, :, 0] = 0.0  # a zero column
    packed, p = eliminated(np, a)
    for one, factors, order in zip(a, packed, p, strict=True):
        expected = in_columns(one)
        np.testing.assert_array_equal(order, lapack.getrf(expected))
        np.testing.assert_allclose(factors, expected, rtol=1e-12, atol=1e-12)


def test_only_triangles_of_cotangents_are_seen(rng):
    a, l_bar, u_bar = well_posed(rng, m=7, n=5), random_array(rng, 7, 5), random_array(rng, 5, 5)
    expected = pulled(a, l_bar, u_bar, kernel=False)
    l_other = l_bar + np.triu(random_array(rng, 7, 5))
    u_other = u_bar + np.tril(random_array(rng, 5, 5), -1)
    for kernel in (False, True):
        found = pulled(a, l_other, u_other, kernel=kernel)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kernel", [False, True])
def test_singular_matrix_has_factors_and_no_derivative(kernel):
    a = np.outer([1.0, 2.0, 3.0], [1.0, 5.0, 7.0])
    _, l, u = lu(a)
    assert u[1, 1] == u[2, 2] == 0
    np.testing.assert_allclose(np.sort((l @ u)[:, 0]), [1, 2, 3])
    with pytest.raises(FactorisationError, match="without zeros, got 0.0 at index 1"):
        pulled(a, np.ones((3, 3)), np.ones((3, 3)), kernel=kernel)


def test_nan_is_named(rng):
    a = random_array(rng, 2, 3, 5, 5)
    a[1, 2, 3, 4] = np.inf
    with pytest.raises(FactorisationError, match=r"lu: a\[1, 2\] \(5, 5\) float64 .* got inf at \(3, 4\)"):
        lu(a)


@given(st.permutations(range(7)), st.integers(0, 7))
def test_swaps_lead_to_the_permutation(p, k):
    p = np.array(p)
    swaps = to_swaps(p, k)
    assert np.all(swaps >= np.arange(k))
    np.testing.assert_array_equal(from_swaps(swaps, 7)[:k], p[:k])


@pytest.mark.parametrize("n", [1, 2, 5, 16, 23])
def test_parity_is_the_determinant_of_the_permutation(n, rng):
    p = np.stack([rng.permutation(n) for _ in range(3)])
    np.testing.assert_array_equal(parity(np, p, np.float64), np.round(np.linalg.det(np.eye(n)[p])))


def test_pivots_may_be_used_in_a_traced_function(rng):
    """Rows in the order of their pivots: the permutation is constant, the rows are not."""
    a, b = well_posed(rng, m=5, n=5), random_array(rng, 5, 2)

    def f(a, b):
        p, l, u = ds.linalg.lu(a)
        return np.sum(p @ l @ u * np.sin(a)) + np.sum((p.T @ b)[0] ** 2) + np.sum(u[1] * l[4])

    ds.testing.check_grads(f, (a, b), scheduler="sync")
