"""What a matrix of operators asks of its elements, whatever they are.

Elements are operators, numbers (Python's, NumPy's, fractions), arrays with at least two axes acting by
`@`, tracers of such arrays, or objects of a semiring that define `+` and `*` (or `@`).
"""

from enum import Enum, auto
from numbers import Number
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.namespace import namespace_of
from dagsolve.operators.bundle import Bundle
from dagsolve.operators.multiplication import LeftMultiplication, adjoint_array, dense_solve
from dagsolve.operators.operator import Identity, Inverse, Operator, Scalar, Zero, conjugated


class Kind(Enum):
    """How an element multiplies."""

    OPERATOR = auto()
    NUMBER = auto()  # also arrays without axes
    ARRAY = auto()
    OTHER = auto()  # numbers of a semiring


_KINDS: dict[type, Kind] = {}  # asking a number's abstract class costs more than a product


def kind_of(element: Any) -> Kind:
    """The kind of an element."""
    found = _KINDS.get(type(element)) or _kind_of_type(element)
    return Kind.NUMBER if found is Kind.ARRAY and element.ndim == 0 else found


def _kind_of_type(element: Any) -> Kind:
    if isinstance(element, Operator):
        kind = Kind.OPERATOR
    elif isinstance(element, (Number, np.generic)):
        kind = Kind.NUMBER
    else:
        kind = Kind.ARRAY if hasattr(element, "ndim") and hasattr(element, "dtype") else Kind.OTHER
    return _KINDS.setdefault(type(element), kind)


def is_structural_zero(element: Any) -> bool:
    """Whether an element need not be stored: None, the zero operator, the number 0 (of any semiring)."""
    if element is None or isinstance(element, Zero):
        return True
    kind = _KINDS.get(type(element))
    if kind is Kind.NUMBER:
        return bool(element == 0)
    return kind is Kind.OTHER and bool(getattr(element, "is_zero", False))


def check_element(element: Any) -> None:
    """Raises ShapeError for an array with one axis, whose product could mean three things."""
    if kind_of(element) is Kind.ARRAY and element.ndim == 1:
        raise ShapeError(
            f"OperatorMatrix: an array element must have at least two axes, got shape {element.shape}; "
            "write Hadamard(a) for a diagonal, a[:, None] or a[None, :] for a column or row"
        )


def multiply(element: Any, x: Any) -> Any:
    """The element applied to a value, or composed with an operator."""
    if x is None:
        return None
    kind = kind_of(element)
    if kind is Kind.OPERATOR:
        return element @ x
    if isinstance(x, Identity):
        return element
    if kind is Kind.ARRAY:
        return LeftMultiplication(element) @ x if isinstance(x, Operator) else element @ x
    return element @ x if kind is Kind.OTHER and hasattr(element, "__matmul__") else element * x


def as_operator(element: Any) -> Any:
    """The element as an operator: a number c is X → c X, an array a is X → a X; semiring numbers stay."""
    kind = kind_of(element)
    if kind is Kind.NUMBER:
        return Scalar(element)
    return LeftMultiplication(element) if kind is Kind.ARRAY else element


def transpose_dot(element: Any) -> Any:
    """The adjoint of an element; real numbers and semiring numbers without `.T` are their own."""
    kind = kind_of(element)
    if kind is Kind.OPERATOR:
        return element.T
    if kind is Kind.ARRAY:
        return adjoint_array(element)
    if kind is Kind.NUMBER:
        return conjugated(element)
    return getattr(element, "T", element)


def solve(element: Any, y: Any, identity: Any) -> Any:
    """The x with element @ x = y.

    Raises FactorisationError when the element is zero, singular or of a kind without inverse.
    """
    if element is identity or isinstance(element, Identity):
        return y
    known = isinstance(element, (Number, np.generic))
    if known and element == 0:
        raise FactorisationError("backslash: a diagonal element is 0, the matrix is singular")
    if y is None or known and element == 1:
        return y
    kind = kind_of(element)
    if kind is Kind.ARRAY:
        if isinstance(y, Operator):
            return Inverse(LeftMultiplication(element)) @ y
        if isinstance(y, Bundle):
            return Bundle(solve(element, value, identity) for value in y)
        return dense_solve(element, y)
    if kind is Kind.OPERATOR or hasattr(element, "solve"):
        return element.solve(y)
    if kind is Kind.OTHER and identity is not None and element == identity:
        return y
    if not hasattr(y, "__truediv__"):
        raise FactorisationError(
            f"backslash: the diagonal element {element!r} cannot be inverted, "
            f"{type(y).__name__} has no division"
        )
    return y / element


def add_identity(element: Any, identity: Any) -> Any:
    """element + 1, with 1 the identity of the element's kind."""
    kind = kind_of(element)
    if kind is Kind.OPERATOR:
        return Identity() + element
    if kind is Kind.ARRAY:
        return namespace_of(element).eye(element.shape[-1], dtype=element.dtype) + element
    return (1 if identity is None or isinstance(identity, Identity) else identity) + element


def symbol_of(element: Any) -> str:
    """How an element is printed in a table."""
    if element is None:
        return "·"
    if kind_of(element) is Kind.ARRAY:
        return "[" + "×".join(map(str, element.shape)) + "]"
    return f"{element:.4g}" if isinstance(element, (float, complex)) else str(element)
