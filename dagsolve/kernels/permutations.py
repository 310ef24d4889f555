"""Permutations of rows as index arrays, and as the sequences of swaps that LAPACK writes.

Swap k exchanges rows k and swaps[k] ≥ k, one after the other; A[p] is A after all of them.
"""

import numpy as np

from dagsolve.namespace import Array


def from_swaps(swaps: Array, m: int) -> Array:
    """p (m,) of swaps (k,), counted from zero."""
    p = np.arange(m)
    for k, other in enumerate(swaps.tolist()):
        if other != k:
            p[k], p[other] = p[other], p[k]
    return p


def to_swaps(p: Array, k: int) -> Array:
    """The first k swaps (k,) that lead to p (m,), which leaves the rows behind them in any order."""
    rows = list(range(len(p)))
    where = list(range(len(p)))  # position of each row
    swaps = np.empty(k, np.int32)
    for at, row in enumerate(p.tolist()[:k]):
        other, moved = where[row], rows[at]
        swaps[at] = other
        rows[at], rows[other] = row, moved
        where[row], where[moved] = at, other
    return swaps
