"""Lazy results load nothing while they are built, each chunk once per run, and are ordinary Dask arrays."""

import uuid

import autograd
import autograd.numpy as anp
import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from dask.array.core import normalize_chunks
from dask.base import annotate, compute, optimize, persist
from dask.delayed import delayed
from distributed import Client

import dagsolve as ds
from dagsolve.errors import ArgumentError, BudgetError, UnsupportedError
from dagsolve.planning.budget import resident_bytes

UNEVEN = ((3, 1, 7), (2, 5))


@pytest.fixture(scope="module")
def client(two_processes):
    with Client(two_processes, set_as_default=False) as client:
        yield client


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((11, 7)), rng.standard_normal(7)


def read(block_info=None, array=None, folder=None):
    """One chunk, and a file that says that it was read: any process may have done it."""
    of = block_info[None]
    (folder / f"{'-'.join(map(str, of['chunk-location']))} {uuid.uuid4().hex}").touch()
    return array[tuple(slice(*ends) for ends in of["array-location"])]


class Loads:
    """Chunks that were read from the arrays that it makes, in this process and in others."""

    def __init__(self, folder):
        self.folder = folder

    def array(self, data, chunks):
        chunks = normalize_chunks(chunks, data.shape)
        empty = np.empty((0,) * data.ndim)
        return da.map_blocks(read, chunks=chunks, dtype=float, meta=empty, array=data, folder=self.folder)

    def count(self):
        """How often each chunk was read since the last time this was asked; each count once."""
        found = [path.name.split()[0] for path in self.folder.iterdir()]
        for path in self.folder.iterdir():
            path.unlink()
        return sorted({found.count(chunk) for chunk in found}), len(found)


@pytest.fixture
def loads(tmp_path):
    folder = tmp_path / "loads"
    folder.mkdir()
    return Loads(folder)


def value(xp, x, y):
    return xp.sum(xp.tanh(x @ y) ** 2) + xp.mean(x**2)


def with_captured(x, y):
    return ds.value_and_grad(lambda y: value(np, x, y))(y)


WAYS = {
    "gradients": lambda x, y: ds.value_and_gradients(value(da, x, y), [x, y]),
    "value_and_grad": lambda x, y: ds.value_and_grad(lambda x, y: value(np, x, y), (0, 1))(x, y),
    "vjp": lambda x, y: ds.vjp(lambda x, y: value(np, x, y), x, y)[1](1.0),
    "jvp": lambda x, y: ds.jvp(lambda x, y: value(np, x, y), (x, y), (np.ones((11, 7)), np.ones(7))),
    "hvp": lambda x, y: ds.hvp(lambda x, y: value(np, x, y), (x, y), (np.ones((11, 7)), np.ones(7))),
    "forward Jacobian": lambda x, y: ds.jacobian(lambda x, y: np.tanh(x @ y), 1, mode="forward")(x, y),
    "reverse Jacobian": lambda x, y: ds.jacobian(lambda x, y: np.tanh(x @ y), 1, mode="reverse")(x, y),
    "hessian": lambda x, y: ds.hessian(lambda x, y: value(np, x, y), 1)(x, y),
    "captured": with_captured,
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_loaded_while_building_and_every_chunk_once_per_run(arrays, loads, way):
    x, y = loads.array(arrays[0], UNEVEN), da.from_array(arrays[1], chunks=3)
    made = WAYS[way](x, y)
    assert loads.count() == ([], 0)
    for scheduler in ("sync", "threads"):
        compute(made, scheduler=scheduler)
        assert loads.count() == ([1], 6)
        ds.compute(made, scheduler=scheduler)
        assert loads.count() == ([1], 6)


@pytest.mark.parametrize("way", ["gradients", "value_and_grad", "captured"])
def test_every_chunk_once_with_two_processes(arrays, loads, client, way):
    x, y = loads.array(arrays[0], UNEVEN), da.from_array(arrays[1], chunks=3)
    made = WAYS[way](x, y)
    expected = autograd.grad(lambda y: value(anp, arrays[0], y))(arrays[1])
    for run in (compute, ds.compute):
        _, bars = run(made, scheduler=client)[0]
        assert loads.count() == ([1], 6)
        np.testing.assert_allclose(bars[1] if isinstance(bars, list | tuple) else bars, expected, rtol=1e-10)


def test_captured_data_of_numpy_arguments_is_loaded_once_per_call(arrays, loads, client):
    x = loads.array(arrays[0], UNEVEN)
    for scheduler in ("sync", "threads", client):
        fn = ds.grad(lambda y: value(np, x, y), scheduler=scheduler)
        fn.plan(arrays[1])
        assert loads.count() == ([], 0)
        fn(arrays[1])
        assert loads.count() == ([1], 6)


def test_only_what_is_asked_for_is_loaded(arrays, loads):
    """Computing one of the gradients leaves the blocks of the others, and what they read, alone."""
    x, z = loads.array(arrays[0], UNEVEN), loads.array(arrays[0] + 1, UNEVEN)
    x_bar, z_bar = ds.grad(lambda x, z: np.sum(x**2) + np.sum(z**2), (0, 1))(x, z)
    np.testing.assert_allclose(x_bar.blocks[0, 0].compute(), 2 * arrays[0][:3, :2], rtol=1e-15)
    _, count = loads.count()
    assert 1 <= count <= 12
    ds.compute(z_bar, scheduler="sync")
    assert loads.count() == ([1], 6)


def test_budget_is_proved_before_anything_is_loaded(loads):
    x = loads.array(np.ones((301, 103)), (101, 103))
    gradient = ds.grad(lambda x: np.sum(np.sin(x) ** 2))(x)
    with pytest.raises(BudgetError):
        ds.compute(gradient, memory_limit="1 MiB", scheduler="sync")
    assert loads.count() == ([], 0)


def test_runs_inside_a_memory_limit(rng):
    data = rng.standard_normal((701, 503))
    x = da.from_array(data, chunks=(101, 503))

    def f(x):
        return np.sum(np.sin(x.T @ x) ** 2)

    gradient = ds.grad(f)(x)
    limit = resident_bytes() + 100 * 2**20  # what other tests left in this process is part of a worker's peak
    (found,) = ds.compute(gradient, memory_limit=limit, scheduler="threads")
    product = data.T @ data
    np.testing.assert_allclose(found, 2 * data @ np.sin(2 * product), rtol=1e-9, atol=1e-9)
    plan = ds.report(gradient).plan
    assert plan is not None
    assert plan.memory_limit == limit


@pytest.fixture
def results(arrays):
    x, y = da.from_array(arrays[0], chunks=UNEVEN), da.from_array(arrays[1], chunks=3)
    expected = autograd.value_and_grad(lambda t: value(anp, *t))(arrays)
    return ds.value_and_grad(lambda x, y: value(np, x, y), (0, 1))(x, y), expected


def test_results_are_dask_arrays_like_others(results, client, tmp_path):
    (lazy, bars), (expected, (x_bar, y_bar)) = results
    assert lazy.compute() == pytest.approx(expected, rel=1e-12)
    onward = (bars[0] * 2.0 + 1.0).sum(axis=0) + bars[1]
    np.testing.assert_allclose(onward.compute(), (x_bar * 2 + 1).sum(axis=0) + y_bar, rtol=1e-11)
    np.testing.assert_allclose(bars[0].rechunk((4, 3))[::2].compute(), x_bar[::2], rtol=1e-11)
    (optimised,) = optimize(bars[0])
    np.testing.assert_allclose(optimised.compute(), x_bar, rtol=1e-11)
    da.to_zarr(bars[0].rechunk((4, 3)), str(tmp_path / "gradient.zarr"))
    np.testing.assert_allclose(np.asarray(zarr.open_array(tmp_path / "gradient.zarr")), x_bar, rtol=1e-11)
    for scheduler in ("sync", "threads", client):
        kept = persist(lazy, *bars, scheduler=scheduler)
        assert len(kept[1].dask) == 6
        with client.as_current():
            np.testing.assert_allclose(kept[1].compute(scheduler=scheduler), x_bar, rtol=1e-11)
    with pytest.raises(ArgumentError, match=r"argument 1 must be a result of .*use their \.compute\(\)"):
        ds.compute(bars[0], onward)


def test_lazy_gradients_are_arguments_and_data_of_others(arrays):
    """But not programs: what they were made from is no longer there to be differentiated."""
    a = arrays[0]
    x = da.from_array(a, chunks=UNEVEN)
    first = ds.gradients(da.sum(da.sin(x) ** 2), x)
    expected = np.sin(2 * a)
    for made, of in [
        (ds.gradients(da.sum(first**2), first), 2 * expected),
        (ds.grad(lambda u: np.sum(u**2))(first), 2 * expected),
        (ds.grad(lambda u: np.sum(u * first))(x), expected),
        (ds.gradients(da.sum(x * first), first), a),
    ]:
        np.testing.assert_allclose(made.compute(), of, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ds.compute(made)[0], of, rtol=1e-12, atol=1e-14)
    with pytest.raises(UnsupportedError, match=r"a block of a gradient .* g may call ds\.grad"):
        ds.gradients(da.sum(first**2), x)


def test_visualize_draws_the_graph(results, monkeypatch):
    drawn = []
    monkeypatch.setattr("dask.base.visualize_dsk", lambda dsk, **options: drawn.append(len(dsk)))
    (lazy, _), _ = results
    lazy.visualize()
    assert drawn[0] > 2


def test_layers_of_the_user_stay_as_they_are(arrays):
    """With their annotations, so that resources and priorities of loading tasks hold."""
    with annotate(priority=7):
        x = da.from_array(arrays[0], chunks=UNEVEN)
    for made in (ds.grad(lambda x: np.sum(x**2))(x), ds.gradients(da.sum(x**2), x)):
        assert made.dask.layers[x.name] is x.dask.layers[x.name]
        assert made.dask.layers[x.name].annotations == {"priority": 7}


SOURCES = {
    "delayed": lambda a, client, folder: da.from_delayed(delayed(np.asarray)(a), a.shape, float),
    "persisted": lambda a, client, folder: client.persist(da.from_array(a, chunks=UNEVEN)),
    "zarr": lambda a, client, folder: da.to_zarr(da.from_array(a, chunks=(4, 3)), folder, return_stored=True),
    "sliced": lambda a, client, folder: da.from_array(np.pad(a, 2), chunks=4)[2:-2, 2:-2],
}


@pytest.mark.parametrize("source", SOURCES)
def test_sources_of_data(arrays, client, tmp_path, source):
    a, b = arrays
    x = SOURCES[source](a, client, str(tmp_path / "data.zarr"))
    y = da.from_array(b, chunks=3)
    expected = autograd.grad(lambda t: value(anp, *t))(arrays)
    makers = [
        ds.grad(lambda x, y: value(np, x, y), (0, 1))(x, y),
        ds.gradients(value(da, x, y), [x, y]),
        [None, *ds.gradients(value(da, x, y), [y])],  # x is data that the gradient reads
        [None, ds.grad(lambda y: value(np, x, y))(y)],
    ]
    for made in makers:
        wanted = [bar for bar in made if bar is not None]
        plain = client.gather(client.compute(wanted))
        planned = ds.compute(*wanted, scheduler=client)
        for found in (plain, planned):
            for bar, of in zip(found[::-1], expected[::-1], strict=False):
                np.testing.assert_allclose(bar, of, rtol=1e-10, atol=1e-12)


def test_persisted_data_is_run_where_it_lies(client):
    x = client.persist(da.ones(6, chunks=2) * 3)
    gradient = ds.grad(lambda x: np.sum(x**2))(x)
    for scheduler in ("sync", "threads"):
        with pytest.raises(ArgumentError, match=r"Client that persisted .* 3 chunks.* scheduler=client"):
            ds.compute(gradient, scheduler=scheduler)
        with pytest.raises(ArgumentError, match="Client that persisted"):
            ds.grad(lambda y: np.sum(x * y), scheduler=scheduler)(np.ones(6))
    np.testing.assert_array_equal(ds.compute(gradient, scheduler=client)[0], np.full(6, 6.0))
    found = ds.grad(lambda y: np.sum(x * y), scheduler=client)(np.ones(6))
    np.testing.assert_array_equal(found, np.full(6, 3.0))


def test_rechunks_that_move_data_peer_to_peer(arrays, client):
    a = arrays[0]
    with client.as_current(), dask.config.set({"array.rechunk.method": "p2p"}):
        x = da.from_array(a, chunks=UNEVEN).rechunk((4, 3))
        assert any(type(layer).__name__ == "P2PRechunkLayer" for layer in x.dask.layers.values())
        bars = [
            ds.grad(lambda x: np.sum(np.sin(x) ** 2))(x),
            ds.gradients(da.sum(da.sin(x).rechunk((5, 7)) ** 2), x),
        ]
        for bar in bars:
            np.testing.assert_allclose(bar.compute(), np.sin(2 * a), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ds.compute(*bars)[1], np.sin(2 * a), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ds.grad(lambda y: np.sum(x @ y))(np.ones(7)), a.sum(axis=0), rtol=1e-11)
