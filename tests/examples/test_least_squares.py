"""Least squares in the examples: variable projection, and the sparse Gaussian process of what it leaves."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import dagsolve as ds


def gradient(f, *args):
    return ds.value_and_grad(f, scheduler="sync", progress=False)(*args)


@pytest.mark.parametrize("way", ["by_lstsq", "by_qr"])
def test_variable_projection_is_numpys_and_obeys_the_envelope_theorem(program, way, rng):
    """Where the coefficients are best, their own change adds nothing: ∂/∂θ with the coefficients held."""
    example = program("least_squares")
    t, ppm = example.record(every=13)
    theta = example.START + np.array([0.3, 0.004])
    value, bar = gradient(lambda s: example.misfit(s, t, ppm, getattr(example, way)), theta)
    best = np.linalg.lstsq(example.basis(theta, t), ppm, rcond=None)[0]
    assert value == pytest.approx(0.5 * np.mean((ppm - example.basis(theta, t) @ best) ** 2), rel=1e-9)
    _, held = gradient(lambda s: 0.5 * np.mean((ppm - example.basis(s, t) @ best) ** 2), theta)
    np.testing.assert_allclose(bar, held, rtol=1e-7)
    steps = 1e-6 * np.eye(2)
    by_values = [
        (example.misfit(theta + h, t, ppm, np_lstsq) - example.misfit(theta - h, t, ppm, np_lstsq)) / 2e-6
        for h in steps
    ]
    np.testing.assert_allclose(bar, by_values, rtol=1e-5)


def np_lstsq(a, y):
    return np.linalg.lstsq(a, y, rcond=None)[0]


def test_the_seasons_have_a_period_of_a_year(program):
    example = program("least_squares")
    t, ppm = example.record(every=13)
    theta, values = program("program").learn(example.misfit, example.START, t, ppm)
    assert np.exp(theta[1]) == pytest.approx(1.0, abs=2e-3)
    assert np.all(np.diff(values) <= 0)


@pytest.fixture
def sparse(program):
    """The example, some data and parameters, and scikit-learn's exact process with the same covariance."""
    example = program("sparse_gp")
    x, y = example.slow_part(every=17)
    theta = np.log(np.array([2.0, 3.1, 0.4]))
    kernel = ConstantKernel(2.0) * RBF(3.1) + WhiteKernel(0.4)
    exact = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x[:, None], y)
    return example, x, y, theta, exact


def test_titsias_bound_is_tight_where_every_input_is_inducing(sparse):
    example, x, y, theta, exact = sparse
    likelihood, slope = exact.log_marginal_likelihood(exact.kernel_.theta, eval_gradient=True)
    value, bar = gradient(example.bound, {"theta": theta, "inducing": x}, x, y)
    assert value == pytest.approx(-likelihood, rel=1e-8)
    np.testing.assert_allclose(bar["theta"], -slope, rtol=1e-5)
    few, _ = gradient(example.bound, {"theta": theta, "inducing": x[::12]}, x, y)
    assert few > value


def test_gradient_by_inducing_inputs_and_learning(sparse, program, rng):
    example, x, y, theta, exact = sparse
    start = {"theta": theta, "inducing": np.linspace(x[0], 0, 11)}
    ds.testing.check_grads(lambda params: example.bound(params, x, y), (start,), order=1, scheduler="sync")
    _, values = program("program").learn(example.bound, start, x, y, iterations=15)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < values[0] - 10


def test_sparse_prediction_is_the_exact_one_where_every_input_is_inducing(sparse):
    example, x, y, theta, exact = sparse
    new = np.linspace(x[0] - 1, x[-1] + 1, 23)
    mean, deviation = example.predicted({"theta": theta, "inducing": x}, x, y, new)
    expected, spread = exact.predict(new[:, None], return_std=True)
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    np.testing.assert_allclose(deviation**2, spread**2 - 0.4, atol=1e-5)
