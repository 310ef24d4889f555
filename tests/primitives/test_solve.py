"""What is particular to solving systems; the rest is in test_contract.py."""

from collections import Counter

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.lu import well_posed
from dagsolve.primitives.positive_solve import positive_solve
from dagsolve.primitives.solve import solve
from dagsolve.sampling import random_array, random_spd
from dagsolve.specs import spec_of

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def calls(graph):
    return Counter(node.primitive for node in graph.nodes())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 67])
@pytest.mark.parametrize("transposed", [False, True])
def test_solution_satisfies_the_system(n, transposed, dtype, rng):
    a, b = well_posed(rng, 2, m=n, n=n, dtype=dtype), random_array(rng, 3, 2, n, 2, dtype=dtype)
    x = solve(a, b, transposed=transposed)[0]
    assert x.dtype == dtype
    op = np.conj(np.swapaxes(a, -1, -2)) if transposed else a
    tolerance = 2e-3 if np.finfo(dtype).bits == 32 else 1e-10
    np.testing.assert_allclose(op @ x, b, rtol=tolerance, atol=tolerance)


def test_the_matrix_is_factored_once_for_value_and_gradient(rng):
    a, b = well_posed(rng, m=5, n=5), random_array(rng, 5)
    trace = ds.trace(ds.grad(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), argnums=(0, 1)), a, b)
    count = calls(trace)
    assert count["solve"] == 1
    assert count["lu"] == count["inv"] == 0
    assert count["solve_triangular"] == 2


def test_positive_definite_gradient_needs_no_adjoint_of_the_factorisation(rng):
    a, b = random_spd(rng, n=5), random_array(rng, 5)
    count = calls(ds.trace(ds.grad(lambda a: np.sum(ds.linalg.solve(a, b, assume_a="pos"))), a))
    assert count["positive_solve"] == 1
    assert not any("cholesky" in name for name in count)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("order", [5, 67])
def test_zero_pivot_is_named(order, dtype, rng):
    a = well_posed(rng, 3, m=order, n=order).astype(dtype)
    a[1] = np.diag(np.arange(order) != 3)
    message = (
        rf"solve: a\[1\] \({order}, {order}\) {np.dtype(dtype)} is singular: "
        r"pivot 3 \(of row 3\) has size 0"
    )
    with pytest.raises(FactorisationError, match=message):
        solve(a, np.ones((order, 1), dtype))


def test_zero_pivot_in_a_gradient_names_the_line(rng):
    a = np.diag([1.0, 0.0, 2.0])
    with pytest.raises(FactorisationError, match=r"pivot 1 .*recorded at .*test_solve\.py"):
        ds.grad(lambda a: np.sum(np.linalg.solve(a, np.ones(3))), scheduler="sync")(a)


def test_nearly_singular_system_is_solved_stably(rng):
    """Hilbert's matrix of order 11 has condition 5e14: the residual is small all the same."""
    n = 11
    a = 1.0 / (1.0 + np.arange(n)[:, None] + np.arange(n))
    b = random_array(rng, n, 2)
    x = solve(a, b)[0]
    backward_error = np.abs(a @ x - b) / (np.abs(a) @ np.abs(x) + np.abs(b))
    assert np.max(backward_error) < 1e-14


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(
        ShapeError, match=r"solve: b must have shape \(\.\.\., n, k\) with n = 5, got \(3, 2\)"
    ):
        solve.result_specs((spec_of(np.ones((5, 5))), spec_of(np.ones((3, 2)))), {})


@pytest.mark.parametrize("who", [solve, positive_solve])
def test_indefinite_or_nan_is_refused(who):
    a = np.diag([1.0, np.nan, 2.0])
    with pytest.raises(FactorisationError, match=f"{who.name}: a .*NaN"):
        who(a, np.ones((3, 1)))
    with pytest.raises(FactorisationError, match="positive_solve: a .* is not positive definite"):
        positive_solve(-np.eye(3), np.ones((3, 1)))


@pytest.mark.parametrize("name", ["gen", "sym", "her", "pos", "upper triangular", "lower triangular"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_gradient_of_complex_systems(name, transposed, lower, rng):
    """Complex `jax.scipy.linalg.solve(assume_a="pos")` disagrees with differences in JAX 0.10.2."""
    a = random_spd(rng, n=3, dtype=complex)
    a = a + a.T if name == "sym" else a
    b = random_array(rng, 3, 2, dtype=complex)

    def f(m, b):  # Hermitian (symmetric) for every m, so that all directions are allowed
        turned = m.T if name == "sym" else np.conj(m.T)
        a = 0.5 * (m + turned) if name in ("sym", "her", "pos") else m
        return ds.linalg.solve(a, b, lower=lower, assume_a=name, transposed=transposed)

    ds.testing.check_grads(f, (a, b), scheduler="sync")


@pytest.mark.parametrize("name", ["sym", "her", "pos"])
@pytest.mark.parametrize("lower", [False, True])
def test_gradient_of_a_hermitian_input_is_symmetric(name, lower, rng):
    """φ = cᵀ A⁻¹ b, hence Ā is the symmetric part of -A⁻ᵀ c bᵀ A⁻ᵀ."""
    a, b, c = random_spd(rng, n=5), random_array(rng, 5), random_array(rng, 5)
    found = ds.grad(lambda a: c @ ds.linalg.solve(a, b, lower=lower, assume_a=name), scheduler="sync")(a)
    inverse = np.linalg.inv(a)
    expected = -np.outer(inverse.T @ c, inverse @ b)
    np.testing.assert_allclose(found, (expected + expected.T) / 2, rtol=1e-10, atol=1e-12)


def test_real_gradients_of_jax(rng):
    jax = pytest.importorskip("jax")
    from jax.scipy.linalg import solve as jax_solve

    a, b = random_spd(rng, n=5), random_array(rng, 5, 2)
    with jax.enable_x64(True):
        for name in ("gen", "pos"):
            value = jax.grad(
                lambda a, b, name=name: (jax_solve(a, b, lower=True, assume_a=name) ** 3).sum(), (0, 1)
            )
            expected = [np.asarray(x) for x in value(a, b)]
            found = ds.grad(
                lambda a, b, name=name: np.sum(ds.linalg.solve(a, b, lower=True, assume_a=name) ** 3),
                (0, 1),
                scheduler="sync",
            )(a, b)
            a_bar = expected[0] if name == "gen" else (expected[0] + expected[0].T) / 2
            np.testing.assert_allclose(found[0], a_bar, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("n", [3, 31])
def test_a_pivot_that_rounding_left_of_zero_is_refused(n, dtype, rng):
    """One row is a combination of the others; what is scaled unevenly, or a triangle, is no such matrix."""
    a = random_array(rng, n, n, dtype=dtype)
    a[-1] = np.asarray(rng.uniform(0.2, 0.4, n - 1) @ a[:-1], dtype)
    b = np.ones(n, dtype)
    for f in (
        np.linalg.inv,
        lambda a: np.linalg.solve(a, b),
        lambda a: ds.linalg.cond(a, 1),
        lambda a: ds.linalg.lu_solve(ds.linalg.lu_factor(a), b),
    ):
        with pytest.raises(FactorisationError, match=rf"a \({n}, {n}\) .* singular: pivot {n - 1} .* size"):
            ds.grad(lambda a, f=f: np.sum(np.real(f(a))), scheduler="sync")(a)
    scaled = np.diag(np.logspace(0, 30, n)).astype(dtype) @ (np.eye(n) + np.triu(np.ones((n, n)), 1))
    x = ds.linalg.solve(scaled, scaled @ np.ones(n, dtype))
    np.testing.assert_allclose(x, np.ones(n), rtol=1e-3 if dtype == np.float32 else 1e-12)
