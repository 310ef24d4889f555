"""grad, value_and_grad, vjp, jvp, trace and plans, as their users meet them."""

import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import autograd
import autograd.numpy
import jax
import numpy as np
import pytest

import dagsolve as ds
from dagsolve import pipeline
from dagsolve.errors import ArgumentError, BudgetError
from dagsolve.sampling import random_array, random_spd
from dagsolve.scheduler.executor import ThreadsExecutor

Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass
class Model:
    weights: list[Any]
    noise: object


def product(x, y):
    return np.sum(np.sin(x) * y)


def sines(x):
    return np.sum(np.sin(x))


@pytest.fixture
def compiled(monkeypatch):
    """The plans made so far: an empty cache for one test."""
    kept: OrderedDict[object, object] = OrderedDict()
    monkeypatch.setattr(pipeline, "_KEPT", kept)
    return kept


# Arguments and results


def test_gradients_come_in_the_containers_of_the_arguments(rng):
    a, b, c = rng.standard_normal((3, 5))
    nested = {"pair": Pair(a, [b]), "model": Model([c, 2.0], 0.5)}

    def f(x):
        model = x["model"]
        return (
            np.sum(x["pair"].first * x["pair"].second[0])
            + model.weights[1] * np.sum(model.weights[0]) * model.noise
        )

    g = ds.grad(f)(nested)
    assert isinstance(g["pair"], Pair)
    assert isinstance(g["model"], Model)
    np.testing.assert_allclose(g["pair"].first, b, rtol=1e-15)
    np.testing.assert_allclose(g["pair"].second[0], a, rtol=1e-15)
    np.testing.assert_allclose(g["model"].weights[0], np.ones(5), rtol=1e-15)
    assert g["model"].weights[1] == pytest.approx(0.5 * np.sum(c), rel=1e-14)
    assert g["model"].noise == pytest.approx(2.0 * np.sum(c), rel=1e-14)


def test_argnums_choose_and_order(rng):
    x, y = rng.standard_normal((2, 7))
    expected = np.cos(x) * y, np.sin(x)
    np.testing.assert_allclose(ds.grad(product)(x, y), expected[0], rtol=1e-15)
    np.testing.assert_allclose(ds.grad(product, 1)(x, y), expected[1], rtol=1e-15)
    for argnums in ((0,), (0, 1), (1, 0), [1, 0]):
        g = ds.grad(product, argnums)(x, y)
        assert isinstance(g, tuple)
        for found, number in zip(g, argnums, strict=True):
            np.testing.assert_allclose(found, expected[number], rtol=1e-15)


def test_value_and_gradient_are_those_of_numpy(rng):
    x, y = rng.standard_normal((2, 7))
    value, g = ds.value_and_grad(product, (0, 1))(x, y)
    assert value == product(x, y)
    np.testing.assert_array_equal(g[1], np.sin(x))


def test_auxiliary_results_are_handed_on(rng):
    x = rng.standard_normal(5)

    def f(x):
        y = np.exp(x)
        return np.sum(y), {"y": y, "count": 3}

    g, aux = ds.grad(f, has_aux=True)(x)
    np.testing.assert_array_equal(aux["y"], np.exp(x))
    assert aux["count"] == 3
    (value, again), g_again = ds.value_and_grad(f, has_aux=True)(x)
    assert value == np.sum(np.exp(x))
    np.testing.assert_array_equal(again["y"], aux["y"])
    np.testing.assert_array_equal(g, g_again)
    np.testing.assert_allclose(g, np.exp(x), rtol=1e-15)


def test_unused_inputs_have_gradient_zero(rng):
    x, y = rng.standard_normal((2, 5))
    g = ds.grad(lambda x, y, s: np.sum(x), (0, 1, 2))(x, y, 0.5)
    np.testing.assert_array_equal(g[1], np.zeros(5))
    assert g[2] == 0.0
    np.testing.assert_array_equal(ds.grad(lambda x: 3.0)(x), np.zeros(5))


def test_numbers_in_give_numbers_out():
    g = ds.grad(lambda x, y: x * np.sin(y), (0, 1))(2.0, 0.5)
    assert all(isinstance(x, float) for x in g)
    assert g == (pytest.approx(np.sin(0.5)), pytest.approx(2 * np.cos(0.5)))
    value, bar = ds.value_and_grad(np.exp)(0.0)
    assert (value, bar) == (1.0, 1.0)
    assert isinstance(value, float)


def test_integer_arguments_that_are_not_differentiated_are_left_alone(rng):
    x = rng.standard_normal(7)
    g = ds.grad(lambda x, k, n: np.sum(x[k]) ** n)(x, np.array([1, 1, 4]), 2)
    expected = np.zeros(7)
    expected[1], expected[4] = 2, 1
    np.testing.assert_allclose(g, expected * 2 * np.sum(x[[1, 1, 4]]), rtol=1e-14)


def test_single_precision_stays_single(rng):
    x = rng.standard_normal(7).astype(np.float32)
    value, g = ds.value_and_grad(lambda x: np.mean(2.5 * np.tanh(x) ** 2 / 3))(x)
    assert value.dtype == g.dtype == np.float32
    np.testing.assert_allclose(
        g, ds.grad(lambda x: np.mean(2.5 * np.tanh(x) ** 2 / 3))(x.astype(float)), rtol=1e-5
    )


def test_inputs_are_not_changed_and_results_are_the_users_own(rng):
    x = rng.standard_normal(5)
    before = x.copy()
    g = ds.grad(lambda x: np.sum(x))(x)
    g += 1.0
    value, bar = ds.value_and_grad(lambda x: 0.5 * np.sum(x * x))(x)
    bar *= 2
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(ds.grad(lambda x: np.sum(x))(x), np.ones(5))


# Conventions


def test_complex_gradients_are_partial_derivatives_by_real_and_imaginary_part(rng):
    """∂φ/∂Re z + i ∂φ/∂Im z by central differences; JAX returns the conjugate."""
    z = random_array(rng, 5, dtype=np.complex128)

    def f(z, xp=np):
        return xp.real(xp.sum(xp.sin(z) * xp.conj(z) ** 2)) + xp.sum(xp.abs(z))

    g = ds.grad(f)(z)
    h = 1e-6
    for k in range(5):
        e = np.eye(5)[k] * h
        by_real, by_imaginary = (f(z + e) - f(z - e)) / (2 * h), (f(z + 1j * e) - f(z - 1j * e)) / (2 * h)
        assert g[k] == pytest.approx(by_real + 1j * by_imaginary, rel=1e-7)
    with jax.enable_x64(True):
        np.testing.assert_allclose(g, np.conj(jax.grad(lambda z: f(z, jax.numpy))(z)), rtol=1e-12)


def test_a_cholesky_factor_of_an_input_gives_the_symmetric_gradient(rng):
    """log det A by its factor: A⁻¹."""
    a = random_spd(rng, n=7)
    g = ds.grad(lambda a: 2 * np.sum(np.log(np.diag(np.linalg.cholesky(a)))))(a)
    np.testing.assert_allclose(g, np.linalg.inv(a), rtol=1e-11)


def test_nested_derivatives(rng):
    """H = ∇∇ᵀ: rows by grad of grad, columns by jvp of grad, quadratic forms by grad of jvp."""
    x, v, w = rng.standard_normal((3, 5))

    def f(x, xp=np):
        return xp.sum(xp.sin(x) * x[::-1] ** 2) / (1 + xp.sum(x * x))

    hessian = autograd.hessian(lambda x: f(x, autograd.numpy))(x)
    rows = ds.grad(lambda x: ds.grad(f)(x) @ v)(x)
    np.testing.assert_allclose(rows, hessian @ v, rtol=1e-11)
    np.testing.assert_allclose(ds.jvp(ds.grad(f), (x,), (v,))[1], hessian @ v, rtol=1e-11)
    np.testing.assert_allclose(ds.grad(lambda x: ds.jvp(f, (x,), (v,))[1])(x), hessian @ v, rtol=1e-11)
    second = ds.jvp(lambda x: ds.jvp(f, (x,), (v,))[1], (x,), (w,))[1]
    assert second == pytest.approx(w @ hessian @ v, rel=1e-11)
    third = autograd.grad(lambda x: w @ autograd.hessian(lambda x: f(x, autograd.numpy))(x) @ v)(x)
    found = ds.grad(lambda x: ds.grad(lambda x: ds.grad(f)(x) @ v)(x) @ w)(x)
    np.testing.assert_allclose(found, third, rtol=1e-10)


# vjp and jvp


def test_vjp_and_jvp_are_adjoint_and_keep_containers(rng):
    a, b = rng.standard_normal((5, 3)), rng.standard_normal(3)

    def f(p, s):
        y = np.tanh(p["a"] @ p["b"])
        return {"y": y, "more": (s * y[:2], np.sum(p["a"]))}

    primals = {"a": a, "b": b}, 0.5
    value, pullback = ds.vjp(f, *primals)
    cotangent = {"y": rng.standard_normal(5), "more": (rng.standard_normal(2), 2.0)}
    bars = pullback(cotangent)
    assert isinstance(bars, tuple)
    assert len(bars) == 2
    assert isinstance(bars[1], float)
    tangents = {"a": rng.standard_normal((5, 3)), "b": rng.standard_normal(3)}, -1.5
    again, dots = ds.jvp(f, primals, tangents)
    np.testing.assert_array_equal(value["y"], again["y"])
    left = cotangent["y"] @ dots["y"] + cotangent["more"][0] @ dots["more"][0] + 2.0 * dots["more"][1]
    right = np.sum(bars[0]["a"] * tangents[0]["a"]) + bars[0]["b"] @ tangents[0]["b"] - 1.5 * bars[1]
    assert left == pytest.approx(right, rel=1e-13)


def test_one_pullback_serves_many_cotangents(rng, compiled):
    x = rng.standard_normal(5)
    _, pullback = ds.vjp(lambda x: np.sin(x), x)
    rows = [pullback(e)[0] for e in np.eye(5)]
    np.testing.assert_allclose(np.stack(rows), np.diag(np.cos(x)), rtol=1e-15)
    assert len(compiled) == 2  # the value, and one plan for all cotangents


def test_a_value_that_is_an_input_passes_its_cotangent_on(rng):
    x, w = rng.standard_normal((2, 5))
    _, pullback = ds.vjp(lambda x: (x, x + 1.0), x)
    np.testing.assert_allclose(pullback((w, 2 * w))[0], 3 * w, rtol=1e-15)
    _, (dot, same) = ds.jvp(lambda x: (x, x), (x,), (w,))
    np.testing.assert_array_equal(dot, w)
    np.testing.assert_array_equal(same, w)


# Plans


def test_plans_are_used_again_for_other_values_of_the_same_structure(rng, compiled):
    """One plan for equal graphs; another for another shape, and for other options."""
    gradient = ds.value_and_grad(sines)
    for _ in range(3):
        x = rng.standard_normal(5)
        np.testing.assert_allclose(gradient(x)[1], np.cos(x), rtol=1e-15)
    assert len(compiled) == 1
    gradient(rng.standard_normal(7))
    assert len(compiled) == 2
    ds.value_and_grad(sines, chunks=3)(x)
    assert len(compiled) == 3


def test_closures_are_read_at_every_call(rng, compiled):
    """Functions are traced anew: what they captured may have changed. The plan does not depend on it."""
    x = rng.standard_normal(5)
    scale: dict[str, Any] = {"by": 2.0, "weights": np.arange(5.0)}
    gradient = ds.grad(lambda x: scale["by"] * np.sum(scale["weights"] * x))
    np.testing.assert_array_equal(gradient(x), 2 * np.arange(5.0))
    scale["by"] = 3.0
    np.testing.assert_array_equal(gradient(x), 3 * np.arange(5.0))
    scale["weights"][0] = 7.0
    np.testing.assert_array_equal(gradient(x), 3 * scale["weights"])
    assert len(compiled) == 1


def test_specs_stand_for_arrays_in_plans_and_traces(rng):
    x, y = rng.standard_normal((2, 67))
    gradient = ds.grad(product, (0, 1), chunks=13)
    plan = gradient.plan(x, y)
    by_spec = gradient.plan(ds.spec(67), ds.spec((67,), float))
    assert plan.digest == by_spec.digest
    assert plan.actions == by_spec.actions
    assert gradient.trace(ds.spec(67), ds.spec(67)).digest == plan.dag.graph.digest
    assert len(ds.trace(product, ds.spec(67), y)) == 5  # two inputs, sin, multiply, sum
    assert len(ds.trace(product, x, y, chunks=13)) > 5


def test_plans_say_what_they_take(rng):
    plan = ds.grad(product, chunks=13).plan(*rng.standard_normal((2, 67)))
    shown = repr(plan)
    for word in ("nodes", "blocks", "flops", "peak per worker", "budget none", "critical path"):
        assert word in shown
    assert "<table>" in plan._repr_html_()
    assert "product" in repr(ds.grad(product, 1))
    assert "argnums=1" in repr(ds.grad(product, 1))


def chain(x):
    """Twenty residuals of the input's size; every step reads all of the one before."""
    for _ in range(20):
        x = np.sin(x) + np.mean(x)
    return np.sum(x)


def test_a_memory_limit_spills_and_changes_no_bit(rng, monkeypatch):
    monkeypatch.setattr(ThreadsExecutor, "base_bytes", lambda self: 0)  # other tests left memory behind
    x = rng.standard_normal(400_009)
    free = ds.grad(chain, scheduler="threads", chunks=50_021)
    expected = free(x)
    assert free.last_report is not None
    assert free.last_report.spilled_bytes == 0
    floor = _smallest_budget(chain, x)
    bounded = ds.grad(chain, scheduler="threads", chunks=50_021, memory_limit=floor + 15_000_000)
    np.testing.assert_array_equal(bounded(x), expected)
    report = bounded.last_report
    assert report is not None
    assert report.spilled_bytes > 0
    assert report.loaded_bytes > 0
    assert report.store_peak_bytes < 60_000_000


def _smallest_budget(f, x):
    """What BudgetError says is needed at least."""
    with pytest.raises(BudgetError, match=r"Give at least [\d,]+ bytes") as raised:
        ds.grad(f, scheduler="threads", chunks=50_021, memory_limit=1000)(x)
    said = str(raised.value).rpartition("at least ")[2].split(" ")[0]
    return int(said.replace(",", ""))


def test_operator_matrix_needs_the_values_of_constants(rng):
    x = rng.standard_normal(5)
    weights = rng.standard_normal(5)
    graph = ds.trace(lambda x: np.sum(weights * np.exp(x)), x)
    identity_minus_l, d, g = ds.operator_matrix(graph, x)
    assert identity_minus_l.shape == (3, 3)
    (bar,) = d.T @ ds.backslash(identity_minus_l.T, g)
    np.testing.assert_allclose(bar, weights * np.exp(x), rtol=1e-15)
    with pytest.raises(ArgumentError, match="1 inputs"):
        ds.operator_matrix(graph, x, x)
