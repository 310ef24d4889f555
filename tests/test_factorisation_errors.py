"""One table: every factorisation names itself, the matrix, the place and the size when it cannot be had."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError

L, N = ds.linalg, 5
REGULAR = np.diag(np.arange(1.0, N + 1)) + 0.1 * np.sin(np.arange(N * N)).reshape(N, N)
REGULAR = (REGULAR + REGULAR.T) / 2
B = np.cos(np.arange(2.0 * N)).reshape(N, 2)
PIVOT = r".*pivot \d.* size"

# name: (function, what is said of a matrix of zeros, of NaN; None: a matrix of zeros has a derivative)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], str | None, str]] = {
    "cholesky": (np.linalg.cholesky, "cholesky: a.* of order 1 is not positive", "cholesky: a.*NaN"),
    "qr": (lambda a: np.linalg.qr(a)[1], "qr: a" + PIVOT, "qr: a.*must be finite"),
    "lq": (lambda a: L.lq(a)[0], "lq: a" + PIVOT, "lq: a.*must be finite"),
    "pivoted qr": (lambda a: L.qr(a, pivoting=True)[1], "qr: a" + PIVOT, "pivoted_qr: a.*must be finite"),
    "eigh": (lambda a: np.linalg.eigh(a)[0], None, "eigh: a.*must be finite"),
    "svd": (lambda a: np.linalg.svd(a)[1] ** 2, None, "svd: a.*must be finite"),
    "lu": (lambda a: L.lu(a)[2], "got 0(.0|j) at index 0", "lu: a.*must be finite"),
    "solve": (lambda a: np.linalg.solve(a, B), "solve: a" + PIVOT, "solve: a.*must be finite"),
    "positive solve": (
        lambda a: L.solve(a, B, assume_a="pos"),
        "solve: a.* of order 1 is not positive",
        "solve: a.*NaN",
    ),
    "inv": (np.linalg.inv, "inv: a" + PIVOT, "inv: a.*must be finite"),
    "pinv": (np.linalg.pinv, "pinv: a.*full rank", "pinv: a.*must be finite"),
    "lstsq": (lambda a: L.lstsq(a, B)[0], "lstsq: a" + PIVOT, "lstsq: a.*must be finite"),
    "det": (np.linalg.det, None, "det: a.*must be finite"),
    "slogdet": (lambda a: np.linalg.slogdet(a)[1], "a" + PIVOT, "slogdet: a.*must be finite"),
    "logdet": (L.logdet, "cholesky: a.* of order 1 is not positive", "cholesky: a.*NaN"),
    "expm": (L.expm, None, "expm: a.*must be finite"),
}
IN_CHUNKS = [name for name in FUNCTIONS if name not in ("pivoted qr", "pinv", "expm", "eigh", "svd", "det")]


def spoiled(value, dtype=float):
    a = REGULAR.astype(dtype)
    a[3, 1] = a[1, 3] = value
    return a


def gradient_of(name, a, **options):
    f = FUNCTIONS[name][0]
    return ds.grad(lambda a: np.sum(np.real(f(a))), scheduler="sync", **options)(a)


@contextmanager
def refused(message):
    """Told by an error at the line of this file; that infinities meet on the way is no news."""
    match = rf"(?s){message}.*test_factorisation_errors\.py:\d+"
    with np.errstate(invalid="ignore"), pytest.raises(FactorisationError, match=match):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name, value):
    """Never silently NaN, nor finite out of an infinity; the place is said where the matrix is read whole."""
    for dtype in (np.float64, np.float32, np.complex128):
        with refused(FUNCTIONS[name][2]):
            gradient_of(name, spoiled(value, dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_zeros_are_refused_where_there_is_no_derivative(name):
    said = FUNCTIONS[name][1]
    for dtype in (np.float64, np.float32, np.complex128):
        if said is None:
            with ds.degenerate("ignore"):
                assert np.all(np.isfinite(gradient_of(name, np.zeros((N, N), dtype))))
        else:
            with refused(said):
                gradient_of(name, np.zeros((N, N), dtype))


@pytest.mark.parametrize("name", [name for name, (_, said, _) in FUNCTIONS.items() if said])
def test_the_matrix_of_a_stack_is_named(name):
    stack = np.stack([REGULAR, np.zeros((N, N)), REGULAR])
    with refused(r"\w+: [at]\[1\] \(5, 5\)"):
        gradient_of(name, stack)
    with refused(r"\w+: a\[2\] \(5, 5\)"):
        gradient_of(name, np.stack([REGULAR, REGULAR, spoiled(np.nan)]))


@pytest.mark.parametrize("name", IN_CHUNKS)
def test_in_chunks_nothing_passes_either(name):
    for a in (np.zeros((N, N)), spoiled(np.nan), spoiled(np.inf)):
        with refused(""):
            gradient_of(name, a, chunks=3)


@pytest.mark.parametrize("chunks", [None, 2, 3])
def test_a_pivot_has_its_index_in_the_whole_matrix(chunks, rng):
    """Column 3 is twice column 2, up to rounding: no zero on the diagonal tells of it."""
    a = rng.standard_normal((7, 5))
    a[:, 3] = 2.0 * a[:, 2]
    with pytest.raises(FactorisationError, match=r"qr: a \(7, 5\) float64 .* pivot 3 of size .* beside"):
        ds.grad(lambda a: np.sum(np.linalg.qr(a)[1]), scheduler="sync", chunks=chunks)(a)
    square = np.triu(np.ones((5, 5))) @ np.diag([1.0, 1, 1, 0, 1])
    with pytest.raises(FactorisationError, match=r"solve: a .*pivot [34] .*size 0"):
        ds.grad(lambda a: np.sum(np.linalg.solve(a, B)), scheduler="sync", chunks=chunks)(square)


@pytest.mark.parametrize("chunks", [None, 2, 3])
@pytest.mark.parametrize("f", [L.cholesky, L.logdet, lambda a: L.solve(a, np.ones(7), assume_a="pos")])
def test_a_leading_minor_has_its_order_in_the_whole_matrix(f, chunks):
    a = np.diag([1.0, 2, 3, 4, 5, -6, 7]) + 0.1
    with pytest.raises(FactorisationError, match=r": a \(7, 7\) .* is not .* minor of order 6 is"):
        ds.grad(lambda a: np.sum(f(a)), scheduler="sync", chunks=chunks)(a)
    a[4, 4] = a[5, 5] = np.nan
    with pytest.raises(FactorisationError, match=r": a \(7, 7\) .* is not .* minor of order 5 holds"):
        ds.grad(lambda a: np.sum(f(a)), scheduler="sync", chunks=chunks)(a)


def test_columns_of_unlike_sizes_are_no_loss_of_rank(rng):
    """A column is compared with itself: ds.linalg.qr scales with it."""
    a = rng.standard_normal((5, 3))
    sizes = np.array([1.0, 1e-30, 1e30])
    found = ds.grad(lambda a: np.sum(np.linalg.qr(a)[0]), scheduler="sync")(a * sizes)
    expected = ds.grad(lambda a: np.sum(np.linalg.qr(a)[0]), scheduler="sync")(a) / sizes
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).min())


def test_plain_arrays_are_told_the_same():
    for call, message in (
        (lambda: L.cholesky(-REGULAR), "cholesky: a .*order 1 is not positive"),
        (lambda: L.lq(spoiled(np.nan)), r"lq: a .*got nan at \(1, 3\)"),
        (lambda: L.svdvals(spoiled(np.inf)), r"a .*got inf at \(1, 3\)"),
        (lambda: L.solve(np.zeros((2, 2)), np.ones(2)), "solve: a .*pivot 0"),
        (lambda: L.lstsq(np.ones((5, 2)), np.ones(5)), "lstsq: a .*pivot 1 of size"),
        (lambda: L.expm(spoiled(np.inf)), r"expm: a .*got inf at \(1, 3\)"),
    ):
        with pytest.raises(FactorisationError, match=message):
            call()
