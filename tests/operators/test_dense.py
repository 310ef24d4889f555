"""The vec matrix of an operator: back and forth, of compositions and of matrices of operators."""

from typing import Any

import numpy as np
import pytest

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.operators import (
    Dense,
    Hadamard,
    Identity,
    InnerProduct,
    Kronecker,
    LeftMultiplication,
    LocalJacobian,
    OperatorMatrix,
    RightMultiplication,
    Scalar,
    Zero,
    to_dense,
)
from dagsolve.substitution import backslash

real_and_complex = pytest.mark.parametrize("dtype", [float, complex])


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: type) -> Any:
    real = rng.normal(size=shape)
    return real + 1j * rng.normal(size=shape) if dtype is complex else real


@real_and_complex
def test_table_of_the_paper(dtype, rng):
    """Every row of the table of operators, for X of 5 × 3."""
    a, b = draw(rng, (7, 3), dtype), draw(rng, (11, 5), dtype)
    m, g = draw(rng, (5, 3), dtype), draw(rng, (5, 3), dtype)
    for op, matrix in (
        (Kronecker(a, b), np.kron(a, b)),
        (LeftMultiplication(b), np.kron(np.eye(3), b)),
        (RightMultiplication(a.T), np.kron(a, np.eye(5))),
        (Hadamard(m), np.diag(m.ravel("F"))),
        (InnerProduct(g.conj()), g.ravel("F")[None, :]),
        (Identity(), np.eye(15)),
        (Scalar(2.5), 2.5 * np.eye(15)),
    ):
        np.testing.assert_allclose(to_dense(op, (5, 3), dtype=dtype), matrix, rtol=1e-15)
        results = np.shape(op @ m)
        np.testing.assert_allclose(to_dense(op.T, results, dtype=dtype), matrix.conj().T, rtol=1e-15)
    np.testing.assert_array_equal(to_dense(Zero(), (5, 3), (2, 7)), np.zeros((14, 15)))


@real_and_complex
def test_dense_and_to_dense_are_inverse(dtype, rng):
    matrix = draw(rng, (14, 15), dtype)
    op = Dense(matrix, (5, 3), (2, 7), "J")
    assert str(op.T) == "Jᵀ"
    np.testing.assert_array_equal(to_dense(op, (5, 3), dtype=dtype), matrix)
    np.testing.assert_array_equal(to_dense(op.T, (2, 7), dtype=dtype), matrix.conj().T)
    np.testing.assert_array_equal(to_dense(op.T.T, (5, 3), dtype=dtype), matrix)


def test_compositions_are_products_and_sums_are_sums(rng):
    p = Kronecker(rng.normal(size=(2, 3)), rng.normal(size=(7, 5)))
    q, r = Hadamard(rng.normal(size=(5, 3))), LeftMultiplication(rng.normal(size=(5, 5)))
    expected = to_dense(p, (5, 3)) @ (to_dense(q, (5, 3)) - to_dense(r, (5, 3)))
    np.testing.assert_allclose(to_dense(p @ (q - r), (5, 3)), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(to_dense((p @ (q - r)).T, (7, 2)), expected.T, rtol=1e-12, atol=1e-12)


def test_matrix_of_operators_is_a_block_matrix(rng):
    """Backslash on operators equals a dense solve with the block matrix of their vec matrices."""
    shapes = [(5, 3), (7, 3), (7, 2), (2,)]
    L = OperatorMatrix(
        {
            (1, 0): LeftMultiplication(rng.normal(size=(7, 5))),
            (2, 1): RightMultiplication(rng.normal(size=(3, 2))),
            (2, 0): Kronecker(rng.normal(size=(2, 3)), rng.normal(size=(7, 5))),
            (3, 2): Dense(rng.normal(size=(2, 14)), (7, 2), (2,)),
        },
        (4, 4),
    )
    A = L.identity() - L
    dense = to_dense(A, shapes)
    assert dense.shape == (52, 52)
    np.testing.assert_array_equal(dense, np.eye(52) - to_dense(L, shapes, [(5, 3), *shapes[1:]]))
    np.testing.assert_allclose(to_dense(A.T, shapes), dense.T, rtol=1e-15)
    for matrix, whole in ((A, dense), (A.T, dense.T)):
        b = [rng.normal(size=shape) for shape in shapes]
        x = np.concatenate([part.ravel("F") for part in backslash(matrix, b)])
        stacked = np.concatenate([part.ravel("F") for part in b])
        np.testing.assert_allclose(x, np.linalg.solve(whole, stacked), rtol=1e-10)


def test_numbers_and_arrays_are_elements_too(rng):
    a = rng.normal(size=(7, 5))
    np.testing.assert_array_equal(to_dense(3.0, (2,)), 3 * np.eye(2))
    np.testing.assert_array_equal(to_dense(a, (5, 3)), np.kron(np.eye(3), a))
    np.testing.assert_array_equal(to_dense(a, (5,)), a)


def test_maps_that_are_not_complex_linear_have_no_matrix():
    conjugation = LocalJacobian(np.conj, np.conj, "conj")
    np.testing.assert_array_equal(to_dense(conjugation, (3,)), np.eye(3))
    with pytest.raises(ArgumentError, match="conj is linear over the real numbers only"):
        to_dense(conjugation, (3,), dtype=complex)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to_dense(Zero(), (3,)), r"results of one shape, got none \(every result is zero\); give"),
        (lambda: to_dense(Identity(), (3,), (5,)), r"got \(3,\) and \(5,\)"),
        (lambda: to_dense(OperatorMatrix([[Identity()]]), [(3,), (5,)]), "1 × 1 blocks needs 1 .* got 2"),
        (lambda: to_dense(OperatorMatrix([[Identity()], [None]]), [(3,)]), "row 1 holds no element"),
    ],
)
def test_missing_shapes_are_named(make, message):
    with pytest.raises(ShapeError, match=message):
        make()
