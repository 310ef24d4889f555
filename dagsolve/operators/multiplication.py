"""Multiplication by fixed arrays: elementwise, from the left, from the right, from both sides.

    operator                map          vec matrix     adjoint
    Hadamard(m)             X → m ∘ X    Diag(vec m)    Y → m̄ ∘ Y
    LeftMultiplication(b)   X → b X      I ⊗ b          Y → bᴴ Y
    RightMultiplication(a)  X → X a      aᵀ ⊗ I         Y → Y aᴴ
    Kronecker(a, b)         X → b X aᵀ   a ⊗ b          Y → bᴴ Y ā

vec stacks the columns of X. Symbols are those of the reference: ℋ, ℒ, ℛ, ⊗.

Adjoints keep the array itself and remember to transpose and conjugate it when applied, so that
`op.T.T == op` and nothing is copied or recorded before it is needed. Leading axes are a batch.

Reference: A. Edelman, E. Akyürek, Y. Wang, SIAM J. Matrix Anal. Appl. 45 (2024) 429-449.
"""

from typing import Any, Self

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.namespace import namespace_of
from dagsolve.operators.operator import Operator, conjugated


def adjoint_array(a: Any) -> Any:
    """The conjugate transpose of an array's last two axes."""
    return conjugated(a.T if a.ndim == 2 else a.mT)


class _ArrayOperator(Operator):
    """An operator made of one array and the knowledge whether it is the adjoint."""

    __slots__ = ("adjoint", "array", "name")
    letter: str
    min_ndim: int

    def __init__(self, array: Any, name: str | None = None, *, adjoint: bool = False) -> None:
        _check_axes(type(self).__name__, "array", array, self.min_ndim)
        self.array, self.name, self.adjoint = array, name, adjoint

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.array, self.adjoint)

    @property
    def T(self) -> Self:
        return type(self)(self.array, self.name, adjoint=not self.adjoint)

    @property
    def symbol(self) -> str:
        return f"{self.letter}({_name(self.array, self.name)})" + ("ᵀ" if self.adjoint else "")


class Hadamard(_ArrayOperator):
    """X → m ∘ X. The array m broadcasts to X; an X that would broadcast to m is refused (use `Broadcast`)."""

    __slots__ = ()
    letter, min_ndim = "ℋ", 0

    def apply(self, x: Any) -> Any:
        y = self._factor * x
        if getattr(y, "shape", ()) != getattr(x, "shape", ()):
            raise ShapeError(
                f"Hadamard: the array {self.array.shape} must broadcast to the operand, whose shape is "
                f"{getattr(x, 'shape', ())}; write Hadamard(m) @ Broadcast(…) to repeat the operand"
            )
        return y

    def apply_inverse(self, y: Any) -> Any:
        if namespace_of(self.array).any(self.array == 0):
            raise FactorisationError(f"solve: {self.symbol} holds zeros and cannot be inverted")
        return y / self._factor

    @property
    def _factor(self) -> Any:
        return conjugated(self.array) if self.adjoint else self.array


class LeftMultiplication(_ArrayOperator):
    """X → b X."""

    __slots__ = ()
    letter, min_ndim = "ℒ", 2

    def apply(self, x: Any) -> Any:
        return self._factor @ x

    def apply_inverse(self, y: Any) -> Any:
        return dense_solve(self._factor, y)

    @property
    def _factor(self) -> Any:
        return adjoint_array(self.array) if self.adjoint else self.array


class RightMultiplication(_ArrayOperator):
    """X → X a."""

    __slots__ = ()
    letter, min_ndim = "ℛ", 2

    def apply(self, x: Any) -> Any:
        return x @ self._factor

    def apply_inverse(self, y: Any) -> Any:
        return adjoint_array(dense_solve(adjoint_array(self._factor), adjoint_array(y)))

    @property
    def _factor(self) -> Any:
        return adjoint_array(self.array) if self.adjoint else self.array


class Kronecker(Operator):
    """X → b X aᵀ, with the vec matrix a ⊗ b that is never formed. `names` are those of a and b.

    The cheaper of (b X) aᵀ and b (X aᵀ) is computed.
    """

    __slots__ = ("a", "adjoint", "b", "names")

    def __init__(
        self, a: Any, b: Any, names: tuple[str | None, str | None] = (None, None), *, adjoint: bool = False
    ) -> None:
        _check_axes("Kronecker", "a", a, 2)
        _check_axes("Kronecker", "b", b, 2)
        self.a, self.b, self.names, self.adjoint = a, b, names, adjoint

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.a, self.b, self.adjoint)

    @property
    def symbol(self) -> str:
        (name_a, name_b), suffix = self.names, "ᵀ" if self.adjoint else ""
        return f"{_name(self.a, name_a)}{suffix}⊗{_name(self.b, name_b)}{suffix}"

    @property
    def T(self) -> "Kronecker":
        return Kronecker(self.a, self.b, self.names, adjoint=not self.adjoint)

    def apply(self, x: Any) -> Any:
        if not isinstance(x, tuple) and len(getattr(x, "shape", ())) < 2:
            raise ShapeError(
                f"Kronecker: the operand must have at least 2 axes, got {getattr(x, 'shape', ())}"
            )
        left, right = self._factors
        (p, m), (n, q) = left.shape[-2:], right.shape[-2:]
        if p * n * (m + q) <= m * q * (n + p):  # multiplications of (b X) aᵀ and of b (X aᵀ)
            return (left @ x) @ right
        return left @ (x @ right)

    def apply_inverse(self, y: Any) -> Any:
        left, right = self._factors
        return adjoint_array(dense_solve(adjoint_array(right), adjoint_array(dense_solve(left, y))))

    @property
    def _factors(self) -> tuple[Any, Any]:
        """The arrays that stand left and right of the operand."""
        if self.adjoint:
            return adjoint_array(self.b), conjugated(self.a)
        return self.b, self.a.T if self.a.ndim == 2 else self.a.mT


def _check_axes(who: str, argument: str, array: Any, least: int) -> None:
    if getattr(array, "ndim", 0) < least:
        raise ShapeError(
            f"{who}: {argument} must have at least {least} axes, "
            f"got {getattr(array, 'shape', type(array).__name__)}"
        )


def _name(array: Any, name: str | None) -> str:
    return name or "×".join(map(str, getattr(array, "shape", ()))) or "·"


def dense_solve(a: Any, y: Any) -> Any:
    """The x with a @ x = y for a square array a.

    Raises ShapeError when a is not square, FactorisationError when it is singular.
    """
    if a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"solve: the array must be square to be inverted, got {a.shape}")
    xp = namespace_of(a, y)
    try:
        return xp.linalg.solve(a, y)
    except np.linalg.LinAlgError:
        raise FactorisationError(f"solve: the array {a.shape} {a.dtype} is singular") from None
