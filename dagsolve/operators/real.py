"""Operators that are linear over the real numbers only: where complex values meet real ones.

    operator       map                              adjoint under Re⟨x, y⟩
    Conjugation()  X → X̄                            itself
    RealPart()     complex X → Re X                 FromReal()
    FromReal()     real X → X among the complex     RealPart()

With them the cotangent of a real operand is real: for a complex b and a real X the operator
`LeftMultiplication(b) @ FromReal()` has the adjoint Y → Re(bᴴ Y). The imaginary part is
`RealPart() @ Scalar(-1j)`.
"""

from typing import Any

from dagsolve.namespace import namespace_of
from dagsolve.operators.operator import Operator, conjugated


class Conjugation(Operator):
    """X → X̄."""

    __slots__ = ()
    parts = ()
    symbol = "conj"

    @property
    def T(self) -> "Conjugation":
        return self

    def apply(self, x: Any) -> Any:
        return conjugated(x)

    def apply_inverse(self, y: Any) -> Any:
        return conjugated(y)


class RealPart(Operator):
    """X → Re X, of a real dtype."""

    __slots__ = ()
    parts = ()
    symbol = "Re"

    @property
    def T(self) -> "FromReal":
        return FromReal()

    def apply(self, x: Any) -> Any:
        return namespace_of(x).real(x) if hasattr(x, "shape") else x.real


class FromReal(Operator):
    """X → X, for a real X among complex values."""

    __slots__ = ()
    parts = ()
    symbol = "Reᵀ"

    @property
    def T(self) -> "RealPart":
        return RealPart()

    def apply(self, x: Any) -> Any:
        return x
