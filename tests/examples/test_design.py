"""The designs of the examples: the equivalence theorem, known optimal places, and units that are forced."""

import numpy as np
import pytest
from scipy.linalg import null_space

import dagsolve as ds


def test_gradient_by_a_weight_is_the_variance_of_its_candidate(program, rng):
    """∂ log det XᵀWX / ∂ wᵢ = xᵢᵀ (XᵀWX)⁻¹ xᵢ; here through √W and a normalisation."""
    example = program("design")
    x, roots = rng.standard_normal((17, 5)), rng.uniform(0.5, 1.5, 17)
    weights = roots**2 / (roots @ roots)
    value, bar = ds.value_and_grad(example.loss, scheduler="sync")(roots, x)
    information = x.T @ (weights[:, None] * x)
    assert value == pytest.approx(-np.linalg.slogdet(information)[1], rel=1e-12)
    by_weight = -np.sum((x @ np.linalg.inv(information)) * x, axis=1)
    expected = 2 * roots * (by_weight - weights @ by_weight) / (roots @ roots)
    np.testing.assert_allclose(bar, expected, rtol=1e-10)


def test_polynomial_is_measured_where_fejer_says(program):
    """Support of the optimum: the zeros of (1 − x²) P′(x), equal weights; no variance above the dimension."""
    example, degree = program("design"), 3
    best = np.array([-1, -np.sqrt(0.2), np.sqrt(0.2), 1])
    places = np.sort(np.concatenate([np.linspace(-0.97, 0.97, 31), best]))
    x = np.polynomial.legendre.legvander(places, degree)
    roots, values = program("program").learn(example.loss, np.ones(len(places)), x, iterations=300)
    weights = roots**2 / (roots @ roots)
    np.testing.assert_allclose(weights[np.isin(places, best)], 1 / 4, atol=2e-3)
    assert example.variances(weights, x).max() == pytest.approx(degree + 1, rel=2e-3)
    assert np.all(np.diff(values) <= 0)


def test_products_have_no_dimension_and_span_all_that_have_none(program):
    example = program("dimensions")
    found, expected = example.dimensionless(example.PIPE), null_space(example.PIPE)
    np.testing.assert_allclose(example.PIPE @ found, 0, atol=1e-13)
    np.testing.assert_allclose(expected @ (expected.T @ found), found, atol=1e-13)
    ds.testing.check_grads(example.dimensionless, (example.PIPE,), order=2, scheduler="sync")


def test_orbits_force_the_units_of_gravitation(program, rng):
    """Kepler's third law. By hand: the product is G M, divided by period to the q and axis to the p."""
    example = program("dimensions")
    units = rng.standard_normal(2)
    period, axis, mass = np.log(example.ORBITS).T
    log_product = mass - units[1] * period - units[0] * axis
    np.testing.assert_allclose(example.products(units, example.ORBITS), log_product, rtol=1e-12)
    value, bar = ds.value_and_grad(example.spread, scheduler="sync")(units, example.ORBITS)
    c = np.cov(np.stack([axis, period, log_product]), bias=True)
    assert value == pytest.approx(c[2, 2], rel=1e-10)
    np.testing.assert_allclose(bar, -2 * c[:2, 2], rtol=1e-9)
    learned, _ = program("program").learn(example.spread, example.START, example.ORBITS)
    np.testing.assert_allclose(learned, [3, -2], atol=0.01)
