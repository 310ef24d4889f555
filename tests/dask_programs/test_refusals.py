"""What cannot be differentiated is refused: the error names the Dask task, its function and a remedy."""

import dask
import dask.array as da
import numpy as np
import pytest
from dask.base import optimize
from dask.delayed import delayed

import dagsolve as ds
from dagsolve.errors import ArgumentError, UnknownSpecError, UnsupportedError
from tests.dask_programs.program import UNEVEN
from tests.dask_programs.refused import REFUSED


def lazily(rng):
    x, y = rng.standard_normal((11, 7)), rng.standard_normal(7)
    return da.from_array(x, chunks=UNEVEN), da.from_array(y, chunks=((2, 5),))


@pytest.mark.parametrize("name", REFUSED)
def test_functions(name, rng):
    refusal = REFUSED[name]
    x, y = lazily(rng)
    with pytest.raises(refusal.error) as raised:
        ds.gradients(refusal.build(da, x, y), x)
    said = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())])
    assert [word for word in (*refusal.words, "Dask task ", "function ") if word not in said] == [], said
    assert any(word in said for word in ("Use ", "Write ", "Give ")), said


def test_a_boolean_mask_of_unknown_length_as_x(rng):
    x, _ = lazily(rng)
    unknown = x[:, 0][x[:, 0] > 0]
    with pytest.raises(UnknownSpecError, match=r"xs\[0\] is unknown.*compute_chunk_sizes"):
        ds.gradients(da.sum(unknown), unknown)


def test_query_planning(rng):
    x, _ = lazily(rng)
    with (
        dask.config.set({"array.query-planning": True}),
        pytest.raises(UnsupportedError, match=r"query-planning is on; set it to False"),
    ):
        ds.gradients(da.sum(x), x)


def test_programs_that_went_through_optimisation(rng):
    """Fusion swallowed the chunks of the intermediate value: zeros would be silently wrong."""
    x, y = lazily(rng)
    middle = x * y
    (fused,) = optimize(da.sum(da.sin(middle)))
    with pytest.raises(ArgumentError, match=r"does not hold chunk .*mul.* of xs\[0\].*dask.optimize.*pass y"):
        ds.gradients(fused, middle)


def test_leaves_stay_dask_tasks(rng, tmp_path):
    """Random numbers, files and delayed values load when the gradient runs, once, and not before."""
    x, y = lazily(rng)
    stored = np.arange(77.0).reshape(11, 7)
    da.to_npy_stack(tmp_path / "stack", da.from_array(stored, chunks=(4, 7)), axis=0)
    da.from_array(stored, chunks=(4, 7)).to_zarr(tmp_path / "zarr")
    calls = []

    @delayed
    def load():
        calls.append(1)
        return stored

    leaves = [
        da.from_npy_stack(str(tmp_path / "stack")),
        da.from_zarr(str(tmp_path / "zarr")),
        da.from_delayed(load(), shape=(11, 7), dtype=float),
        da.random.default_rng(1).standard_normal((11, 7), chunks=UNEVEN),
        da.random.RandomState(1).random((11, 7), chunks=UNEVEN),
    ]
    expected = sum(np.asarray(leaf.compute()) for leaf in leaves)
    calls.clear()
    g = ds.gradients(sum(da.sum(leaf * da.sin(x)) for leaf in leaves), x)
    assert calls == []
    np.testing.assert_allclose(g.compute(scheduler="sync"), expected * np.cos(x.compute()), rtol=1e-12)
    assert calls == [1]
