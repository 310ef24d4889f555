"""A vector of several values: the cotangents of a graph node with several results."""

from collections.abc import Iterator
from typing import Any

from dagsolve.errors import ShapeError
from dagsolve.operators.zero import minus, negative, plus


class Bundle(tuple[Any, ...]):
    """Values added, negated and scaled one by one; None is zero, for a value and for a whole bundle.

    A bundle whose values are all None is a legal zero too, told by `is_zero`.
    """

    __slots__ = ()
    __array_ufunc__ = None  # NumPy would take a tuple for an array: number * bundle must come here

    def __add__(self, other: Any) -> "Bundle":
        return self if other is None else Bundle(plus(a, b) for a, b in self._pairs(other))

    def __radd__(self, other: Any) -> "Bundle":
        return self if other is None else Bundle(plus(b, a) for a, b in self._pairs(other))

    def __sub__(self, other: Any) -> "Bundle":
        return self if other is None else Bundle(minus(a, b) for a, b in self._pairs(other))

    def __rsub__(self, other: Any) -> "Bundle":
        return -self if other is None else Bundle(minus(b, a) for a, b in self._pairs(other))

    def __neg__(self) -> "Bundle":
        return Bundle(map(negative, self))

    def __mul__(self, factor: Any) -> "Bundle":
        return Bundle(None if a is None else a * factor for a in self)

    def __rmul__(self, factor: Any) -> "Bundle":
        return Bundle(None if a is None else factor * a for a in self)

    def __matmul__(self, factor: Any) -> "Bundle":
        return Bundle(None if a is None else a @ factor for a in self)

    def __rmatmul__(self, factor: Any) -> "Bundle":
        return Bundle(None if a is None else factor @ a for a in self)

    def __truediv__(self, divisor: Any) -> "Bundle":
        return Bundle(None if a is None else a / divisor for a in self)

    def __repr__(self) -> str:
        return f"Bundle{tuple(self)!r}"

    @property
    def is_zero(self) -> bool:
        """Whether every value is absent."""
        return all(a is None for a in self)

    def _pairs(self, other: Any) -> Iterator[tuple[Any, Any]]:
        if not isinstance(other, tuple) or len(other) != len(self):
            came = f"{len(other)} values" if isinstance(other, tuple) else type(other).__name__
            raise ShapeError(f"Bundle: both operands must hold {len(self)} values, got {came}")
        return zip(self, other, strict=True)
