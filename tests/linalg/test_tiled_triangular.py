"""Products with triangular Dask matrices are the dense ones, and are differentiated in tiles."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve import linalg
from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives import PRIMITIVES
from dagsolve.sampling import random_array

sizes, tiles = st.integers(1, 13), st.integers(1, 6)


@settings(max_examples=40)
@given(sizes, sizes, tiles, tiles, tiles, st.tuples(*[st.booleans()] * 4), st.sampled_from([float, complex]))
def test_triangular_product(n, k, tile, other, columns, flags, dtype):
    lower, transposed, right, unit_diagonal = flags
    rng = np.random.default_rng(20261121)
    t = random_array(rng, n, n, dtype=dtype)
    b = random_array(rng, *((k, n) if right else (n, k)), dtype=dtype)
    flags = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit_diagonal}
    lazy = TILED["triangular_product"](
        da.from_array(t, chunks=(tile, other)), da.from_array(b, chunks=(columns, columns)), **flags
    )
    dense = PRIMITIVES["triangular_product"](t, b, **flags)
    assert (lazy.shape, lazy.dtype) == (dense.shape, dense.dtype)
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), dense, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
def test_gradients_in_tiles_are_those_in_one_piece(right, transpose, rng):
    t, b = random_array(rng, 7, 7), random_array(rng, 7, 7)

    def f(t, b):
        return np.sum(linalg.trmm(t, b, transpose, right, alpha=2.0) ** 3)

    whole = ds.grad(f, (0, 1), scheduler="sync")(t, b)
    for found, expected in zip(ds.grad(f, (0, 1), chunks=3, scheduler="sync")(t, b), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"triangular_product: t must have .* got \(3, 3\) and \(2, 3\)"):
        TILED["triangular_product"](da.ones((3, 3)), da.ones((2, 3)))
