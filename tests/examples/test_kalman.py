"""Kalman filter and smoother of the examples: statsmodels' likelihood and states, and their derivatives."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from statsmodels.datasets import nile
from statsmodels.tsa.statespace.structural import UnobservedComponents

import dagsolve as ds

DIRECTION = np.array([0.3, -1.1])


@pytest.fixture
def example(program):
    return program("kalman")


@pytest.fixture(scope="module")
def y():
    return nile.load_pandas().data["volume"].to_numpy()[:43, None]


@pytest.fixture
def peer(y):
    """statsmodels' local level with the same start, its whole likelihood."""
    model = UnobservedComponents(y[:, 0], "llevel", loglikelihood_burn=0)
    model.ssm.initialize_known(np.zeros(1), 1e7 * np.eye(1))
    return model


def test_likelihood_and_gradient_are_statsmodels(example, y, peer, rng):
    theta = example.START + 0.5 * rng.standard_normal(2)
    value, bar = ds.value_and_grad(example.nll, scheduler="sync", progress=False)(theta, y)
    assert value == pytest.approx(-peer.loglike(np.exp(theta)), rel=1e-12)
    by_values = approx_fprime(theta, lambda t: -peer.loglike(np.exp(t)), 1e-6)
    np.testing.assert_allclose(bar, by_values, rtol=1e-5)


def test_smoothed_states_and_their_derivatives_are_statsmodels(example, y, peer):
    def states(theta):
        found = peer.smooth(np.exp(theta))
        return np.stack([found.smoothed_state[0], found.smoothed_state_cov[0, 0]])

    theta, h = example.START + 0.3, 1e-4
    primals, tangents = ds.jvp(lambda t: example.smoothed(t, y), (theta,), (DIRECTION,), scheduler="sync")
    found, moved = (np.stack([means[:, 0], covs[:, 0, 0]]) for means, covs in (primals, tangents))
    np.testing.assert_allclose(found, states(theta), rtol=1e-9)
    by_values = (states(theta + h * DIRECTION) - states(theta - h * DIRECTION)) / (2 * h)
    scale = np.max(np.abs(by_values), axis=1, keepdims=True)
    np.testing.assert_allclose(moved / scale, by_values / scale, rtol=0, atol=1e-6)


def test_two_states_are_statsmodels(example, y):
    """A level with a slope: matrices that do not commute, a transition that is not the identity."""

    def trend(theta):
        a, q = np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag(np.exp(theta[1:]))
        return a, np.array([[1.0, 0.0]]), q, np.exp(theta[0]) * np.eye(1), np.zeros(2), 1e7 * np.eye(2)

    theta = np.log([1.2e4, 2e3, 40.0])
    reference = UnobservedComponents(y[:, 0], "lltrend", loglikelihood_burn=0)
    reference.ssm.initialize_known(np.zeros(2), 1e7 * np.eye(2))
    assert example.nll(theta, y, trend) == pytest.approx(-reference.loglike(np.exp(theta)), rel=1e-11)
    means, covs = example.smoothed(theta, y, trend)
    expected = reference.smooth(np.exp(theta))
    np.testing.assert_allclose(means.T, expected.smoothed_state, rtol=1e-7)
    np.testing.assert_allclose(np.moveaxis(covs, 0, 2), expected.smoothed_state_cov, rtol=1e-7)
    bar = ds.grad(example.nll, scheduler="sync", progress=False)(theta, y, trend)
    by_values = approx_fprime(theta, lambda t: -reference.loglike(np.exp(t)), 1e-6)
    np.testing.assert_allclose(bar, by_values, rtol=1e-5)
