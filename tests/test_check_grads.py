"""check_grads accepts correct derivatives of every kind, and names the wrong one."""

import dataclasses
import re
from collections import OrderedDict

import numpy as np
import pytest

import dagsolve as ds
from dagsolve import pipeline
from dagsolve.errors import ArgumentError, GradientMismatch
from dagsolve.primitives import PRIMITIVES
from dagsolve.sampling import random_array, random_spd, random_triangular


def whitened(a, data):
    """Containers in and out, a factor and a solve."""
    z = ds.linalg.solve_triangular(np.linalg.cholesky(a), data["b"], lower=True)
    return {"loss": data["scale"] * np.sum(np.tanh(z) ** 2), "rest": (np.exp(z), z[: data["n"]])}


def test_correct_rules_pass_to_third_order(rng):
    data = {"b": rng.standard_normal(3), "scale": 0.3, "n": 2}
    ds.testing.check_grads(whitened, (random_spd(rng, n=3), data), order=3, hermitian=True)


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("fwd", "rev")])
def test_each_mode_alone(rng, modes):
    ds.testing.check_grads(lambda x, y: np.sin(x) * (x @ y), tuple(rng.standard_normal((2, 3))), modes=modes)


def test_complex_and_single_precision(rng):
    z = random_array(rng, 5, dtype=np.complex128)
    ds.testing.check_grads(lambda z: np.sum(np.sin(z) * np.conj(z)) + np.abs(z), (z,))
    ds.testing.check_grads(np.sign, (z,))
    ds.testing.check_grads(lambda x: np.exp(-np.sum(x * x)), (random_array(rng, 3, dtype=np.float32),))


def test_options_reach_the_runs(rng):
    a = random_triangular(rng, n=5)
    ds.testing.check_grads(
        lambda t: ds.linalg.solve_triangular(t, np.ones(5), lower=True),
        (a,),
        order=1,
        chunks=3,
        scheduler="sync",
    )


def test_hermitian_directions_are_needed_where_one_triangle_is_read(rng):
    """Of a computed matrix only one triangle is read."""
    a = random_spd(rng, n=3)
    ds.testing.check_grads(lambda a: np.linalg.cholesky(1.0 * a), (a,), hermitian=True)


@pytest.mark.parametrize(
    ("name", "rule", "f", "mode"),
    [
        ("sin", "pullback", np.sin, "rev"),
        ("sin", "pushforward", np.sin, "fwd"),
        ("exp", "pullback", lambda x: np.exp(x) * x, "rev"),
        ("matmul", "pullback", lambda x: x @ np.array([[1.0, 2.0, 4.0]] * 3), "rev"),
    ],
)
def test_a_wrong_rule_is_caught(monkeypatch, rng, name, rule, f, mode):
    """Every contribution of one rule off by one part in a thousand."""
    right = getattr(PRIMITIVES[name], rule)

    def wrong(*args, **params):
        made = right(*args, **params)
        parts = made if isinstance(made, tuple) else (made,)
        off = tuple(None if part is None else part * 1.001 for part in parts)
        return off if isinstance(made, tuple) else off[0]

    monkeypatch.setattr(pipeline, "_KEPT", OrderedDict())  # no plan made with other rules is used again
    x = rng.uniform(0.5, 1.0, 3)
    ds.testing.check_grads(f, (x,), order=1, scheduler="sync")
    object.__setattr__(PRIMITIVES[name], rule, wrong)  # the record is frozen
    try:
        monkeypatch.setattr(pipeline, "_KEPT", OrderedDict())
        with pytest.raises(GradientMismatch, match=f"mode {mode}, order 1, argument 0: ") as raised:
            ds.testing.check_grads(f, (x,), order=1, scheduler="sync")
    finally:
        object.__setattr__(PRIMITIVES[name], rule, right)
    assert isinstance(raised.value, AssertionError)
    found, expected = map(float, re.findall(r"(?:gives|differences|jvp) (-?\d+\.\d+)", str(raised.value)))
    assert found != pytest.approx(expected, rel=1e-4)


def test_the_argument_is_named_where_a_path_through_containers_leads(rng):
    @dataclasses.dataclass
    class Model:
        weights: list[object]
        bias: object

    def kinked(x, model):
        return np.sum(x * model.weights[1]) + np.abs(model.bias)

    model = Model([0.5, rng.standard_normal(3)], 0.0)
    with pytest.raises(GradientMismatch, match=r"order 2, argument 1\['bias'\]"):
        ds.testing.check_grads(kinked, (rng.standard_normal(3), model))


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (np.ones(3), {}, "args must be a tuple of arguments, got ndarray"),
        ((3,), {}, "floating or complex"),
        ((1.0,), {"order": 0}, "order must be at least 1"),
        ((1.0,), {"modes": ("reverse",)}, r"modes of \('fwd', 'rev'\)"),
        ((1.0,), {"chunk": 3}, "option 'chunk'"),
    ],
)
def test_impossible_arguments_are_refused(args, options, message):
    with pytest.raises(ArgumentError, match=message):
        ds.testing.check_grads(np.sin, args, **options)
