"""The blocked reverse sweep of Cholesky: every split of it against the closed form for the whole matrix."""

from typing import Any, Literal

import numpy as np
import pytest

from dagsolve.kernels import cholesky
from dagsolve.kernels.cholesky import cholesky_reverse
from dagsolve.sampling import random_spd


def closed_form(l: np.ndarray, l_bar: np.ndarray) -> np.ndarray:
    """Φ(L⁻ᵀ copyltu(Lᵀ L̄) L⁻¹) by NumPy's general solver."""
    h = np.tril(l.T @ np.tril(l_bar))
    h = h + np.tril(h, -1).T
    whole = np.linalg.solve(l.T, np.linalg.solve(l.T, h).T)
    return np.tril(whole) - np.diag(np.diagonal(whole)) / 2


@pytest.mark.parametrize(("panel", "narrow", "corner"), [(7, 3, 2), (4, 2, 3), (11, 1, 5), (1, 1, 1)])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 13, 29, 53])
def test_splits(
    n: int, panel: int, narrow: int, corner: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PANEL", panel), ("NARROW", narrow), ("CORNER", corner)):
        monkeypatch.setattr(cholesky, name, value)
    l, l_bar = np.linalg.cholesky(random_spd(rng, n=n)), rng.normal(size=(n, n))
    found = cholesky_reverse(l, l_bar)
    np.testing.assert_allclose(found, closed_form(l, l_bar), rtol=1e-11, atol=1e-11)
    assert not np.triu(found, 1).any()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_panels_of_a_large_matrix(
    order: Literal["C", "F"], dtype: type[np.floating[Any]], rng: np.random.Generator
) -> None:
    n = 1103  # three panels, of which the last two are halves
    l = np.linalg.cholesky(random_spd(rng, n=n)).astype(dtype, order=order)
    l_bar = rng.normal(size=(n, n)).astype(dtype, order=order)
    expected = closed_form(l.astype(np.float64), l_bar.astype(np.float64))
    given = l_bar.copy(order="K")
    error = np.abs(cholesky_reverse(l, l_bar) - expected).max() / np.abs(expected).max()
    assert error < 100 * np.finfo(dtype).eps
    np.testing.assert_array_equal(l_bar, given)
    assert np.shares_memory(cholesky_reverse(l, l_bar, overwrite=True), l_bar)
