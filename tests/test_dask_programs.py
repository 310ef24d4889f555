"""ds.gradients and value_and_gradients of existing Dask programs, against autograd."""

import threading

import autograd
import autograd.numpy as anp
import autograd.scipy.linalg as asl
import dask
import dask.array as da
import numpy as np
import pytest
from dask.base import compute
from distributed import Client

import dagsolve as ds
from dagsolve.errors import (
    ArgumentError,
    DtypeError,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from dagsolve.sampling import random_spd

CAPTURED = np.linspace(-1.0, 1.0, 7)
UNEVEN = ((3, 1, 7), (2, 5))  # chunks of the matrices below


def scaled(block):
    return np.exp(-block * block) * 0.5


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((11, 7)), rng.standard_normal(7)


def lazily(x, y):
    return da.from_array(x, chunks=UNEVEN), da.from_array(y, chunks=((2, 5),))


def assert_close(found, expected):
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.max(np.abs(b))))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("split_every", [2, 3, {0: 2, 1: 4}])
def test_reductions_in_trees(arrays, split_every):
    x, y = lazily(*arrays)
    z = da.sum(da.sin(x) * y, split_every=split_every) * da.mean(x * x, split_every=split_every)
    expected = autograd.grad(lambda xs: anp.sum(anp.sin(xs[0]) * xs[1]) * anp.mean(xs[0] * xs[0]))(arrays)
    assert_close(compute(*ds.gradients(z, [x, y])), expected)


def test_map_blocks_and_rechunk(arrays):
    x, _ = lazily(*arrays)
    z = da.sum(da.map_blocks(scaled, x, dtype=float).rechunk((4, 3)) ** 2)
    g = ds.gradients(z, x)
    assert isinstance(g, da.Array)
    np.testing.assert_allclose(
        g.compute(), autograd.grad(lambda x: anp.sum((anp.exp(-x * x) / 2) ** 2))(arrays[0]), rtol=1e-9
    )


@pytest.mark.parametrize("chunks", [4, 6, 12])
def test_gaussian_process(rng, chunks):
    """Cholesky factor and triangular solve of dask.array.linalg."""
    a, b = random_spd(rng, n=12), rng.standard_normal(12)
    x, y = da.from_array(a, chunks=(chunks, chunks)), da.from_array(b, chunks=(chunks,))

    def f(xp, cholesky, solve_triangular, a, b):
        l = cholesky(xp.sin(a / 20) + 5 * np.eye(12))
        z = solve_triangular(l, b)
        return xp.sum(z * z) + 2 * xp.sum(xp.log(xp.diag(l)))

    z = f(
        da,
        lambda a: da.linalg.cholesky(a, lower=True),
        lambda l, b: da.linalg.solve_triangular(l, b, lower=True),
        x,
        y,
    )
    found = compute(*ds.gradients(z, [x, y]))
    expected = autograd.grad(
        lambda xs: f(anp, anp.linalg.cholesky, lambda l, b: asl.solve_triangular(l, b, lower=True), *xs)
    )((a, b))
    symmetric = (found[0] + found[0].T) / 2
    assert_close((symmetric, found[1]), ((expected[0] + expected[0].T) / 2, expected[1]))


def test_cotangents_start_the_sweep(arrays, rng):
    x, y = lazily(*arrays)
    w = rng.standard_normal((11, 7))
    expected = autograd.grad(lambda xs: anp.sum(w * anp.sin(xs[0]) * xs[1]))(arrays)
    z = da.sin(x) * y
    assert_close(compute(*ds.gradients(z, [x, y], cotangent=w)), expected)
    lazy = da.from_array(w, chunks=(5, 7))
    assert_close(compute(*ds.gradients(z, [x, y], cotangent=lazy)), expected)


def test_gradient_towards_an_intermediate_value(arrays):
    x, y = lazily(*arrays)
    middle = da.exp(x) * y
    g = ds.gradients(da.sum(middle * middle), middle)
    np.testing.assert_allclose(g.compute(), 2 * np.exp(arrays[0]) * arrays[1], rtol=1e-12)


class Counted:
    """Array-like data that counts how often a chunk is read."""

    def __init__(self, array):
        self.array, self.loads, self.lock = array, 0, threading.Lock()
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        with self.lock:
            self.loads += 1
        return self.array[index]


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_nothing_is_loaded_while_building_and_every_chunk_once_per_run(arrays, scheduler):
    data = Counted(arrays[0])
    x = da.from_array(data, chunks=UNEVEN, meta=np.empty((0, 0)))  # else Dask reads an empty slice
    z = da.sum(da.sin(x) ** 2) + da.mean(x) ** 2
    value, g = ds.value_and_gradients(z, x)
    assert data.loads == 0
    for run in (1, 2):
        found, bar = compute(value, g, scheduler=scheduler)
        assert data.loads == 6 * run
    expected = autograd.value_and_grad(lambda x: anp.sum(anp.sin(x) ** 2) + anp.mean(x) ** 2)(arrays[0])
    assert found == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(bar, expected[1], rtol=1e-12)


def test_only_what_the_gradient_needs_is_run(arrays):
    """The other branch of the program, and the value itself, stay unrun."""
    runs = []

    def noted(block):
        if isinstance(block, np.ndarray):  # a spec of its result is found by a run on a traced array
            runs.append(block.shape)
        return block

    x, _ = lazily(*arrays)
    data = da.map_blocks(
        noted, da.from_array(arrays[0] + 1, chunks=UNEVEN), dtype=float, meta=np.empty((0, 0))
    )
    g = ds.gradients(da.sum(x * 3.0) + da.sum(data), x)
    np.testing.assert_array_equal(g.compute(scheduler="sync"), np.full((11, 7), 3.0))
    assert runs == []


@pytest.fixture(scope="module")
def client(two_processes):
    with Client(two_processes) as client:
        yield client


def test_rechunk_that_moves_data_peer_to_peer(arrays, client):
    """The default while a client is active."""
    x, _ = lazily(*arrays)
    with dask.config.set({"array.rechunk.method": "p2p"}):
        z = da.sum(da.sin(x).rechunk((4, 3)) ** 2)
    assert any(type(layer).__name__ == "P2PRechunkLayer" for layer in z.dask.layers.values())
    g = ds.gradients(z, x)
    np.testing.assert_allclose(g.compute(), np.sin(2 * arrays[0]), rtol=1e-12, atol=1e-14)


def integer(x):
    return da.sum((x > 0).astype(int))


def filtered(x):
    return da.sum(x[x > 0])


def unwrapped_blocks(x):
    return da.sum(da.map_blocks(np.unwrap, x, dtype=float))


REFUSED = {
    "integer y": (lambda x: (integer(x), x), DtypeError, ["gradients: y", "int64", ".astype(float)"]),
    "integer x": (lambda x: (da.sum(x), x.astype(int)), DtypeError, ["xs[0]", "floating", "int64"]),
    "NumPy x": (
        lambda x: (da.sum(x), np.ones(3)),
        ArgumentError,
        ["xs[0]", "dask.array.Array", "ndarray", "ds.grad"],
    ),
    "no xs": (lambda x: (da.sum(x), []), ArgumentError, ["xs", "at least one"]),
    "no scalar": (lambda x: (x * 2, x), ShapeError, ["y must be a scalar", "(11, 7)", "cotangent"]),
    "independent x": (
        lambda x: (da.sum(x), da.ones((3,))),
        ArgumentError,
        ["xs[0]", "not depend on it", "dask.optimize"],
    ),
    "value-free x": (lambda x: (da.sum(da.zeros_like(x) + 1), x), ArgumentError, ["xs[0]", "not depend"]),
    "mask by value": (lambda x: (filtered(x), x), UnsupportedError, ["traced array as an index", "np.where"]),
    "function": (lambda x: (unwrapped_blocks(x), x), UnsupportedError, ["np.unwrap", "no derivative rule"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_differentiated_is_refused_by_name(arrays, case):
    build, error, words = REFUSED[case]
    y, xs = build(lazily(*arrays)[0])
    with pytest.raises(error) as raised:
        ds.gradients(y, xs)
    said = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())])
    assert [word for word in words if word not in said] == [], said


def test_a_task_that_cannot_be_traced_is_named_with_its_function(arrays):
    x, _ = lazily(*arrays)
    z = da.sum(da.map_blocks(np.unwrap, x, dtype=float))
    with pytest.raises(UnsupportedError) as raised:
        ds.gradients(z, x)
    (note,) = raised.value.__notes__
    assert "Dask task ('unwrap" in note
    assert "function unwrap" in note
    z = da.sum(da.map_blocks(lambda block: block * float(block[0, 0]), x, dtype=float, meta=np.empty((0, 0))))
    with pytest.raises(TraceError, match=r"float\(x\).*test_dask_programs\.py:\d+ in <lambda>"):
        ds.gradients(z, x)
