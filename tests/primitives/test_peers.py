"""Where another library's derivative is wrong: ours against differences, and theirs beside it."""

import importlib.metadata

import autograd
import autograd.numpy
import jax
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.primitives.pivoted_qr import pivoted_qr
from dagsolve.sampling import random_array, random_orthogonal, random_spd
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


# Spaces of equal and of nearly equal eigenvalues

G = np.add.outer(np.sin(np.arange(5.0)), np.sin(np.arange(5.0))) + np.diag(np.arange(5.0))


def projected(a, xp):
    """⟨G, P⟩, P the projector on the space of the three lowest eigenvalues."""
    v = xp.linalg.eigh(a)[1][:, :3]
    return xp.sum(G * (v @ v.T))


def close_eigenvalues(gap, v):
    """A matrix with the eigenvalues 1, 1 + gap, 1 + 2 gap, 2, 3, and the gradient by perturbation theory."""
    w = np.array([1.0, 1.0 + gap, 1.0 + 2 * gap, 2.0, 3.0])
    low, high = v[:, :3], v[:, 3:]
    half = low @ ((low.T @ G @ high) / (w[:3, None] - w[None, 3:])) @ high.T
    a = (v * w) @ v.T
    return (a + a.T) / 2, half + half.T


def relative(found, expected):
    found = np.asarray(found)
    return np.linalg.norm((found + found.T) / 2 - expected) / np.linalg.norm(expected)


def peers(a):
    with jax.enable_x64(True), np.errstate(all="ignore"):
        yield jax.grad(lambda a: projected(a, jax.numpy))(a)
        yield autograd.grad(lambda a: projected(a, autograd.numpy))(a)


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-13, 1e-12, 1e-10])
def test_spaces_of_close_eigenvalues_are_exact_to_twelve_digits(gap, rng):
    for v in (np.eye(5), random_orthogonal(rng, n=5)):
        a, expected = close_eigenvalues(gap, v)
        with ds.degenerate("raise"):
            assert relative(ds.grad(lambda a: projected(a, np))(a), expected) <= 1e-12


@pytest.mark.skipif(
    (jax.__version__, importlib.metadata.version("autograd")) != ("0.10.2", "1.9.1"),
    reason="said of JAX 0.10.2 and autograd 1.9.1",
)
def test_jax_0_10_2_and_autograd_1_9_1_give_nan_or_lose_digits_at_close_eigenvalues():
    """NaN at equal eigenvalues, or any number where rounding parts them; eight digits lost at 1e-12 apart."""
    v = random_orthogonal(np.random.default_rng(3), n=5)
    for gap, basis, lost in ((0.0, np.eye(5), None), (0.0, v, 1e-8), (1e-15, v, 1e-8), (1e-12, v, 1e-8)):
        a, expected = close_eigenvalues(gap, basis)
        for gradient in peers(a):
            if lost is None:
                assert np.all(np.isnan(np.asarray(gradient)[:3, :3]))
            else:
                assert not relative(gradient, expected) <= lost


# Complex systems with a Hermitian matrix


def positive_system(rng):
    a, b, c = (random_spd(rng, n=4, dtype=complex), *(random_array(rng, 4, 2, dtype=complex) for _ in "bc"))
    direction = random_array(rng, 4, 4, dtype=complex)
    return a, b, c, direction + np.conj(direction.T)


def along(direction, b, c, a, step=1e-4):
    """The derivative of Re⟨C, A⁻¹ B⟩ along a direction, by differences of fourth order."""
    f = [np.sum(np.real(np.conj(c) * np.linalg.solve(a + t * step * direction, b))) for t in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)


def test_complex_positive_systems_agree_with_differences(rng):
    a, b, c, direction = positive_system(rng)

    def f(a):
        return np.sum(np.real(np.conj(c) * ds.linalg.solve(a, b, assume_a="pos")))

    found = np.sum(np.real(np.conj(ds.grad(f)(a)) * direction))
    assert found == pytest.approx(along(direction, b, c, a), rel=1e-9)


@pytest.mark.skipif(jax.__version__ != "0.10.2", reason="said of JAX 0.10.2")
def test_jax_0_10_2_pulls_complex_positive_systems_back_wrongly(rng):
    """Its JVP is right, so its own two modes disagree."""
    a, b, c, direction = positive_system(rng)

    def f(a):
        solved = jax.scipy.linalg.solve(a, b, assume_a="pos")
        return jax.numpy.sum(jax.numpy.real(np.conj(c) * solved))

    with jax.enable_x64(True):
        pulled = np.sum(np.real(np.asarray(jax.grad(f)(a)) * direction))  # JAX's gradient is the conjugate
        pushed = float(jax.jvp(f, (a,), (direction,))[1])
    expected = along(direction, b, c, a)
    assert pushed == pytest.approx(expected, rel=1e-9)
    assert abs(pulled - expected) > 1e-2 * abs(expected)
