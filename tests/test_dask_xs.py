"""ds.gradients by arrays that share chunks, repeat each other, or are computed from one another."""

import dask.array as da
import numpy as np
import pytest
from dask.base import compute, optimize
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import ArgumentError, DtypeError, ShapeError, UnknownSpecError

UNEVEN = ((3, 1, 7), (2, 5))


@pytest.fixture
def a(rng):
    return rng.standard_normal((11, 7))


@pytest.fixture
def x(a):
    return da.from_array(a, chunks=UNEVEN)


def assert_gradients(made, expected):
    for found in (compute(*made, scheduler="sync"), ds.compute(*made, scheduler="threads")):
        for bar, of in zip(found, expected, strict=True):
            np.testing.assert_allclose(bar, of, rtol=1e-11, atol=1e-12)


def test_an_x_computed_from_another_counts_in_both(a, x):
    z = x + 1
    made = ds.gradients(da.sum(z * z * x), [x, z])
    assert_gradients(made, [(a + 1) ** 2 + 2 * (a + 1) * a, 2 * (a + 1) * a])


def test_a_chain_of_xs(a, x):
    u = da.sin(x)
    v = u * u
    made = ds.gradients(da.sum(v * x), [v, x, u])
    assert_gradients(made, [a, np.sin(a) ** 2 + a * np.sin(2 * a), 2 * np.sin(a) * a])


def test_the_same_array_twice(a, x):
    made = ds.gradients(da.sum(x**3), (x, x))
    assert isinstance(made, tuple)
    assert_gradients(made, [3 * a**2, 3 * a**2])


def test_parts_that_are_whole_chunks(a, x):
    """Their tasks hand the chunk on as it is; only what goes through the part counts for the part."""
    part, turned = x[:4], x.T
    made = ds.gradients(da.sum(part**2) * da.sum(turned**3), [part, x, turned])
    through = np.zeros_like(a)
    through[:4] = 2 * a[:4]
    cubes, squares = np.sum(a**3), np.sum(a[:4] ** 2)
    assert_gradients(made, [2 * a[:4] * cubes, through * cubes + 3 * a**2 * squares, 3 * a.T**2 * squares])


def test_xs_that_share_chunks(a, x):
    """Rows that were cut from one array: neither is computed from the other."""
    top, bottom = x[:4], x[4:]
    made = ds.gradients(da.sum(da.concatenate([top, bottom]) ** 2) + da.sum(top), [top, bottom])
    assert_gradients(made, [2 * a[:4] + 1, 2 * a[4:]])


def test_y_among_the_xs(a, x):
    y = da.sum(x**2)
    assert_gradients(ds.gradients(y, [y, x]), [1.0, 2 * a])


def test_cotangents_of_several_chunks(a, x):
    z = x + 1
    made = ds.gradients(z * x, [x, z], cotangent=a)
    assert_gradients(made, [a * (2 * a + 1), a * a])
    made = ds.gradients(z, [x, z], cotangent=da.from_array(a, chunks=4))
    assert_gradients(made, [a, a])


@given(
    rows=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    columns=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    row_chunk=st.integers(1, 5),
)
def test_any_chunks(rows, columns, row_chunk):
    """The gradient does not depend on how x is cut, nor on how y is."""
    shape = sum(rows), sum(columns)
    data = np.random.default_rng(sum(rows)).standard_normal(shape)
    x = da.from_array(data, chunks=(tuple(rows), tuple(columns)))
    y = da.tanh(x @ x.T).rechunk((row_chunk, -1))
    bar = ds.gradients(y, x, cotangent=np.ones((shape[0], shape[0])))
    assert bar.chunks == x.chunks
    slope = 1 - np.tanh(data @ data.T) ** 2
    np.testing.assert_allclose(bar.compute(scheduler="sync"), 2 * slope @ data, rtol=1e-10, atol=1e-12)


def test_what_was_optimised_before_is_refused(x):
    (y,) = optimize(da.sum(da.sin(x * 2)))
    with pytest.raises(ArgumentError, match=r"chunk .* of xs\[0\].*dask\.optimize.*as it was before"):
        ds.gradients(y, x * 2)


def test_other_mistakes_are_named(x):
    unknown = x[:, 0][x[:, 0] > 0]
    with pytest.raises(UnknownSpecError, match=r"gradients: the shape \(nan,\) of y is unknown"):
        ds.gradients(unknown, x, cotangent=np.ones(3))
    with pytest.raises(
        DtypeError, match=r"value_and_gradients: xs\[1\] must have a floating dtype, got int64"
    ):
        ds.value_and_gradients(da.sum(x), [x, x.astype(int)])
    with pytest.raises(ShapeError, match=r"cotangent must have y's shape \(11, 7\), got \(7, 11\)"):
        ds.gradients(x * 2, x, cotangent=np.ones((7, 11)))
