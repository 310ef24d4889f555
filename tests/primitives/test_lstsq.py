"""What is particular to least squares and to solutions of least norm; the rest is in test_contract.py."""

from decimal import Decimal, localcontext

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.blocks.work import node_work
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.kernels import reflectors, wy
from dagsolve.primitives.lstsq import lstsq
from dagsolve.primitives.minimum_norm import minimum_norm
from dagsolve.primitives.qr import well_posed
from dagsolve.sampling import random_array, random_orthogonal
from dagsolve.specs import spec_of
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.trace import trace_function

SHAPES = [(7, 3), (5, 5), (3, 7)]


def solution(a, b):
    return (lstsq if a.shape[-2] >= a.shape[-1] else minimum_norm)(a, b)[0]


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
def test_solutions_equal_scipys(shape, dtype, rng):
    a, b = random_array(rng, *shape, dtype=dtype), random_array(rng, shape[0], 2, dtype=dtype)
    np.testing.assert_allclose(solution(a, b), scipy.linalg.lstsq(a, b)[0], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("shape", "dtype"), [((7, 3), complex), ((3, 7), float)])
def test_gradients_equal_jaxs_pseudo_inverse(shape, dtype, rng):
    """JAX's complex gradients are conjugate."""
    a, b = random_array(rng, *shape, dtype=dtype), random_array(rng, shape[0], 2, dtype=dtype)
    c = random_array(rng, shape[1], 2, dtype=dtype)

    def by_jax(a, b):
        x = jax.numpy.linalg.pinv(a) @ b
        return jax.numpy.sum(jax.numpy.real(c * jax.numpy.sin(x)))

    def f(a, b):
        return np.sum(np.real(c * np.sin(ds.linalg.lstsq(a, b)[0])))

    with jax.enable_x64(True):
        expected = jax.grad(by_jax, (0, 1))(a, b)
    for found, other in zip(ds.grad(f, (0, 1))(a, b), expected, strict=True):
        np.testing.assert_allclose(found, np.conj(other), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [float, complex])
def test_gradient_of_the_residual(dtype, rng):
    """‖b - a x‖² has the gradients -2 s xᴴ and 2 s: what x adds is zero at the minimum."""
    a, b = random_array(rng, 7, 3, dtype=dtype), random_array(rng, 7, 2, dtype=dtype)
    x, s, *_ = lstsq(a, b)
    a_bar, b_bar = ds.grad(lambda a, b: np.sum(ds.linalg.lstsq(a, b)[1]), (0, 1))(a, b)
    np.testing.assert_allclose(a_bar, -2 * s @ np.conj(x.T), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(b_bar, 2 * s, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_orders_and_both_doors(shape, rng):
    a, b = rng.standard_normal(shape), rng.standard_normal(shape[0])

    def f(a, b):
        return np.sum(np.sin(np.linalg.lstsq(a, b)[0]))

    ds.testing.check_grads(f, (a, b), order=2, scheduler="sync")
    expected = ds.grad(f, (0, 1), scheduler="sync")(a, b)
    for x_bar, other in zip(ds.grad(f, (0, 1), chunks=3, scheduler="sync")(a, b), expected, strict=True):
        np.testing.assert_allclose(x_bar, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("shape", [(6000, 60), (60, 6000)])
def test_reverse_sweep_takes_no_products_of_the_factorisations_size(shape):
    """Counted in the joint graph; `benchmarks.decompositions` has the seconds."""
    specs = ds.spec(shape), ds.spec((shape[0], 1))
    graph = trace_function("lstsq", lambda a, b: np.sum(ds.linalg.lstsq(a, b)[0]), specs).graph
    forward = node_work(graph).flops.sum()
    both = node_work(joint_graph(graph, graph.inputs, (0,)).graph).flops.sum()
    assert both < 1.2 * forward


def test_rank_deficient_matrices_are_named(rng):
    a = rng.standard_normal((7, 3))
    a[:, 2] = a[:, 0] - 2 * a[:, 1]
    with pytest.raises(FactorisationError, match=r"lstsq: a \(7, 3\) float64 must .* got pivot 2 of size"):
        lstsq(a, np.ones((7, 1)))
    with pytest.raises(FactorisationError, match=r"minimum_norm: a\[1\] \(3, 7\) .* full rank"):
        minimum_norm(np.stack([np.eye(3, 7), a.T]), np.ones((3, 1)))
    with pytest.raises(FactorisationError, match="lstsq: a .* must have full rank"):
        lstsq(np.diag([1.0, 1e-5]), np.ones((2, 1)), cond=1e-3)
    np.testing.assert_allclose(lstsq(np.diag([1.0, 1e-5]), np.ones((2, 1)))[0], [[1.0], [1e5]])


def test_shapes_that_belong_to_the_other():
    with pytest.raises(ShapeError, match="else use `minimum_norm`"):
        lstsq.result_specs((spec_of(np.ones((2, 3))), spec_of(np.ones((2, 1)))), {})
    with pytest.raises(ShapeError, match="else use `lstsq`"):
        minimum_norm.result_specs((spec_of(np.ones((3, 2))), spec_of(np.ones((3, 1)))), {})


def test_nan_is_refused():
    for primitive, shape in ((lstsq, (3, 2)), (minimum_norm, (2, 3))):
        with pytest.raises(FactorisationError, match=rf"{primitive.name}: a .* cannot be factored"):
            primitive(np.full(shape, np.nan), np.ones((shape[0], 1)))


@pytest.fixture
def reflected(monkeypatch):
    """Reflectors in narrow panels for small matrices, as large ones have them."""
    monkeypatch.setattr(wy, "WIDTH", 7)
    monkeypatch.setattr(reflectors, "WIDE", 1)
    monkeypatch.setattr(reflectors, "MANY", 1)


def recorded_and_by_kernel(a, b, cotangents):
    """Ā and B̄ by the traceable pullback, which has Q, and by the kernel, which has reflectors."""
    results = lstsq(a, b)
    named = lstsq.named_specs(tuple(map(spec_of, (a, b))), tuple(map(spec_of, results)))
    assert lstsq.result_specs(tuple(map(spec_of, (a, b))), {}) == tuple(map(spec_of, results))
    saved = lstsq.saved((a, b), results, named, ("a", "b"))
    given = (*cotangents, None, None, None)
    return [lstsq.pull(np, saved, given, ("a", "b"), {}, kernel=kernel) for kernel in (False, True)]


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("shape", [(23, 17), (13, 13), (31, 7), (5, 1)])
def test_reflectors_give_what_q_gives(shape, dtype, reflected, rng):
    (m, n), tolerance = shape, {"f": 1e-4, "d": 1e-12}[dtype]
    a, b = well_posed(rng, m=m, n=n, dtype=dtype), random_array(rng, m, 3, dtype=dtype)
    x_bar, s_bar = random_array(rng, 2, n, 3, dtype=dtype), random_array(rng, 2, m, 3, dtype=dtype)
    for cotangents in ((x_bar, s_bar), (x_bar[0], None), (None, s_bar)):
        by_q, by_reflectors = recorded_and_by_kernel(a, b, cotangents)
        for found, expected in zip(by_reflectors, by_q, strict=True):
            assert found.dtype == a.dtype
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(lstsq(a, b)[0], scipy.linalg.lstsq(a, b)[0], rtol=tolerance, atol=tolerance)
    assert lstsq(a, b)[3].base is None  # V, and no Q


def test_reflectors_have_both_orders_and_both_modes(reflected, rng):
    a, b = rng.standard_normal((11, 9)), rng.standard_normal(11)

    def f(a, b):
        x, residues, *_ = ds.linalg.lstsq(a, b)
        return np.sum(np.sin(x)) + residues**2

    ds.testing.check_grads(f, (a, b), order=2, scheduler="sync")


def test_reflectors_do_not_hide_faults(reflected, rng):
    a = rng.standard_normal((23, 17))
    a[5, 11] = np.nan
    with pytest.raises(FactorisationError, match=r"lstsq: a .* must be finite, got nan at \(5, 11\)"):
        lstsq(a, np.ones((23, 1)))
    a[:, 11] = a[:, 3] - a[:, 2]
    with pytest.raises(
        FactorisationError, match=r"lstsq: a \(23, 17\) float64 must have full rank, got pivot 11"
    ):
        lstsq(a, np.ones((23, 1)))
    x = lstsq(rng.standard_normal((23, 17)), np.full((23, 1), np.nan))[0]  # B is data of no factorisation
    assert np.all(np.isnan(x))


COND = 1e8


def ill_conditioned(rng, m, n):
    """A matrix of condition number COND, and a unit vector outside its range."""
    left, right = random_orthogonal(rng, n=m), random_orthogonal(rng, n=n)
    return (left[:, :n] * np.logspace(0, -np.log10(COND), n)) @ right.T, left[:, n:][:, :1]


def exact(a, b, x_bar):
    """X, S, Y = A Z and Z = (AᵀA)⁻¹ X̄ by the normal equations in 60 digits, which no squaring exhausts."""
    with localcontext(prec=60):
        a, b, x_bar = (np.vectorize(Decimal, otypes=[object])(y) for y in (a, b, x_bar))
        rows = np.concatenate([a.T @ a, a.T @ b, x_bar], axis=1)
        n = len(rows)
        for k in range(n):  # positive definite: no pivots
            rows[k] = rows[k] / rows[k, k]
            for i in (*range(k), *range(k + 1, n)):
                rows[i] = rows[i] - rows[i, k] * rows[k]
        x, z = rows[:, n : n + 1], rows[:, n + 1 :]
        return [y.astype(float) for y in (x, b - a @ x, a @ z, z)]


def distance(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.fixture(params=[3, 128])
def panels(request, reflected, monkeypatch):
    monkeypatch.setattr(wy, "WIDTH", request.param)


def test_solutions_lose_the_digits_of_the_condition_number_once(panels, rng):
    """The semi-normal equations have two digits, the normal ones none."""
    a, _ = ill_conditioned(rng, 19, 11)
    x = rng.standard_normal((11, 2))
    assert distance(lstsq(a, a @ x)[0], x) < 10 * COND * np.finfo(float).eps


def test_gradients_lose_the_digits_of_the_condition_number_once(panels, rng):
    """Y and Z against exact ones; the normal equations have two digits of Y."""
    a, outside = ill_conditioned(rng, 19, 11)
    b, x_bar = a @ rng.standard_normal((11, 1)) + outside, rng.standard_normal((11, 1))
    x, s, y, z = exact(a, b, x_bar)
    for a_bar, b_bar in recorded_and_by_kernel(a, b, (x_bar, None)):
        assert distance(b_bar, y) < 10 * COND * np.finfo(float).eps
        assert distance(a_bar, s @ z.T - y @ x.T) < 100 * COND * np.finfo(float).eps


def test_cotangents_of_the_residual_lose_them_once(panels, rng):
    """S̄ = A C in the range of A: Ā = -S Cᵀ; the semi-normal equations have two digits of C."""
    a, outside = ill_conditioned(rng, 19, 11)
    c = rng.standard_normal((11, 1))
    s = lstsq(a, outside)[1]
    for a_bar, b_bar in recorded_and_by_kernel(a, outside, (None, a @ c)):
        assert distance(a_bar, -s @ c.T) < 100 * COND * np.finfo(float).eps
        assert np.linalg.norm(b_bar) < 10 * COND * np.finfo(float).eps
