"""Numbers of other semirings: the same backslash finds reachable nodes, path counts and critical paths.

    number       +              *        (I - L) \\ b finds
    Boolean      or             and      which nodes are reached
    Count        plus           times    how many paths lead to a node, exactly
    MaxPlus      max            plus     the longest path: when a task can start, which level it has
    MinPlus      min            plus     the shortest path
    LogSumExp    log(eᵃ + eᵇ)   plus     the logarithm of a sum of products of weights over all paths

`*` continues a path, `+` joins alternatives; there is no minus and no division, and a solve with `I - L`
needs none. Values are numbers or NumPy arrays, elementwise: an array holds one problem per entry, with one
pattern. The laws of a semiring hold: + and * are associative, + is commutative, * distributes over +, `one`
is neutral for * and `zero` for +, and zero times anything is zero. Here * is commutative too.

Reference: M. Mohri, Semiring frameworks and algorithms for shortest-distance problems, J. Autom. Lang. Comb.
7 (2002) 321-350.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from dagsolve.errors import ArgumentError
from dagsolve.operators import OperatorMatrix


class SemiringNumber(ABC):
    """A number, or an array of numbers, with another sum and another product; immutable."""

    __slots__ = ("value",)
    __array_ufunc__ = None  # an array on the left defers to us
    one: ClassVar[Any]
    zero: ClassVar[Any]

    def __init__(self, value: Any) -> None:
        self.value = self.checked(value)

    @classmethod
    @abstractmethod
    def checked(cls, value: Any) -> Any:
        """The value as it is stored. Raises ArgumentError for what the semiring does not hold."""

    @staticmethod
    @abstractmethod
    def joined(a: Any, b: Any) -> Any:
        """The sum of two stored values."""

    @staticmethod
    @abstractmethod
    def continued(a: Any, b: Any) -> Any:
        """The product of two stored values."""

    @property
    def is_zero(self) -> bool:
        """Whether every entry is zero: no path."""
        found = self.value == type(self).zero.value
        return bool(found.all() if isinstance(found, np.ndarray) else found)

    def __add__(self, other: Any) -> Self:
        return (
            self._made(self.joined(self.value, other.value)) if type(other) is type(self) else NotImplemented
        )

    def __mul__(self, other: Any) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return self._made(self.continued(self.value, other.value))

    def _made(self, value: Any) -> Self:
        made = type(self).__new__(type(self))
        made.value = value
        return made

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bool(np.array_equal(self.value, other.value))

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __str__(self) -> str:
        return f"{self.value:.4g}" if isinstance(self.value, float) else str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class Boolean(SemiringNumber):
    """or, and."""

    __slots__ = ()

    @classmethod
    def checked(cls, value: Any) -> Any:
        if not isinstance(value, bool) and np.asarray(value).dtype != bool:
            raise ArgumentError(f"Boolean: value must be True, False or an array of them, got {value!r}")
        return value if isinstance(value, np.ndarray) else bool(value)

    @staticmethod
    def joined(a: Any, b: Any) -> Any:
        return a | b

    @staticmethod
    def continued(a: Any, b: Any) -> Any:
        return a & b


class Count(SemiringNumber):
    """plus, times, of integers that never overflow (arrays are kept with dtype object)."""

    __slots__ = ()

    @classmethod
    def checked(cls, value: Any) -> Any:
        if isinstance(value, int) and value >= 0:
            return int(value)
        found = np.asarray(value, dtype=object)
        if not all(isinstance(k, (int, np.integer)) and k >= 0 for k in found.flat):
            raise ArgumentError(f"Count: value must be an integer ≥ 0 or an array of them, got {value!r}")
        exact = np.array([int(k) for k in found.flat], dtype=object).reshape(found.shape)
        return exact if found.ndim else int(value)

    @staticmethod
    def joined(a: Any, b: Any) -> Any:
        return a + b

    @staticmethod
    def continued(a: Any, b: Any) -> Any:
        return a * b


class _Tropical(SemiringNumber):
    """Numbers that are added along a path, with one of the infinities for no path."""

    __slots__ = ()

    @classmethod
    def checked(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and math.isfinite(value):
            return value  # no array is asked: graphs have many edges
        found, none = np.asarray(value), -math.inf if cls is not MinPlus else math.inf
        if found.dtype.kind not in "iuf" or np.any(np.isnan(found)) or np.any(found == -none):
            raise ArgumentError(
                f"{cls.__name__}: value must be a real number or an array of them, without NaN and {-none}, "
                f"got {value!r}"
            )
        return value

    @staticmethod
    def continued(a: Any, b: Any) -> Any:
        return a + b


class MaxPlus(_Tropical):
    """max, plus."""

    __slots__ = ()

    @staticmethod
    def joined(a: Any, b: Any) -> Any:
        return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else max(a, b)


class MinPlus(_Tropical):
    """min, plus."""

    __slots__ = ()

    @staticmethod
    def joined(a: Any, b: Any) -> Any:
        return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else min(a, b)


class LogSumExp(_Tropical):
    """log(exp a + exp b), plus: logarithms of weights that are added and multiplied."""

    __slots__ = ()

    @staticmethod
    def joined(a: Any, b: Any) -> Any:
        return np.logaddexp(a, b)


Boolean.zero, Boolean.one = Boolean(False), Boolean(True)
Count.zero, Count.one = Count(0), Count(1)
MaxPlus.zero, MaxPlus.one = MaxPlus(-math.inf), MaxPlus(0)
MinPlus.zero, MinPlus.one = MinPlus(math.inf), MinPlus(0)
LogSumExp.zero, LogSumExp.one = LogSumExp(-math.inf), LogSumExp(0)


def path_system(
    n: int, edges: Iterable[tuple[int, int, Any]], semiring: type[SemiringNumber]
) -> OperatorMatrix:
    """The matrix I - L of a graph of n nodes, with L[v, u] the weight of the edges u → v.

    edges   triples (u, v, weight), u before v in topological order; weights of parallel edges are joined

    `backslash(A, b)` then has, at node v, the sum over all paths that end in v of b at the start of the path
    times its weights; `backslash(A.T, b)` the same over paths that start in v.
    """
    found: dict[tuple[int, int], SemiringNumber] = {}
    for u, v, weight in edges:
        number = semiring(weight)
        found[v, u] = found[v, u] + number if (v, u) in found else number
    L = OperatorMatrix(found, (n, n), identity=semiring.one)
    return L.identity() - L


def path_to(A: OperatorMatrix, b: Sequence[Any], x: Sequence[Any], end: int) -> tuple[int, ...]:
    """The nodes of one path that gives x[end], for x = backslash(A, b) of a `path_system` A.

    Meant for numbers whose sum is one of its terms (`MaxPlus`, `MinPlus`, `Boolean`) with scalar values; a
    solved value then equals one of the terms it was made of, also in floating point. Raises ArgumentError
    when no path reaches the end.
    """
    path = [end]
    while x[path[-1]] != b[path[-1]]:
        v = path[-1]
        terms = ((u, weight * x[u]) for u, weight in A.stored[v].items() if x[u] is not None)
        before = next((u for u, term in terms if term == x[v]), None)
        if before is None:
            raise ArgumentError(f"path_to: no path reaches node {end} with the value {x[end]!r}")
        path.append(before)
    if x[path[-1]] is None:
        raise ArgumentError(f"path_to: no path reaches node {end}")
    return tuple(reversed(path))
