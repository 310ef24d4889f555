"""Passes over topologically ordered edges: consumers, longest distances, reachability.

Each is one compiled sweep over CSR arrays; `indptr` and `producers` say which nodes a node reads.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def consumer_edges(indptr: Ints, producers: Ints) -> tuple[Ints, Ints]:
    """CSR of the nodes that read each node, ascending; parallel edges are kept."""
    n = len(indptr) - 1
    readers = np.repeat(np.arange(n, dtype=np.int64), np.diff(indptr))
    order = np.argsort(producers, kind="stable")
    out = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(producers, minlength=n), out=out[1:])
    return out, readers[order]


def longest_distance(indptr: Ints, producers: Ints, weight: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """Longest weighted distance to each node over the nodes before it, and the predecessor on that path.

    The weight of a node counts for the nodes after it; leaves are at 0, their predecessor is -1.
    """
    return _longest_distance(indptr, producers, np.asarray(weight, dtype=np.float64))  # type: ignore[no-any-return]


def reachable_backward(indptr: Ints, producers: Ints, starts: Any, n: int) -> Bools:
    """Whether one of the start nodes is reached from a node along edges."""
    return _reachable_backward(indptr, producers, np.asarray(starts, dtype=np.int64), n)  # type: ignore[no-any-return]


def reachable_forward(indptr: Ints, producers: Ints, starts: Any, n: int) -> Bools:
    """Whether a node is reached from one of the start nodes along edges."""
    return _reachable_forward(indptr, producers, np.asarray(starts, dtype=np.int64), n)  # type: ignore[no-any-return]


@numba.njit(cache=True)
def _longest_distance(indptr, producers, weight):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    distance = np.zeros(n)
    before = np.full(n, -1, dtype=np.int64)
    for v in range(n):
        for e in range(indptr[v], indptr[v + 1]):
            u = producers[e]
            if distance[u] + weight[u] > distance[v]:
                distance[v] = distance[u] + weight[u]
                before[v] = u
    return distance, before


@numba.njit(cache=True)
def _reachable_backward(indptr, producers, starts, n):  # type: ignore[no-untyped-def]
    seen = np.zeros(n, dtype=np.bool_)
    for s in starts:
        seen[s] = True
    for v in range(n - 1, -1, -1):
        if seen[v]:
            for e in range(indptr[v], indptr[v + 1]):
                seen[producers[e]] = True
    return seen


@numba.njit(cache=True)
def _reachable_forward(indptr, producers, starts, n):  # type: ignore[no-untyped-def]
    seen = np.zeros(n, dtype=np.bool_)
    for s in starts:
        seen[s] = True
    for v in range(n):
        if not seen[v]:
            for e in range(indptr[v], indptr[v + 1]):
                if seen[producers[e]]:
                    seen[v] = True
                    break
    return seen
