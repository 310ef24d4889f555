"""What is particular to triangular solves; the rest is in test_contract.py."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.primitives.solve_triangular import by_library, examples, solve_triangular
from dagsolve.sampling import random_array, random_triangular
from dagsolve.specs import spec

FLAGS = ("lower", "transposed", "right", "unit_diagonal")


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("chosen", list(itertools.product([False, True], repeat=4)))
def test_solution_satisfies_the_system_of_the_named_triangle(chosen, dtype, rng):
    options = dict(zip(FLAGS, chosen, strict=True))
    t = random_array(rng, 2, 1, 5, 5, dtype=dtype) / 5 + 2 * np.eye(5)
    b = random_array(rng, 3, 5, 5, dtype=dtype)[..., :3]
    b = np.swapaxes(b, -1, -2) if options["right"] else b
    x = solve_triangular(t, b, **options)
    triangle = np.tril(t) if options["lower"] else np.triu(t)
    if options["unit_diagonal"]:
        triangle = triangle - triangle * np.eye(5) + np.eye(5)
    if options["transposed"]:
        triangle = np.conj(np.swapaxes(triangle, -1, -2))
    product = x @ triangle if options["right"] else triangle @ x
    np.testing.assert_allclose(product, np.broadcast_to(b, product.shape), rtol=1e-12, atol=1e-12)


def test_other_triangle_is_never_read(rng):
    t, b = random_triangular(rng, n=5), random_array(rng, 5, 2)
    spoilt = t + np.triu(np.full((5, 5), np.nan), 1)
    np.testing.assert_array_equal(solve_triangular(spoilt, b), solve_triangular(t, b))


def test_singular_triangle_is_named(rng):
    t, b = random_triangular(rng, 2, n=5), np.ones((5, 1))
    t[1, 3, 3] = 0
    with pytest.raises(FactorisationError, match=r"t\[1\] \(5, 5\) float64 must have .* got 0\.0 at index 3"):
        solve_triangular(t, b)
    t[0, 2, 2] = np.nan
    with pytest.raises(FactorisationError, match=r"t\[0\] \(5, 5\) float64 must have .* got nan at index 2"):
        solve_triangular(t, b)
    solve_triangular(t, b, unit_diagonal=True)  # the diagonal is not read


def test_right_hand_side_of_another_length_is_refused():
    t = spec((5, 5))
    with pytest.raises(ShapeError, match="solve_triangular: b must have shape"):
        solve_triangular.result_specs((t, spec((3, 5))), {})
    (x,) = solve_triangular.result_specs((t, spec((3, 5))), {"right": True})
    assert x.shape == (3, 5)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("chosen", list(itertools.product([False, True], repeat=4)))
def test_a_solver_in_scipys_signature_gives_the_same(chosen, dtype, rng):
    """The way CuPy's solver is called, with SciPy's in its place; t real, b of either kind."""
    options = dict(zip(FLAGS, chosen, strict=True))
    t = random_array(rng, 2, 1, 5, 5) / 5 + 2 * np.eye(5)
    b = random_array(rng, 3, 5, 5, dtype=dtype)[..., :3]
    b = np.swapaxes(b, -1, -2) if options["right"] else b
    for matrix in (t, t.astype(dtype)):
        x = by_library(scipy.linalg.solve_triangular, np, matrix, b, **options)
        np.testing.assert_allclose(x, solve_triangular(t, b, **options), rtol=1e-12, atol=1e-13)


def test_a_solver_in_scipys_signature_on_all_examples(rng):
    for example in examples(rng):
        *operands, options = example if isinstance(example[-1], dict) else (*example, {})
        x = by_library(scipy.linalg.solve_triangular, np, *operands, **options)
        np.testing.assert_allclose(x, solve_triangular(*operands, **options), rtol=1e-12, atol=1e-13)
