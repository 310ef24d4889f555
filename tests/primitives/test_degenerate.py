"""Equal and nearly equal eigenvalues and singular values: exact derivatives of what they determine."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import GaugeError, GaugeWarning
from dagsolve.primitives.svd import random_of_spectrum
from dagsolve.sampling import random_array, random_orthogonal

GAPS = [0.0, *(10.0**-k for k in range(16, 0, -1))]


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def hermitian(a):
    return (a + adjoint(a)) / 2


def clustered(rng, gap, dtype):
    """A Hermitian matrix with three eigenvalues this far apart and four others, its w and V."""
    n = 7
    w = np.concatenate([1.0 + gap * np.arange(3), 2.0 + np.arange(n - 3) / 3])
    v = random_orthogonal(rng, n=n, dtype=complex if np.dtype(dtype).kind == "c" else float)
    return hermitian((v * w) @ adjoint(v)).astype(dtype), w, v


def projected(a, c):
    """Re⟨C, P⟩ for the projector P on the space of the three lowest eigenvalues."""
    v = np.linalg.eigh(a)[1][:, :3]
    return np.sum(np.real(np.conj(c) * (v @ np.conj(v.T))))


def exact(w, v, c):
    """Its gradient by perturbation theory: only vectors inside and outside of the space mix."""
    low, high = v[:, :3], v[:, 3:]
    mixed = (adjoint(low) @ hermitian(c) @ high) / (w[:3, None] - w[None, 3:])
    return 2 * hermitian(low @ mixed @ adjoint(high))


@pytest.mark.parametrize(("dtype", "limit"), [(float, 1e-12), (complex, 1e-12), (np.float32, 3e-6)])
def test_gradient_of_a_projector_at_every_gap(dtype, limit, rng):
    with ds.degenerate("raise"):
        for gap in GAPS:
            a, w, v = clustered(rng, gap, dtype)
            c = random_array(rng, 7, 7, dtype=dtype)
            expected = exact(w, v, c)
            found = ds.grad(projected)(a, c)
            assert np.linalg.norm(found - expected) <= limit * np.linalg.norm(expected), gap


def test_gradient_of_a_projector_in_tiles(rng):
    with ds.degenerate("raise"):
        for gap in (0.0, 1e-14, 1e-9, 1e-5):
            a, w, v = clustered(rng, gap, float)
            c = random_array(rng, 7, 7)
            found = ds.grad(projected, chunks=2, scheduler="sync")(a, c)
            np.testing.assert_allclose(found, exact(w, v, c), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [(5, 5), (8, 5), (5, 8)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_gradient_of_spaces_of_singular_vectors_at_every_gap(shape, dtype, rng):
    """P of the left and Q of the right vectors to three close singular values; both by differences of
    polynomials: for B = A Aᴴ, P is the projector of a Hermitian eigenproblem, and so is Q."""
    for gap in (0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3):
        s = [4.0 + 2 * gap, 4.0 + gap, 4.0, 2.0, 1.0]
        a = random_of_spectrum(rng, m=shape[0], n=shape[1], s=s, dtype=dtype)
        c, d = (
            random_array(rng, shape[0], shape[0], dtype=dtype),
            random_array(rng, *[shape[1]] * 2, dtype=dtype),
        )

        def by_svd(a, c=c, d=d):
            u, _, vh = np.linalg.svd(a, full_matrices=False)
            left, right = u[:, :3], vh[:3]
            return np.sum(np.real(np.conj(c) * (left @ np.conj(left.T)))) + np.sum(
                np.real(np.conj(d) * (np.conj(right.T) @ right))
            )

        def by_eigh(a, c=c, d=d):
            left = np.linalg.eigh(a @ np.conj(a.T))[1][:, -3:]
            right = np.linalg.eigh(np.conj(a.T) @ a)[1][:, -3:]
            return np.sum(np.real(np.conj(c) * (left @ np.conj(left.T)))) + np.sum(
                np.real(np.conj(d) * (right @ np.conj(right.T)))
            )

        with ds.degenerate("raise"):
            found, expected = ds.grad(by_svd)(a), ds.grad(by_eigh)(a)
        assert np.linalg.norm(found - expected) <= 1e-11 * np.linalg.norm(expected), gap


@pytest.mark.parametrize("gap", [1e-5, 1e-3])
def test_what_depends_on_close_vectors_is_differentiated(gap, rng):
    """V itself at a gap that separates the vectors: against extrapolated differences, no warning."""
    a, _, _ = clustered(rng, gap, float)
    c, direction = random_array(rng, 7, 7), hermitian(random_array(rng, 7, 7))

    def f(a):
        return np.sum(c * np.linalg.eigh(a)[1] ** 2)

    step = 1e-3 * gap
    near, far = ((f(a + k * step * direction) - f(a - k * step * direction)) for k in (1, 2))
    with ds.degenerate("raise"):
        found = np.sum(ds.grad(f)(a) * direction)
    assert found == pytest.approx((8 * near - far) / (12 * step), rel=1e-4 * 1e-3 / gap)


def test_second_derivative_of_a_projector_near_a_repeated_eigenvalue(rng):
    """The gradient's derivative along a direction, by differences of the exact gradient at a gap."""
    a, _, _ = clustered(rng, 1e-2, float)
    c, direction = hermitian(random_array(rng, 7, 7)), hermitian(random_array(rng, 7, 7))
    found = ds.hvp(lambda a: projected(a, c), (a,), (direction,))
    step = 1e-4

    def gradient(t):
        w, v = np.linalg.eigh(a + t * direction)
        return exact(w, v, c)

    near, far = (gradient(k * step) - gradient(-k * step) for k in (1, 2))
    found = found[0] if isinstance(found, tuple) else found
    np.testing.assert_allclose(hermitian(found), (8 * near - far) / (12 * step), rtol=1e-6, atol=1e-6)


C = np.sin(np.arange(25.0)).reshape(5, 5)


def root_by_vectors(a):
    w, v = np.linalg.eigh(a)
    return np.sum(C * ((v * np.sqrt(w)) @ v.T))


DEPENDENT: dict[str, Callable[[Any], Any]] = {
    "vectors": lambda a: np.sum(C * np.linalg.eigh(a)[1]),
    "one of two equal values": lambda a: np.linalg.eigvalsh(a)[0],
    "square root by vectors": root_by_vectors,
    "left vectors": lambda a: np.sum(C * np.linalg.svd(a)[0]),
    "largest singular value": lambda a: np.linalg.svd(a, compute_uv=False)[0],
    "nuclear norm without rank": lambda a: np.sum(np.linalg.svd(a - np.diag([0, 0, 0, 0, 2.0]))[1]),
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_what_depends_on_the_choice_raises(name, rng):
    f = DEPENDENT[name]
    a = (
        np.diag([1.0, 1.0, 1.0, 1.0, 2.0])
        if name.startswith(("v", "o", "s"))
        else np.diag([2.0, 2, 1, 0.5, 2.0])
    )
    with ds.degenerate("raise"), pytest.raises(GaugeError, match=r"(eigh|svd): .*degenerate\('ignore'\)"):
        ds.grad(f, scheduler="sync")(a)


def test_trace_norms_and_functions_of_all_values_are_let_pass(rng):
    """Equal values that weigh the same: gradients by the closed forms U Vᴴ and exp A."""
    a = random_of_spectrum(rng, m=7, n=5, s=(3.0, 2.0, 2.0, 2.0, 1.0))
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    with ds.degenerate("raise"):
        found = ds.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False)))(a)
        np.testing.assert_allclose(found, u @ vh, atol=1e-13)
        found = ds.grad(lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))))(np.eye(5))
        np.testing.assert_allclose(found, np.e * np.eye(5), atol=1e-14)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_vectors_of_a_zero_singular_value_are_open(shape, rng):
    """A function of the column space's projector alone has none where the rank is short; of the row space of
    what is there it has."""
    a = random_of_spectrum(rng, m=shape[0], n=shape[1], s=(2.0, 1.0, 0.0))
    c = random_array(rng, *[max(shape)] * 2)

    def spanned(a, k):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        x = u[:, :k] if shape[0] > shape[1] else vh[:k].T
        return np.sum(c * (x @ x.T))

    with ds.degenerate("raise"):
        assert np.all(np.isfinite(ds.grad(lambda a: spanned(a, 2))(a)))
        with pytest.raises(GaugeError, match="singular value 2 is zero"):
            ds.grad(lambda a: spanned(a, 3))(a)


def test_ties_of_pivots(rng):
    a = np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.1], [0.0, 0.0, 0.2]])

    def f(a):
        return np.sum(C[:3, :3] * ds.linalg.qr(a, pivoting=True)[1])

    with (
        ds.degenerate("raise"),
        pytest.raises(GaugeError, match=r"pivoted_qr: a has no single pivot 0 of size 1"),
    ):
        ds.grad(f)(a)
    a[:, 1] *= 1.0 - 1e-6
    with ds.degenerate("raise"):
        ds.grad(f)(a)


@pytest.mark.parametrize("options", [{}, {"chunks": 2}])
@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6)])
def test_ties_of_row_pivots(shape, options, rng):
    """Told of factors by the index in the whole matrix, not of what does not depend on the order."""
    k = min(shape)
    l = np.tril(rng.uniform(-0.3, 0.3, (shape[0], k)), -1) + np.eye(shape[0], k)
    u = np.triu(rng.uniform(-0.3, 0.3, (k, shape[1])), 1) + 5 * np.eye(k, shape[1])
    l[2, 1] = -1.0  # pivot 1 is of row 1 or 2, to rounding
    a = l @ u

    def f(a):
        _, l, u = ds.linalg.lu(a)
        return np.sum(np.sin(l)) + np.sum(u**2)

    with ds.degenerate("raise"):
        with pytest.raises(GaugeError, match=r"lu: a has no single pivot 1 of size 5: row \d of"):
            ds.grad(f, scheduler="sync", **options)(a)
        ds.grad(lambda a: np.sum(ds.linalg.lu_factor(a)[0]), scheduler="sync", **options)(a)
        l[2, 1] *= 1.0 - 1e-6
        ds.grad(f, scheduler="sync", **options)(l @ u)


def test_ties_of_row_pivots_of_complex_numbers_are_those_of_lapack(rng):
    """|Re| + |Im| chooses: 3 ties with 2 + i, 5 with no other number of its size."""
    for second, told in ((2.0 + 1.0j, True), (3.0 * np.exp(1j), False)):
        a = np.array([[3.0, 1.0], [second, 5.0]])
        with ds.degenerate("raise" if not told else "warn"):
            f = ds.grad(lambda a: np.sum(np.abs(ds.linalg.lu(a)[2])), scheduler="sync")
            if told:
                with pytest.warns(GaugeWarning, match="lu: a has no single pivot 0 of size 3"):
                    f(a)
            else:
                f(a)
