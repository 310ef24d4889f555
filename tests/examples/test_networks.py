"""Networks with Gaussian processes in the examples: the same source on autograd, and what bounds keep."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.scipy.linalg import solve_triangular

import dagsolve as ds


def gradient(f, *args):
    return ds.value_and_grad(f, scheduler="sync", progress=False)(*args)


def agree(found, expected):
    assert found[0] == pytest.approx(float(expected[0]), rel=1e-10)
    for name, bar in found[1].items():
        parts = bar if isinstance(bar, dict) else {"": bar}
        others = expected[1][name] if isinstance(bar, dict) else {"": expected[1][name]}
        for key, part in parts.items():
            scale = np.max(np.abs(others[key])) + 1e-12
            np.testing.assert_allclose(part, others[key], rtol=0, atol=1e-7 * scale, err_msg=f"{name} {key}")


def on_autograd(monkeypatch, *modules):
    """These modules on autograd.numpy."""
    for module in modules:
        monkeypatch.setattr(module, "np", anp)
        if hasattr(module, "solve_triangular"):
            monkeypatch.setattr(module, "solve_triangular", solve_triangular)


def random_like(tree, rng):
    """The parameters, each moved a little."""
    if isinstance(tree, dict):
        return {name: random_like(part, rng) for name, part in tree.items()}
    return tree + 0.1 * rng.standard_normal(np.shape(tree))


def test_deep_kernel_is_autograds(program, monkeypatch, rng):
    example = program("deep_kernel")
    params = random_like(example.start(7), rng)
    x, y = rng.standard_normal((31, 7)), rng.choice([-1.0, 1.0], 31)
    found = gradient(example.nll, params, x, y)
    on_autograd(monkeypatch, example)
    agree(found, autograd.value_and_grad(example.nll)(params, x, y))


def test_network_with_integrated_weights_is_autograds(program, monkeypatch, rng):
    example, regression = program("mlp_blr"), program("bayesian_regression")
    params, (t, y) = random_like(example.start(), rng), example.season(every=53)
    found = gradient(example.loss, params, t, y)
    on_autograd(monkeypatch, example, regression)
    monkeypatch.setattr(regression, "lq", lambda a: (anp.linalg.cholesky(a @ a.T),))  # autograd has no LQ
    agree(found, autograd.value_and_grad(example.loss)(params, t, y))


def layers(example, rng):
    params = {"first": example.start(-1.7, 1.7, [0.1, 0.5]), "second": example.start(-2, 2, [1.0, 1.0])}
    return random_like(params, rng) | {"log_noise": np.array(-1.0)}


def test_deep_gaussian_process_is_autograds(program, monkeypatch, rng):
    example = program("deep_gp")
    params, noise = layers(example, rng), rng.standard_normal((3, 19))
    x, y = np.sort(rng.standard_normal(19)), rng.standard_normal(19)
    found = gradient(example.loss, params, x, y, noise)
    on_autograd(monkeypatch, example)
    agree(found, autograd.value_and_grad(example.loss)(params, x, y, noise))


def test_bound_of_one_layer_is_at_best_titsias(program, rng):
    """A first layer without amplitude leaves x; q(v) of the second in closed form gives the bound."""
    example, sparse = program("deep_gp"), program("sparse_gp")
    x, y, z = np.sort(rng.standard_normal(19)), rng.standard_normal(19), np.linspace(-2, 2, 7)
    theta, log_noise = np.array([0.3, -0.4]), np.array(-1.0)
    collapsed = sparse.bound({"theta": np.append(theta, log_noise), "inducing": z}, x, y)
    l = np.linalg.cholesky(example.covariance(theta, z, z) + example.JITTER * np.eye(7))
    w = np.linalg.solve(l, example.covariance(theta, z, x))
    cov = np.linalg.inv(np.eye(7) + w @ w.T / np.exp(log_noise))
    best = {"z": z, "m": cov @ w @ y / np.exp(log_noise), "s": np.linalg.cholesky(cov), "theta": theta}
    identity = {"z": z, "m": np.zeros(7), "s": np.eye(7), "theta": np.array([-40.0, 0.0])}
    params = {"first": identity, "second": best, "log_noise": log_noise}
    noise = rng.standard_normal((2, 19))
    assert example.loss(params, x, y, noise) == pytest.approx(collapsed, rel=1e-5)
    worse = params | {"second": random_like(best, rng) | {"z": z, "theta": theta}}
    assert example.loss(worse, x, y, noise) > collapsed


def test_learning_lowers_the_bound(program, rng):
    example = program("deep_gp")
    x, noise = np.linspace(-1.7, 1.7, 29), rng.standard_normal((3, 29))
    y = np.sign(x) + 0.1 * rng.standard_normal(29)
    start = layers(example, rng)
    _, values = program("program").learn(example.loss, start, x, y, noise, iterations=25)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < values[0] - 10
