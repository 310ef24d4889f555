"""NumPy functions that split, join, spread and average: NumPy's values, and derivatives by differences."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError

WEIGHTS = np.array([0.5, 2.0, 1.0, 3.0, 0.7])
PLACES = np.array([0.0, 0.3, 1.0, 1.1, 2.0])
CASES: dict[str, Callable[..., Any]] = {  # of x (4, 5) and v (5,)
    "split by count": lambda x, v: np.split(x, 2),
    "split by places": lambda x, v: np.split(x, [1, 4], axis=1),
    "split with an empty part": lambda x, v: np.split(x, [3, 3, 9], axis=-1),
    "array_split": lambda x, v: np.array_split(x, 3, axis=1),
    "hsplit": lambda x, v: np.hsplit(x, [2]) + np.hsplit(v, [3]),
    "vsplit": lambda x, v: np.vsplit(x, 2),
    "dsplit": lambda x, v: np.dsplit(x.reshape(2, 2, 5), [2]),
    "unstack": lambda x, v: list(np.unstack(x, axis=1)),
    "column_stack": lambda x, v: np.column_stack([v, x.T, np.arange(5.0)]),
    "dstack": lambda x, v: np.dstack([x[0], v, WEIGHTS]),
    "append": lambda x, v: [np.append(x, v), np.append(x, v[None], axis=0)],
    "pad": lambda x, v: [np.pad(x, 1), np.pad(x, (2, 0), constant_values=3.0), np.pad(v, (0, 2))],
    "pad by sides": lambda x, v: np.pad(x, ((1, 2), (0, 3)), constant_values=((1.0, 2.0), (3.0, 4.0))),
    "pad by items": lambda x, v: [
        np.pad(x, ((2, 1), (3, 2)), mode=m) for m in ("edge", "reflect", "symmetric", "wrap")
    ],
    "block": lambda x, v: [
        np.block([[x, x[:, :1]], [v, np.ones((1, 1))]]), np.block([v, 2.0, v]), np.block([[v], [v]]),
        np.block([[[x], [x]]]), np.block(v),
    ],
    "broadcast_arrays": lambda x, v: list(np.broadcast_arrays(x, v, 2.0)),
    "meshgrid": lambda x, v: list(np.meshgrid(v, x[:, 0])),
    "meshgrid ij": lambda x, v: list(np.meshgrid(v, x[0], PLACES, indexing="ij", sparse=True)),
    "average": lambda x, v: [np.average(x), np.average(x, 1, v), np.average(x, weights=x**2, keepdims=True)],
    "average returned": lambda x, v: list(np.average(x, axis=1, weights=WEIGHTS, returned=True)),
    "cov": lambda x, v: [np.cov(x), np.cov(x, v), np.cov(v), np.cov(x, rowvar=False, bias=True)],
    "corrcoef": lambda x, v: [np.corrcoef(x), np.corrcoef(v, x[0])],
    "ptp": lambda x, v: [np.ptp(x), np.ptp(x, axis=0, keepdims=True)],
    "trapezoid": lambda x, v: [
        np.trapezoid(x), np.trapezoid(x, PLACES), np.trapezoid(x.T, dx=0.3, axis=0), np.trapezoid(v, v**2)
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_value_is_numpys_and_derivatives_agree(case, rng):
    f, x, v = CASES[case], rng.standard_normal((4, 5)), 1.5 + rng.uniform(size=5)
    found, expected = ds.jvp(f, (x, v), (x, v), scheduler="sync")[0], f(x, v)
    found, expected = ([y] if isinstance(y, np.ndarray) else y for y in (found, expected))
    assert [np.shape(y) for y in found] == [np.shape(y) for y in expected]
    for y, z in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-13, atol=1e-14)
    ds.testing.check_grads(f, (x, v), order=2, scheduler="sync")


def test_complex_covariance_is_numpys(rng):
    z = rng.standard_normal((3, 7)) + 1j * rng.standard_normal((3, 7))
    np.testing.assert_allclose(ds.jvp(np.cov, (z,), (z,), scheduler="sync")[0], np.cov(z), rtol=1e-13)
    ds.testing.check_grads(np.cov, (z,), order=1, scheduler="sync")


def test_wrong_arguments_are_named():
    x, wrong = np.ones((4, 5)), cast(Any, "yx")
    with pytest.raises(ShapeError, match=r"axis 1 of \(4, 5\) has no 3 equal parts"):
        ds.grad(lambda z: np.sum(np.split(z, 3, axis=1)[0]))(x)
    with pytest.raises(ArgumentError, match="sections must be at least 1"):
        ds.grad(lambda z: np.sum(np.array_split(z, 0)[0]))(x)
    with pytest.raises(ArgumentError, match='indexing must be "xy" or "ij"'):
        ds.grad(lambda z: np.sum(np.meshgrid(z, z, indexing=wrong)[0]))(x[0])
    with pytest.raises(UnsupportedError, match="np.cov with weights"):
        ds.grad(lambda z: np.sum(np.cov(z, aweights=z[0])))(x)
