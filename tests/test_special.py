"""ds.special against scipy.special, values and gradients."""

import numpy as np
import pytest
import scipy.special

import dagsolve as ds


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_values_are_scipys(name, axis, rng):
    x = 300 * rng.normal(size=(2, 3, 5))
    expected = getattr(scipy.special, name)(x, axis=axis)
    np.testing.assert_allclose(getattr(ds.special, name)(x, axis=axis), expected, rtol=1e-13)


def test_gradient_of_logsumexp_is_softmax(rng):
    x = 50 * rng.normal(size=(3, 5))
    gradient = ds.grad(lambda x: np.sum(ds.special.logsumexp(x, axis=-1)), scheduler="sync")(x)
    np.testing.assert_allclose(gradient, scipy.special.softmax(x, axis=-1), rtol=1e-12, atol=1e-300)


def test_weights_and_kept_axes(rng):
    a, b = rng.normal(size=(3, 5)), rng.uniform(0.5, 2, size=(3, 5))
    expected = scipy.special.logsumexp(a, axis=1, b=b, keepdims=True)
    np.testing.assert_allclose(ds.special.logsumexp(a, axis=1, b=b, keepdims=True), expected, rtol=1e-13)


def test_ufuncs_are_traced(rng):
    x = rng.uniform(0.5, 4, size=7)
    gradient = ds.grad(lambda x: np.sum(ds.special.gammaln(x)), scheduler="sync")(x)
    np.testing.assert_allclose(gradient, scipy.special.digamma(x), rtol=1e-13)
