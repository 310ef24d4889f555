"""How operators simplify, print and treat zero (None)."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.operators import (
    Bundle,
    Hadamard,
    Identity,
    InnerProduct,
    Kronecker,
    LeftMultiplication,
    LocalJacobian,
    Operator,
    RightMultiplication,
    Scalar,
    Zero,
)

ONE, NOTHING = Identity(), Zero()
P = LeftMultiplication(np.arange(15.0).reshape(5, 3), "W")
Q = Hadamard(np.arange(3.0), "δ")


def test_identity_and_zero_are_absorbed():
    assert ONE @ P is P
    assert P @ ONE is P
    assert P + NOTHING is P
    assert NOTHING + P is P
    assert P @ NOTHING == NOTHING
    assert NOTHING @ P == NOTHING
    assert -NOTHING == NOTHING
    assert ONE.T == ONE
    assert NOTHING.T == NOTHING
    assert P - NOTHING is P


def test_minus_signs_cancel_and_stand_outermost():
    negated = -P
    assert -negated is P
    assert (-P) @ (-Q) == P @ Q
    assert (-P) @ Q == -(P @ Q) == P @ (-Q)
    assert -(P - P @ Q) == -P + P @ Q


def test_numbers_multiply_exactly():
    half, third = Scalar(Fraction(1, 2)), Scalar(Fraction(1, 3))
    assert half @ third == Scalar(Fraction(1, 6))
    assert (half @ third) @ Fraction(6) == 1
    assert 2 * P == Scalar(2) @ P
    assert P * 2 == P @ Scalar(2)
    assert P / Fraction(2) == half @ P
    assert np.float64(2) * P == Scalar(2.0) @ P
    assert Scalar(2 + 3j).T == Scalar(2 - 3j)


def test_none_is_zero():
    assert P @ None is None
    assert (P @ Q + P) @ None is None
    assert P.solve(None) is None
    assert NOTHING @ np.ones(3) is None
    assert P + None is P
    assert None + P is P
    assert P - None is P
    assert None - P == -P


def test_absent_contributions_cost_nothing():
    """A map that returns None stops a composition and vanishes from a sum."""

    def fails(x):
        raise AssertionError("applied to zero")

    dead = LocalJacobian(lambda x: None, lambda y: None)
    assert LocalJacobian(fails, fails) @ dead @ np.ones(3) is None
    np.testing.assert_array_equal((dead + P) @ np.ones(3), P @ np.ones(3))
    np.testing.assert_array_equal((dead - P) @ np.ones(3), -(P @ np.ones(3)))
    assert (-dead) @ np.ones(3) is None


def test_local_jacobian_swaps_its_maps():
    jacobian = LocalJacobian(np.negative, np.positive, "∂f")
    assert jacobian.T == LocalJacobian(np.positive, np.negative)
    assert jacobian.T @ 3.0 == 3.0
    assert jacobian @ 3.0 == -3.0
    assert str(jacobian.T) == "∂fᵀ"


def test_symbols_read_as_mathematics():
    assert str(Q @ P.T) == "ℋ(δ)∘ℒ(W)ᵀ"
    assert str(-(P - Q) + ONE) == "−ℒ(W) + ℋ(δ) + I"
    assert str((P + Q) @ (-P)) == "−(ℒ(W) + ℋ(δ))∘ℒ(W)"
    assert str(LeftMultiplication(np.ones((5, 3)))) == "ℒ(5×3)"
    assert str(Kronecker(np.ones((2, 3)), np.ones((5, 7)), ("A", "B"))) == "A⊗B"
    assert str(Kronecker(np.ones((2, 3)), np.ones((5, 7))).T) == "2×3ᵀ⊗5×7ᵀ"
    assert repr(P) == "LeftMultiplication: ℒ(W)"


def test_arrays_on_the_left_are_refused_not_broadcast():
    square: Any = np.ones((3, 3))
    with pytest.raises(TypeError):
        square @ P
    with pytest.raises(TypeError):
        square + P
    with pytest.raises(TypeError):
        P + square


def test_equality_asks_for_the_same_arrays():
    array = np.ones((3, 3))
    assert LeftMultiplication(array) == LeftMultiplication(array)
    assert LeftMultiplication(array) != LeftMultiplication(array.copy())
    assert LeftMultiplication(array) != RightMultiplication(array)
    assert LeftMultiplication(array) != array.tolist()


def test_wrong_arrays_are_named():
    with pytest.raises(ShapeError, match=r"LeftMultiplication: array must have at least 2 axes, got \(3,\)"):
        LeftMultiplication(np.ones(3))
    with pytest.raises(ShapeError, match=r"Kronecker: a must have at least 2 axes, got float"):
        Kronecker(1.0, np.ones((2, 2)))
    with pytest.raises(ShapeError, match=r"must be square to be inverted, got \(5, 3\)"):
        P.solve(np.ones(5))


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (
            Hadamard(np.ones((5, 3))),
            np.ones(3),
            r"the array \(5, 3\) must broadcast to the operand, .* \(3,\)",
        ),
        (Hadamard(np.ones(3)), 2.0, r"whose shape is \(\)"),
        (InnerProduct(np.ones((5, 3))), np.ones(3), r"InnerProduct: the operand must have shape \(5, 3\)"),
        (InnerProduct(np.ones((5, 3))).T, np.ones(3), r"Outer: the operand must have shape \(\), got \(3,\)"),
        (Kronecker(np.eye(3), np.eye(3)), np.ones(3), r"at least 2 axes, got \(3,\)"),
    ],
)
def test_operands_that_would_broadcast_are_refused(op: Operator, x: Any, message: str):
    """Where NumPy would repeat the operand in silence, the adjoint would be a sum and the law would fail."""
    with pytest.raises(ShapeError, match=message):
        op @ x


@pytest.mark.parametrize(
    "op",
    [
        NOTHING,
        Scalar(0),
        Hadamard(np.array([1.0, 0.0])),
        LeftMultiplication(np.ones((2, 2))),
        ONE + Scalar(2),
    ],
    ids=str,
)
def test_singular_operators_say_so(op: Operator):
    with pytest.raises(FactorisationError, match="invert|singular"):
        op.solve(np.ones(2))


def test_bundle_adds_one_by_one():
    a, b = Bundle((1.0, None, 3.0, None)), Bundle((10.0, 20.0, None, None))
    assert a + b == (11.0, 20.0, 3.0, None)
    assert a - b == (-9.0, -20.0, 3.0, None)
    assert -a == (-1.0, None, -3.0, None)
    assert a + None is a
    assert None + a is a
    assert a - None is a
    assert None - a == -a
    assert (1.0, 1.0, 1.0, 1.0) + a == (2.0, 1.0, 4.0, 1.0)
    assert 2 * a == a * 2 == (2.0, None, 6.0, None)
    assert np.float64(2) * a == (2.0, None, 6.0, None)
    assert a / 2 == (0.5, None, 1.5, None)
    assert isinstance(a + b, Bundle)
    assert not a.is_zero
    assert Bundle((None, None)).is_zero


def test_operators_act_on_every_value_of_a_bundle():
    bundle = Bundle((np.ones((3, 2)), None))
    for op in (
        P,
        Scalar(2.0),
        P @ Hadamard(np.array([[2.0], [3.0], [5.0]])),
        RightMultiplication(np.ones((2, 7))),
    ):
        first, second = op @ bundle
        np.testing.assert_array_equal(first, op @ bundle[0])
        assert second is None


def test_bundles_of_other_length_are_refused():
    with pytest.raises(ShapeError, match="must hold 2 values, got 3 values"):
        Bundle((1, 2)) + Bundle((1, 2, 3))
    with pytest.raises(ShapeError, match="must hold 2 values, got int"):
        Bundle((1, 2)) + 1
