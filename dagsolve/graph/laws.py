"""The laws that columns must keep before any compiled pass may run over them without looking."""

from collections.abc import Sequence

import numba
import numpy as np

from dagsolve.graph.columns import Columns, Ints

_EDGE_LAWS = (
    "",
    "an operand is not a value of the graph",
    "an edge does not go from a lower to a higher node",
    "a node reads a value of a later sweep",
)


def broken_law(columns: Columns, inputs: Sequence[int], outputs: Sequence[int]) -> str | None:
    """The first law that is broken, in words, with the node where there is one; None for a lawful graph.

    Reads every column once and makes no array longer than the values.
    """
    c = columns
    n, values = len(c.primitive), len(c.spec)
    for name, column in (("params", c.params), ("scope", c.scope), ("sweep", c.sweep)):
        if len(column) != n:
            return f"column {name} has {len(column):,} entries for {n:,} nodes"
    if len(c.indptr) != n + 1 or _first_fault(c.indptr, len(c.operands), 0) >= 0:
        return "indptr does not describe the operands"
    if len(c.first_value) != n + 1 or _first_fault(c.first_value, values, 1) >= 0:
        return "a node without values, or values without a node"
    for name, column, table in (
        ("primitive", c.primitive, c.names),
        ("params", c.params, c.param_table),
        ("scope", c.scope, c.scope_table),
        ("spec", c.spec, c.specs),
    ):
        if len(column) and not 0 <= int(column.min()) <= int(column.max()) < len(table):
            return f"column {name} reaches out of its table of {len(table):,} entries"
    if n and int(c.sweep.min()) < 0:
        return "column sweep holds a negative number"
    law, node = _edge_fault(c.indptr, c.operands, c.first_value, c.sweep)
    if law:
        return f"{_EDGE_LAWS[law]}: node {node}"
    if any(not 0 <= v < values for v in (*inputs, *outputs)):
        return "an input or output is not a value of the graph"
    return None


def is_permutation(labels: Ints, count: int) -> bool:
    """Whether labels hold every number from 0 to count - 1 once."""
    if len(labels) != count or (count and not 0 <= int(labels.min()) <= int(labels.max()) < count):
        return False
    seen = np.zeros(count, dtype=np.bool_)
    seen[labels] = True
    return bool(seen.all())


@numba.njit(cache=True)
def _first_fault(offsets: Ints, total: int, least: int):  # type: ignore[no-untyped-def]
    """Position where offsets do not start at 0, grow by at least so much, or end at the total; -1: none."""
    if offsets[0] != 0:
        return 0
    for k in range(1, len(offsets)):
        if offsets[k] - offsets[k - 1] < least:
            return k
    return -1 if offsets[-1] == total else len(offsets)


@numba.njit(cache=True)
def _edge_fault(indptr: Ints, operands: Ints, first_value: Ints, sweep: Ints):  # type: ignore[no-untyped-def]
    """(law, node) of the first edge that breaks one; (0, -1): none."""
    values = first_value[-1]
    sweep_of = np.empty(values, dtype=sweep.dtype)
    for n in range(len(sweep)):
        for e in range(indptr[n], indptr[n + 1]):
            v = operands[e]
            if v < 0 or v >= values:
                return 1, n
            if v >= first_value[n]:
                return 2, n
            if sweep_of[v] > sweep[n]:
                return 3, n
        for v in range(first_value[n], first_value[n + 1]):
            sweep_of[v] = sweep[n]
    return 0, -1
