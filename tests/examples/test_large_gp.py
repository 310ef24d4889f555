"""The large Gaussian process at small sizes: scikit-learn's numbers, and slopes of finite differences."""

import re

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor

import dagsolve as ds


@pytest.fixture
def example(program):
    return program("large_gp")


def test_value_and_gradient_in_tiles_are_scikit_learns(example, rng):
    x, y = example.observations(211)
    other = GaussianProcessRegressor(example.KERNEL, alpha=0.0, optimizer=None).fit(x, y)
    gradient = ds.value_and_grad(example.nll, chunks=61, scheduler="threads", progress=False)
    for theta in (example.KERNEL.theta, example.KERNEL.theta + 0.3 * rng.standard_normal(3)):
        value, bar = gradient(theta, x, y)
        likelihood, slope = other.log_marginal_likelihood(theta, eval_gradient=True)
        assert value == pytest.approx(-likelihood, rel=1e-10)
        np.testing.assert_allclose(bar, -slope, rtol=1e-8)


def test_value_is_that_of_the_normal_distribution(example):
    x, y = example.observations(53)
    density = multivariate_normal(np.zeros(53), example.KERNEL(x))
    assert example.nll(example.KERNEL.theta, x, y) == pytest.approx(-density.logpdf(y), rel=1e-11)


def test_observations_are_noisy_values_of_one_function(example):
    """The same every time; what a Gaussian process leaves of them is the noise that was added."""
    x, y = example.observations(601)
    again = example.observations(601)
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    model = GaussianProcessRegressor(example.KERNEL, alpha=0.0, optimizer=None).fit(x[:500], y[:500])
    assert np.std(y[500:] - model.predict(x[500:])) == pytest.approx(0.3, rel=0.25)


def test_program_keeps_its_projection(example, monkeypatch, capsys):
    """On worker processes, compared with a finite difference, as it does for many observations."""
    monkeypatch.setattr(example, "SCIKIT_ROWS", 0)
    example.main("-n 307 --tile 103 --workers 2 --memory 2GiB".split())
    printed = capsys.readouterr().out
    found = re.search(r"finite difference: (\S+)", printed)
    assert found is not None
    assert float(found[1]) < 1e-6
    assert re.search(r"Peak of a worker: .* projected, .*, .* measured", printed)


def test_program_fails_when_scikit_learn_says_otherwise(example):
    theta = example.KERNEL.theta
    x, y = example.observations(101)
    value, bar = ds.value_and_grad(example.nll, scheduler="sync")(theta, x, y)
    example.compare(value, bar, theta, x, y, {})
    with pytest.raises(SystemExit, match="must agree to 1e-08"):
        example.compare(value, bar * (1 + 1e-7), theta, x, y, {})
