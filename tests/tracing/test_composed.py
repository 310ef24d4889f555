"""Every NumPy function composed of primitives: NumPy's value, spec and, by differences, derivative."""

from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.sampling import random_separated, random_spd
from dagsolve.tracing.composed import COMPOSED, METHODS
from tests.tracing.values import value

RNG = np.random.default_rng(20261121)
A, B = RNG.standard_normal((2, 3, 5))
V, W = RNG.standard_normal((2, 5))
T = RNG.standard_normal((2, 3, 5))
SQUARE, SPD = RNG.standard_normal((5, 5)), random_spd(RNG, n=5)
Z = RNG.standard_normal((3, 5)) + 1j * RNG.standard_normal((3, 5))
SEPARATED = random_separated(RNG, n=5)
NO_TRIANGLE: Any = "X"
REDUCED = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"axis": (), "keepdims": True}]

# function -> (call, arguments): at least one call of every entry of the table
CALLS: dict[Any, list[Any]] = {
    np.sum: [*((lambda x, k=k: np.sum(x, **k), T) for k in REDUCED), (lambda x: np.sum(x, dtype=complex), A)],
    np.mean: [(lambda x, k=k: np.mean(x, **k), T) for k in REDUCED[:4]],
    np.var: [*((lambda x, k=k: np.var(x, **k), T) for k in REDUCED[:4]),
        (lambda x: np.var(x, ddof=1), V), (np.var, Z),
    ],
    np.std: [(lambda x: np.std(x, axis=0, ddof=1), A), (np.std, A)],
    np.max: [*((lambda x, k=k: np.max(x, **k), T) for k in REDUCED[:4])],
    np.min: [(lambda x: np.min(x, axis=1), T), (np.min, A)],
    np.amax: [(lambda x: np.amax(x, axis=0), A)],
    np.amin: [(lambda x: np.amin(x, axis=0, keepdims=True), A)],
    np.reshape: [(lambda x: np.reshape(x, (5, -1)), A), (lambda x: np.reshape(x, 15), A)],
    np.ravel: [(np.ravel, T)],
    np.transpose: [(np.transpose, T), (lambda x: np.transpose(x, (1, -1, 0)), T), (lambda x: x.T, A)],
    np.matrix_transpose: [(np.matrix_transpose, T), (lambda x: x.mT, T)],
    np.linalg.matrix_transpose: [(np.linalg.matrix_transpose, A)],
    np.swapaxes: [(lambda x: np.swapaxes(x, 0, -1), T)],
    np.moveaxis: [(lambda x: np.moveaxis(x, 0, -1), T), (lambda x: np.moveaxis(x, (0, 1), (2, 0)), T)],
    np.expand_dims: [(lambda x: np.expand_dims(x, 1), A), (lambda x: np.expand_dims(x, (0, -1)), V)],
    np.squeeze: [(np.squeeze, A[None, :, None]), (lambda x: np.squeeze(x, axis=0), A[None, :, None])],
    np.broadcast_to: [(lambda x: np.broadcast_to(x, (3, 5)), V), (lambda x: np.broadcast_to(x, 5), V[:1])],
    np.concatenate: [
        (lambda x, y: np.concatenate([x, y, x]), A, B),
        (lambda x, y: np.concatenate([x, y], axis=-1), A, B),
        (lambda x, y: np.concatenate([x, y], axis=None), A, V),
        (lambda x: np.concatenate([x, np.ones(3), [2.0]]), V),
    ],
    np.stack: [(lambda x, y: np.stack([x, y]), A, B), (lambda x, y: np.stack([x, 2.0 * y], axis=-1), A, B)],
    np.hstack: [(lambda x, y: np.hstack([x, y]), A, B), (lambda x: np.hstack([x, 1.0, x[0]]), V)],
    np.vstack: [(lambda x, y: np.vstack([x, y]), A, V), (lambda x: np.vstack([x, x]), V)],
    np.atleast_1d: [(np.atleast_1d, np.float64(2.0)), (np.atleast_1d, A)],
    np.atleast_2d: [(np.atleast_2d, V), (np.atleast_2d, A)],
    np.diagonal: [
        (np.diagonal, SQUARE), (np.diagonal, A), (lambda x: np.diagonal(x, 2), A),
        (lambda x: np.diagonal(x, -1), A), (lambda x: np.diagonal(x, 1, 2, 0), T),
    ],
    np.diag: [
        (np.diag, V), (np.diag, SQUARE), (np.diag, A), *((lambda x, k=k: np.diag(x, k), V) for k in (-2, 1)),
        (lambda x: np.diag(x, -2), A),
    ],
    np.trace: [
        (np.trace, SQUARE), (np.trace, A), (lambda x: np.trace(x, 1), A),
        (lambda x: np.trace(x, 0, 1, 2), T),
    ],
    np.tril: [(lambda x, k=k: np.tril(x, k), A) for k in (-4, -1, 0, 2, 7)],
    np.triu: [(lambda x, k=k: np.triu(x, k), A) for k in (-4, -1, 0, 2, 7)],
    np.where: [(lambda x, y: np.where(x > y, x * x, y), A, V), (lambda x: np.where(B > 0, x, 1.0), A)],
    np.clip: [
        (lambda x: np.clip(x, -0.5, 0.5), A), (lambda x, y: np.clip(x, y, None), A, V),
        (lambda x: np.clip(x, None, 0.1), A),
    ],
    np.copy: [(np.copy, A)],
    np.astype: [(lambda x: np.astype(x, complex), A), (lambda x: np.astype(x, float), A)],
    np.zeros_like: [(lambda x: np.zeros_like(x) + x, A)],
    np.empty_like: [(lambda x: np.empty_like(x) * 0.0 + x, A)],
    np.ones_like: [(lambda x: np.ones_like(x, dtype=complex) * x, A)],
    np.full_like: [(lambda x: np.full_like(x, 2.5) * x, A), (lambda x: np.full_like(x, x[0]), V)],
    np.take: [(lambda x: np.take(x, [0, 4, 4, -1], axis=1), A), (lambda x: np.take(x, [7, 0]), A)],
    np.cumsum: [(np.cumsum, A), (lambda x: np.cumsum(x, axis=1), T), (lambda x: np.cumsum(x, 0, complex), V)],
    np.dot: [
        (np.dot, V, W), (np.dot, A, V), (np.dot, A, B.T), (np.dot, T, V), (np.dot, T, SQUARE),
        (lambda x: np.dot(2.0, x), A),
    ],
    np.inner: [(np.inner, V, W), (np.inner, A, B), (np.inner, T, A)],
    np.outer: [(np.outer, V, W), (np.outer, A, V)],
    np.vdot: [(np.vdot, V, W), (np.vdot, A, B), (np.vdot, Z, Z[::-1])],
    np.tensordot: [
        (lambda x, y: np.tensordot(x, y), A, B),
        (lambda x, y: np.tensordot(x, y, 1), T, SQUARE),
        (lambda x, y: np.tensordot(x, y, ((2, 1), (1, 0))), T, A),
        (lambda x, y: np.tensordot(x, y, (0, -2)), A, T),
    ],
    np.einsum: [
        (lambda x, y: np.einsum("ij,kj->ik", x, y), A, B),
        (lambda x, y: np.einsum("ij,kj", x, y), A, B),
        (lambda x, y: np.einsum("aij, ij -> a", x, y), T, A),
        (lambda x, y, z: np.einsum("ij,j,kj->ik", x, y, z), A, V, B),
        (lambda x: np.einsum("ijk->ki", x), T),
        (lambda x: np.einsum("ij->", x), A),
        (lambda x, y: np.einsum("i,j->ij", x, y), V, W),
        (lambda x, y: np.einsum("ii,i->i", x, y), SQUARE, V), (lambda x: np.einsum("jij->i", x), T[:, :, :2]),
    ],
    np.linalg.cholesky: [
        (np.linalg.cholesky, SPD),
        (lambda a: np.linalg.cholesky(np.triu(a) + np.triu(a, 1).T, upper=True), SPD),
        (lambda a: np.linalg.cholesky(a @ a.T + 5 * np.eye(5)), SQUARE),
    ],
    np.linalg.qr: [
        (lambda x: np.linalg.qr(x).Q, A), (lambda x: np.linalg.qr(x.T, mode="complete")[1], A.T),
        (lambda x: np.linalg.qr(x, "r"), SQUARE),
    ],
    np.linalg.eigh: [
        (lambda a: np.linalg.eigh(a).eigenvalues, SEPARATED),
        (lambda a: np.square(np.linalg.eigh(a, "U").eigenvectors), SEPARATED),  # NumPy's signs are not ours
        (lambda x: np.square(np.linalg.eigh(x @ x.T)[1]), SQUARE),
    ],
    np.linalg.eigvalsh: [(np.linalg.eigvalsh, SPD), (lambda a: np.linalg.eigvalsh(a, UPLO="U"), SPD)],
    np.linalg.solve: [
        (np.linalg.solve, SQUARE, V), (np.linalg.solve, SQUARE, SPD), (lambda b: np.linalg.solve(SPD, b), V),
        (lambda a: np.linalg.solve(a, V), SPD),
    ],
    np.linalg.slogdet: [
        (lambda a: np.linalg.slogdet(a).logabsdet, SQUARE),
        (lambda a: np.linalg.slogdet(a).sign, SQUARE + 1j * SPD),
    ],
    np.linalg.svd: [
        (lambda a: np.linalg.svd(a, full_matrices=False).S, A), (lambda a: np.linalg.svd(a)[1], SQUARE),
        (lambda a: np.square(np.linalg.svd(a, False).U), A),  # NumPy's signs are not ours
        (lambda a: np.square(np.linalg.svd(a, False).Vh), A.T),
        (lambda a: np.linalg.svd(a, compute_uv=False), T),
    ],
    np.linalg.svdvals: [(np.linalg.svdvals, A), (np.linalg.svdvals, Z)],
    np.linalg.lstsq: [
        (lambda a, b: np.linalg.lstsq(a, b)[0], A.T, V), (lambda a, b: np.linalg.lstsq(a, b)[0], A, B[:, :2]),
        (lambda a, b: np.linalg.lstsq(a, b)[1], A.T, V),
    ],
    np.linalg.pinv: [(np.linalg.pinv, A), (lambda a: np.linalg.pinv(a, rcond=1e-9), A.T)],
    np.linalg.matmul: [
        (np.linalg.matmul, A, B.T), (lambda x, y: x @ y, V, W), (lambda x, y: y @ x, A.T, T),
        (lambda x: V @ x, SQUARE),
    ],
    np.linalg.outer: [(np.linalg.outer, V, W)],
    np.linalg.multi_dot: [(lambda x, y, z: np.linalg.multi_dot([x, y, z]), A, SQUARE, V)],
    np.linalg.diagonal: [(np.linalg.diagonal, T), (lambda x: np.linalg.diagonal(x, offset=1), T)],
    np.linalg.trace: [(np.linalg.trace, T), (lambda x: np.linalg.trace(x, offset=-1), T)],
    np.shape: [(lambda x: np.sum(x) * np.shape(x)[1], A)],
    np.ndim: [(lambda x: np.sum(x) * np.ndim(x), T)],
    np.size: [(lambda x: np.sum(x) * np.size(x) * np.size(x, 0), A)],
    np.real: [(np.real, Z), (np.real, A), (lambda z: z.real, Z)],
    np.imag: [(np.imag, Z), (np.imag, A), (lambda z: z.imag, Z)],
    np.iscomplexobj: [(lambda x: x * (2.0 if np.iscomplexobj(x) else 3.0), Z)],
    np.isrealobj: [(lambda x: x * (2.0 if np.isrealobj(x) else 3.0), Z)],
    np.result_type: [(lambda x: x * np.ones(5, np.result_type(x, np.float32)), V)],
}  # fmt: skip
METHOD_CALLS = {
    "sum": lambda x: x.sum(axis=1), "mean": lambda x: x.mean(), "var": lambda x: x.var(axis=0, ddof=1),
    "std": lambda x: x.std(), "max": lambda x: x.max(axis=0), "min": lambda x: x.min(),
    "reshape": lambda x: x.reshape((5, 3)) + x.reshape(5, -1), "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: x.transpose(1, 0) + x.transpose() + x.transpose((1, 0)),
    "swapaxes": lambda x: x.swapaxes(0, 1), "squeeze": lambda x: x[:1].squeeze(), "dot": lambda x: x.dot(x.T),
    "astype": lambda x: x.astype(np.complex128), "copy": lambda x: x.copy(),
    "clip": lambda x: x.clip(-0.5, 0.5), "conj": lambda x: x.conj(),
    "conjugate": lambda x: (x * 1j).conjugate(), "diagonal": lambda x: x.diagonal(),
    "trace": lambda x: x.trace(), "take": lambda x: x.take([1, 1, 3], axis=1),
}  # fmt: skip
TABLE = [
    pytest.param(call, args, id=f"{f.__name__}-{k}")
    for f, calls in CALLS.items()
    for k, (call, *args) in enumerate(calls)
]


def test_every_entry_of_the_tables_is_tested():
    assert set(CALLS) == set(COMPOSED)
    assert set(METHOD_CALLS) == set(METHODS)


@pytest.mark.parametrize(
    ("call", "args"), [*TABLE, *(pytest.param(c, [A], id=f".{n}") for n, c in METHOD_CALLS.items())]
)
def test_value_and_derivative(call, args):
    expected = call(*args)
    found = value(call, *args)
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    hermitian = any(x is SPD or x is SEPARATED for x in args)
    ds.testing.check_grads(call, args, order=1, scheduler="sync", hermitian=hermitian)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.reshape(x, (4, -1)), ShapeError, r"\(3, 5\) cannot take the shape"),
        (lambda x: np.reshape(x, (3, 5), order="F"), UnsupportedError, "order='F'"),
        (lambda x: np.transpose(x, (0, 0)), ShapeError, "not a permutation"),
        (lambda x: np.sum(x, axis=2), ShapeError, "axis 2 is out of range"),
        (lambda x: np.squeeze(x, axis=0), ShapeError, "cannot take the shape"),
        (lambda x: np.broadcast_to(x, (5, 3)), ShapeError, "does not broadcast"),
        (lambda x: x @ np.float64(2.0), ShapeError, "at least one axis"),
        (lambda x: np.tensordot(x, x, 1), ShapeError, "differ in length"),
        (lambda x: np.einsum("...i->i", x), UnsupportedError, "ellipsis"),
        (lambda x: np.einsum("ij->iij", x), UnsupportedError, "repeated"),
        (lambda x: np.linalg.qr(x, mode="raw"), UnsupportedError, "mode='raw'"),
        (lambda x: np.linalg.qr(x.T, mode="complete"), UnsupportedError, "more rows than columns"),
        (lambda x: np.linalg.eigvalsh(x @ x.T, NO_TRIANGLE), ArgumentError, "UPLO must be"),
    ],
)
def test_what_is_not_supported_is_said(call, error, message):
    with pytest.raises(error, match=message) as raised:
        value(call, A)
    assert "test_composed.py:" in str(raised.value)
