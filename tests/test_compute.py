"""ds.compute: the planned run of lazy gradients."""

import dask.array as da
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, BudgetError


@pytest.fixture
def program(rng):
    x = da.from_array(rng.normal(size=(301, 211)), chunks=(101, 101))
    w = da.from_array(rng.normal(size=(211, 103)), chunks=(101, 53))
    return ds.value_and_gradients((da.tanh(x @ w) ** 2).sum(), [x, w])


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_equals_dasks_own_run(program, scheduler):
    value, (x_bar, w_bar) = program
    found = ds.compute(w_bar, value, x_bar, scheduler=scheduler)
    for mine, lazy in zip(found, (w_bar, value, x_bar), strict=True):
        np.testing.assert_allclose(mine, lazy.compute(scheduler="sync"), rtol=1e-13, atol=1e-13)


def test_results_of_several_calls(program, rng):
    other = da.from_array(rng.normal(size=7), chunks=3)
    gradient = ds.gradients((other**2).sum(), other)
    found = ds.compute(gradient, program[0], scheduler="sync")
    np.testing.assert_allclose(found[0], 2 * other.compute(scheduler="sync"), rtol=1e-14)


def test_budget_is_proved_before_anything_is_loaded():
    loads = []

    def load(block_info=None):
        loads.append(1)
        return np.ones((101, 101))

    x = da.map_blocks(load, chunks=((101,) * 2, (101,) * 2), dtype=float, meta=np.ones((0, 0)))
    gradient = ds.gradients((x**2).sum(), x)
    with pytest.raises(BudgetError, match="memory_limit is 1,048,576 bytes"):
        ds.compute(gradient, memory_limit="1 MiB", scheduler="sync")
    assert not loads


def test_other_arrays_are_refused():
    with pytest.raises(
        ArgumentError,
        match=r"argument 0 must be a result of ds\.gradients.* got Array.*use their \.compute\(\)",
    ):
        ds.compute(da.ones(3))
