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

    __slots__ = ("is_adjoint", "name", "pullback", "pushforward")

    def __init__(
        self, apply: LinearMap, adjoint: LinearMap, symbol: str = "∂", *, is_adjoint: bool = False
    ) -> None:
        self.pushforward, self.pullback, self.name, self.is_adjoint = apply, adjoint, symbol, is_adjoint

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.pushforward, self.pullback)

    @property
    def symbol(self) -> str:
        return self.name + ("ᵀ" if self.is_adjoint else "")

    @property
    def T(self) -> "LocalJacobian":
        return LocalJacobian(self.pullback, self.pushforward, self.name, is_adjoint=not self.is_adjoint)

    def apply(self, x: Any) -> Any:
        return self.pushforward(x)
