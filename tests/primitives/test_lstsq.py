"""What is particular to least squares and to solutions of least norm; the rest is in test_contract.py."""

import time

import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.blocks.work import node_work
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.lstsq import lstsq
from dagsolve.primitives.minimum_norm import minimum_norm
from dagsolve.sampling import random_array
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
    """Flops of the joint graph, and a generous look at the clock."""
    specs = ds.spec(shape), ds.spec((shape[0], 1))
    graph = trace_function("lstsq", lambda a, b: np.sum(ds.linalg.lstsq(a, b)[0]), specs).graph
    forward = node_work(graph).flops.sum()
    both = node_work(joint_graph(graph, graph.inputs, (0,)).graph).flops.sum()
    assert both < 1.2 * forward


@pytest.mark.slow
def test_gradient_takes_little_longer_than_the_value(rng):
    a, b = rng.standard_normal((4000, 400)), rng.standard_normal((4000, 1))

    def seconds(function):
        begun = time.perf_counter()
        function(a, b)
        return time.perf_counter() - begun

    def f(a, b):
        return np.sum(ds.linalg.lstsq(a, b)[0])

    both, value = ds.value_and_grad(f, (0, 1), scheduler="sync"), ds.freeze(f, a, b)
    ratios = [seconds(both) / seconds(value) for _ in range(7)]
    assert np.median(ratios[1:]) < 1.2 + 0.3  # the machine is shared


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
