"""Skew parts of large matrices: judged in windows of close values as they are judged as a whole."""

import numpy as np
import pytest

from dagsolve.kernels import choices, skew
from dagsolve.primitives import settled
from dagsolve.sampling import random_array

N = 131
SPECTRA = {
    "apart": lambda rng: np.cumsum(rng.uniform(0.7, 1.3, N)),
    "random": lambda rng: np.sort(rng.standard_normal(N)),
    "rounded": lambda rng: np.sort(np.round(rng.standard_normal(N), 1)),
    "descending": lambda rng: np.sort(np.round(rng.standard_normal(N), 2))[::-1],
    "one cluster": lambda rng: np.concatenate([1 + 1e-13 * np.arange(67), np.arange(2.0, 66.0)]),
    "zero": lambda rng: np.zeros(N),
    "singular values": lambda rng: np.sort(np.abs(rng.standard_normal(N)))[::-1],
    "rank deficient": lambda rng: np.concatenate([np.linspace(3, 1, 100), np.zeros(31)]),
}  # fmt: skip


def heard(rule, *operands, **params):
    """The result and what was said."""
    said: list[str] = []
    with choices.heard_by(said.append):
        return rule(np, *operands, policy="warn", **params), said


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("name", SPECTRA)
def test_windows_judge_as_the_whole(name, dtype, rng, monkeypatch):
    monkeypatch.setattr(settled, "SMALL", N)
    w = SPECTRA[name](rng).astype(dtype.lower())
    r, t = random_array(rng, N, N, dtype=dtype), random_array(rng, N, N, dtype=dtype)
    even = r + np.conj(r.T)  # its skew part is rounding
    for x, first, second in ((r + t, r, t), (np.asfortranarray(r), r, r), (even, even, even)):
        for sums in (False, True) if np.all(w >= 0) else (False,):
            for tangent in (False, True):
                params = {"sums": sums, "tangent": tangent}
                kept = x.copy()
                found, said = heard(settled.kernel_skew, x, first, second, w, **params)
                expected, told = heard(settled.forward_skew, x, first, second, w, **params)
                np.testing.assert_array_equal(found, expected)
                assert found.dtype == expected.dtype
                assert said == told
                np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("name", SPECTRA)
def test_windows_hold_every_close_pair(name, rng):
    w = SPECTRA[name](rng)
    for sums in (False, True) if np.all(w >= 0) else (False,):
        gaps = np.abs(w[None] + w[:, None] if sums else w[None] - w[:, None])
        for limit in (0.0, 1e-3, 0.1):
            seen = np.zeros((N, N), int)
            for window in skew.close_windows(w, limit, sums=sums):
                seen[window] += 1
            assert np.all(seen[gaps <= limit] == 1)
            assert np.all(seen <= 1)


def test_peaks_are_of_columns_and_not_a_number_where_an_item_is(rng):
    x = rng.standard_normal((7, 5))
    x[3, 2] = np.nan
    np.testing.assert_array_equal(skew.column_peaks(x), np.max(np.abs(x), axis=0))
