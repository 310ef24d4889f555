"""One backslash: exact and dense references, gradients of networks, misuse."""

from fractions import Fraction
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.errors import ArgumentError, FactorisationError, ShapeError
from dagsolve.operators import (
    Bundle,
    Hadamard,
    Identity,
    LeftMultiplication,
    LocalJacobian,
    OperatorMatrix,
    RightMultiplication,
    Scalar,
    to_dense,
)
from dagsolve.substitution import backslash


def strictly_lower(rng: np.random.Generator, n: int) -> Any:
    return np.tril(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6), -1)


# against dense solves


@pytest.mark.parametrize("n", [1, 2, 13])
@pytest.mark.parametrize("is_complex", [False, True])
def test_unit_triangles_agree_with_dense_solves(n, is_complex, rng):
    l, b = strictly_lower(rng, n), rng.normal(size=(n, 3))
    l = l * np.exp(1j * rng.normal(size=(n, n))) if is_complex else l
    L, eye = OperatorMatrix(l), np.eye(n)
    A = L.identity() - L
    np.testing.assert_allclose(np.array(backslash(A, b)), np.linalg.solve(eye - l, b), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        np.array(backslash(A.T, b)), np.linalg.solve((eye - l).conj().T, b), rtol=1e-10, atol=1e-12
    )
    for matrix, reference in (
        (L.identity() + L, eye + l),
        (-A, l - eye),
        (L.T.identity() + L.T, eye + l.conj().T),
    ):
        solved = np.array(backslash(matrix, b[:, 0]))
        np.testing.assert_allclose(solved, np.linalg.solve(reference, b[:, 0]), rtol=1e-10, atol=1e-12)


def test_general_diagonals_agree_with_dense_solves(rng):
    a, b = np.tril(rng.normal(size=(7, 7))) + 3 * np.eye(7), rng.normal(size=7)
    A = OperatorMatrix(a)
    np.testing.assert_allclose(backslash(A, b), np.linalg.solve(a, b), rtol=1e-12)
    np.testing.assert_allclose(backslash(A.T, b), np.linalg.solve(a.T, b), rtol=1e-12)
    np.testing.assert_allclose(backslash(A.identity() + A, b), np.linalg.solve(np.eye(7) + a, b), rtol=1e-12)
    np.testing.assert_allclose(backslash(A - A.identity(), b), np.linalg.solve(a - np.eye(7), b), rtol=1e-12)


def test_block_arrays_agree_with_dense_solves(rng):
    """Blocks of 2, 3 and 5 rows, with arrays on the diagonal; right-hand sides are vectors and matrices."""
    sizes = (2, 3, 5)
    blocks: list[list[Any]] = [
        [rng.normal(size=(m, n)) if j <= i else None for j, n in enumerate(sizes)]
        for i, m in enumerate(sizes)
    ]
    for i, n in enumerate(sizes):
        blocks[i][i] = blocks[i][i] + 4 * np.eye(n)
    zeros = [[np.zeros((m, n)) for n in sizes] for m in sizes]
    a = np.block(
        [[zeros[i][j] if blocks[i][j] is None else blocks[i][j] for j in range(3)] for i in range(3)]
    )
    A = OperatorMatrix(blocks)
    for tail in ((), (7,)):
        b = [rng.normal(size=(n, *tail)) for n in sizes]
        stacked = np.concatenate(b)
        np.testing.assert_allclose(np.concatenate(backslash(A, b)), np.linalg.solve(a, stacked), rtol=1e-10)
        np.testing.assert_allclose(
            np.concatenate(backslash(A.T, b)), np.linalg.solve(a.T, stacked), rtol=1e-10
        )
    inverse = backslash(A, A.identity())
    solved = np.concatenate(inverse @ b)
    np.testing.assert_allclose(solved, np.linalg.solve(a, stacked), rtol=1e-10)


def test_operators_on_the_diagonal_are_solved_with(rng):
    a, h = 4 * np.eye(5) + rng.normal(size=(5, 5)), 2 + rng.random((5, 1))
    A = OperatorMatrix([[LeftMultiplication(a), None], [Scalar(2.0), -Hadamard(h)]])
    b = [rng.normal(size=(5, 3)), rng.normal(size=(5, 3))]
    first, second = backslash(A, b)
    np.testing.assert_allclose(first, np.linalg.solve(a, b[0]), rtol=1e-12)
    np.testing.assert_allclose(second, (2 * first - b[1]) / h, rtol=1e-12)


def test_inverse_of_mixed_elements_is_made_of_operators(rng):
    shapes = [(5, 3), (5, 3), (5, 3)]
    A = OperatorMatrix(
        [
            [2.0, None, None],
            [rng.normal(size=(5, 5)), LeftMultiplication(4 * np.eye(5) + rng.normal(size=(5, 5))), None],
            [RightMultiplication(rng.normal(size=(3, 3))), Hadamard(rng.normal(size=(5, 3))), Scalar(-1.5)],
        ]
    )
    inverse, expected = to_dense(backslash(A, A.identity()), shapes), np.linalg.inv(to_dense(A, shapes))
    np.testing.assert_allclose(inverse, expected, rtol=1e-10, atol=1e-12)


fractions = st.fractions(-5, 5, max_denominator=7)


@given(st.data(), st.integers(1, 6))
def test_fractions_are_solved_exactly(data, n):
    entries = {(i, j): data.draw(fractions) for i in range(n) for j in range(i)}
    diagonal = {(i, i): data.draw(fractions.filter(bool)) for i in range(n)}
    b = data.draw(st.lists(fractions, min_size=n, max_size=n))
    for A in (
        OperatorMatrix(entries | diagonal, (n, n)),
        OperatorMatrix.identity(n) - OperatorMatrix(entries, (n, n)),
    ):
        for each in (A, A.T):
            assert [y or 0 for y in each @ backslash(each, b)] == b


def test_absent_values_are_never_read():
    def fails(x: Any) -> Any:
        raise AssertionError("a zero was multiplied")

    dead, minus = LocalJacobian(fails, fails), LocalJacobian(lambda x: -x, lambda y: -y)
    L = OperatorMatrix({(1, 0): dead, (2, 1): dead, (3, 2): minus, (4, 0): dead, (4, 3): minus}, (5, 5))
    assert backslash(L.identity() - L, [None, None, 5.0, None, None]) == [None, None, 5.0, -5.0, 5.0]
    assert backslash(L.identity() - L, [None] * 5) == [None] * 5
    assert backslash(OperatorMatrix([[Fraction(2)]]), [None]) == [None]


def test_operators_that_return_none_contribute_nothing():
    zero = LocalJacobian(lambda x: None, lambda y: None)
    L = OperatorMatrix([[None, None], [zero, None]])
    assert backslash(L.identity() - L, [1.0, None]) == [1.0, None]
    assert backslash(L.identity() - L, [1.0, 2.0]) == [1.0, 2.0]


def test_bundles_travel_through_the_solve():
    """A node with two results hands a bundle to its edge, which reads one of them."""
    first = LocalJacobian(lambda x: 2 * x[0], lambda y: Bundle((2 * y, None)))
    second = LocalJacobian(lambda x: 3 * x[1], lambda y: Bundle((None, 3 * y)))
    L = OperatorMatrix({(1, 0): first, (2, 0): second}, (3, 3))
    assert backslash((L.identity() - L).T, [None, 5.0, 7.0])[0] == (10.0, 21.0)


# gradients of networks: D^T ((I - L)^T \ g)


def test_gradient_of_a_scalar_network(rng):
    """x_i = tanh(w_i x_{i-1} + b_i); D holds [δ_i x_{i-1}, δ_i], L holds δ_i w_i below the diagonal."""
    depth, x0, target = 7, 0.3, 0.8
    w, b = rng.normal(size=depth), rng.normal(size=depth)
    x = [x0]
    for w_i, b_i in zip(w, b, strict=True):
        x.append(np.tanh(w_i * x[-1] + b_i))
    slope = 1 - np.array(x[1:]) ** 2
    D = OperatorMatrix(
        {(i, 2 * i): slope[i] * x[i] for i in range(depth)}
        | {(i, 2 * i + 1): slope[i] for i in range(depth)},
        (depth, 2 * depth),
    )
    L = OperatorMatrix({(i, i - 1): slope[i] * w[i] for i in range(1, depth)}, (depth, depth))
    g = [None] * (depth - 1) + [x[-1] - target]
    gradient = np.array(D.T @ backslash((L.identity() - L).T, g)).reshape(depth, 2)

    def loss(w, b):
        value = x0
        for i in range(depth):
            value = anp.tanh(w[i] * value + b[i])
        return (value - target) ** 2 / 2

    np.testing.assert_allclose(gradient[:, 0], autograd.grad(loss, 0)(w, b), rtol=1e-12)
    np.testing.assert_allclose(gradient[:, 1], autograd.grad(loss, 1)(w, b), rtol=1e-12)


def test_gradient_of_a_matrix_network(rng):
    """The same matrix with operators: L = H(Δ_i) ∘ left(W_i), D = [H(Δ_i) ∘ right(X_{i-1}), H(Δ_i)]."""
    widths, columns = (3, 7, 5, 2), 11
    w = [rng.normal(size=(m, n)) for n, m in zip(widths, widths[1:], strict=False)]
    b = [rng.normal(size=(m, columns)) for m in widths[1:]]
    x0, target = rng.normal(size=(3, columns)), rng.normal(size=(2, columns))
    x = [x0]
    for w_i, b_i in zip(w, b, strict=True):
        x.append(np.tanh(w_i @ x[-1] + b_i))
    layers = range(len(w))
    delta = [Hadamard(1 - y**2, "Δ") for y in x[1:]]
    D = OperatorMatrix(
        {(i, 2 * i): delta[i] @ RightMultiplication(x[i]) for i in layers}
        | {(i, 2 * i + 1): delta[i] for i in layers},
        (len(w), 2 * len(w)),
    )
    L = OperatorMatrix(
        {(i, i - 1): delta[i] @ LeftMultiplication(w[i], "W") for i in layers[1:]}, (len(w), len(w))
    )
    g = [None] * (len(w) - 1) + [x[-1] - target]
    gradient = D.T @ backslash((L.identity() - L).T, g)

    def loss(w, b):
        value = x0
        for w_i, b_i in zip(w, b, strict=True):
            value = anp.tanh(w_i @ value + b_i)
        return anp.sum((value - target) ** 2) / 2

    for found, expected in zip(gradient[::2], autograd.grad(loss, 0)(w, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    for found, expected in zip(gradient[1::2], autograd.grad(loss, 1)(w, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_forward_mode_is_the_adjoint_of_reverse_mode(rng):
    n, m = 11, 5
    L, D = OperatorMatrix(strictly_lower(rng, n)), OperatorMatrix(rng.normal(size=(n, m)))
    A, x_dot, y_bar = L.identity() - L, rng.normal(size=m), rng.normal(size=n)
    forward, reverse = backslash(A, D @ x_dot), D.T @ backslash(A.T, y_bar)
    assert np.dot(forward, y_bar) == pytest.approx(np.dot(x_dot, reverse), rel=1e-12)


# misuse


@pytest.mark.parametrize(
    ("A", "b", "error", "message"),
    [
        ([[1]], [1], ArgumentError, "A must be an OperatorMatrix, got list"),
        (OperatorMatrix([[1, 2, 3]]), [1], ShapeError, "A must be square, got 1 × 3 blocks"),
        (
            OperatorMatrix([[1, 2], [3, 4]]),
            [1, 2],
            ArgumentError,
            r"above \(\(0, 1\)\) and below \(\(1, 0\)\)",
        ),
        (OperatorMatrix([[1, 0], [3, 4]]), [1, 2, 3], ShapeError, "must hold 2 block values, got 3"),
        (OperatorMatrix([[1, 0], [3, 4]]), 7, ArgumentError, "sequence of 2 block values, got int"),
        (OperatorMatrix([[1, 0], [3, 4]]), OperatorMatrix.identity(3), ShapeError, "as many rows"),
        (OperatorMatrix([[1, 0], [3, 0]]), [1, 2], FactorisationError, "diagonal element 1 of A is zero"),
        (OperatorMatrix([[1, 0], [3, 0.0]]), [None, None], FactorisationError, "singular"),
        (OperatorMatrix([[-1.0]]) + OperatorMatrix.identity(1), [None], FactorisationError, "singular"),
        (OperatorMatrix([[np.ones((2, 2))]]), [np.ones(2)], FactorisationError, "singular"),
        (
            OperatorMatrix([[np.ones((3, 2))]]),
            [np.ones(3)],
            ShapeError,
            r"square to be inverted, got \(3, 2\)",
        ),
        (
            OperatorMatrix([[Identity() + Scalar(2)]]),
            [1.0],
            FactorisationError,
            "Sum I \\+ 2 cannot be inverted",
        ),
        (
            OperatorMatrix([["word"]]),
            ["word"],
            FactorisationError,
            "'word' cannot be inverted, str has no division",
        ),
    ],
)
def test_what_cannot_be_solved_is_named(A, b, error, message):
    with pytest.raises(error, match=message):
        backslash(A, b)


def test_errors_of_elements_name_the_row():
    L = OperatorMatrix({(1, 0): np.ones((2, 3)), (2, 1): np.ones((5, 7))}, (3, 3))
    with pytest.raises(ValueError, match="mismatch") as caught:
        backslash(L.identity() - L, [np.ones(3), None, None])
    assert caught.value.__notes__ == ["backslash: in row 2, last read column 1"]
