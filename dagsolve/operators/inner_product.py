"""The functional X → ⟨g, X⟩ and its transpose-dot t → t g: how a scalar's gradient enters a matrix."""

from typing import Any

from dagsolve.namespace import namespace_of
from dagsolve.operators.operator import Operator, conjugated
from dagsolve.operators.shaping import check_shape


class InnerProduct(Operator):
    """X → Σ ḡ ∘ X, for real arrays tr(gᵀ X). The operand must have the shape of g."""

    __slots__ = ("array", "name")

    def __init__(self, array: Any, name: str | None = None) -> None:
        self.array, self.name = array, name

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.array,)

    @property
    def symbol(self) -> str:
        return f"⟨{self.name or 'g'}, ·⟩"

    @property
    def T(self) -> "Outer":
        return Outer(self.array, self.name)

    def apply(self, x: Any) -> Any:
        check_shape("InnerProduct", x, tuple(self.array.shape))
        product = conjugated(self.array) * x
        return namespace_of(product).sum(product)


class Outer(Operator):
    """t → t g, for a number t: the column that an `InnerProduct` is the row of."""

    __slots__ = ("array", "name")

    def __init__(self, array: Any, name: str | None = None) -> None:
        self.array, self.name = array, name

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.array,)

    @property
    def symbol(self) -> str:
        return f"·{self.name or 'g'}"

    @property
    def T(self) -> InnerProduct:
        return InnerProduct(self.array, self.name)

    def apply(self, x: Any) -> Any:
        check_shape("Outer", x, ())
        return x * self.array
