"""Operators that read some entries of an array and put them back: select, and scatter, its adjoint.

    Select(index, p)    X of shape p → X[index]
    Scatter(index, p)   Y → zeros of shape p with Y added at index, repeated entries added up

The index is anything that NumPy takes: ints, slices, None, …, arrays of ints or booleans, tuples of these.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.errors import ShapeError
from dagsolve.namespace import Namespace, namespace_of
from dagsolve.operators.operator import Operator
from dagsolve.operators.shaping import Shape, check_shape, shape_symbol


class _Indexed(Operator):
    """An operator between the arrays of a shape and their entries at an index."""

    __slots__ = ("index", "part", "whole")
    word: str

    def __init__(self, index: Any, whole: Shape) -> None:
        entries = index if isinstance(index, tuple) else (index,)
        self.index = tuple(np.asarray(entry) if isinstance(entry, list) else entry for entry in entries)
        self.whole = tuple(whole)
        try:
            self.part: Shape = np.broadcast_to(np.int8(0), self.whole)[self.index].shape
        except IndexError as fault:
            raise ShapeError(f"{type(self).__name__}: the index does not fit {self.whole}: {fault}") from None

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.index, self.whole)

    @property
    def symbol(self) -> str:
        return f"{self.word}[{', '.join(map(_entry_symbol, self.index))}]"


class Select(_Indexed):
    """X → X[index], for X of the shape `whole`. Raises ShapeError when the index does not fit."""

    __slots__ = ()
    word = "select"

    @property
    def T(self) -> "Scatter":
        return Scatter(self.index, self.whole)

    def apply(self, x: Any) -> Any:
        check_shape("Select", x, self.whole)
        return x[self.index]


class Scatter(_Indexed):
    """Y → zeros of the shape `whole` with Y added at the index. Raises ShapeError when it does not fit."""

    __slots__ = ()
    word = "scatter"

    @property
    def T(self) -> "Select":
        return Select(self.index, self.whole)

    def apply(self, y: Any) -> Any:
        check_shape("Scatter", y, self.part)
        xp = namespace_of(y)
        if not hasattr(y, "shape") or isinstance(y, (np.generic, getattr(xp, "ndarray", np.generic))):
            return self._added(xp, xp.asarray(y))
        return self._gathered(xp, y)

    def _added(self, xp: Namespace, y: Any) -> Any:
        x = xp.zeros(self.whole, dtype=y.dtype)
        if all(entry is None or isinstance(entry, (int, slice, type(...))) for entry in self.index):
            x[self.index] = y
        else:
            xp.add.at(x, self.index, y)
        return x

    def _gathered(self, xp: Namespace, y: Any) -> Any:
        """The same by reading only, for tracers and libraries that cannot write into an array.

        Entry t of the result is the sum of the y[s] with target t; pass r takes the r-th of them. Targets
        that have fewer read the zero behind the end.
        """
        source, target, rank = _by_target(
            np.arange(np.prod(self.whole, dtype=int)).reshape(self.whole)[self.index]
        )
        flat = xp.reshape(y, (-1,))
        padded = xp.concat((flat, xp.zeros((1,), dtype=y.dtype)))
        total = None
        for r in range(1 + int(rank.max(initial=0))):
            reads = np.full(np.prod(self.whole, dtype=int), len(source))
            reads[target[rank == r]] = source[rank == r]
            term = xp.take(padded, xp.asarray(reads), axis=0)
            total = term if total is None else total + term
        return xp.reshape(total, self.whole)


def _by_target(targets: Any) -> tuple[npt.NDArray[np.intp], ...]:
    """(source, target, rank): flat targets sorted, where each came from, its rank among equal ones."""
    flat = np.ravel(targets)
    source = np.argsort(flat, kind="stable")
    target = flat[source]
    first = np.searchsorted(target, target)
    return source, target, np.arange(len(target)) - first


def _entry_symbol(entry: Any) -> str:
    if isinstance(entry, slice):
        start, stop, step = (
            "" if part is None else str(part) for part in (entry.start, entry.stop, entry.step)
        )
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(entry, type(...)):
        return "…"
    return shape_symbol(entry.shape) if getattr(entry, "ndim", 0) else str(entry)
