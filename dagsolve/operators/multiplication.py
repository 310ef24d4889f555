"""Multiplication by a fixed array: elementwise, from the left, from the right; products of the two.

    operator                map          vec matrix     adjoint
    Hadamard(m)             X → m ∘ X    Diag(vec m)    Y → m̄ ∘ Y
    LeftMultiplication(b)   X → b X      I ⊗ b          Y → bᴴ Y
    RightMultiplication(a)  X → X a      aᵀ ⊗ I         Y → Y aᴴ
    kronecker(a, b)         X → b X aᵀ   a ⊗ b          Y → bᴴ Y ā

Adjoints keep the array itself and remember to transpose and conjugate it when applied, so that
`op.T.T == op` and nothing is copied or recorded before it is needed. Leading axes are a batch.
"""

from typing import Any, Self

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.namespace import namespace_of
from dagsolve.operators.operator import Operator, compose, conjugated


def adjoint_array(a: Any) -> Any:
    """The conjugate transpose of an array's last two axes."""
    return conjugated(a.T if a.ndim == 2 else a.mT)


class _ArrayOperator(Operator):
    """An operator made of one array and the knowledge whether it is the adjoint."""

    __slots__ = ("adjoint", "array", "name")
    letter: str
    min_ndim: int

    def __init__(self, array: Any, name: str | None = None, *, adjoint: bool = False) -> None:
        if getattr(array, "ndim", 0) < self.min_ndim:
            raise ShapeError(
                f"{type(self).__name__}: array must have at least {self.min_ndim} axes, "
                f"got {getattr(array, 'shape', type(array).__name__)}"
            )
        self.array, self.name, self.adjoint = array, name, adjoint

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.array, self.adjoint)

    @property
    def T(self) -> Self:
        return type(self)(self.array, self.name, adjoint=not self.adjoint)

    @property
    def symbol(self) -> str:
        shape = "×".join(map(str, getattr(self.array, "shape", ()))) or "·"
        return f"{self.letter}({self.name or shape})" + ("ᵀ" if self.adjoint else "")


class Hadamard(_ArrayOperator):
    """X → m ∘ X. The array m broadcasts to X, never X to m (its adjoint would be a sum)."""

    __slots__ = ()
    letter, min_ndim = "ℋ", 0

    def apply(self, x: Any) -> Any:
        return self._factor * x

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


def kronecker(a: Any, b: Any, names: tuple[str, str] | None = None) -> Operator:
    """X → b X aᵀ, whose vec matrix is a ⊗ b, without forming it.

    Raises ShapeError for arrays of less than two axes.
    """
    name_a, name_b = names or (None, None)
    if getattr(a, "ndim", 0) < 2:
        raise ShapeError(
            f"kronecker: a must have at least two axes, got {getattr(a, 'shape', type(a).__name__)}"
        )
    transposed = a.T if a.ndim == 2 else a.mT
    right = RightMultiplication(transposed, name_a and f"{name_a}ᵀ")
    return compose(LeftMultiplication(b, name_b), right)


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
