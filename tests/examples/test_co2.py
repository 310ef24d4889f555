"""The CO₂ example on a part of the record: scikit-learn's numbers and forecast, two pictures."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.gaussian_process import GaussianProcessRegressor

import dagsolve as ds

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVERY = 11  # 203 of the 2,225 observations


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the example, imported as a program started in its folder would be."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("co2")


@pytest.fixture
def data(example):
    x, ppm = example.record(EVERY)
    return x, ppm - ppm.mean()


def test_record_is_complete(example):
    x, ppm = example.record()
    assert len(x) == len(ppm) == 2225
    assert np.all(np.diff(x) > 0)
    assert x[0] + example.ORIGIN == pytest.approx(1958 + 87 / 365)  # 29 March
    assert np.all((ppm > 310) & (ppm < 375))


def test_value_and_gradient_are_scikit_learns(example, data, rng):
    """At the start and beside it; no component of the gradient vanishes there."""
    x, y = data
    reference = GaussianProcessRegressor(example.KERNEL, alpha=0.0, optimizer=None).fit(x[:, None], y)
    gradient = ds.value_and_grad(example.nll, chunks=41, scheduler="threads", progress=False)
    for theta in (example.KERNEL.theta, example.KERNEL.theta + 0.3 * rng.standard_normal(11)):
        value, bar = gradient(theta, x, y)
        likelihood, slope = reference.log_marginal_likelihood(theta, eval_gradient=True)
        assert value == pytest.approx(-likelihood, rel=1e-9)
        np.testing.assert_allclose(bar, -slope, rtol=1e-6)


def test_forecast_is_scikit_learns_where_the_short_term_is_over(example, data):
    """Weeks after the record its short-term part says nothing any more, and both models forecast the same."""
    x, y = data
    theta = example.KERNEL.theta
    reference = GaussianProcessRegressor(example.KERNEL, alpha=0.0, optimizer=None).fit(x[:, None], y)
    times = x[-1] + np.array([1.3, 2.9, 7.1])
    mean, deviation = example.forecast(theta, x, y, times)
    expected_mean, expected_deviation = reference.predict(times[:, None], return_std=True)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-8)
    np.testing.assert_allclose(deviation, expected_deviation, rtol=1e-8)


def test_program_learns_and_draws(example, tmp_path, capsys):
    arguments = f"--every {EVERY} --iterations 3 --workers 0 --tiles 5 --output {tmp_path}"
    example.main(arguments.split())
    printed = capsys.readouterr().out
    values = re.search(r"likelihood (\S+) at the start, (\S+) at the end", printed)
    assert values is not None
    assert float(values[2]) < float(values[1])
    for name in ("co2.png", "co2_matrix.png"):
        picture = imread(tmp_path / name)
        assert min(picture.shape[:2]) > 500
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


def test_program_fails_when_scikit_learn_says_otherwise(example, tmp_path, monkeypatch):
    wrong = example.nll
    monkeypatch.setattr(example, "nll", lambda theta, x, y: wrong(theta, x, y) * (1 + 1e-8))
    with pytest.raises(SystemExit, match="values must agree to 1e-09"):
        example.main(f"--every 37 --workers 0 --output {tmp_path}".split())
