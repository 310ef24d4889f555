"""Matrices of operators: what they hold, their algebra, their transpose-dot and how they print."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.operators import (
    Hadamard,
    Identity,
    LeftMultiplication,
    OperatorMatrix,
    RightMultiplication,
    Scalar,
    Zero,
    to_dense,
)

W = LeftMultiplication(np.arange(15.0).reshape(5, 3), "W")
H = Hadamard(np.arange(1.0, 6.0)[:, None], "δ")


def dense(matrix: OperatorMatrix) -> Any:
    """A matrix of numbers as an array."""
    out = np.zeros(matrix.shape, complex)
    for i, j, element in matrix:
        out[i, j] = element
    return out


def sparse(rng: np.random.Generator, m: int, n: int) -> Any:
    """A complex matrix with about half of its entries zero."""
    return (rng.normal(size=(m, n)) + 1j * rng.normal(size=(m, n))) * (rng.random((m, n)) < 0.5)


def test_nested_lists_and_mappings_hold_the_same():
    lists = OperatorMatrix([[None, W], [H, None], [0, Zero()]])
    entries = OperatorMatrix({(1, 0): H, (0, 1): W}, (3, 2))
    for matrix in (lists, entries):
        assert matrix.shape == (3, 2)
        assert list(matrix) == [(0, 1, W), (1, 0, H)]
        assert matrix[0, 1] is W
        assert matrix[-2, 0] is H
        assert matrix[0, 0] is None
        assert matrix.nnz == 2


def test_rows_come_in_column_order():
    matrix = OperatorMatrix({(1, 4): 5, (1, 0): 2, (1, 3): 7}, (5, 5))
    assert matrix.row(1) == [(0, 2), (3, 7), (4, 5)]
    assert (matrix.identity() - matrix).row(1) == [(0, -2), (1, 1), (3, -7), (4, -5)]


def test_ring_laws_on_numbers(rng):
    """Every combination of identities, signs and products agrees with dense arithmetic."""
    a, b = sparse(rng, 5, 5), sparse(rng, 5, 5)
    eye, A, B = np.eye(5), OperatorMatrix(a), OperatorMatrix(b)
    one = OperatorMatrix.identity(5)
    x = rng.normal(size=5)
    for left, l in (
        (A, a),
        (one - A, eye - a),
        (one + A, eye + a),
        (-(one + A), -eye - a),
        (A - one, a - eye),
    ):
        np.testing.assert_allclose(dense(left), l)
        np.testing.assert_allclose(dense(-left), -l)
        np.testing.assert_allclose(dense(left.T), l.conj().T)
        np.testing.assert_allclose(np.array(left @ x), l @ x)
        for right, r in (
            (B, b),
            (one - B, eye - b),
            (-one - B, -eye - b),
            (one, eye),
            (-one, -eye),
            (B - one, b - eye),
        ):
            np.testing.assert_allclose(dense(left + right), l + r, atol=1e-14)
            np.testing.assert_allclose(dense(left - right), l - r, atol=1e-14)
            np.testing.assert_allclose(dense(left @ right), l @ r, atol=1e-14)


def test_rectangular_products_agree_with_numpy(rng):
    a, b = sparse(rng, 5, 3), sparse(rng, 3, 7)
    np.testing.assert_allclose(dense(OperatorMatrix(a) @ OperatorMatrix(b)), a @ b)
    np.testing.assert_allclose(np.array(OperatorMatrix(a).T @ np.ones(5)), a.conj().T @ np.ones(5))


def test_transpose_dot_reverses_products_of_operators():
    D = OperatorMatrix([[W, None], [W @ W.T @ W, H @ W]])
    L = OperatorMatrix([[None, None], [H, None]])
    A = L.identity() - L
    left, right = (A @ D).T, D.T @ A.T
    assert left.shape == right.shape == (2, 2)
    assert list(left) == list(right)


def test_block_arrays_are_conjugate_transposed(rng):
    a = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    batch = rng.normal(size=(5, 3, 2))
    matrix = OperatorMatrix([[a, batch]])
    np.testing.assert_array_equal(matrix.T[0, 0], a.conj().T)
    np.testing.assert_array_equal(matrix.T[1, 0], np.swapaxes(batch, 1, 2))


def test_unit_and_stored_diagonal_add_up():
    a = np.array([[1.0, 2.0], [3.0, 5.0]])
    blocks = OperatorMatrix([[a]])
    np.testing.assert_array_equal((blocks.identity() + blocks)[0, 0], np.eye(2) + a)
    np.testing.assert_array_equal((blocks - blocks.identity())[0, 0], a - np.eye(2))
    exact = OperatorMatrix([[Fraction(2, 3)]])
    assert (exact.identity() + exact)[0, 0] == Fraction(5, 3)
    assert (exact.identity() - exact)[0, 0] == Fraction(1, 3)
    operators = OperatorMatrix([[H]])
    assert (operators.identity() + operators)[0, 0] == Identity() + H
    assert (operators.identity() - operators)[0, 0] == Identity() - H
    twice = OperatorMatrix([[H]]).identity() + OperatorMatrix([[H]]).identity()
    assert twice[0, 0] @ 3.0 == 6.0
    assert (twice - twice.identity())[0, 0] @ 3.0 == 3.0
    assert OperatorMatrix.identity(2)[1, 1] == Identity()
    assert OperatorMatrix([[0, 0], [3, 0]]).identity()[0, 0] == 1


def test_numbers_arrays_and_operators_meet_as_operators(rng):
    """A number is a multiple of the identity, an array a left multiplication, never a value."""
    a, r, h = rng.normal(size=(5, 5)), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    A = OperatorMatrix([[2.0, a], [RightMultiplication(r), Hadamard(h)]])
    B = OperatorMatrix([[a, 3.0], [Hadamard(h), a]])
    shapes = [(5, 3), (5, 3)]
    p, q = to_dense(A, shapes), to_dense(B, shapes)
    for matrix, expected in (
        (A @ B, p @ q),
        (B @ A, q @ p),
        (A + B, p + q),
        (A - B, p - q),
        ((A.identity() - A) @ (B.identity() + B), (np.eye(30) - p) @ (np.eye(30) + q)),
        ((B.identity() - B) + (A.identity() - A), 2 * np.eye(30) - p - q),
    ):
        np.testing.assert_allclose(to_dense(matrix, shapes), expected, rtol=1e-12, atol=1e-12)
    blocks = OperatorMatrix([[a]])
    twice = (blocks.identity() + blocks) + (blocks.identity() + blocks)
    np.testing.assert_allclose(to_dense(twice, [(5,)]), 2 * np.eye(5) + 2 * a, rtol=1e-12)


def test_identity_shares_the_rows_of_the_matrix():
    """I - L negates nothing and copies nothing, whatever the elements are."""
    L = OperatorMatrix([[None, None], [object(), None]])
    A = L.identity() - L
    assert A.stored is L.stored
    assert (A.unit, A.sign) == (1, -1)
    assert (-A).stored is L.stored


def test_zero_blocks_of_a_product_are_none():
    matrix = OperatorMatrix([[None, W], [None, None]])
    assert matrix @ [np.ones((5, 2)), None] == [None, None]
    assert OperatorMatrix([[2, 3]]) @ [None, 5] == [15]
    made, missing = matrix @ [None, np.ones((3, 2))]
    np.testing.assert_array_equal(made, W @ np.ones((3, 2)))
    assert missing is None
    assert (matrix.identity() - matrix) @ [None, None] == [None, None]


def test_tables_show_symbols():
    L = OperatorMatrix([[None, None], [H @ W, None]])
    text = str(L.identity() - L)
    assert text.splitlines() == [
        "OperatorMatrix of 2 × 2 blocks, 3 non-zero",
        "         I  ·",
        "−ℋ(δ)∘ℒ(W)  I",
    ]
    html = OperatorMatrix([[Scalar(2), np.ones((3, 5))], [None, 0.125]])._repr_html_()
    assert "<td>2</td><td>[3×5]</td>" in html
    assert "<td>·</td><td>0.125</td>" in html
    assert "2 × 2 blocks, 3 non-zero" in html


def test_large_tables_are_cut():
    lines = str(OperatorMatrix.identity(1009)).splitlines()
    assert len(lines) == 22
    assert lines[0] == "OperatorMatrix of 1009 × 1009 blocks, 1009 non-zero"
    assert lines[1].endswith("…")
    assert "⋮" in lines[-1]
    assert str(OperatorMatrix([])) == "OperatorMatrix of 0 × 0 blocks, 0 non-zero"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OperatorMatrix([[1, 2], [3]]), ShapeError, r"rows must have one length, got \[1, 2\]"),
        (lambda: OperatorMatrix({(0, 0): 1}), ArgumentError, "shape must be given"),
        (lambda: OperatorMatrix({(2, 0): 1}, (2, 2)), ShapeError, r"position \(2, 0\) lies outside of 2 × 2"),
        (lambda: OperatorMatrix(Zero()), ArgumentError, "nested lists of elements or a mapping .*, got Zero"),  # type: ignore[arg-type]
        (lambda: OperatorMatrix([[1]], (2, 1)), ShapeError, r"shape says \(2, 1\) blocks, rows are \(1, 1\)"),
        (lambda: OperatorMatrix([[np.ones(3)]]), ShapeError, r"at least two axes, got shape \(3,\)"),
        (lambda: OperatorMatrix([[1, 2]]).identity(), ShapeError, r"must be square, got \(1, 2\)"),
        (lambda: OperatorMatrix([[1, 2]])[1, 0], ShapeError, r"position \(1, 0\) lies outside"),
        (
            lambda: OperatorMatrix([[1, 2]]).__getitem__(0),  # type: ignore[index]
            ArgumentError,
            r"two integers \(i, j\), got 0",
        ),
        (lambda: OperatorMatrix([[1, 2]]) + OperatorMatrix([[1]]), ShapeError, "cannot be added"),
        (lambda: OperatorMatrix([[1, 2]]) @ OperatorMatrix([[1]]), ShapeError, "inner blocks must agree"),
        (lambda: OperatorMatrix([[1, 2]]) @ [1, 2, 3], ShapeError, "must hold 2 block values, got 3"),
        (lambda: OperatorMatrix([[1, 2]]) @ 5, ArgumentError, "sequence of 2 block values, got int"),
    ],
)
def test_misuse_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
