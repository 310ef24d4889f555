"""Questions to topologically ordered edges, each one compiled pass: what reaches what, longest paths, solves.

`indptr` (N + 1) and `sources` (E) say which nodes a node reads; edges go from a lower to a higher node. So
row n of the strictly lower triangular matrix L holds the weights of the edges into n, and every question is
a substitution with `I - L` or its transpose over some semiring:

    real        x[n] = b[n] + Σ w x          sums over paths of products of weights
    count       the same in 64-bit integers  number of paths
    boolean     x[n] = b[n] or any x         what reaches n
    max-plus    x[n] = max(b[n], w + x)      longest paths; -inf is zero
    min-plus    x[n] = min(b[n], w + x)      shortest paths; inf is zero
    log-sum-exp x[n] = log(exp b[n] + Σ exp(w + x))   logarithms of sums over paths; -inf is zero

`dagsolve.semirings` has the same ones for `backslash`, one number at a time; its classes are understood too.

Reference: M. Gondran, M. Minoux, Graphs, Dioids and Semirings, Springer (2008), ch. 4.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.errors import ArgumentError, GraphError, ShapeError
from dagsolve.graph.columns import Ints

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEMIRINGS = {
    "real": np.float64,
    "count": np.int64,
    "boolean": np.bool_,
    "max-plus": np.float64,
    "min-plus": np.float64,
    "log-sum-exp": np.float64,
}
_TROPICAL = ("max-plus", "min-plus", "log-sum-exp")
_CLASSES = {
    "Count": "count",
    "Boolean": "boolean",
    "MaxPlus": "max-plus",
    "MinPlus": "min-plus",
    "LogSumExp": "log-sum-exp",
}


class CriticalPath(NamedTuple):
    """A longest path: its nodes in topological order, and the sum of the weights on it."""

    nodes: Ints
    length: float


def ancestors(indptr: Ints, sources: Ints, ids: Any) -> Ints:
    """Nodes from which a path of at least one edge leads to one of the ids, ascending."""
    marked = _marked("ancestors", ids, len(indptr) - 1)
    return np.flatnonzero(_reach_back(indptr, sources, marked))


def descendants(indptr: Ints, sources: Ints, ids: Any) -> Ints:
    """Nodes to which a path of at least one edge leads from one of the ids, ascending."""
    marked = _marked("descendants", ids, len(indptr) - 1)
    return np.flatnonzero(_reach_on(indptr, sources, marked))


def critical_path(indptr: Ints, sources: Ints, weight: Any, node_weight: Any) -> CriticalPath:
    """The path with the largest sum of edge and node weights; it may begin and end anywhere.

    Of equal ones, a path that ends first; without nodes for a graph that has none.
    """
    n = len(indptr) - 1
    edges = _numbers("critical_path", "weight", weight, len(sources), np.float64)
    nodes = _numbers("critical_path", "node_weight", node_weight, n, np.float64)
    if np.isnan(edges).any() or np.isnan(nodes).any():
        raise ArgumentError("critical_path: weights must be numbers, got NaN")
    if n == 0:
        return CriticalPath(np.zeros(0, dtype=np.int64), 0.0)
    length, before = _longest(indptr, sources, edges, nodes)
    end = int(np.argmax(length))
    return CriticalPath(_walked_back(before, end), float(length[end]))


def solve(indptr: Ints, sources: Ints, b: Any, weight: Any, semiring: Any, transpose: bool) -> Any:
    """x with (I - L) x = b, or (I - L)ᵀ x = b, over a semiring; shape (N,).

    Raises ArgumentError for an unknown semiring or numbers that it does not hold, ShapeError for wrong
    lengths, GraphError for counts above 2⁶³ - 1.
    """
    name = semiring_name(semiring)
    if name is None:
        raise ArgumentError(f"solve: semiring must be one of {', '.join(SEMIRINGS)}, got {semiring!r:.80}")
    dtype = SEMIRINGS[name]
    x = _numbers("solve", "b", b, len(indptr) - 1, dtype).copy()
    w = _numbers("solve", "weight", weight, len(sources), dtype)
    if name == "boolean":
        _sweep_booleans(indptr, sources, w, x, transpose)
    elif name == "count":
        node = _sweep_counts(indptr, sources, w, x, transpose)
        if node >= 0:
            raise GraphError(
                f"solve: the count at node {node} does not fit into 64 bits; use semiring='real', or "
                "ds.backslash with Python integers"
            )
    elif name == "real":
        _sweep_numbers(indptr, sources, w, x, transpose)
    else:
        sign = -1.0 if name == "min-plus" else 1.0
        if np.isnan(x).any() or np.isnan(w).any() or np.any(w == sign * np.inf) or np.any(x == sign * np.inf):
            raise ArgumentError(f"solve: {name} holds numbers and {-sign * np.inf} (its zero), no others")
        if name == "log-sum-exp":
            _sweep_logarithms(indptr, sources, w, x, transpose)
        else:
            _sweep_extremes(indptr, sources, w, x, transpose, sign)
    return x


def semiring_name(semiring: Any) -> str | None:
    """The key of a semiring given by name or by its class of `dagsolve.semirings`; None for any other."""
    name = _CLASSES.get(semiring.__name__) if isinstance(semiring, type) else semiring
    return name if isinstance(name, str) and name in SEMIRINGS else None


def one(semiring: Any) -> float | int:
    """The weight that leaves a semiring's numbers as they are."""
    return 0.0 if semiring_name(semiring) in _TROPICAL else 1


def _marked(who: str, ids: Any, count: int) -> Bools:
    found = np.atleast_1d(np.asarray(ids))
    if found.size == 0:
        found = found.astype(np.int64)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise ArgumentError(
            f"{who}: ids must be a node's id or a sequence of such, got {found.dtype} {found.shape}"
        )
    outside = found[(found < 0) | (found >= count)]
    if len(outside):
        raise ArgumentError(f"{who}: ids must be from 0 to {count - 1}, got {outside[0]}")
    marked = np.zeros(count, dtype=np.bool_)
    marked[found] = True
    return marked


def _numbers(who: str, argument: str, given: Any, count: int, dtype: Any) -> npt.NDArray[Any]:
    """One number of the dtype per node or edge; a single number stands for all."""
    found = np.asarray(given)
    kinds = {"f": "biuf", "i": "biu", "b": "biuf"}[np.dtype(dtype).kind]
    if found.dtype.kind not in kinds:
        raise ArgumentError(
            f"{who}: {argument} must hold {np.dtype(dtype)} numbers or such as become them, got {found.dtype}"
        )
    if found.shape not in ((), (count,)):
        raise ShapeError(f"{who}: {argument} must be a number or have shape ({count},), got {found.shape}")
    if found.dtype.kind == "u" and dtype is np.int64 and np.any(found > np.iinfo(np.int64).max):
        raise ArgumentError(f"{who}: {argument} holds numbers above 2⁶³ - 1")
    return np.broadcast_to(found.astype(dtype, copy=False), (count,))


@numba.njit(cache=True)
def _reach_back(indptr, sources, marked):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    reached = np.zeros(n, dtype=np.bool_)
    for v in range(n - 1, -1, -1):
        if marked[v] or reached[v]:
            for e in range(indptr[v], indptr[v + 1]):
                reached[sources[e]] = True
    return reached


@numba.njit(cache=True)
def _reach_on(indptr, sources, marked):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    reached = np.zeros(n, dtype=np.bool_)
    for v in range(n):
        for e in range(indptr[v], indptr[v + 1]):
            u = sources[e]
            if marked[u] or reached[u]:
                reached[v] = True
                break
    return reached


@numba.njit(cache=True)
def _longest(indptr, sources, edge_weight, node_weight):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    length = np.zeros(n)
    before = np.full(n, -1, dtype=np.int64)
    for v in range(n):
        best = 0.0
        for e in range(indptr[v], indptr[v + 1]):
            reached = length[sources[e]] + edge_weight[e]
            if reached > best:
                best = reached
                before[v] = sources[e]
        length[v] = best + node_weight[v]
    return length, before


@numba.njit(cache=True)
def _walked_back(before, end):  # type: ignore[no-untyped-def]
    """The nodes that lead to the end, in order."""
    count = 0
    v = end
    while v >= 0:
        count += 1
        v = before[v]
    path = np.empty(count, dtype=np.int64)
    v = end
    for k in range(count - 1, -1, -1):
        path[k] = v
        v = before[v]
    return path


@numba.njit(cache=True)
def _sweep_numbers(indptr, sources, weight, x, transpose):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    if transpose:
        for v in range(n - 1, -1, -1):
            for e in range(indptr[v], indptr[v + 1]):
                x[sources[e]] += weight[e] * x[v]
    else:
        for v in range(n):
            for e in range(indptr[v], indptr[v + 1]):
                x[v] += weight[e] * x[sources[e]]


@numba.njit(cache=True)
def _sweep_counts(indptr, sources, weight, x, transpose):  # type: ignore[no-untyped-def]
    """The node whose count leaves 64 bits, -1 if none does; the float beside each sum tells."""
    n = len(indptr) - 1
    for k in range(n):
        v = n - 1 - k if transpose else k
        for e in range(indptr[v], indptr[v + 1]):
            to, of = (sources[e], v) if transpose else (v, sources[e])
            term = np.float64(weight[e]) * np.float64(x[of])
            if abs(term) >= 9.2e18 or abs(np.float64(x[to]) + term) >= 9.2e18:
                return to
            x[to] += weight[e] * x[of]
    return -1


@numba.njit(cache=True)
def _sweep_booleans(indptr, sources, weight, x, transpose):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    for k in range(n):
        v = n - 1 - k if transpose else k
        for e in range(indptr[v], indptr[v + 1]):
            to, of = (sources[e], v) if transpose else (v, sources[e])
            if weight[e] and x[of]:
                x[to] = True


@numba.njit(cache=True)
def _sweep_extremes(indptr, sources, weight, x, transpose, sign):  # type: ignore[no-untyped-def]
    """Largest sums for sign 1, smallest for -1; the zero, -sign · inf, stays what it is."""
    n = len(indptr) - 1
    for k in range(n):
        v = n - 1 - k if transpose else k
        for e in range(indptr[v], indptr[v + 1]):
            to, of = (sources[e], v) if transpose else (v, sources[e])
            reached = weight[e] + x[of]
            if sign * reached > sign * x[to]:
                x[to] = reached


@numba.njit(cache=True)
def _sweep_logarithms(indptr, sources, weight, x, transpose):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    for k in range(n):
        v = n - 1 - k if transpose else k
        for e in range(indptr[v], indptr[v + 1]):
            to, of = (sources[e], v) if transpose else (v, sources[e])
            low, high = weight[e] + x[of], x[to]
            if low > high:
                low, high = high, low
            if low > -np.inf:  # else the sum is the other one
                x[to] = high + np.log1p(np.exp(low - high))
            else:
                x[to] = high
