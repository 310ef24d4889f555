"""CuPy in, CuPy out: blocks on device arrays, and the public functions on them."""

from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.evaluate import evaluate
from dagsolve.namespace import is_host, to_device, to_host
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.trace import trace_function

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::UserWarning:cupy")]

CHOICES: list[dict[str, Any]] = [
    {"scheduler": "sync"},
    {"scheduler": "threads"},
    {"chunks": 7, "scheduler": "sync"},
    {"chunks": 7, "scheduler": "threads"},
]


def nll(theta, x, y):
    """Negative log-likelihood of a Gaussian process; captured identity, broadcasting, in-place sums."""
    d = x[:, None] - x[None, :]
    k = theta[0] ** 2 * np.exp(-0.5 * (d / theta[1]) ** 2) + theta[2] ** 2 * np.eye(len(x))
    l = np.linalg.cholesky(k)
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * np.sum(z**2) + np.sum(np.log(np.diag(l)))


@pytest.fixture
def problem(rng):
    x = np.sort(rng.uniform(0.0, 5.0, 23))
    return np.array([1.5, 0.5, 0.3]), x, np.sin(x) + 0.1 * rng.standard_normal(23)


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_gradients_lie_on_the_device(cupy, options, problem):
    expected, bars = ds.value_and_grad(nll, (0, 1, 2), scheduler="sync")(*problem)
    value, found = ds.value_and_grad(nll, (0, 1, 2), **options)(*map(to_device, problem))
    assert float(to_host(value)) == pytest.approx(float(expected), rel=1e-10)
    for x_bar, other in zip(found, bars, strict=True):
        assert isinstance(x_bar, cupy.ndarray)
        assert x_bar.flags.c_contiguous
        np.testing.assert_allclose(to_host(x_bar), other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_each_gradient_lies_where_its_argument_lies(cupy, options, rng):
    """One argument on the host, one on the device, one that the value does not depend on, one a number."""

    def f(tree):
        return np.sum(np.sin(tree["host"]) @ tree["device"]) * tree["number"]

    tree: dict[str, Any] = {
        "host": rng.standard_normal((11, 13)),
        "device": to_device(rng.standard_normal((13, 5))),
        "unused": to_device(rng.standard_normal((17, 3))),
        "number": 1.5,
    }
    found = ds.grad(f, **options)(tree)
    expected = ds.grad(f)({name: to_host(x) if hasattr(x, "shape") else x for name, x in tree.items()})
    assert [is_host(found[name]) for name in tree] == [True, False, False, True]
    assert isinstance(found["number"], float)
    for name, x_bar in found.items():
        np.testing.assert_allclose(to_host(x_bar), expected[name], rtol=1e-11, atol=1e-12)


def test_constant_gradient_lies_on_the_device(cupy, rng):
    """Nothing of the reverse sweep reads the input: its tiles are made of generators."""
    x = to_device(rng.standard_normal((11, 7)))
    for options in CHOICES:
        found = ds.grad(lambda x: np.sum(2.0 * x), **options)(x)
        assert isinstance(found, cupy.ndarray)
        np.testing.assert_array_equal(to_host(found), np.full((11, 7), 2.0))


def test_captured_arrays_on_either_side(cupy, rng):
    a, b = rng.standard_normal((2, 7, 5))
    x = rng.standard_normal((7, 5))
    expected = ds.grad(lambda x: np.sum(np.exp(x * a) * b))(x)
    on_device = to_device(b)
    for data in (x, to_device(x)):
        found = ds.grad(lambda x: np.sum(np.exp(x * a) * on_device))(data)
        assert is_host(found) == is_host(data)
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-12)


def test_joint_graph_in_one_block_leaves_its_inputs_alone(cupy, problem):
    """run_block on CuPy arrays: outputs own their memory, C-contiguous, and share none with the inputs."""
    trace = trace_function("test", nll, problem)
    sweeps = joint_graph(trace.graph, trace.graph.inputs, (0,))
    graph = sweeps.graph
    host = {**trace.constants, **sweeps.constants, **dict(zip(graph.inputs, problem, strict=True))}
    device = {
        v: to_device(x) if isinstance(x, np.ndarray) and v in graph.inputs else x for v, x in host.items()
    }
    expected, found = evaluate(graph, host), evaluate(graph, device)
    addresses = set()
    for v, y in found.items():
        assert isinstance(y, cupy.ndarray)
        assert y.base is None
        assert y.flags.c_contiguous
        addresses.add(y.data.ptr)
        np.testing.assert_allclose(to_host(y), expected[v], rtol=1e-8, atol=1e-9)
    assert len(addresses) == len(set(graph.outputs))
    assert addresses.isdisjoint(device[v].data.ptr for v in graph.inputs)
    for v, x in zip(graph.inputs, problem, strict=True):
        np.testing.assert_array_equal(to_host(device[v]), x)


def test_other_derivatives(cupy, problem):
    moved = tuple(map(to_device, problem))
    directions = tuple(np.ones_like(x) for x in problem)
    value, pullback = ds.vjp(nll, *moved)
    _, pulled = ds.vjp(nll, *problem)
    for x_bar, other in zip(pullback(cupy.ones(())), pulled(np.ones(())), strict=True):
        assert isinstance(x_bar, cupy.ndarray)
        np.testing.assert_allclose(to_host(x_bar), other, rtol=1e-8, atol=1e-9)
    _, dot = ds.jvp(nll, moved, tuple(map(to_device, directions)))
    assert float(to_host(dot)) == pytest.approx(float(ds.jvp(nll, problem, directions)[1]), rel=1e-9)
    hessian = ds.hessian(nll)(*moved)
    np.testing.assert_allclose(to_host(hessian), ds.hessian(nll)(*problem), rtol=1e-7, atol=1e-8)
