"""Colours of the columns of a sparse matrix: columns of one colour have no row in common.

One product with the sum of such columns' unit vectors gives all of their entries, each in a row of its own,
so a Jacobian needs as many tangents as colours (of columns) or cotangents (of rows: colour the transpose).
Finding the fewest colours is NP-complete; greedy colouring in two orders is usually close.

Reference: A. Gebremedhin, F. Manne, A. Pothen, SIAM Review 47 (2005) 629-705, section 3 and algorithm 3.1.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def colour_bound(pattern: Any) -> int:
    """The entries of the fullest row: no colouring of the columns of this CSR pattern has fewer colours."""
    return int(np.diff(pattern.indptr).max(initial=0))


def coloured(pattern: Any) -> Ints:
    """Colour of each column of a CSR pattern, -1 for an empty one; colours are 0, 1, … without gaps.

    Greedy over the columns as they stand, and from the fullest to the emptiest; the fewer colours win. Takes
    time of the sum of squares of the rows' entries, and none for a matrix with a full row.
    """
    columns = pattern.tocsc()
    entries = np.diff(columns.indptr)
    filled = np.flatnonzero(entries)
    bound = colour_bound(pattern)
    if bound == len(filled):
        colour = np.full(len(entries), -1, dtype=np.int64)
        colour[filled] = np.arange(len(filled))
        return colour
    best: Ints | None = None
    for order in (filled, filled[np.argsort(-entries[filled], kind="stable")]):
        found: Ints = _greedy(pattern.indptr, pattern.indices, columns.indptr, columns.indices, order)
        if best is None or found.max() < best.max():
            best = found
        if best.max() + 1 == bound:
            break
    assert best is not None
    return best


@numba.njit(cache=True)
def _greedy(row_indptr, row_columns, column_indptr, column_rows, order):  # type: ignore[no-untyped-def]
    """Each column gets the lowest colour that no column sharing a row with it has."""
    count = len(column_indptr) - 1
    colour = np.full(count, -1, dtype=np.int64)
    taken_by = np.full(count + 1, -1, dtype=np.int64)  # column that found this colour taken
    for j in order:
        for e in range(column_indptr[j], column_indptr[j + 1]):
            row = column_rows[e]
            for f in range(row_indptr[row], row_indptr[row + 1]):
                c = colour[row_columns[f]]
                if c >= 0:
                    taken_by[c] = j
        c = 0
        while taken_by[c] == j:
            c += 1
        colour[j] = c
    return colour
