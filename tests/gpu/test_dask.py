"""Dask arrays of CuPy chunks: lazy gradients lie on the device, and so may data that a function captures."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute

import dagsolve as ds
from dagsolve.namespace import to_device, to_host

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::UserWarning:cupy")]

UNEVEN = ((3, 1, 7), (2, 5))


def value(xp, x, y):
    return xp.sum(xp.tanh(x @ y) ** 2) + xp.sum(x**3)


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((11, 7)), rng.standard_normal(7)


@pytest.fixture
def lazy(cupy, arrays):
    x, y = (da.from_array(to_device(array), asarray=False) for array in arrays)
    return x.rechunk(UNEVEN), y.rechunk(3)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
@pytest.mark.parametrize("door", ["grad", "gradients"])
def test_gradients_of_chunks_on_the_device(cupy, arrays, lazy, door, scheduler):
    if door == "grad":
        made = ds.grad(lambda x, y: value(np, x, y), (0, 1))(*lazy)
    else:
        made = tuple(ds.gradients(value(da, *lazy), list(lazy)))
    expected = ds.grad(lambda x, y: value(np, x, y), (0, 1), scheduler="sync")(*arrays)
    assert [bar.chunks for bar in made] == [x.chunks for x in lazy]
    assert all(isinstance(bar._meta, cupy.ndarray) for bar in made)
    for found in (compute(*made, scheduler=scheduler), ds.compute(*made, scheduler=scheduler)):
        for bar, of in zip(found, expected, strict=True):
            assert isinstance(bar, cupy.ndarray)
            np.testing.assert_allclose(to_host(bar), of, rtol=1e-10, atol=1e-12)


def test_constant_gradients_lie_on_the_device(cupy, lazy):
    """Their tiles are made by generators, which read nothing of the device's."""
    bar = ds.grad(lambda x: np.sum(2.0 * x))(lazy[0])
    found = bar.compute(scheduler="sync")
    assert isinstance(found, cupy.ndarray)
    np.testing.assert_array_equal(to_host(found), np.full((11, 7), 2.0))


def test_captured_chunks_on_the_device(cupy, arrays, lazy):
    found = ds.grad(lambda y: value(np, lazy[0], y), scheduler="threads")(to_device(arrays[1]))
    expected = ds.grad(lambda y: value(np, arrays[0], y), scheduler="sync")(arrays[1])
    assert isinstance(found, cupy.ndarray)
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-10)
