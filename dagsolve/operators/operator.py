"""Linear operators as values: what every kind can do, and the four ways to make new ones from old.

    op @ x     op applied to x (an array, a number, a tracer, a `Bundle`)
    op @ op    composition
    op.T       transpose-dot: the adjoint under Re⟨x, y⟩, so that Re⟨P x, y⟩ = Re⟨x, P.T y⟩
    +  -  *    sums, differences, multiples by a number

None is the zero value: an operator takes None to None, and None added to an operator leaves it. The zero
*operator* takes everything to None, for it knows no shape. Operators are simplified as they are made:
identity and zero are absorbed, compositions and sums are flat, a minus sign stands outermost. Two
operators are equal when they are built alike from the same parts: numbers by value, arrays by identity.

Nothing here knows an array library: parts and operands need `@`, `*`, `+`, `-` and `conj` at most.

Reference: A. Edelman, E. Akyürek, Y. Wang, SIAM J. Matrix Anal. Appl. 45 (2024) 429-449.
"""

from abc import ABC, abstractmethod
from numbers import Number
from typing import Any

from dagsolve.errors import FactorisationError
from dagsolve.operators.zero import minus, negative, plus

MINUS = "\N{MINUS SIGN}"


class Operator(ABC):
    """A linear map between spaces of arrays; immutable."""

    __slots__ = ()
    __array_ufunc__ = None  # an array on the left defers to __rmatmul__ instead of taking us elementwise

    @property
    @abstractmethod
    def parts(self) -> tuple[Any, ...]:
        """What the operator is made of; decides equality."""

    @property
    @abstractmethod
    def symbol(self) -> str:
        """How the operator is printed."""

    @property
    @abstractmethod
    def T(self) -> "Operator":
        """Transpose-dot: the adjoint under Re⟨x, y⟩."""

    @abstractmethod
    def apply(self, x: Any) -> Any:
        """The operator applied to one value that is not None."""

    def solve(self, y: Any) -> Any:
        """The x with self @ x = y; for an operator y, the operator X with self @ X = y.

        Raises FactorisationError where this kind has no inverse.
        """
        if y is None:
            return None
        if not isinstance(y, Operator):
            return self.apply_inverse(y)
        if type(self).apply_inverse is Operator.apply_inverse:
            raise self._not_invertible()
        return Inverse(self) @ y

    def apply_inverse(self, y: Any) -> Any:
        """The x with self @ x = y, for one value that is not None."""
        raise self._not_invertible()

    def _not_invertible(self) -> FactorisationError:
        return FactorisationError(
            f"solve: {type(self).__name__} {self.symbol} cannot be inverted; a diagonal needs identities, "
            "non-zero numbers, square arrays or operators with a solve"
        )

    def __matmul__(self, other: Any) -> Any:
        if other is None:
            return None
        if isinstance(other, Operator):
            return compose(self, other)
        return self.apply(other)

    def __mul__(self, factor: Any) -> Any:
        return compose(self, Scalar(factor)) if is_scalar(factor) else NotImplemented

    def __rmul__(self, factor: Any) -> Any:
        return compose(Scalar(factor), self) if is_scalar(factor) else NotImplemented

    def __truediv__(self, divisor: Any) -> Any:
        return compose(Scalar(1 / divisor), self) if is_scalar(divisor) else NotImplemented

    def __add__(self, other: Any) -> Any:
        if other is None:
            return self
        return add(self, other) if isinstance(other, Operator) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if other is None:
            return self
        return add(self, -other) if isinstance(other, Operator) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self if other is None else NotImplemented

    def __neg__(self) -> "Operator":
        return Negation(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operator) or type(self) is not type(other):
            return False
        return bool(_key(self.parts) == _key(other.parts))

    def __hash__(self) -> int:
        return hash((type(self), _key(self.parts)))

    def __str__(self) -> str:
        return self.symbol

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.symbol}"


def _key(part: Any) -> Any:
    """What of a part decides equality, hashable: numbers and functions by value, arrays by identity."""
    if isinstance(part, tuple):
        return tuple(map(_key, part))
    if isinstance(part, slice):
        return ("slice", part.start, part.stop, part.step)
    if isinstance(part, (Operator, Number)) or callable(part):  # bound methods are made anew at each look
        return part
    return ("id", id(part))


def is_scalar(x: Any) -> bool:
    """Whether x is a number or an array without axes: something that multiplies operators."""
    return isinstance(x, Number) or getattr(x, "ndim", None) == 0


def conjugated(x: Any) -> Any:
    """The complex conjugate of an array or number; real and unknown things as they are."""
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind is not None:
        return x.conj() if kind == "c" else x
    if hasattr(x, "__array_namespace__"):  # a strict array of the standard: no methods, dtypes without kind
        xp = x.__array_namespace__()
        return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x
    return x.conjugate() if isinstance(x, complex) else x


class Identity(Operator):
    """x → x."""

    __slots__ = ()
    parts = ()
    symbol = "I"

    @property
    def T(self) -> Operator:
        return self

    def apply(self, x: Any) -> Any:
        return x

    def solve(self, y: Any) -> Any:
        return y


class Zero(Operator):
    """x → None, the zero of every space."""

    __slots__ = ()
    parts = ()
    symbol = "0"

    @property
    def T(self) -> Operator:
        return self

    def apply(self, x: Any) -> None:
        return None

    def __neg__(self) -> Operator:
        return self


class Scalar(Operator):
    """x → c x for a number c."""

    __slots__ = ("factor",)

    def __init__(self, factor: Any) -> None:
        self.factor = factor

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.factor,)

    @property
    def symbol(self) -> str:
        return str(self.factor) if isinstance(self.factor, Number) else "c"

    @property
    def T(self) -> Operator:
        return Scalar(conjugated(self.factor))

    def apply(self, x: Any) -> Any:
        return self.factor * x

    def solve(self, y: Any) -> Any:
        if isinstance(self.factor, Number) and not self.factor:
            raise self._not_invertible()
        return None if y is None else y / self.factor


class Negation(Operator):
    """x → -(op @ x)."""

    __slots__ = ("operand",)

    def __init__(self, operand: Operator) -> None:
        self.operand = operand

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.operand,)

    @property
    def symbol(self) -> str:
        return MINUS + _factor_symbol(self.operand)

    @property
    def T(self) -> Operator:
        return Negation(self.operand.T)

    def apply(self, x: Any) -> Any:
        return negative(self.operand @ x)

    def solve(self, y: Any) -> Any:
        return negative(self.operand.solve(y))

    def __neg__(self) -> Operator:
        return self.operand


class Composition(Operator):
    """x → P @ (Q @ (… @ x)); made by `compose`."""

    __slots__ = ("factors",)

    def __init__(self, factors: tuple[Operator, ...]) -> None:
        self.factors = factors

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.factors

    @property
    def symbol(self) -> str:
        return "∘".join(map(_factor_symbol, self.factors))

    @property
    def T(self) -> Operator:
        return Composition(tuple(factor.T for factor in reversed(self.factors)))

    def apply(self, x: Any) -> Any:
        for factor in reversed(self.factors):
            x = factor @ x
        return x

    def solve(self, y: Any) -> Any:
        for factor in self.factors:
            y = factor.solve(y)
        return y


class Sum(Operator):
    """x → P @ x + Q @ x + …; made by `add`."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Operator, ...]) -> None:
        self.terms = terms

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.terms

    @property
    def symbol(self) -> str:
        first, *rest = self.terms
        signed = (
            f" {MINUS} {_factor_symbol(t.operand)}" if isinstance(t, Negation) else f" + {t.symbol}"
            for t in rest
        )
        return first.symbol + "".join(signed)

    @property
    def T(self) -> Operator:
        return Sum(tuple(term.T for term in self.terms))

    def apply(self, x: Any) -> Any:
        total = None
        for term in self.terms:
            if isinstance(term, Negation):
                total = minus(total, term.operand @ x)
            else:
                total = plus(total, term @ x)
        return total

    def __neg__(self) -> Operator:
        return Sum(tuple(-term for term in self.terms))


class Inverse(Operator):
    """y → the x with op @ x = y; made by `op.solve(operator)`."""

    __slots__ = ("operand",)

    def __init__(self, operand: Operator) -> None:
        self.operand = operand

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.operand,)

    @property
    def symbol(self) -> str:
        return f"{_factor_symbol(self.operand)}⁻¹"

    @property
    def T(self) -> Operator:
        return Inverse(self.operand.T)

    def apply(self, x: Any) -> Any:
        return self.operand.solve(x)

    def solve(self, y: Any) -> Any:
        return self.operand @ y


def compose(p: Operator, q: Operator) -> Operator:
    """p @ q, simplified."""
    if isinstance(p, Identity) or isinstance(q, Zero):
        return q
    if isinstance(q, Identity) or isinstance(p, Zero):
        return p
    if isinstance(p, Negation):
        return -compose(p.operand, q)
    if isinstance(q, Negation):
        return -compose(p, q.operand)
    left = p.factors if isinstance(p, Composition) else (p,)
    right = q.factors if isinstance(q, Composition) else (q,)
    last, first = left[-1], right[0]
    if isinstance(last, Scalar) and isinstance(first, Scalar):
        left, right = left[:-1], (Scalar(last.factor * first.factor), *right[1:])
    factors = (*left, *right)
    return factors[0] if len(factors) == 1 else Composition(factors)


def add(p: Operator, q: Operator) -> Operator:
    """p + q, simplified."""
    if isinstance(p, Zero):
        return q
    if isinstance(q, Zero):
        return p
    left = p.terms if isinstance(p, Sum) else (p,)
    right = q.terms if isinstance(q, Sum) else (q,)
    return Sum((*left, *right))


def _factor_symbol(op: Operator) -> str:
    return f"({op.symbol})" if isinstance(op, (Sum, Negation)) else op.symbol
