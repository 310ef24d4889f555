"""np.linalg's norms, powers, general eigenproblems and np.kron on tracers: NumPy's value, and differences."""

from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.tracing.matrix_functions import FUNCTIONS
from tests.tracing.values import value

RNG = np.random.default_rng(20261121)
A, B = RNG.standard_normal((2, 3, 5))
T, V = RNG.standard_normal((2, 3, 5)), RNG.standard_normal(5)
Z = RNG.standard_normal((3, 5)) + 1j * RNG.standard_normal((3, 5))
SQUARE = RNG.standard_normal((5, 5))
FOUR = (RNG.standard_normal((6, 6)) / 6 + 2 * np.eye(6)).reshape(2, 3, 3, 2)
BACK = np.moveaxis(FOUR.reshape(2, 3, 6), -1, 0)
FIRST: Any = {"axis": 0}
KEPT: Any = {"keepdims": True}
HALF: Any = 0.5
VECTORS = [None, 2, 1, 3, 0.5, -2, np.inf, -np.inf]
MATRICES = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]

# function -> (call, arguments): at least one call of every entry of the table
CALLS: dict[Any, list[Any]] = {
    np.linalg.norm: [
        *((lambda x, o=o: np.linalg.norm(x, o), V) for o in [*VECTORS, 0]),
        *((lambda x, o=o: np.linalg.norm(x, o, axis=1, keepdims=True), T) for o in VECTORS[:4]),
        *((lambda x, o=o: np.linalg.norm(x, o), A) for o in MATRICES),
        *((lambda x, o=o: np.linalg.norm(x, o, axis=(-1, 0)), T) for o in MATRICES),
        (lambda x: np.linalg.norm(x, "nuc", axis=(2, 1), keepdims=True), T),
        (np.linalg.norm, T), (np.linalg.norm, Z), (lambda x: np.linalg.norm(x, 1, axis=0), Z),
        (lambda x: np.linalg.norm(x, 2), Z),
    ],
    np.linalg.vector_norm: [
        (np.linalg.vector_norm, A), (lambda x: np.linalg.vector_norm(x, axis=0, ord=1), A),
        (lambda x: np.linalg.vector_norm(x, **KEPT), A),
    ],
    np.linalg.matrix_norm: [
        (np.linalg.matrix_norm, T), (lambda x: np.linalg.matrix_norm(x, keepdims=True, ord=-2), T),
    ],
    np.linalg.cond: [
        (lambda x: np.linalg.cond(x), A), (lambda x: np.linalg.cond(x, -2), A),
        *((lambda x, p=p: np.linalg.cond(x, p), SQUARE) for p in (1, "fro", np.inf)),
    ],
    np.linalg.matrix_power: [(lambda x, n=n: np.linalg.matrix_power(x, n), SQUARE) for n in (0, 1, 5, 6, -3)],
    np.linalg.eigvals: [(lambda x: np.linalg.eigvals(x), SQUARE)],
    np.linalg.eig: [
        (lambda x: np.linalg.eig(x).eigenvalues, SQUARE),
        (lambda x: np.abs(np.linalg.eig(x).eigenvectors), SQUARE),  # NumPy's phases are not ours
    ],
    np.cross: [
        (np.cross, T[0, :, :3], A.T[:3]), (lambda x, y: np.cross(x, y, axis=0), A, B),
        (lambda x, y: np.cross(x, y, axisa=1, axisb=0, axisc=0), T, A[:, :1]),
    ],
    np.linalg.cross: [(lambda x, y: np.linalg.cross(x, y, axis=-2), T, A)],
    np.linalg.vecdot: [(np.linalg.vecdot, Z, Z[::-1]), (lambda x, y: np.linalg.vecdot(x, y, **FIRST), A, B)],
    np.linalg.tensorsolve: [
        (np.linalg.tensorsolve, FOUR, T[:, 0, :3].copy()),
        (lambda a, b: np.linalg.tensorsolve(a, b, (0,)), BACK, T[:, 1, :3].copy()),
    ],
    np.linalg.tensorinv: [(np.linalg.tensorinv, FOUR), (lambda a: np.linalg.tensorinv(a, ind=1), SQUARE)],
    np.kron: [(np.kron, A, V), (np.kron, T, A), (np.kron, A, B)],
}  # fmt: skip
TABLE = [pytest.param(c, args, id=f"{f.__name__}-{k}") for f, cases in CALLS.items()
         for k, (c, *args) in enumerate(cases)]  # fmt: skip


def test_every_entry_of_the_table_is_tested():
    assert set(CALLS) == set(FUNCTIONS)


@pytest.mark.parametrize(("call", "args"), TABLE)
def test_value_and_derivative(call, args):
    expected = call(*args)
    found = value(call, *args)
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    ds.testing.check_grads(call, args, order=1, scheduler="sync")


@pytest.mark.parametrize("ord", [None, 2, 1, 3, 0.5, 0, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_norm_of_zeros_has_the_subgradient_zero(ord, dtype):
    gradient = ds.grad(lambda x: np.linalg.norm(x, ord), scheduler="sync")(np.zeros(5, dtype))
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, np.zeros(5))


@pytest.mark.parametrize("ord", [-0.5, -1, -2])
def test_norm_of_negative_order_has_the_subgradient_zero_at_a_zero(ord):
    """As NumPy has it, the norm is zero there; near it grows with the absolute value of that entry."""
    x = np.array([[1.0, 0.0, -2.0], [0.5, -1.0, 2.0], [0.0, 0.0, 3.0]])
    found, gradient = ds.value_and_grad(lambda x: np.sum(np.linalg.norm(x, ord, axis=1)), scheduler="sync")(x)
    row = ds.grad(lambda x: np.linalg.norm(x, ord), scheduler="sync")(x[1])
    np.testing.assert_allclose(found, np.linalg.norm(x[1], ord), rtol=1e-14)
    np.testing.assert_allclose(gradient, [np.zeros(3), row, np.zeros(3)], rtol=1e-14)


def test_ties_share_equally():
    x = np.array([[1.0, -3.0], [3.0, 1.0]])
    gradient = ds.grad(lambda x: np.linalg.norm(x, np.inf, axis=(0, 1)), scheduler="sync")(x)
    np.testing.assert_array_equal(gradient, np.sign(x) / 2)


def test_what_is_no_norm_is_said():
    for ord, shape in (("fro", (5,)), (3, (5, 5)), ("nuc", (5,)), (0, (3, 5))):
        with pytest.raises(ArgumentError, match="norm: ord of a"):
            ds.linalg.norm(np.ones(shape), ord)
    with pytest.raises(ShapeError, match="Say the axis"):
        ds.linalg.norm(np.ones((2, 3, 5)), 1)
    for axis in (2, (0, 0), (0, 1, -1)):
        with pytest.raises(ShapeError, match="norm: axis"):
            ds.linalg.norm(np.ones((3, 5)), 1, axis=axis)
    with pytest.raises(ArgumentError, match="n must be a whole number, got 0.5"):
        ds.linalg.matrix_power(np.eye(3), HALF)
    with pytest.raises(ShapeError, match="matrix_power: a must have shape"):
        ds.linalg.matrix_power(np.ones((3, 5)), 2)
