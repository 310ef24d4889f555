"""block_dag: the blocks of a partition with what they read and write, and what that costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.crossings import Rows, members, reads, rows_of, workspaces
from dagsolve.blocks.partition import Partition
from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.blocks.work import NodeWork
from dagsolve.errors import GraphError
from dagsolve.graph import Graph

PRODUCTS = ("matmul", "einsum", "rank_update", "triangle_product")  # what leads up to a tile
_ORDINALS = ("", "reverse-", "second-reverse-", "third-reverse-")


def block_dag(graph: Graph, partition: Partition, work: NodeWork) -> BlockDag:
    """The blocks of a partition, in its order (topological: by sweep, then by depth).

    Copied nodes appear in every block that reads them, and never among a block's writes; repeated nodes
    appear in their own block and in those of later sweeps that read them. Raises GraphError
    for a partition of another graph, or one whose quotient has a cycle.
    """
    if len(partition.block) != len(graph):
        raise GraphError(
            f"block_dag: partition is of {len(partition.block)} nodes, the graph has {len(graph)}"
        )
    c = graph.columns
    nodes = np.arange(len(graph))
    own = np.where(partition.copied, -1, partition.block)
    owned = rows_of(own, nodes, partition.count)
    none = np.zeros(len(graph), dtype=np.bool_)
    held = members(graph, owned, partition.copied, none if partition.repeated is None else partition.repeated)
    taken = reads(graph, held)
    crossing = np.zeros(graph.value_count, dtype=np.bool_)
    crossing[taken.items] = True
    crossing[list(graph.outputs)] = True
    maker = np.where(crossing, own[graph.value_node], -1)
    written = rows_of(maker, np.arange(graph.value_count), partition.count)
    labels = _labels(graph, owned, work)
    columns = zip(
        c.sweep[owned.items[owned.indptr[:-1]]].tolist(),
        labels,
        held.lists(),
        taken.lists(),
        written.lists(),
        _totals(held, work.flops),
        _totals(held, work.seconds),
        map(int, _totals(taken, graph.value_nbytes)),
        map(int, _totals(written, graph.value_nbytes)),
        workspaces(graph, held, taken, written, work.view, work.workspace_bytes).tolist(),
        strict=True,
    )
    blocks = tuple(Block(index, *row) for index, row in enumerate(columns))
    _check_order(graph, blocks)
    return BlockDag(graph, blocks)


def _totals(rows: Rows, amount: npt.NDArray[Any]) -> list[float]:
    """Sum over the items of each block; exact for bytes below 2**53."""
    count = len(rows.indptr) - 1
    found: list[float] = np.bincount(rows.of_items(), weights=amount[rows.items], minlength=count).tolist()
    return found


def _labels(graph: Graph, owned: Rows, work: NodeWork) -> list[str]:
    """Name of the primitive that each block is there for, with the sweep that it runs in.

    That is the last decomposition or solve, else the primitive that takes most of the time.
    """
    c = graph.columns
    names, primitive, sweep = c.names, c.primitive.tolist(), c.sweep.tolist()
    seconds, dense = work.seconds.tolist(), work.dense.tolist()
    labels = []
    for nodes in owned.lists():
        solves = [n for n in nodes if dense[n] and names[primitive[n]] not in PRODUCTS]
        taken: dict[int, float] = {}
        for n in solves[-1:] or nodes:
            taken[primitive[n]] = taken.get(primitive[n], 0.0) + seconds[n]
        name = names[max(taken, key=taken.__getitem__)].partition(".")[0]
        level = sweep[nodes[0]]
        prefix = _ORDINALS[level] if level < len(_ORDINALS) else f"{level}th-reverse-"
        labels.append(name if name.startswith("reverse-") and level == 1 else prefix + name)
    return labels


def _check_order(graph: Graph, blocks: Sequence[Block]) -> None:
    made = set(graph.leaves)
    for block in blocks:
        absent = [v for v in block.reads if v not in made]
        if absent:
            raise GraphError(
                f"block_dag: block {block.index} reads value {absent[0]}, which no block before it makes"
            )
        made.update(block.writes)
