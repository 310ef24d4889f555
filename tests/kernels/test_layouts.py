"""Copies between rows and columns are NumPy's, whatever the layout that they come from."""

import numpy as np
import pytest

from dagsolve.kernels.layouts import in_columns, in_rows
from dagsolve.kernels.triangles import add_transpose, clear_above, lower_copy

DTYPES = [np.float32, np.float64, np.complex128]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3), (0, 7), (257, 389), (389, 257), (521, 512), (3, 5, 7)])
def test_copies_have_the_layout_and_the_items(shape, dtype, rng):
    x = rng.normal(size=shape).astype(dtype)
    for given in (x, np.asfortranarray(x), x[::-1], x.T):
        for copy, order in ((in_columns, "F"), (in_rows, "C")):
            made = copy(given)
            np.testing.assert_array_equal(made, given, strict=True)
            assert made.flags.f_contiguous if order == "F" else made.flags.c_contiguous
            assert made.flags.owndata
            assert not np.shares_memory(made, given)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 7, 64, 131])
def test_triangles_are_numpys(n, dtype, rng):
    a = rng.normal(size=(n, n)).astype(dtype)
    np.testing.assert_array_equal(lower_copy(a), np.tril(a), strict=True)
    np.testing.assert_array_equal(lower_copy(a.T), np.tril(a.T), strict=True)
    kept = a.copy()
    clear_above(a)
    np.testing.assert_array_equal(a, np.tril(kept))
    add_transpose(kept_twice := kept.copy())
    np.testing.assert_array_equal(kept_twice, kept + kept.T)
