"""x[index] of a traced array is NumPy's, for every index that NumPy takes without looking at values of x."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import ArgumentError, UnsupportedError
from tests.tracing.values import value

SHAPE = (3, 5, 7)
X = np.random.default_rng(20261121).standard_normal(SHAPE)


def entry(n):
    """A basic index along an axis of length n."""
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = st.none() | st.integers(-3, 3).filter(bool)
    return st.integers(-n, n - 1) | st.builds(slice, bound, bound, step)


@st.composite
def basic(draw):
    """A tuple of integers, slices of any step, None and at most one Ellipsis."""
    count = draw(st.integers(0, len(SHAPE)))
    at = draw(st.integers(0, count))
    ellipsis = count == len(SHAPE) or draw(st.booleans())
    axes = [*range(at), *range(len(SHAPE) - (count - at), len(SHAPE))] if ellipsis else [*range(count)]
    found = [draw(entry(SHAPE[axis])) for axis in axes]
    if ellipsis and draw(st.booleans()) | (count < len(SHAPE)):
        found.insert(at, Ellipsis)
    for position in draw(st.lists(st.integers(0, len(found)), max_size=2)):
        found.insert(position, None)
    return found[0] if len(found) == 1 and draw(st.booleans()) else tuple(found)


def check(index):
    """Value and gradient: the gradient of Σ w ∘ x[index] puts w back."""
    expected = X[index]
    np.testing.assert_array_equal(value(lambda x: x[index], X), expected)
    w = 1.0 + np.arange(expected.size).reshape(expected.shape)
    put_back = np.zeros(SHAPE)
    np.add.at(put_back, index, w)
    np.testing.assert_array_equal(ds.grad(lambda x: np.sum(w * x[index]), scheduler="sync")(X), put_back)


@given(basic())
def test_basic_indices(index):
    check(index)


@given(st.integers(0, 2), st.data())
def test_an_integer_array_beside_basic_indices(axis, data):
    """One index array, of any shape, repeated entries and negative ones included."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    n = SHAPE[axis]
    count = int(np.prod(shape))
    array = np.reshape(data.draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count)), shape)
    others = [data.draw(entry(SHAPE[k])) for k in range(3)]
    others[axis] = array
    check(tuple(others))


@given(st.integers(0, 2), st.data())
def test_masks_known_while_tracing(axis, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=SHAPE[axis], max_size=SHAPE[axis])))
    check((*(slice(None),) * axis, mask))


@pytest.mark.parametrize("index", [[0, 2, 2], np.array(1), np.int64(2), np.array([], dtype=int), (0, [1, 4])])
def test_other_integers(index):
    check(index)


def test_integers_beside_an_index_array():
    """Apart from it they move its axes to the front."""
    array = np.array([0, 2, 2])
    for index in (
        (1, array),
        (slice(None), 2, array),
        (array, 4),
        (1, slice(None), array),
        (array, slice(4), -1),
    ):
        check(index)


def test_rows_by_iteration_and_length():
    rows = value(lambda x: [2.0 * row for row in x], X)
    assert len(rows) == value(lambda x: np.sum(x) * 0 + len(x), X) == 3
    np.testing.assert_array_equal(rows, 2 * X)
    with pytest.raises(TypeError, match="0-d"):
        value(lambda x: len(np.sum(x)), X)
    with pytest.raises(TypeError, match="0-d"):
        value(lambda x: list(np.sum(x)), X)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ((0, 0, 0, 0), ArgumentError, "4 entries for an array of shape"),
        ((Ellipsis, Ellipsis), ArgumentError, "more than one Ellipsis"),
        (3, ArgumentError, "index 3 is out of range for an axis of length 3"),
        ((0, -6), ArgumentError, "index -6 is out of range for an axis of length 5"),
        ([0, 3], ArgumentError, "reaches out of an axis of length 3"),
        ("a", ArgumentError, "must be an integer, a slice"),
        ((np.array([0]), np.array([1]), 0), UnsupportedError, "2 index arrays beside integers"),
        (np.ones(SHAPE, bool), UnsupportedError, r"must have shape \(3,\)"),
        (np.ones(4, bool), UnsupportedError, r"must have shape \(3,\) here, got \(4,\)"),
        ((True, 0), UnsupportedError, "boolean index"),
        ((np.array([0]), None), UnsupportedError, "beside None or Ellipsis"),
    ],
)
def test_other_indices_are_refused(index, error, message):
    with pytest.raises(error, match=message) as raised:
        value(lambda x: x[index], X)
    assert "test_indexing.py:" in str(raised.value)
