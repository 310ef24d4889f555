"""The laws of every operator kind: linear, adjoint under Re⟨x, y⟩, reversed by transposition."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagsolve.operators import (
    Broadcast,
    Conjugation,
    Dense,
    FromReal,
    Hadamard,
    Identity,
    InnerProduct,
    Kronecker,
    LeftMultiplication,
    LocalJacobian,
    Operator,
    Permute,
    RealPart,
    Reduce,
    Reshape,
    RightMultiplication,
    Scalar,
    Select,
)

Shape = tuple[int, ...]
EYE: dict[int, Any] = {n: np.eye(n) for n in (3, 5)}


def draw(rng: np.random.Generator, shape: Shape, is_complex: bool) -> np.ndarray:
    real = rng.normal(size=shape)
    return real + 1j * rng.normal(size=shape) if is_complex else real


def inner(x: Any, y: Any) -> float:
    return float(np.real(np.vdot(x, y)))


class Case(NamedTuple):
    make: Callable[[Callable[[Shape], np.ndarray]], Operator]
    domain: Shape
    codomain: Shape
    matrix: Callable[[Any], Any] | None = None  # of vec, columns stacked


def shifted(draw: Callable[[Shape], np.ndarray]) -> Operator:
    """A local Jacobian of X → rows of X moved by one, weighted."""
    w = draw((5, 1))
    return LocalJacobian(lambda x: w * np.roll(x, 1, 0), lambda y: np.roll(np.conj(w) * y, -1, 0), "S")


def rows_of_eye(*rows: int) -> Any:
    return np.eye(15)[list(rows)]


def moved_axes(axes: tuple[int, ...]) -> Any:
    """The matrix that takes vec of a (2, 3, 5) array to vec of its transpose, entry by entry."""
    matrix, shape = np.zeros((30, 30)), (2, 3, 5)
    new = tuple(shape[k] for k in axes)
    for place in np.ndindex(shape):
        there = np.ravel_multi_index(tuple(place[k] for k in axes), new, order="F")
        matrix[there, np.ravel_multi_index(place, shape, order="F")] = 1
    return matrix


# Reshape (5, 3) → (3, 5) in C order: vec of the result reads X[0, 0], X[1, 0], X[2, 0] | X[0, 1], …
PERFECT_SHUFFLE = np.zeros((15, 15))
for k, (i, j) in enumerate(np.ndindex(5, 3)):
    PERFECT_SHUFFLE[k // 5 + 3 * (k % 5), i + 5 * j] = 1

CASES = {
    "identity": Case(lambda d: Identity(), (5, 3), (5, 3), lambda op: np.eye(15)),
    "scalar": Case(lambda d: Scalar(d(())[()]), (5, 3), (5, 3), lambda op: op.factor * np.eye(15)),
    "hadamard": Case(lambda d: Hadamard(d((5, 3))), (5, 3), (5, 3), lambda op: np.diag(op.array.ravel("F"))),
    "hadamard broadcast": Case(lambda d: Hadamard(d((5, 1))), (5, 3), (5, 3)),
    "left": Case(
        lambda d: LeftMultiplication(d((7, 5))), (5, 3), (7, 3), lambda op: np.kron(EYE[3], op.array)
    ),
    "right": Case(
        lambda d: RightMultiplication(d((3, 7))), (5, 3), (5, 7), lambda op: np.kron(op.array.T, EYE[5])
    ),
    "batched left": Case(lambda d: LeftMultiplication(d((2, 7, 5))), (2, 5, 3), (2, 7, 3)),
    "kronecker": Case(
        lambda d: Kronecker(d((7, 3)), d((11, 5))), (5, 3), (11, 7), lambda op: np.kron(op.a, op.b)
    ),
    "kronecker from the right": Case(
        lambda d: Kronecker(d((2, 3)), d((11, 5))), (5, 3), (11, 2), lambda op: np.kron(op.a, op.b)
    ),
    "batched kronecker": Case(lambda d: Kronecker(d((2, 7, 3)), d((2, 11, 5))), (2, 5, 3), (2, 11, 7)),
    "dense": Case(lambda d: Dense(d((14, 15)), (5, 3), (2, 7)), (5, 3), (2, 7), lambda op: op.matrix),
    "dense functional": Case(lambda d: Dense(d((1, 15)), (5, 3), ()), (5, 3), (), lambda op: op.matrix),
    "reshape": Case(lambda d: Reshape((5, 3), (3, 5)), (5, 3), (3, 5), lambda op: PERFECT_SHUFFLE),
    "permute": Case(lambda d: Permute((2, 0, 1)), (2, 3, 5), (5, 2, 3), lambda op: moved_axes(op.axes)),
    "select": Case(
        lambda d: Select((slice(4, 0, -2), 1), (5, 3)), (5, 3), (2,), lambda op: rows_of_eye(9, 7)
    ),
    "select repeated": Case(
        lambda d: Select(([4, 0, 4, 4], [2, 1, 2, 0]), (5, 3)),
        (5, 3),
        (4,),
        lambda op: rows_of_eye(14, 5, 14, 4),
    ),
    "select by mask": Case(
        lambda d: Select(np.eye(5, 3, dtype=bool), (5, 3)), (5, 3), (3,), lambda op: rows_of_eye(0, 6, 12)
    ),
    "select one": Case(lambda d: Select((2, 1), (5, 3)), (5, 3), (), lambda op: rows_of_eye(7)),
    "scatter": Case(lambda d: Select((..., None, [2, 0, 2]), (5, 3)).T, (5, 1, 3), (5, 3)),
    "broadcast": Case(
        lambda d: Broadcast((3,), (5, 3)), (3,), (5, 3), lambda op: np.kron(EYE[3], np.ones((5, 1)))
    ),
    "broadcast axes of one": Case(lambda d: Broadcast((3, 1), (2, 3, 5)), (3, 1), (2, 3, 5)),
    "reduce": Case(
        lambda d: Reduce((5, 3), (5, 1)), (5, 3), (5, 1), lambda op: np.kron(np.ones((1, 3)), EYE[5])
    ),
    "reduce everything": Case(lambda d: Reduce((5, 3), ()), (5, 3), (), lambda op: np.ones((1, 15))),
    "conjugation": Case(lambda d: LeftMultiplication(d((7, 5))) @ Conjugation(), (5, 3), (7, 3)),
    "imaginary part": Case(
        lambda d: FromReal() @ RealPart() @ Scalar(-1j) @ Hadamard(d((5, 3))), (5, 3), (5, 3)
    ),
    "nothing to reduce": Case(lambda d: Reduce((5, 3), (5, 3)), (5, 3), (5, 3), lambda op: np.eye(15)),
    "inner product": Case(
        lambda d: InnerProduct(d((5, 3))), (5, 3), (), lambda op: op.array.conj().ravel("F")[None, :]
    ),
    "outer": Case(lambda d: InnerProduct(d((5, 3))).T, (), (5, 3)),
    "local jacobian": Case(shifted, (5, 3), (5, 3)),
    "negation": Case(lambda d: -LeftMultiplication(d((7, 5))), (5, 3), (7, 3)),
    "sum": Case(
        lambda d: 2.5 * LeftMultiplication(d((5, 5))) - Hadamard(d((5, 3))) + Identity(), (5, 3), (5, 3)
    ),
    "composition": Case(
        lambda d: Hadamard(d((7, 1))) @ LeftMultiplication(d((7, 5))) @ shifted(d), (5, 3), (7, 3)
    ),
    "composition of sums": Case(
        lambda d: (LeftMultiplication(d((7, 5))) + LeftMultiplication(d((7, 5)))) @ (shifted(d) - Identity()),
        (5, 3),
        (7, 3),
    ),
    "inverse": Case(
        lambda d: LeftMultiplication(4 * np.eye(5) + d((5, 5))).solve(Identity()), (5, 3), (5, 3)
    ),
}

every_case = pytest.mark.parametrize("name", CASES)
real_and_complex = pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])


def made(name: str, seed: int, is_complex: bool) -> tuple[Any, Any, Any, Any]:
    """An operator, two vectors of its domain and one of its codomain."""
    rng, case = np.random.default_rng(seed), CASES[name]
    op = case.make(lambda shape: draw(rng, shape, is_complex))
    x, z, y = (draw(rng, shape, is_complex) for shape in (case.domain, case.domain, case.codomain))
    return op, x, z, y


seeds = st.integers(0, 2**32 - 1)


@every_case
@real_and_complex
@settings(max_examples=20)
@given(seed=seeds, c=st.floats(-8, 8))
def test_linear_over_the_reals(name: str, is_complex: bool, seed: int, c: float) -> None:
    op, x, z, _ = made(name, seed, is_complex)
    np.testing.assert_allclose(op @ (c * x + z), c * (op @ x) + op @ z, rtol=1e-9, atol=1e-9)


@every_case
@real_and_complex
@settings(max_examples=20)
@given(seed=seeds)
def test_transpose_dot_is_the_adjoint(name: str, is_complex: bool, seed: int) -> None:
    op, x, _, y = made(name, seed, is_complex)
    assert np.shape(op @ x) == np.shape(y)
    assert np.shape(op.T @ y) == np.shape(x)
    assert inner(op @ x, y) == pytest.approx(inner(x, op.T @ y), rel=1e-9, abs=1e-9)


@every_case
@real_and_complex
def test_transposing_twice_gives_the_same_operator(name: str, is_complex: bool) -> None:
    op, *_ = made(name, 3, is_complex)
    assert op.T.T == op
    assert hash(op.T.T) == hash(op)
    assert op.T.T.symbol == op.symbol


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.matrix])
@real_and_complex
def test_agrees_with_the_matrix_of_vec(name: str, is_complex: bool) -> None:
    op, x, _, y = made(name, 5, is_complex)
    matrix = CASES[name].matrix
    assert matrix is not None
    np.testing.assert_allclose(np.ravel(op @ x, "F"), matrix(op) @ x.ravel("F"), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        np.ravel(op.T @ y, "F"), matrix(op).conj().T @ np.ravel(y, "F"), rtol=1e-12, atol=1e-12
    )


def test_real_operands_of_complex_maps_have_real_cotangents(rng: np.random.Generator) -> None:
    """Adjoint between real matrices and complex ones: ⟨b X, Y⟩ with X real asks for Re(bᴴ Y)."""
    b = draw(rng, (7, 5), is_complex=True)
    op = LeftMultiplication(b) @ FromReal()
    x, y = draw(rng, (5, 3), is_complex=False), draw(rng, (7, 3), is_complex=True)
    assert (op.T @ y).dtype == float
    np.testing.assert_allclose(op.T @ y, (b.conj().T @ y).real, rtol=1e-14)
    assert inner(op @ x, y) == pytest.approx(inner(x, op.T @ y), rel=1e-12)
    assert op.T.T == op
    assert str(op.T) == "Re∘ℒ(7×5)ᵀ"
    assert RealPart() @ (2 - 3j) == 2
    np.testing.assert_array_equal(Conjugation().solve(y), y.conj())


@real_and_complex
def test_transposition_reverses_compositions(is_complex: bool, rng: np.random.Generator) -> None:
    p = LeftMultiplication(draw(rng, (7, 5), is_complex))
    q = Hadamard(draw(rng, (5, 3), is_complex))
    r = RightMultiplication(draw(rng, (3, 2), is_complex))
    assert (p @ q @ r).T == r.T @ q.T @ p.T
    assert (p @ (q @ r)) == ((p @ q) @ r)
    assert (p + p @ q).T == p.T + q.T @ p.T
    assert (-(p @ q)).T == (-q.T) @ p.T
    assert (p @ q).T != p.T @ q.T


@pytest.mark.parametrize(
    "name",
    [
        "identity",
        "scalar",
        "hadamard",
        "negation square",
        "composition square",
        "right",
        "kronecker",
        "dense",
    ],
)
@real_and_complex
def test_solve_undoes_application(name: str, is_complex: bool, rng: np.random.Generator) -> None:
    a, h = 4 * np.eye(5) + draw(rng, (5, 5), is_complex), 3 + draw(rng, (5, 3), is_complex) / 2
    op: Operator = {
        "identity": Identity(),
        "scalar": Scalar(draw(rng, (), is_complex)[()]),
        "hadamard": Hadamard(h),
        "negation square": -LeftMultiplication(a),
        "composition square": LeftMultiplication(a) @ Hadamard(h),
        "right": RightMultiplication(a[:3, :3]),
        "kronecker": Kronecker(a[1:4, 1:4], a),
        "dense": Dense(8 * np.eye(15) + draw(rng, (15, 15), is_complex), (5, 3), (5, 3)),
    }[name]
    x = draw(rng, (5, 3), is_complex)
    for each in (op, op.T):
        np.testing.assert_allclose(each.solve(each @ x), x, rtol=1e-10)
        np.testing.assert_allclose(each.solve(Hadamard(h)) @ x, each.solve(h * x), rtol=1e-10)
        np.testing.assert_allclose(each @ (each.solve(Identity()) @ x), x, rtol=1e-10)
