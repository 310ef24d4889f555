"""Transforms of NumPy functions on Dask arguments: lazy, in the arguments' chunks, equal to autograd's."""

from dataclasses import dataclass
from typing import Any

import autograd
import autograd.numpy as anp
import dask.array as da
import numpy as np
import pytest
import zarr
from dask.base import compute

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError, UnknownSpecError, UnsupportedError
from dagsolve.sampling import random_spd

UNEVEN = ((3, 1, 7), (2, 5))  # chunks of an (11, 7) matrix
SIDE = np.linspace(-1.0, 1.0, 7)


def cholesky_value(xp, x, y):
    k = x.T @ x + 3.0 * np.eye(7)
    l = xp.linalg.cholesky(k)
    return xp.sum(l @ y) + 2.0 * xp.sum(xp.log(xp.diag(l)))


# name -> (xp, x, y): x is (11, 7) in uneven chunks, y is (7,)
FUNCTIONS = {
    "elementwise": lambda xp, x, y: xp.sum(xp.sin(x) * xp.exp(-x * x) + x / (2 + xp.cos(y)) - x**3),
    "captured data": lambda xp, x, y: xp.sum((x - SIDE) ** 2 * y),
    "products": lambda xp, x, y: xp.sum(xp.tanh(x @ y) ** 2) + xp.sum(xp.sin(x.T @ x) @ y),
    "reductions": lambda xp, x, y: xp.mean(x * y) ** 2 + xp.var(x) + xp.sum(xp.max(x, axis=0)),
    "shapes": lambda xp, x, y: xp.sum(xp.reshape(x, (77,)) ** 3) + xp.sum(x[2:9, ::2] ** 2) * y[-1],
    "joined": lambda xp, x, y: xp.sum(xp.concatenate([x, xp.sin(x[:3])], axis=0) ** 2 * y),
    "where": lambda xp, x, y: xp.sum(xp.where(x > 0.2, x * x, xp.sin(y) + 0 * x)),
    "cholesky": cholesky_value,
    "unused": lambda xp, x, y: xp.sum(x * x),
}


@dataclass
class Model:
    weights: Any
    bias: Any


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((11, 7)), rng.standard_normal(7)


@pytest.fixture
def lazy(arrays):
    return da.from_array(arrays[0], chunks=UNEVEN), da.from_array(arrays[1], chunks=3)


def assert_close(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, float(np.max(np.abs(b)))))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(arrays, lazy, name):
    f = FUNCTIONS[name]
    value, bars = ds.value_and_grad(lambda x, y: f(np, x, y), (0, 1))(*lazy)
    assert isinstance(value, da.Array)
    assert value.shape == ()
    assert [bar.chunks for bar in bars] == [x.chunks for x in lazy]
    assert [bar.dtype for bar in bars] == [x.dtype for x in lazy]
    expected = autograd.value_and_grad(lambda xs: f(anp, *xs))(arrays)
    found, *seconds = compute(value, *bars, scheduler="sync")
    assert found == pytest.approx(expected[0], rel=1e-12)
    assert_close(seconds, expected[1])
    planned = ds.compute(value, *bars, scheduler="threads")
    assert_close(planned, (expected[0], *expected[1]))


def test_containers_are_kept(arrays, lazy):
    def f(model, extra):
        return np.sum((model["m"].weights @ extra[0]) ** 2) * model["m"].bias

    model, extra = {"m": Model(lazy[0], 2.5)}, [lazy[1]]
    made, (second,) = ds.grad(f, (0, 1))(model, extra)
    assert made["m"].weights.chunks == UNEVEN
    assert made["m"].bias.shape == ()
    bars = ds.compute({"made": made["m"].weights, "bias": made["m"].bias}, [second], scheduler="sync")
    x, y = arrays
    assert_close(
        (bars[0]["made"], bars[0]["bias"], bars[1][0]),
        autograd.grad(lambda t: anp.sum((t[0] @ t[2]) ** 2) * t[1])((x, 2.5, y)),
    )


def test_numpy_arguments_beside_dask_ones_take_their_chunks(arrays, lazy):
    bars = ds.grad(lambda x, y, z: np.sum((x @ y) ** 2) * np.sum(z), (0, 1, 2))(
        lazy[0], arrays[1], np.ones(5)
    )
    assert [bar.chunks for bar in bars] == [UNEVEN, ((2, 5),), ((5,),)]
    expected = autograd.grad(lambda t: anp.sum((t[0] @ t[1]) ** 2) * anp.sum(t[2]))((*arrays, np.ones(5)))
    assert_close(compute(*bars), expected)


def test_arrays_are_taken_as_they_were_when_the_result_was_built(arrays, lazy):
    data = arrays[1].copy()
    gradient = ds.grad(lambda x, y: np.sum(x @ y))(lazy[0], data)
    data[:] = 0.0
    np.testing.assert_allclose(gradient.compute(), np.broadcast_to(arrays[1], (11, 7)), rtol=1e-15)


def test_auxiliary_results(arrays, lazy):
    (value, aux), bar = ds.value_and_grad(
        lambda x: (np.sum(x**2), {"rows": np.sum(x, axis=1), "side": SIDE}), has_aux=True
    )(lazy[0])
    assert aux["rows"].chunks == ((3, 1, 7),)
    found = compute(value, aux, bar)
    np.testing.assert_allclose(found[1]["rows"], arrays[0].sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found[1]["side"], SIDE)
    np.testing.assert_allclose(found[2], 2 * arrays[0], rtol=1e-15)
    np.testing.assert_array_equal(ds.compute(aux, scheduler="sync")[0]["side"], SIDE)


def test_integers_and_masks_are_data(arrays, lazy):
    """User code never meets the Dask array: an integer one is traced too."""
    labels = (arrays[0] > 0).astype(int)
    seen = []

    def f(x, labels):
        seen.append(type(labels).__name__)
        return np.sum(np.where(labels == 1, x**2, labels * x))

    bar = ds.grad(f)(lazy[0], da.from_array(labels, chunks=(4, 7)))
    assert seen == ["Tracer"]
    np.testing.assert_allclose(bar.compute(), np.where(labels == 1, 2 * arrays[0], 0.0), rtol=1e-15)


@pytest.mark.parametrize("cotangent", ["numpy", "dask"])
def test_pullback(arrays, lazy, rng, cotangent):
    def f(xp):
        return lambda x, y: (xp.sin(x) @ y, {"s": xp.sum(x * y)})

    value, pullback = ds.vjp(f(np), *lazy)
    assert value[0].chunks == ((3, 1, 7),)
    w = rng.standard_normal(11)
    bars = pullback((w if cotangent == "numpy" else da.from_array(w, chunks=5), {"s": 2.0}))
    assert [bar.chunks for bar in bars] == [x.chunks for x in lazy]
    first, *found = compute(value, *bars)
    np.testing.assert_allclose(first[0], np.sin(arrays[0]) @ arrays[1], rtol=1e-12)
    expected = autograd.grad(lambda t: w @ f(anp)(*t)[0] + 2.0 * f(anp)(*t)[1]["s"])(arrays)
    assert_close(found, expected)
    with pytest.raises(ShapeError, match=r"vjp pullback: cotangent must have shape \(11,\), got \(3,\)"):
        pullback((da.ones(3), {"s": 1.0}))


def test_dask_cotangent_of_numpy_arguments(arrays, rng):
    _, pullback = ds.vjp(np.sin, arrays[1])
    (bar,) = pullback(da.from_array(SIDE, chunks=2))
    assert isinstance(bar, da.Array)
    np.testing.assert_allclose(bar.compute(), SIDE * np.cos(arrays[1]), rtol=1e-15)


def test_pushforward(arrays, lazy, rng):
    x_dot, y_dot = rng.standard_normal((11, 7)), rng.standard_normal(7)
    value, dot = ds.jvp(lambda x, y: np.sin(x) @ y, lazy, (x_dot, da.from_array(y_dot, chunks=4)))
    assert dot.chunks == ((3, 1, 7),)
    x, y = arrays
    np.testing.assert_allclose(value.compute(), np.sin(x) @ y, rtol=1e-12)
    np.testing.assert_allclose(dot.compute(), (np.cos(x) * x_dot) @ y + np.sin(x) @ y_dot, rtol=1e-12)


JACOBIANS = {
    "vector": lambda xp, y: xp.sin(xp.reshape(SIDE, (7, 1)) * y) @ SIDE,
    "matrix": lambda xp, y: xp.outer(xp.sin(y), y[:4]),
    "scalar": lambda xp, y: xp.sum(y**3),
    "constant": lambda xp, y: 0.0 * y[:2],
}


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobian(arrays, lazy, name, mode):
    f = JACOBIANS[name]
    made = ds.jacobian(lambda y: f(np, y), mode=mode)(lazy[1])
    expected = autograd.jacobian(lambda y: f(anp, y))(arrays[1])
    assert made.shape == expected.shape
    assert made.chunks[-1] == (3, 3, 1)
    np.testing.assert_allclose(made.compute(scheduler="sync"), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ds.compute(made)[0], expected, rtol=1e-12, atol=1e-14)


def test_jacobian_by_a_matrix_in_single_precision(arrays):
    x = da.from_array(arrays[0].astype(np.float32), chunks=(4, 3))
    for mode in ("forward", "reverse"):
        made = ds.jacobian(lambda x: np.sum(x**2, axis=1), mode=mode)(x)
        assert (made.dtype, made.chunks) == (np.float32, ((4, 4, 3), (4, 4, 3), (3, 3, 1)))
        expected = np.einsum("ij,ik->ijk", np.eye(11), 2 * arrays[0])
        np.testing.assert_allclose(made.compute(), expected, rtol=1e-6, atol=1e-7)


def test_sparse_jacobians_of_dask_arguments_are_refused(lazy):
    with pytest.raises(UnsupportedError, match=r"jacobian: sparse=True .* sparse=False"):
        ds.jacobian(np.sin, sparse=True)(lazy[1])


def test_second_derivatives(arrays, lazy, rng):
    def f(xp, y):
        return xp.sum(xp.sin(xp.outer(y, SIDE)) ** 2)

    expected = autograd.hessian(lambda y: f(anp, y))(arrays[1])
    hessian = ds.hessian(lambda y: f(np, y))(lazy[1])
    assert hessian.chunks == ((3, 3, 1), (3, 3, 1))
    np.testing.assert_allclose(hessian.compute(), expected, rtol=1e-10, atol=1e-12)
    v = rng.standard_normal(7)
    data = da.from_array(SIDE, chunks=2)  # whose chunks are not those of the argument
    (product,) = ds.hvp(lambda y: np.sum(np.sin(np.outer(y, data)) ** 2), (lazy[1],), (v,))
    assert product.chunks == lazy[1].chunks
    np.testing.assert_allclose(ds.compute(product)[0], expected @ v, rtol=1e-10)
    np.testing.assert_allclose(product.compute(), expected @ v, rtol=1e-10)


def test_derivatives_nest(arrays, lazy):
    """A gradient inside what a gradient differentiates, of Dask arrays that it captures or is given."""
    x, _ = arrays

    def penalty(u):
        inner = ds.grad(lambda v: np.sum(np.sin(v) * lazy[0]))(u)
        fixed = ds.grad(lambda v: np.sum(v**2))(lazy[0])  # lazy, and met by a tracer
        mixed = ds.grad(lambda v, w: np.sum(np.sin(v) * w))(lazy[0], u)
        return np.sum(inner**2) + np.sum(fixed * u) + np.sum(mixed)

    expected = -2 * np.cos(x) * np.sin(x) * x**2 + 2 * x + np.cos(x)
    made = ds.grad(penalty)(lazy[0])
    assert made.chunks == UNEVEN
    np.testing.assert_allclose(made.compute(), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ds.grad(penalty)(x), expected, rtol=1e-11, atol=1e-12)


def test_frozen_functions(arrays, lazy):
    frozen = ds.freeze(lambda y: np.sum(np.sin(y) ** 2), ds.spec(7))
    np.testing.assert_allclose(ds.grad(frozen)(lazy[1]).compute(), np.sin(2 * arrays[1]), rtol=1e-12)


def captured(kind, array, folder):
    if kind == "dask":
        return da.from_array(array, chunks=UNEVEN)
    made = zarr.create_array(store=folder / "data.zarr", shape=array.shape, chunks=(4, 3), dtype="f8")
    made[:] = array
    return made


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_captured_arrays_are_read_by_tasks(arrays, tmp_path, kind):
    """NumPy arguments in, NumPy arrays out, by a run; Dask arguments in, lazy arrays out."""
    x, y = arrays
    data = captured(kind, x, tmp_path)

    def f(y):
        return np.sum(np.tanh(data @ y) ** 2) + np.sum(data @ y)

    expected = autograd.grad(lambda y: anp.sum(anp.tanh(x @ y) ** 2) + anp.sum(x @ y))(y)
    for options in ({}, {"scheduler": "sync", "memory_limit": "4 GiB"}, {"chunks": 2}):
        found = ds.grad(f, **options)(y)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-11)
    bar = ds.grad(f)(da.from_array(y, chunks=3))
    assert bar.chunks == ((3, 3, 1),)
    np.testing.assert_allclose(bar.compute(), expected, rtol=1e-11)
    graph = ds.trace(f, da.from_array(y, chunks=3))
    assert len(graph.constants) == (6 if kind == "dask" else 9)  # a tile per chunk, once


def test_zarr_arguments_are_read_by_their_chunks(arrays, tmp_path):
    data = captured("zarr", arrays[0], tmp_path)
    fn = ds.grad(lambda x, y: np.sum(np.sin(x) @ y))
    assert len(fn.trace(data, arrays[1]).inputs) == 9 + 3
    expected = autograd.grad(lambda x: anp.sum(anp.sin(x) @ arrays[1]))(arrays[0])
    np.testing.assert_allclose(fn(data, arrays[1]), expected, rtol=1e-12)


def test_plans_and_graphs_of_dask_arguments(lazy):
    fn = ds.grad(lambda x, y: np.sum((x @ y) ** 2), memory_limit="8 GiB")
    assert len(fn.trace(*lazy).inputs) == 6 + 3
    assert fn.plan(*lazy).tasks > 0
    with pytest.raises(ArgumentError, match=r"grad: memory_limit= .* lazy.*ds\.compute"):
        fn(*lazy)


def test_empty_chunks_and_empty_arrays():
    data = da.from_array(np.array([1.0, 1.0, 1.0, -1.0, -1.0, 2.0, 2.0]), chunks=((3, 2, 2),))
    x = data[data > 0].compute_chunk_sizes()
    assert x.chunks == ((3, 0, 2),)
    np.testing.assert_array_equal(ds.grad(lambda x: np.sum(x**2))(x).compute(), [2, 2, 2, 4, 4])
    np.testing.assert_array_equal(ds.gradients(da.sum(x**2), x).compute(), [2, 2, 2, 4, 4])
    assert ds.grad(lambda x: np.sum(x**2))(da.zeros((0, 3))).compute().shape == (0, 3)


def test_results_have_no_unknown_shapes(lazy):
    x = lazy[1][lazy[1] > 0]
    with pytest.raises(UnknownSpecError, match=r"jvp: the shape \(nan,\) of argument 1 is unknown"):
        ds.jvp(lambda y, x: np.sum(x), (lazy[1], x), (lazy[1], x))


def test_gaussian_process_in_tiles(rng):
    """Everything that the tiled Cholesky needs, lazily."""
    a, b = random_spd(rng, n=13), rng.standard_normal(13)

    def nll(k, y):
        l = np.linalg.cholesky(k)
        z = ds.linalg.solve_triangular(l, y, lower=True)
        return 0.5 * z @ z + np.sum(np.log(np.diag(l)))

    k, y = da.from_array(a, chunks=(5, 5)), da.from_array(b, chunks=5)
    bars = compute(*ds.grad(nll, (0, 1))(k, y))
    inverse = np.linalg.inv(a)
    solved = inverse @ b
    assert_close(bars, (0.5 * (inverse - np.outer(solved, solved)), solved))
