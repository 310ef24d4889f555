"""The Jacobian of one edge of a graph: a primitive at saved values, seen as an operator."""

from collections.abc import Callable
from typing import Any

from dagsolve.operators.operator import Operator

LinearMap = Callable[[Any], Any]


class LocalJacobian(Operator):
    """ẋ → ẏ of one operand of a primitive; its transpose-dot is ȳ → x̄.

    `pushforward` and `pullback` are the two linear maps of the edge, adjoint to each other. A map that
    returns None returns zero.
    """

    __slots__ = ("pullback", "pushforward", "symbol_")

    def __init__(self, apply: LinearMap, adjoint: LinearMap, symbol: str = "∂") -> None:
        self.pushforward, self.pullback, self.symbol_ = apply, adjoint, symbol

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.pushforward, self.pullback)

    @property
    def symbol(self) -> str:
        return self.symbol_

    @property
    def T(self) -> "LocalJacobian":
        mark = self.symbol_
        flipped = mark[:-1] if mark.endswith("ᵀ") else mark + "ᵀ"
        return LocalJacobian(self.pullback, self.pushforward, flipped)

    def apply(self, x: Any) -> Any:
        return self.pushforward(x)
