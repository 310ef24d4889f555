"""Where another library's derivative is wrong: ours against differences, and theirs beside it."""

import jax
import numpy as np
import pytest
import scipy.linalg

from dagsolve.primitives.pivoted_qr import pivoted_qr
from dagsolve.specs import spec_of

M, N = 3, 6
CASES = 1_000


def factors(a):
    return scipy.linalg.qr(a, mode="economic", pivoting=True)


def difference(a, a_dot, q_bar, r_bar, step=2e-4):
    """d/dt ⟨q̄, Q⟩ + ⟨r̄, R⟩ by differences of sixth order; None where the pivots change on the way."""
    chosen = factors(a)[2]
    values = []
    for t in (-3, -2, -1, 1, 2, 3):
        q, r, p = factors(a + t * step * a_dot)
        if not np.array_equal(p, chosen):
            return None
        values.append(np.sum(q_bar * q) + np.sum(r_bar * r))
    return np.dot([-1, 9, -45, 45, -9, 1], values) / (60 * step)


def test_wide_pivoted_qr_agrees_with_differences_in_a_thousand_cases():
    """Random 3 × 6 matrices, as JAX 0.10.2's rule was tried; relative to the size of the gradient."""
    rng = np.random.default_rng(20261121)
    tried = 0
    while tried < CASES:
        a, a_dot, q_bar, r_bar = (rng.standard_normal(s) for s in ((M, N), (M, N), (M, M), (M, N)))
        q, r, p = pivoted_qr(a)
        if np.abs(r[2, 2]) < 0.1 * np.abs(r[0, 0]):
            continue  # differences lose too many digits
        expected = difference(a, a_dot, q_bar, r_bar)
        if expected is None:
            continue
        specs = {name: spec_of(x) for name, x in zip(("a", "q", "r", "p"), (a, q, r, p), strict=True)}
        saved = pivoted_qr.saved((a,), (q, r, p), specs, ("a",))
        a_bar = pivoted_qr.pull(np, saved, (q_bar, r_bar, None), ("a",), {})[0]
        assert a_bar is not None
        assert abs(np.sum(a_bar * a_dot) - expected) <= 1e-8 * np.linalg.norm(a_bar) * np.linalg.norm(a_dot)
        tried += 1


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_is_wrong_for_wide_pivoted_qr():
    """So it cannot be the oracle of the rule above."""
    rng = np.random.default_rng(20261121)
    a, a_dot, q_bar, r_bar = (rng.standard_normal(s) for s in ((M, N), (M, N), (M, M), (M, N)))

    def f(a):
        q, r, _ = jax.scipy.linalg.qr(a, mode="economic", pivoting=True)
        return jax.numpy.sum(q_bar * q) + jax.numpy.sum(r_bar * r)

    with jax.enable_x64(True):
        gradient = np.asarray(jax.grad(f)(a))
    expected = difference(a, a_dot, q_bar, r_bar)
    assert abs(np.sum(gradient * a_dot) - expected) > 1e-2 * abs(expected)
