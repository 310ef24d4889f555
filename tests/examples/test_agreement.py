"""One gradient of an example by every way: operators in memory, serial, threads, processes, JAX."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributed import Client

import dagsolve as ds

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TILE = 37


@pytest.fixture(scope="module")
def co2():
    """The module of the example, imported as a program started in its folder would be."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield importlib.import_module("co2")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def arguments(co2):
    x, ppm = co2.record(every=15)
    return co2.KERNEL.theta, x, ppm - ppm.mean()


@pytest.fixture(scope="module")
def serial(co2, arguments):
    return ds.value_and_grad(co2.nll, scheduler="sync", progress=False)(*arguments)


def close(found, expected, rtol):
    scale = np.max(np.abs(expected[1]))
    assert abs(found[0] - expected[0]) <= rtol * abs(expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=rtol * scale)


@pytest.fixture(scope="module")
def tiled(co2, arguments):
    return ds.value_and_grad(co2.nll, chunks=TILE, scheduler="sync", progress=False)(*arguments)


def test_threads(co2, arguments, serial, tiled):
    for chunks, expected in ((None, serial), (TILE, tiled)):
        fn = ds.value_and_grad(co2.nll, chunks=chunks, scheduler="threads", progress=False)
        close(fn(*arguments), expected, 1e-12)


def test_two_processes(co2, arguments, tiled, two_processes):
    with Client(two_processes) as client:
        fn = ds.value_and_grad(co2.nll, chunks=TILE, scheduler=client, progress=False)
        close(fn(*arguments), tiled, 1e-12)


def test_tiles_change_no_more_than_rounding(co2, arguments, serial, tiled):
    """Tiles sum in another order; the covariance is ill-conditioned, and that is what rounding grows by."""
    theta, x, _ = arguments
    condition = np.linalg.cond(co2.signal(theta, x, x) + co2.noise(theta, x))
    close(tiled, serial, condition * np.finfo(float).eps)


def test_backslash_on_operators_in_memory(co2, arguments, serial):
    graph = ds.trace(co2.nll, *arguments)
    identity_minus_l, d, g = ds.operator_matrix(graph, *arguments)
    gradient = d.T @ ds.backslash(identity_minus_l.T, g)
    close((serial[0], gradient[0]), serial, 1e-12)


def test_jax(co2, arguments, serial, monkeypatch):
    """The same source on jax.numpy; scikit-learn's likelihood is compared beside this file."""
    with jax.enable_x64(True):
        monkeypatch.setattr(co2, "np", jnp)
        monkeypatch.setattr(co2.ds.linalg, "solve_triangular", jax.scipy.linalg.solve_triangular)
        found = jax.value_and_grad(co2.nll)(*map(jnp.asarray, arguments))
        close((float(found[0]), np.asarray(found[1])), serial, 1e-9)
