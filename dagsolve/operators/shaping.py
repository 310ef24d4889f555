"""Operators that move entries between shapes: reshape, permute, broadcast, and the sum that undoes it.

    operator            map                                     adjoint
    Reshape(p, q)       the entries in C order, in shape q      Reshape(q, p)
    Permute(axes)       axis k of the result is axes[k] of X    Permute(inverse of axes)
    Broadcast(p, q)     X repeated along new and unit axes      Reduce(q, p)
    Reduce(q, p)        X summed along those axes               Broadcast(p, q)

Their vec matrices hold zeros and ones only. They know the shape that they read and refuse every other one.
"""

import math
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.namespace import namespace_of
from dagsolve.operators.operator import Operator

Shape = tuple[int, ...]


class _BetweenShapes(Operator):
    """An operator that two shapes determine."""

    __slots__ = ("shape_in", "shape_out")
    word: str

    def __init__(self, shape_in: Shape, shape_out: Shape) -> None:
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.shape_in, self.shape_out)

    @property
    def symbol(self) -> str:
        return f"{self.word}({shape_symbol(self.shape_in)}→{shape_symbol(self.shape_out)})"


class Reshape(_BetweenShapes):
    """X → the entries of X, in C order, in another shape. Raises ShapeError when their numbers differ."""

    __slots__ = ()
    word = "reshape"

    def __init__(self, shape_in: Shape, shape_out: Shape) -> None:
        super().__init__(shape_in, shape_out)
        if math.prod(self.shape_in) != math.prod(self.shape_out):
            raise ShapeError(
                f"Reshape: shapes must have as many entries, got {self.shape_in} and {self.shape_out}"
            )

    @property
    def T(self) -> "Reshape":
        return Reshape(self.shape_out, self.shape_in)

    def apply(self, x: Any) -> Any:
        check_shape("Reshape", x, self.shape_in)
        return namespace_of(x).reshape(x, self.shape_out)

    def apply_inverse(self, y: Any) -> Any:
        return self.T @ y


class Permute(Operator):
    """X → X with its axes in another order, as `numpy.transpose(X, axes)`; (1, 0) transposes a matrix."""

    __slots__ = ("axes",)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = tuple(axes)
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ArgumentError(
                f"Permute: axes must hold each of 0 to {len(self.axes) - 1} once, got {self.axes}"
            )

    @property
    def parts(self) -> tuple[Any, ...]:
        return self.axes

    @property
    def symbol(self) -> str:
        return f"permute({','.join(map(str, self.axes))})"

    @property
    def T(self) -> "Permute":
        return Permute(tuple(self.axes.index(k) for k in range(len(self.axes))))

    def apply(self, x: Any) -> Any:
        if len(getattr(x, "shape", ())) != len(self.axes):
            raise ShapeError(f"Permute: the operand must have {len(self.axes)} axes, got {_shown(x)}")
        return namespace_of(x).permute_dims(x, self.axes)

    def apply_inverse(self, y: Any) -> Any:
        return self.T @ y


class Broadcast(_BetweenShapes):
    """X → X repeated to a larger shape by NumPy's rules. Raises ShapeError when they do not allow it."""

    __slots__ = ()
    word = "broadcast"

    def __init__(self, shape_in: Shape, shape_out: Shape) -> None:
        super().__init__(shape_in, shape_out)
        _check_broadcast("Broadcast", self.shape_in, self.shape_out)

    @property
    def T(self) -> "Reduce":
        return Reduce(self.shape_out, self.shape_in)

    def apply(self, x: Any) -> Any:
        check_shape("Broadcast", x, self.shape_in)
        return namespace_of(x).broadcast_to(x, self.shape_out)


class Reduce(_BetweenShapes):
    """X → X summed to a smaller shape, along the axes that `Broadcast` would repeat.

    `Reduce((5, 3), (5, 1))` sums rows, `Reduce((5, 3), (3,))` columns, `Reduce((5, 3), ())` everything.
    """

    __slots__ = ()
    word = "sum"

    def __init__(self, shape_in: Shape, shape_out: Shape) -> None:
        super().__init__(shape_in, shape_out)
        _check_broadcast("Reduce", self.shape_out, self.shape_in)

    @property
    def T(self) -> "Broadcast":
        return Broadcast(self.shape_out, self.shape_in)

    def apply(self, x: Any) -> Any:
        check_shape("Reduce", x, self.shape_in)
        xp, new = namespace_of(x), len(self.shape_in) - len(self.shape_out)
        unit = (k + new for k, n in enumerate(self.shape_out) if n != self.shape_in[k + new])
        axes = (*range(new), *unit)
        return xp.reshape(xp.sum(x, axis=axes), self.shape_out) if axes else x


def check_shape(who: str, x: Any, shape: Shape) -> None:
    """Raises ShapeError when the operand has another shape."""
    if isinstance(x, tuple) or tuple(getattr(x, "shape", ())) != shape:
        raise ShapeError(f"{who}: the operand must have shape {shape}, got {_shown(x)}")


def shape_symbol(shape: Shape) -> str:
    """A shape as printed in a symbol."""
    return "×".join(map(str, shape)) or "1"


def _shown(x: Any) -> str:
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__


def _check_broadcast(who: str, small: Shape, large: Shape) -> None:
    try:
        fits = np.broadcast_shapes(small, large) == large
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{who}: shape {small} must broadcast to {large}, but it does not")
