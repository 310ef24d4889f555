"""What is particular to special functions; the rest is in test_contract.py."""

import numpy as np
import pytest

from dagsolve.primitives.special import digamma, expit, log_ndtr, polygamma
from dagsolve.specs import spec_of


def derivative(primitive, x):
    y = primitive(x)
    saved = primitive.saved((x,), (y,), {"x": spec_of(x), "y": spec_of(y)}, ("x",))
    (x_bar,) = primitive.pull(np, saved, (np.ones_like(x),), ("x",), {})
    return x_bar


def test_polygamma_obeys_its_recurrence(rng):
    """ψ(x + 1) = ψ(x) + 1/x, differentiated once and twice."""
    x = rng.uniform(0.5, 3, 7)
    np.testing.assert_allclose(derivative(digamma, x + 1), derivative(digamma, x) - x**-2, rtol=1e-11)
    np.testing.assert_allclose(polygamma(x + 1, n=2), polygamma(x, n=2) + 2 * x**-3, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("x", [30.0, 300.0])
def test_log_ndtr_keeps_its_derivative_in_the_left_tail(x):
    """(log Φ)'(-x) = x + 1/x - 2/x³ + …, though Φ itself underflows."""
    np.testing.assert_allclose(derivative(log_ndtr, np.array([-x])), x + 1 / x - 2 / x**3, rtol=1e-6)


def test_expit_saturates_without_nan():
    assert derivative(expit, np.array([-800.0, 800.0])).tolist() == [0, 0]
