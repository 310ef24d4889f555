"""The work of every node: flops, seconds and workspace from its primitive's cost, by rates of the machine.

A node takes the longer of its arithmetic and its traffic through memory, plus what one call costs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.graph import LEAVES, Graph
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find
from dagsolve.primitives.generators import GENERATORS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Find = Callable[[str], Primitive]

DENSE_FLOPS_PER_ITEM = 16  # from here on a call is matrix arithmetic, below it is a loop over items

# Share of the matrix product's rate that a decomposition of a few hundred rows reaches on one core.
EFFICIENCY = {
    "cholesky": 0.5,
    "solve_triangular": 0.6,
    "lu": 0.4,
    "qr": 0.25,
    "qr_triangle": 0.25,
    "lq": 0.25,
    "pivoted_qr": 0.1,
    "lstsq": 0.25,
    "minimum_norm": 0.25,
    "svd": 0.06,
    "eigh": 0.08,
    "eig": 0.03,
}

FEW_ITEMS = 32  # arithmetic on so many numbers costs less than moving them to another block


@dataclass(frozen=True)
class Rates:
    """What one worker thread does in a second, and what a task costs beside its work."""

    dense_flops: float = 4e10  # matrix products of tiles, one core
    elementwise_flops: float = 1e9  # loops over items
    bytes_per_second: float = 8e9  # through memory, one core
    call_seconds: float = 2e-6  # one NumPy call on nothing
    task_seconds: float = 2e-4  # one task, end to end
    transfer_bytes_per_second: float = 4e9  # a value from the block that makes it to a block that reads it


@dataclass(frozen=True, eq=False)
class NodeWork:
    """Columns parallel to a graph's nodes, leaves included (they take nothing)."""

    flops: Floats
    seconds: Floats
    workspace_bytes: Ints  # beyond operands and results
    view: Bools  # forward makes a view: its results own no memory
    dense: Bools  # matrix arithmetic: many flops per item
    free: Bools  # costs nothing on NumPy: a view, a generator, or arithmetic on a few numbers


def node_work(graph: Graph, rates: Rates | None = None, find: Find = find) -> NodeWork:
    """Flops, seconds and workspace of every node.

    Each distinct call (primitive, params, specs) is costed once. Raises GraphError for an unknown primitive.
    """
    rates = Rates() if rates is None else rates
    c = graph.columns
    n = len(graph)
    names = c.names
    indptr, operands = c.indptr.tolist(), c.operands.tolist()
    first, specs = c.first_value.tolist(), c.spec.tolist()
    primitive, params = c.primitive.tolist(), c.params.tolist()
    calls: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[float, float, int, bool, bool, bool]] = []
    index = np.empty(n, dtype=np.int64)
    for k in range(n):
        made = tuple(specs[first[k] : first[k + 1]])
        read = tuple([specs[v] for v in operands[indptr[k] : indptr[k + 1]]])
        key = (primitive[k], params[k], read, made)
        row = calls.get(key)
        if row is None:
            row = calls[key] = len(rows)
            rows.append(_call_work(graph, names[primitive[k]], params[k], read, made, rates, find))
        index[k] = row
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    return NodeWork(
        np.array(columns[0], dtype=np.float64)[index],
        np.array(columns[1], dtype=np.float64)[index],
        np.array(columns[2], dtype=np.int64)[index],
        np.array(columns[3], dtype=np.bool_)[index],
        np.array(columns[4], dtype=np.bool_)[index],
        np.array(columns[5], dtype=np.bool_)[index],
    )


def _call_work(
    graph: Graph,
    name: str,
    params: int,
    read: tuple[int, ...],
    made: tuple[int, ...],
    rates: Rates,
    find: Find,
) -> tuple[float, float, int, bool, bool, bool]:
    if name in LEAVES:
        return 0.0, 0.0, 0, False, False, False
    table = graph.columns.specs
    operands, results = tuple(table[s] for s in read), tuple(table[s] for s in made)
    record = find(name)
    cost = record.costs(operands, results, dict(graph.columns.param_table[params]))
    flops = float(cost.forward_flops)
    items = max((s.size for s in (*operands, *results)), default=0)
    traffic = sum(s.nbytes for s in (*operands, *results))
    few_numbers = items <= FEW_ITEMS and (record.ufunc is not None or items == 1)
    free = record.view or name in GENERATORS or few_numbers
    workspace = int(cost.workspace_items * max((s.dtype.itemsize for s in results), default=0))
    if record.view:
        return flops, rates.call_seconds, 0, True, False, True
    base = name.partition(".")[0]
    dense = flops >= DENSE_FLOPS_PER_ITEM * max(items, 1) and record.ufunc in (None, "matmul")
    rate = rates.dense_flops * EFFICIENCY.get(base, 1.0) if dense else rates.elementwise_flops
    seconds = rates.call_seconds + max(flops / rate, traffic / rates.bytes_per_second)
    return flops, seconds, workspace, False, dense, free
