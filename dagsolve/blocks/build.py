"""block_dag: the blocks of a partition with what they read and write, and what that costs."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

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
    owned = _owned(partition)
    members = _members(graph, partition, owned)
    reads = [_reads(graph, nodes) for nodes in members]
    crossing = {value for values in reads for value in values}
    crossing.update(graph.outputs)
    columns = _Columns(graph, work)
    blocks = tuple(
        columns.block(index, nodes, read, owned[index], crossing)
        for index, (nodes, read) in enumerate(zip(members, reads, strict=True))
    )
    _check_order(graph, blocks)
    return BlockDag(graph, blocks)


def _owned(partition: Partition) -> list[list[int]]:
    """Nodes of every block without copies, ascending."""
    owned: list[list[int]] = [[] for _ in range(partition.count)]
    copied = partition.copied.tolist()
    for n, b in enumerate(partition.block.tolist()):
        if b >= 0 and not copied[n]:
            owned[b].append(n)
    return owned


def _members(graph: Graph, partition: Partition, owned: Sequence[Sequence[int]]) -> list[list[int]]:
    """Nodes of every block, ascending, copies included."""
    members = [list(nodes) for nodes in owned]
    later = np.zeros(len(graph), dtype=np.bool_) if partition.repeated is None else partition.repeated
    if not (partition.copied.any() or later.any()):
        return members
    indptr, producers, sweep = graph.columns.indptr.tolist(), graph.producers.tolist(), graph.columns.sweep
    copied, repeated = partition.copied.tolist(), later.tolist()
    for nodes in members:
        own = int(sweep[nodes[0]])
        copies: set[int] = set()
        stack = list(nodes)
        while stack:
            n = stack.pop()
            for u in producers[indptr[n] : indptr[n + 1]]:
                if (copied[u] or (repeated[u] and sweep[u] < own)) and u not in copies:
                    copies.add(u)
                    stack.append(u)
        if copies:
            nodes.extend(copies)
            nodes.sort()
    return members


def _reads(graph: Graph, nodes: Sequence[int]) -> list[int]:
    """Values that these nodes take from elsewhere, ascending."""
    c = graph.columns
    if len(nodes) == 1:
        return sorted(set(c.operands[c.indptr[nodes[0]] : c.indptr[nodes[0] + 1]].tolist()))
    inside = set(nodes)
    maker = graph.value_node
    found: set[int] = set()
    for n in nodes:
        found.update(c.operands[c.indptr[n] : c.indptr[n + 1]].tolist())
    return sorted(v for v in found if maker[v] not in inside)


class _Columns:
    """A graph's columns as lists, which single items are read from faster."""

    def __init__(self, graph: Graph, work: NodeWork) -> None:
        c = graph.columns
        self.names = c.names
        self.primitive, self.sweep = c.primitive.tolist(), c.sweep.tolist()
        self.indptr, self.operands = c.indptr.tolist(), c.operands.tolist()
        self.first, self.maker = c.first_value.tolist(), graph.value_node.tolist()
        self.nbytes = graph.value_nbytes.tolist()
        self.flops, self.seconds = work.flops.tolist(), work.seconds.tolist()
        self.workspace, self.view = work.workspace_bytes.tolist(), work.view.tolist()
        self.dense = work.dense.tolist()

    def block(
        self, index: int, nodes: Sequence[int], reads: Sequence[int], owned: Sequence[int], crossing: set[int]
    ) -> Block:
        writes = [v for n in owned for v in range(self.first[n], self.first[n + 1]) if v in crossing]
        sweep = self.sweep[owned[0]]
        return Block(
            index=index,
            sweep=sweep,
            label=self._label(owned, sweep),
            nodes=tuple(nodes),
            reads=tuple(reads),
            writes=tuple(writes),
            flops=sum(self.flops[n] for n in nodes),
            seconds=sum(self.seconds[n] for n in nodes),
            read_bytes=sum(self.nbytes[v] for v in reads),
            write_bytes=sum(self.nbytes[v] for v in writes),
            workspace_bytes=self._workspace(nodes, reads, writes),
        )

    def _label(self, owned: Iterable[int], sweep: int) -> str:
        """Name of the primitive that the block is there for, with the sweep that it runs in.

        That is the last decomposition or solve, else the primitive that takes most of the time.
        """
        solves = [n for n in owned if self.dense[n] and self.names[self.primitive[n]] not in PRODUCTS]
        seconds: Counter[int] = Counter()
        for n in solves[-1:] or owned:
            seconds[self.primitive[n]] += self.seconds[n]
        name = self.names[seconds.most_common(1)[0][0]].partition(".")[0]
        prefix = _ORDINALS[sweep] if sweep < len(_ORDINALS) else f"{sweep}th-reverse-"
        return name if name.startswith("reverse-") and sweep == 1 else prefix + name

    def _workspace(self, nodes: Sequence[int], reads: Sequence[int], writes: Sequence[int]) -> int:
        """Peak bytes of values born and dropped inside, if nothing is done in place.

        A view owns no memory and keeps what it is a view of.
        """
        outside = {*reads, *writes}
        root: dict[int, int] = {}  # value inside -> value whose memory it shows
        last: dict[int, int] = {}  # that value -> last node that reads it
        for n in nodes:
            operands = self.operands[self.indptr[n] : self.indptr[n + 1]]
            for v in operands:
                last[root.get(v, v)] = n
            for v in range(self.first[n], self.first[n + 1]):
                root[v] = (
                    root.get(operands[0], operands[0])
                    if self.view[n] and operands and v not in outside
                    else v
                )
        dropped: dict[int, list[int]] = {}
        for v, n in last.items():
            if v not in outside and v in root:
                dropped.setdefault(n, []).append(v)
        live = peak = 0
        for n in nodes:
            for v in range(self.first[n], self.first[n + 1]):
                if root[v] == v and v not in outside:
                    live += self.nbytes[v]
                    if v not in last:
                        dropped.setdefault(n, []).append(v)
            peak = max(peak, live + self.workspace[n])
            live -= sum(self.nbytes[v] for v in dropped.get(n, ()))
        return int(peak)


def _check_order(graph: Graph, blocks: Sequence[Block]) -> None:
    made = set(graph.leaves)
    for block in blocks:
        absent = [v for v in block.reads if v not in made]
        if absent:
            raise GraphError(
                f"block_dag: block {block.index} reads value {absent[0]}, which no block before it makes"
            )
        made.update(block.writes)
