"""Gaussian-process and Bayesian linear regression of the examples: scikit-learn's values and gradients."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge

import dagsolve as ds

KERNEL = ConstantKernel(1.0) * RBF(np.ones(10)) + WhiteKernel(1.0)


def gradient(f, *args):
    return ds.value_and_grad(f, scheduler="sync", progress=False)(*args)


def test_ard_likelihood_and_gradient_are_scikit_learns(program, rng):
    example = program("gp_ard")
    x, y, _ = example.diabetes()
    x, y = x[:127], y[:127]
    theta = 0.5 * rng.standard_normal(12) + np.log(2)
    reference = GaussianProcessRegressor(KERNEL, alpha=0.0, optimizer=None).fit(x, y)
    value, bar = gradient(example.nll, theta, x, y)
    likelihood, slope = reference.log_marginal_likelihood(theta, eval_gradient=True)
    assert value == pytest.approx(-likelihood, rel=1e-11)
    np.testing.assert_allclose(bar, -slope, rtol=0, atol=1e-9 * np.max(np.abs(slope)))
    by_values = approx_fprime(theta, lambda t: -reference.log_marginal_likelihood(t), 1e-7)
    np.testing.assert_allclose(bar, by_values, rtol=0, atol=1e-5 * np.max(np.abs(slope)))


def test_ard_prediction_is_scikit_learns(program, rng):
    example = program("gp_ard")
    x, y, _ = example.diabetes()
    theta = 0.5 * rng.standard_normal(12) + np.log(2)
    reference = GaussianProcessRegressor(KERNEL.clone_with_theta(theta), alpha=0.0, optimizer=None)
    expected = reference.fit(x[:101], y[:101]).predict(x[101:], return_std=True)
    found = example.predicted(theta, x[:101], y[:101], x[101:])
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10)


def evidence(x, y, theta):
    """scikit-learn's, at given precisions: the score before its first step."""
    alpha, precision = np.exp(theta)
    flat = {"alpha_1": 0, "alpha_2": 0, "lambda_1": 0, "lambda_2": 0}  # no prior on the precisions
    fixed = {"alpha_init": alpha, "lambda_init": precision, "max_iter": 1, "compute_score": True}
    return BayesianRidge(fit_intercept=False, **fixed, **flat).fit(x, y).scores_[0]


@pytest.mark.parametrize("way", ["triangle_by_lq", "triangle_by_cholesky"])
def test_evidence_and_its_gradient_are_bayesian_ridges(program, way, rng):
    example, (x, y, _) = program("bayesian_regression"), program("gp_ard").diabetes()
    theta, triangle = rng.standard_normal(2), getattr(example, way)
    value, bar = gradient(lambda t: example.nll(t, x, y, triangle), theta)
    assert value == pytest.approx(-evidence(x, y, theta), rel=1e-11)
    by_values = approx_fprime(theta, lambda t: -evidence(x, y, t), 1e-6)
    np.testing.assert_allclose(bar, by_values, rtol=1e-5)


def test_lq_keeps_digits_that_cholesky_loses(program, rng):
    """Nearly equal columns: their difference is lost in XᵀX. Expected: closed form, by singular values."""
    example = program("bayesian_regression")
    u, v = (np.linalg.qr(rng.standard_normal((n, 5)))[0] for n in (53, 5))
    s, theta = 10.0 ** np.arange(0, -10, -2), np.array([0.0, -34.0])
    x, y = (u * s) @ v.T, rng.standard_normal(53)
    alpha, precision = np.exp(theta)
    spread = 1 / alpha + s**2 / precision  # variances of y along u; elsewhere 1 / α
    along = u.T @ y
    squares = np.sum(along**2 / spread) + alpha * (y @ y - along @ along)
    expected = 0.5 * (squares + np.sum(np.log(spread)) + 53 * np.log(2 * np.pi) - 48 * theta[0])
    errors = {
        way: abs(example.nll(theta, x, y, getattr(example, way)) / expected - 1)
        for way in ("triangle_by_lq", "triangle_by_cholesky")
    }
    assert errors["triangle_by_lq"] < 1e-9 < 1e-6 < errors["triangle_by_cholesky"], errors


def test_learned_precisions_are_bayesian_ridges(program):
    example, (x, y, _) = program("bayesian_regression"), program("gp_ard").diabetes()
    theta, values = program("program").learn(example.nll, example.START, x, y)
    flat = {"alpha_1": 0, "alpha_2": 0, "lambda_1": 0, "lambda_2": 0}
    reference = BayesianRidge(fit_intercept=False, tol=1e-12, max_iter=500, **flat).fit(x, y)
    np.testing.assert_allclose(np.exp(theta), [reference.alpha_, reference.lambda_], rtol=1e-3)
    assert np.all(np.diff(values) <= 0)
    mean, cov = example.posterior(theta, x, y)
    np.testing.assert_allclose(mean, reference.coef_, atol=1e-4)
    np.testing.assert_allclose(cov, reference.sigma_, rtol=2e-3, atol=1e-6)
