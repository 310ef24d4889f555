"""Jacobians, Hessians, products and frozen functions against autograd and against each other."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError

CHUNKS = [None, 2]


def vector(np, a, x):
    return np.tanh(np.dot(a, x)) * np.sum(x**2)


def scalar(np, a, x):
    k = np.outer(x, x) + 5 * np.eye(5)
    return np.sum(np.tanh(np.dot(a, x)) ** 2) + np.sum(np.log(np.diag(np.linalg.cholesky(k))))


@pytest.fixture
def data(rng):
    return rng.normal(size=(3, 5)), rng.normal(size=5)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_is_autograds_in_every_mode(mode, chunks, data):
    a, x = data
    for number in (0, 1):
        found = ds.jacobian(lambda a, x: vector(np, a, x), number, mode=mode, chunks=chunks, scheduler="sync")
        expected = autograd.jacobian(lambda a, x: vector(anp, a, x), number)(a, x)
        np.testing.assert_allclose(found(a, x), expected, rtol=1e-12, atol=1e-13)


def test_jacobian_by_several_arguments_keeps_containers(data):
    a, x = data
    found = ds.jacobian(lambda p, s: np.outer(p["a"][:, 0], p["x"]) * s, (0, 1), scheduler="sync")(
        {"a": a, "x": x}, 2.0
    )
    assert found[0]["a"].shape == (3, 5, 3, 5)
    assert found[0]["x"].shape == (3, 5, 5)
    np.testing.assert_allclose(found[1], np.outer(a[:, 0], x))


@pytest.mark.parametrize("chunks", CHUNKS)
def test_hessian_is_autograds_and_symmetric(chunks, data):
    a, x = data
    found = ds.hessian(lambda x: scalar(np, a, x), chunks=chunks, scheduler="sync")(x)
    np.testing.assert_allclose(
        found, autograd.hessian(lambda x: scalar(anp, a, x))(x), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(found, found.T, rtol=1e-11, atol=1e-13)


def test_hvp_is_the_hessian_times_the_tangent(data, rng):
    a, x = data
    v = rng.normal(size=5)
    (found,) = ds.hvp(lambda x: scalar(np, a, x), (x,), (v,), scheduler="sync")
    np.testing.assert_allclose(
        found, ds.hessian(lambda x: scalar(np, a, x), scheduler="sync")(x) @ v, rtol=1e-11
    )


def test_gradient_of_a_jacobian(data):
    a, x = data
    found = ds.grad(lambda x: np.sum(ds.jacobian(lambda x: vector(np, a, x))(x) ** 2), scheduler="sync")(x)
    expected = autograd.grad(lambda x: anp.sum(autograd.jacobian(lambda x: vector(anp, a, x))(x) ** 2))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_stop_gradient_is_a_constant(data):
    _, x = data
    gradient = ds.grad(lambda x: np.sum(x * ds.stop_gradient(x)), scheduler="sync")(x)
    np.testing.assert_array_equal(gradient, x)
    assert ds.stop_gradient(3.5) == 3.5


def test_frozen_function_is_not_run_again(data):
    a, x = data
    calls = []

    def f(x):
        calls.append(1)
        return scalar(np, a, x)

    frozen = ds.freeze(f, ds.spec((5,)))
    for point in (x, x + 1):
        expected = ds.grad(lambda x: scalar(np, a, x), scheduler="sync")(point)
        np.testing.assert_array_equal(ds.grad(frozen, scheduler="sync")(point), expected)
        np.testing.assert_allclose(frozen(point), scalar(np, a, point), rtol=1e-14)
    assert len(calls) == 1
    np.testing.assert_allclose(ds.hessian(frozen)(x), ds.hessian(lambda x: scalar(np, a, x))(x), rtol=1e-12)


def test_frozen_function_refuses_other_shapes(data):
    frozen = ds.freeze(np.sum, ds.spec((5,)))
    with pytest.raises(
        ShapeError, match=r"argument 0 must be spec\(\(5,\), float64\) as it was frozen, got .*\(7,\)"
    ):
        ds.grad(frozen)(np.ones(7))


def test_bad_requests_are_named(data):
    _, x = data
    with pytest.raises(ArgumentError, match='mode must be "auto", "forward" or "reverse", got \'mixed\''):
        ds.jacobian(np.sin, mode="mixed")
    with pytest.raises(ShapeError, match="must return one array, got 2"):
        ds.jacobian(lambda x: (x, x))(x)
    with pytest.raises(ArgumentError, match="argnums must be one int"):
        ds.hessian(np.sum, (0, 1))  # type: ignore[arg-type]
