"""Laws of colourings: columns of a colour never meet, and there are few colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, diags_array

from dagsolve.graph.colouring import colour_bound, coloured


@given(st.integers(1, 13), st.integers(1, 11), st.floats(0, 0.7), st.integers(0, 2**32 - 1))
def test_columns_of_a_colour_have_no_row_in_common(rows: int, columns: int, density: float, seed: int):
    dense = np.random.default_rng(seed).random((rows, columns)) < density
    pattern = csr_array(dense)
    colour = coloured(pattern)
    assert colour.shape == (columns,)
    assert np.array_equal(colour < 0, ~dense.any(axis=0))
    assert set(colour[colour >= 0]) == set(range(colour.max(initial=-1) + 1))
    for c in range(colour.max(initial=-1) + 1):
        assert dense[:, colour == c].sum(axis=1).max() == 1
    assert colour_bound(pattern) <= colour.max(initial=-1) + 1


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_a_band_has_as_many_colours_as_it_is_wide(width: int):
    offsets = range(-width, width + 1)
    pattern = csr_array(diags_array([np.ones(1009 - abs(k)) for k in offsets], offsets=list(offsets)))
    assert coloured(pattern).max() + 1 == 2 * width + 1 == colour_bound(pattern)


def test_an_arrow_has_two_colours_one_way_and_all_the_other():
    arrow = np.eye(31, dtype=bool)
    arrow[:, 0] = True
    assert coloured(csr_array(arrow)).max() + 1 == 2
    assert coloured(csr_array(arrow.T)).max() + 1 == 31
