"""The logistic regression on Zarr at small sizes: NumPy's gradient, scikit-learn's weights, its data."""

import re

import dask.array as da
import numpy as np
import pytest
from matplotlib.image import imread
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

import dagsolve as ds


@pytest.fixture
def example(program):
    return program("logistic_zarr")


@pytest.fixture
def group(example, tmp_path):
    return example.write_rows(tmp_path / "rows", 2003, 401)


@pytest.fixture
def loss(example, group):
    return example.loss_of(da.from_zarr(group["x"]), da.from_zarr(group["y"]))


def test_rows_are_written_once(example, group, tmp_path):
    """And again when others are asked for; a chunk does not depend on how many come behind it."""
    x = group["x"][:]
    assert x.shape == (2003, 64)
    assert set(np.unique(group["y"][:])) == {0.0, 1.0}
    assert 0.1 < group["y"][:].mean() < 0.35
    assert np.all(x[:, ::6] > 0)
    stamp = (tmp_path / "rows" / "x" / "zarr.json").stat().st_mtime_ns
    example.write_rows(tmp_path / "rows", 2003, 401)
    assert (tmp_path / "rows" / "x" / "zarr.json").stat().st_mtime_ns == stamp
    more = example.write_rows(tmp_path / "rows", 2406, 401)
    np.testing.assert_array_equal(more["x"][:1604], x[:1604])


def test_gradient_is_that_of_a_loop_and_of_differences(example, group, loss, rng):
    theta = 0.1 * rng.standard_normal(65)
    value, bar = ds.value_and_grad(loss, scheduler="threads", progress=False)(theta)
    expected, slope = example.reference(group, theta)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(bar, slope, rtol=1e-10, atol=1e-12)
    direction = rng.standard_normal(65)
    ends = [example.reference(group, theta + h * direction)[0] for h in (1e-5, -1e-5)]
    assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(bar @ direction, abs=1e-8)


def test_dask_argument_has_the_same_lazy_gradient(example, group, loss, rng):
    theta = 0.1 * rng.standard_normal(65)
    value, bar = ds.value_and_grad(loss)(da.from_array(theta, chunks=65))
    found = ds.compute(value, bar, memory_limit="4 GiB", scheduler="threads")
    expected, slope = example.reference(group, theta)
    assert found[0] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found[1], slope, rtol=1e-10, atol=1e-12)


def test_learned_weights_are_scikit_learns(example, group, loss):
    x, y = group["x"][:], group["y"][:]
    gradient = ds.value_and_grad(loss, scheduler="sync", progress=False)
    options = {"gtol": 1e-9, "ftol": 0.0, "maxiter": 1000}
    best = minimize(gradient, np.zeros(65), jac=True, method="L-BFGS-B", options=options)
    model = LogisticRegression(C=1 / (example.PENALTY * y.size), tol=1e-10, max_iter=5000).fit(x, y)
    theta = np.append(model.coef_, model.intercept_)
    assert best.fun <= example.loss_of(x, y)(theta) + 1e-12
    np.testing.assert_allclose(x @ best.x[:-1] + best.x[-1], model.decision_function(x), atol=2e-4)


def test_program_learns_within_its_memory_and_draws(example, tmp_path, capsys):
    arguments = f"--rows 10007 --chunk 1009 --iterations 2 --data {tmp_path / 'd'} --output {tmp_path}"
    example.main(arguments.split())
    printed = capsys.readouterr().out
    found = re.search(r"iterations: loss (\S+),", printed)
    assert found is not None
    assert float(found[1]) < np.log(2)
    loaded = re.search(r"loaded (\S+) MiB, between workers (\S+) (\S+)", printed)
    assert loaded is not None
    assert float(loaded[1]) == pytest.approx(10007 * 65 * 8 / 2**20, rel=0.2)  # every chunk once
    assert loaded[3] in ("B", "kiB")  # no data between workers
    picture = imread(tmp_path / "logistic_zarr.png")
    assert min(picture.shape[:2]) > 400
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


def test_program_fails_when_numpy_says_otherwise(example, group, loss, rng):
    theta = 0.1 * rng.standard_normal(65)
    value, bar = ds.value_and_grad(loss, scheduler="sync")(theta)
    with pytest.raises(SystemExit, match="must agree to 1e-10"):
        example.compare(value, bar * (1 + 1e-9), theta, group)
