"""Elimination in any order: Schur complements, Jacobians, and how many products each order takes."""

from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.elimination import cheap_order, count_products, eliminate
from dagsolve.errors import ArgumentError, FactorisationError, ShapeError
from dagsolve.operators import (
    Dense,
    Hadamard,
    InnerProduct,
    LeftMultiplication,
    OperatorMatrix,
    RightMultiplication,
    to_dense,
)
from dagsolve.semirings import MaxPlus, path_system
from dagsolve.substitution import backslash


def dense(matrix: OperatorMatrix) -> Any:
    out = np.zeros(matrix.shape, dtype=object)
    for i, j, element in matrix:
        out[i, j] = element
    return out


@st.composite
def systems(draw, most: int = 7):
    """I - L over the fractions, and an order of some of its nodes."""
    n = draw(st.integers(1, most))
    weights = st.fractions(-3, 3, max_denominator=5)
    L = OperatorMatrix({(i, j): draw(weights) for i in range(n) for j in range(i)}, (n, n))
    nodes = draw(st.permutations(range(n)))
    return L.identity() - L, nodes[: draw(st.integers(0, n))]


@given(systems())
def test_inverse_of_what_is_left_is_a_block_of_the_inverse(drawn):
    """Over the fractions, exactly, for any order."""
    A, order = drawn
    kept = [k for k in range(A.shape[0]) if k not in order]
    left = eliminate(A, order)
    inverse, block = dense(backslash(A, A.identity())), dense(backslash(left, left.identity()))
    np.testing.assert_array_equal(block, inverse[np.ix_(kept, kept)])


@given(systems(most=5))
def test_order_does_not_matter(drawn):
    A, order = drawn
    expected = list(eliminate(A, order))
    assert all(list(eliminate(A, other)) == expected for other in permutations(order))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("unit", [-1, 0, 1])
def test_general_matrices_give_schur_complements(unit, sign, rng):
    """No triangle needed: pivots that are stored or filled are divided by."""
    e = rng.normal(size=(7, 7)) * (rng.random((7, 7)) < 0.6) + 5 * np.eye(7)
    E = OperatorMatrix(e)
    A = (E if sign > 0 else -E) + (
        E.identity() if unit > 0 else -E.identity() if unit < 0 else OperatorMatrix({}, (7, 7))
    )
    a = sign * e + unit * np.eye(7)
    gone, kept = [5, 1, 2], [0, 3, 4, 6]
    schur = a[np.ix_(kept, kept)] - a[np.ix_(kept, gone)] @ np.linalg.solve(
        a[np.ix_(gone, gone)], a[np.ix_(gone, kept)]
    )
    np.testing.assert_allclose(dense(eliminate(A, gone)).astype(float), schur, rtol=1e-12)


def test_operators_and_arrays_are_eliminated(rng):
    shapes = [(5, 3), (7, 3), (7, 3), (2,)]
    h = Hadamard(rng.normal(size=(7, 3)))
    L = OperatorMatrix(
        {
            (1, 0): LeftMultiplication(rng.normal(size=(7, 5))),
            (2, 0): rng.normal(size=(7, 5)),
            (2, 1): h,
            (3, 1): Dense(rng.normal(size=(2, 21)), (7, 3), (2,)),
            (3, 2): Dense(rng.normal(size=(2, 21)), (7, 3), (2,)),
        },
        (4, 4),
    )
    A = L.identity() - L
    expected = np.linalg.inv(to_dense(A, shapes))[-2:, :15]
    for order in ([1, 2], [2, 1]):
        left = eliminate(A, order)
        np.testing.assert_allclose(-to_dense(left, [(5, 3), (2,)])[-2:, :15], expected, rtol=1e-10)


def test_semirings_need_no_minus():
    #  0 → 1 → 3 → 4
    #   ↘ 2 ↗
    edges = [(0, 1, 2), (0, 2, 3), (1, 3, 5), (2, 3, 7), (3, 4, 11)]
    A = path_system(5, edges, MaxPlus)
    expected = backslash(A, [MaxPlus.one, None, None, None, None])[4]
    for order in permutations([1, 2, 3]):
        assert backslash(eliminate(A, order), [MaxPlus.one, None])[1] == expected == MaxPlus(3 + 7 + 11)


def test_every_order_gives_the_gradient_of_a_network(rng):
    """X_i = tanh(W_i X_{i-1}), loss tr(Gᵀ X_3): what is left from W_i to the loss is an operator, whose
    transpose-dot takes 1 to the gradient."""
    rows, columns = (3, 7, 5, 2), 11
    w = [rng.normal(size=(m, n)) for n, m in pairwise(rows)]
    x, g = [rng.normal(size=(3, columns))], rng.normal(size=(2, columns))
    for w_i in w:
        x.append(np.tanh(w_i @ x[-1]))
    # nodes: W_1, W_2, W_3, X_1, X_2, X_3, loss
    slope = [Hadamard(1 - y**2) for y in x[1:]]
    edges: dict[tuple[int, int], Any] = {(3 + i, i): slope[i] @ RightMultiplication(x[i]) for i in range(3)}
    edges |= {(3 + i, 2 + i): slope[i] @ LeftMultiplication(w[i]) for i in (1, 2)}
    L = OperatorMatrix(edges | {(6, 5): InnerProduct(g)}, (7, 7))
    expected: list[Any] = []
    back = g
    for i in (2, 1, 0):
        back = (1 - x[i + 1] ** 2) * back
        expected.insert(0, back @ x[i].T)
        back = w[i].T @ back
    for order in permutations([3, 4, 5]):
        left = eliminate(L.identity() - L, order)
        for i in range(3):
            np.testing.assert_allclose(-left[3, i].T @ 1.0, expected[i], rtol=1e-12)


class Tallied(Fraction):
    """A fraction whose products are counted."""

    products = 0

    def __mul__(self, other: Any) -> Any:
        Tallied.products += 1
        return Tallied(super().__mul__(other))

    def __add__(self, other: Any) -> Any:
        return Tallied(super().__add__(other))


@given(st.integers(2, 8), st.randoms())
def test_products_are_counted_from_the_pattern(n, random):
    L = OperatorMatrix(
        {(i, j): Tallied(random.randint(1, 9)) for i in range(n) for j in range(i) if random.random() < 0.5},
        (n, n),
    )
    order = random.sample(range(n), n // 2)
    A = L.identity() - L
    Tallied.products = 0
    eliminate(A, order)
    assert Tallied.products == count_products(A, order)


def layered(*widths: int) -> tuple[OperatorMatrix, list[int]]:
    """I - L of layers of nodes, each reading the whole layer before it; and the nodes between the ends."""
    edges, first = [], 0
    for n, m in pairwise(widths):
        edges += [(first + i, first + n + j) for i in range(n) for j in range(m)]
        first += n
    total = sum(widths)
    L = OperatorMatrix({(j, i): 1 for i, j in edges}, (total, total))
    return L.identity() - L, list(range(widths[0], total - widths[-1]))


def test_five_nodes_need_four_products_forward_and_three_in_reverse():
    """1, 2 → 3 → 4 → 5: ac, bc, acd, bcd against cd, acd, bcd."""
    L = OperatorMatrix({(2, 0): 1, (2, 1): 1, (3, 2): 1, (4, 3): 1}, (5, 5))
    A = L.identity() - L
    assert count_products(A, [2, 3]) == 4
    assert count_products(A, [3, 2]) == 3
    assert cheap_order(A, [2, 3]) == [3, 2]


def test_mixed_orders_can_beat_forward_and_reverse():
    """Layers of 2, 3, 1, 3, 2 nodes: 24 products from either end, 16 through the middle."""
    A, inner = layered(2, 3, 1, 3, 2)
    assert count_products(A, inner) == count_products(A, inner[::-1]) == 24
    assert count_products(A, cheap_order(A, inner)) == 16
    assert min(count_products(A, order) for order in permutations(inner)) == 16


@pytest.mark.parametrize("widths", [(1, 7, 5, 3), (3, 5, 7, 1), (5, 2, 3, 2, 5), (3, 3)])
def test_cheap_order_is_never_above_the_two_sweeps_on_layers(widths):
    A, inner = layered(*widths)
    order = cheap_order(A, inner)
    assert sorted(order) == inner
    assert count_products(A, order) <= min(count_products(A, inner), count_products(A, inner[::-1]))


@pytest.mark.parametrize(
    ("A", "order", "error", "message"),
    [
        ([[1]], [0], ArgumentError, "A must be an OperatorMatrix, got list"),
        (OperatorMatrix([[1, 2]]), [0], ShapeError, "A must be square, got 1 × 2 blocks"),
        (OperatorMatrix.identity(3), [3], ArgumentError, "nodes from 0 to 2, got 3"),
        (OperatorMatrix.identity(3), ["x"], ArgumentError, "nodes from 0 to 2, got 'x'"),
        (OperatorMatrix.identity(3), [1, 0, 1], ArgumentError, "got 1 twice"),
        (OperatorMatrix([[0, 1], [1, 0]]), [0], FactorisationError, "diagonal element 0 of A is zero"),
    ],
)
def test_misuse_is_named(A, order, error, message):
    with pytest.raises(error, match=message):
        eliminate(A, order)
