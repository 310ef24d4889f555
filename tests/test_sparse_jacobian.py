"""Sparse Jacobians: the pattern holds every nonzero, the entries are those of dense Jacobians and of JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

import dagsolve as ds
from dagsolve import compressed
from dagsolve.arguments import traced
from dagsolve.compressed import sweep_cost
from dagsolve.errors import DtypeError, TraceError, UnsupportedError
from dagsolve.options import Options
from dagsolve.pipeline import TANGENT, compile_trace, executor_for, run
from dagsolve.tracing import sparsity

jax.config.update("jax_enable_x64", True)

BAND = np.diag(np.arange(1.0, 12)) + np.diag(np.arange(2.0, 12), 1)


def tridiagonal(np, x):
    y = 2 * x + np.sin(x)
    return np.concatenate([y[:1] - x[1:2], y[1:-1] * x[:-2] - np.exp(x[2:]), y[-1:] - x[-2:-1]])


def stencil(np, x):
    u = np.reshape(x[:77], (7, 11))
    inside = u[1:-1, 1:-1] * (u[:-2, 1:-1] + u[2:, 1:-1]) - u[1:-1, :-2] * u[1:-1, 2:]
    return np.tanh(inside)


def products(np, x):
    a, b = np.reshape(x[:15], (3, 5)), np.reshape(x[15:25], (5, 2))
    return np.concatenate([np.reshape(a @ b, (-1,)), np.einsum("ij,kj->ki", a, BAND[:5, :5]).reshape(-1)])


def banded(np, x):
    return BAND @ np.tanh(x[:11]) + np.sum(x[11:13] ** 2)


def reductions(np, x):
    a = np.reshape(x[:30], (2, 3, 5))
    return np.concatenate([np.sum(a, axis=1).reshape(-1), np.max(a, axis=(0, 2)), np.cumsum(a[1], axis=0)[2]])


def choices(np, x):
    chosen = np.where(np.arange(13) < 5, x[:13] ** 2, x[13:26])
    return np.maximum(chosen, x[:13]) * np.concatenate([np.zeros(4), np.ones(9)])


def gathered(np, x):
    return np.take(x, np.array([[3, 0, 3], [7, 5, 2]])) * x[:3]


def factored(np, x):
    a = np.reshape(x[:18], (2, 3, 3))
    l = np.linalg.cholesky(a @ np.swapaxes(a, -1, -2) + 5 * np.eye(3))
    return l[:, 2, :]


def scalar(np, x):
    return np.sum(x[2:5]) * x[7]


PROGRAMS = [tridiagonal, stencil, products, banded, reductions, choices, gathered, factored, scalar]


# in these nothing cancels and no value is chosen, so the pattern is that of the numbers
EXACT = (tridiagonal, stencil, products, banded, gathered, scalar)


@pytest.mark.parametrize("program", PROGRAMS)
def test_entries_are_those_of_the_dense_jacobian_and_of_jax(program: Any, rng):
    x = rng.normal(size=83)
    expected = np.asarray(jax.jacobian(lambda x: program(jnp, x))(x)).reshape(-1, 83)
    dense = ds.jacobian(lambda x: program(np, x), scheduler="sync")(x)
    for mode in ("auto", "forward", "reverse"):
        found = ds.jacobian(lambda x: program(np, x), mode=mode, sparse=True, scheduler="sync")(x)
        assert isinstance(found, csr_array)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found.toarray(), dense.reshape(expected.shape), rtol=1e-11, atol=1e-12)
        if program in EXACT:
            assert found.nnz == np.count_nonzero(expected)


def test_a_tridiagonal_matrix_takes_three_tangents(rng, monkeypatch):
    x = rng.normal(size=1009)
    runs: list[int] = []

    def counted(*args):
        runs.append(1)
        return run(*args)

    monkeypatch.setattr(compressed, "run", counted)
    found = ds.jacobian(lambda x: tridiagonal(np, x), sparse=True, scheduler="sync")(x)
    assert len(runs) == 3
    assert found.nnz == 3 * 1009 - 2
    y = rng.normal(size=1009)
    _, expected = jax.jvp(lambda x: tridiagonal(jnp, x), (x,), (y,))
    np.testing.assert_allclose(found @ y, expected, rtol=1e-11, atol=1e-12)


def test_a_sparse_hessian_of_a_chain(rng):
    """Rosenbrock's function: its gradient is traced, so the pattern is that of the second derivatives."""
    x = rng.normal(size=31)

    def rosenbrock(np, x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    found = ds.jacobian(ds.grad(lambda x: rosenbrock(np, x)), sparse=True, scheduler="sync")(x)
    np.testing.assert_allclose(found.toarray(), jax.hessian(lambda x: rosenbrock(jnp, x))(x), rtol=1e-11)
    assert found.nnz == 3 * 31 - 2


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_several_arguments_share_the_colours(mode: str, rng):
    x, y, s = rng.normal(size=13), rng.normal(size=(13, 2)), 1.5

    def f(np, p, s):
        return np.tanh(p["x"] * s) + p["y"][:, 0] * p["y"][::-1, 1]

    found = ds.jacobian(lambda p, s: f(np, p, s), (0, 1), mode=mode, sparse=True, scheduler="sync")(
        {"x": x, "y": y}, s
    )
    expected = jax.jacobian(lambda p, s: f(jnp, p, s), (0, 1))({"x": x, "y": y}, s)
    assert isinstance(found, tuple)
    assert found[0]["y"].shape == (13, 26)
    assert found[0]["y"].nnz == 26
    assert found[1].shape == (13, 1)
    for name in ("x", "y"):
        np.testing.assert_allclose(found[0][name].toarray(), expected[0][name].reshape(13, -1), rtol=1e-12)
    np.testing.assert_allclose(found[1].toarray()[:, 0], expected[1], rtol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_chunks_change_nothing(mode: str, rng):
    x = rng.normal(size=83)
    found = ds.jacobian(lambda x: banded(np, x), mode=mode, sparse=True, chunks=5, scheduler="sync")(x)
    expected = ds.jacobian(lambda x: banded(np, x), mode=mode, sparse=True, scheduler="sync")(x)
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-12)


def test_what_depends_on_nothing_has_an_empty_row(rng):
    found = ds.jacobian(lambda x: np.concatenate([np.floor(x), x[:1]]), sparse=True, scheduler="sync")(
        rng.normal(size=5)
    )
    assert found.nnz == 1
    none = ds.jacobian(lambda x, y: y * 2, sparse=True, scheduler="sync")(np.ones(5), np.ones(3))
    assert none.shape == (3, 5)
    assert none.nnz == 0


Step = Callable[[Any, Any, Any], Any]
STEPS: list[Step] = [
    lambda np, x, y: np.concatenate([x[1:], x[:1]]),
    lambda np, x, y: np.concatenate([x[2:], np.zeros(2)]),
    lambda np, x, y: x[::-1] * y,
    lambda np, x, y: np.sin(x) + y,
    lambda np, x, y: np.where(y > 0, x, 0.5 * y),
    lambda np, x, y: np.maximum(x, y),
    lambda np, x, y: np.reshape(np.reshape(x, (2, 6)).T, (12,)),
    lambda np, x, y: (
        np.reshape(np.sum(np.reshape(x, (4, 3)), axis=1)[:, None] * np.ones((4, 3)), (12,)) * 0.1
    ),
    lambda np, x, y: y * 0.5 - x,
    lambda np, x, y: np.concatenate([BAND[:6, :6] @ x[:6] * 0.1, y[6:]]),
]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 5)), min_size=1, max_size=9))
def test_the_pattern_holds_every_nonzero(steps: list[tuple[int, int]]):
    x = np.random.default_rng(len(steps)).normal(size=12)

    def f(np, x):
        made = [x]
        for step, back in steps:
            made.append(STEPS[step](np, made[-1], made[max(0, len(made) - 1 - back)]))
        return made[-1]

    found = ds.jacobian(lambda x: f(np, x), sparse=True, scheduler="sync")(x)
    dense = ds.jacobian(lambda x: f(np, x), scheduler="sync")(x)
    assert np.all(found.toarray()[dense != 0] != 0)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-10, atol=1e-10)


def test_auto_takes_the_way_that_costs_less(rng):
    """Ten inputs, eleven outputs: ten runs of f with a tangent cost more than eleven cotangents at once."""
    a = rng.normal(size=(211, 211))

    def f(x):
        wide = np.tanh(a @ np.concatenate([x, np.zeros(201)]))
        return (a @ wide)[:11]

    trace = traced("jacobian", f, (ds.spec((10,)),), (0,))
    cost = sweep_cost(trace, (0,))
    assert cost.at_once(11) < cost.separately(10)
    options = Options.read("jacobian", {"scheduler": "sync"})
    compiled = compile_trace(trace, (0,), TANGENT, options, executor_for(options))
    assert cost.value + cost.derivative == pytest.approx(compiled.plan.dag.flops, rel=0.15)


def test_requests_that_cannot_be_met_are_named(monkeypatch):
    x = np.ones(5)
    with pytest.raises(TraceError, match="sparse=True makes SciPy arrays, which cannot be traced"):
        ds.grad(lambda x: np.sum(ds.jacobian(np.sin, sparse=True)(x)))(x)
    with pytest.raises(DtypeError, match="takes real arrays, got complex ones"):
        ds.jacobian(np.sin, sparse=True)(x + 1j)
    monkeypatch.setattr(sparsity, "ENTRIES", 20)
    with pytest.raises(UnsupportedError, match=r"pattern has 25 entries, more than 20 \(.*Use sparse=False"):
        ds.jacobian(lambda x: x / np.sum(x), sparse=True)(x)


def test_a_captured_sparse_matrix_as_an_array_keeps_its_pattern(rng):
    a = random_array((53, 47), density=0.05, rng=rng).toarray()
    found = ds.jacobian(lambda x: np.exp(a @ x), sparse=True, scheduler="sync")(rng.normal(size=47))
    assert found.nnz == np.count_nonzero(a)
