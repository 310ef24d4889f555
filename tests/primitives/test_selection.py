"""Ties, zeros and NaN: what the rules of choosing promise at the points where nothing is differentiable."""

import numpy as np
import pytest

from dagsolve.primitives.arithmetic import absolute, power
from dagsolve.primitives.reductions import amax, amin
from dagsolve.primitives.selection import maximum, minimum, where
from dagsolve.specs import spec_of


def pulled(primitive, operands, wanted, **params):
    """Cotangents for a cotangent of ones."""
    y = primitive(*operands, **params)
    specs = primitive.named_specs(tuple(map(spec_of, operands)), (spec_of(y),))
    saved = primitive.saved(operands, (y,), specs, wanted)
    return primitive.pull(np, saved, (np.ones_like(y),), wanted, params)


@pytest.mark.parametrize("primitive", [maximum, minimum])
def test_tie_gives_half_to_each(primitive):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, -1.0])
    a_bar, b_bar = pulled(primitive, (a, b), ("a", "b"))
    assert a_bar[0] == b_bar[0] == 0.5
    np.testing.assert_array_equal(a_bar + b_bar, 1)
    assert a_bar[1] == (primitive is minimum)


@pytest.mark.parametrize("primitive", [maximum, minimum])
def test_nan_takes_no_cotangent(primitive):
    a_bar, b_bar = pulled(primitive, (np.array([np.nan]), np.array([2.0])), ("a", "b"))
    assert a_bar == b_bar == 0


@pytest.mark.parametrize("primitive", [amax, amin])
def test_ties_share_the_cotangent_of_the_extreme(primitive):
    a = np.array([[2.0, 2.0, 2.0], [1.0, 3.0, 2.0]])
    (a_bar,) = pulled(primitive, (a,), ("a",), axis=(-1,))
    np.testing.assert_allclose(a_bar[0], 1 / 3)
    assert a_bar[1].tolist() == ([0, 1, 0] if primitive is amax else [1, 0, 0])


def test_cotangent_of_what_was_not_chosen_is_zero_whatever_its_value():
    x, y = np.array([np.inf, 1.0]), np.array([2.0, np.nan])
    x_bar, y_bar = pulled(where, (np.array([False, True]), x, y), ("x", "y"))
    assert x_bar.tolist() == [0, 1]
    assert y_bar.tolist() == [1, 0]


def test_absolute_value_has_derivative_zero_at_zero():
    for zero in (np.zeros(1), np.zeros(1, complex)):
        (x_bar,) = pulled(absolute, (zero,), ("x",))
        assert x_bar == 0


def test_power_at_zero_and_below_has_no_nan():
    x, p = np.array([0.0, 0.0, 0.0, -2.0, -2.0]), np.array([0.0, 1.0, 3.0, 2.0, -1.0])
    x_bar, p_bar = pulled(power, (x, p), ("x", "p"))
    assert x_bar.tolist() == [0, 1, 0, -4, -0.25]
    assert p_bar.tolist() == [0, 0, 0, 0, 0]


def test_unwanted_exponent_costs_no_logarithm():
    """A logarithm of a negative base would warn, and warnings are errors."""
    (x_bar,) = pulled(power, (np.array([-2.0]), np.array([3.0])), ("x",))
    assert x_bar == 12
