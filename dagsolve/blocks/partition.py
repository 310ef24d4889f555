"""Partition: which block every node of a (joint) graph belongs to, under a time and a byte target.

In order, each step by a lemma of `cones` or `quotient` that keeps the quotient acyclic:

1. Maximal fanout-free cones of each sweep. A value that a later sweep reads is an additional live-out. What
   matrix arithmetic made for several readers ends a cone: a tiled Cholesky gets a block per tile and sweep.
2. Cuts behind nodes whose result is much smaller than what they read, where the piece before the cut can join
   the block that makes what it reads, or where the cone is too heavy: a tile's cotangent chain keeps its
   partial sums, and the long accumulation of sums over all tiles becomes one small block.
3. Cuts of the cones that are still too heavy, by weight; pieces that came out too small are joined again, and
   chains in which nothing could run beside them are joined up to the target.
4. Merges of thin blocks, which cost more as a task, or as a transfer, than they work.
5. Moves of cheap nodes across the boundaries of blocks, where fewer bytes then cross (`moves`).

Nodes that cost nothing on NumPy are *copied*: made again in every block that reads them, so no view crosses
blocks next to the value that it is a view of. Leaves and nodes that no output needs belong to no block.
Cheap nodes whose results wait for a later sweep are *repeated* there (`recompute`) where that costs less.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.cones import (
    Edges,
    cones,
    copied_nodes,
    heavy_cuts,
    own_copies,
    placed_edges,
    split_intervals,
)
from dagsolve.blocks.intervals import Price, cheapest_runs
from dagsolve.blocks.moves import Bounds, moved
from dagsolve.blocks.quotient import (
    SHRINKS,
    Gate,
    Quotient,
    Weights,
    absorb,
    contract,
    depths,
    distinct,
    gather,
    merged,
    quotient,
    topological,
)
from dagsolve.blocks.recompute import Terms, repeated_nodes
from dagsolve.blocks.search import searched
from dagsolve.blocks.work import NodeWork, Rates
from dagsolve.graph import Graph

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

COPY_DEPTH = 8  # longest chain of nodes that are copied
COPY_SLACK_BYTES = 4096  # more bytes that may cross where nodes are copied
COPIES_ROOM = 4  # a block with what it repeats takes at most so many times the seconds aimed at
SHRINK_FLOOR_BYTES = 65536  # smaller operands are not worth a cut
CUT_ROUNDS = 4
SEARCHED_NODES = 32


@dataclass(frozen=True)
class Targets:
    """What a block should be like."""

    seconds: float = 0.05  # aimed at; blocks of several nodes take at most twice that
    bytes: float = np.inf  # of reads and writes, where a block of several nodes can be cut
    thin_seconds: float = 2.5e-4  # blocks below this are merged: about one task's overhead
    workers: int = 8  # ready blocks wanted at a time, where small nodes are gathered
    recompute: float = 0.0  # seconds of repeated work welcome per byte that waits no longer for a later sweep


@dataclass(frozen=True, eq=False)
class Partition:
    """Block of every node; blocks are numbered topologically, by sweep and then by depth."""

    block: Ints  # N; -1: a leaf, or not needed by any output
    copied: Bools  # N: made again by every block that reads it; `block` is the first of these
    repeated: Bools | None = None  # N: made by `block`, and by each block of a later sweep that reads it

    @cached_property
    def count(self) -> int:
        """Number of blocks."""
        return int(self.block.max(initial=-1)) + 1

    def __repr__(self) -> str:
        placed = int(np.count_nonzero(self.block >= 0))
        repeated = 0 if self.repeated is None else int(np.count_nonzero(self.repeated))
        return (
            f"Partition of {placed:,} nodes into {self.count:,} blocks, "
            f"{int(np.count_nonzero(self.copied)):,} of them copied where they are read, "
            f"{repeated:,} repeated in later sweeps"
        )


def partition(
    graph: Graph, work: NodeWork, *, targets: Targets | None = None, rates: Rates | None = None
) -> Partition:
    """The partition of the nodes that the outputs need.

    `work` is `node_work(graph, rates)`. Takes about 1 µs per node and edge, and depends on nothing but the
    graph's columns and the numbers given.
    """
    targets = Targets() if targets is None else targets
    rates = Rates() if rates is None else rates
    needed = graph.needed() & ~graph.is_leaf
    copied = copied_nodes(graph, needed, work.free, COPY_DEPTH, COPY_SLACK_BYTES)
    placed = needed & ~copied
    if not placed.any():
        return Partition(np.full(len(graph), -1, dtype=np.int64), copied, np.zeros_like(copied))
    edges = placed_edges(graph, placed, copied)
    output = np.zeros(graph.value_count, dtype=np.bool_)
    output[list(graph.outputs)] = True
    weights = Weights(graph.columns.sweep, work.seconds, graph.value_nbytes, graph.value_node, output)

    label = _cut_cones(graph, edges, weights, placed, work.dense, targets)
    label = _fill(label, edges, weights, work.dense, targets)
    label = _merge_thin(label, edges, weights, targets, rates)
    bounds = Bounds(
        2 * targets.seconds, targets.bytes, 1 / rates.transfer_bytes_per_second, targets.thin_seconds
    )
    label = moved(label, edges, weights, work.dense, bounds)
    block = _numbered(label, edges, weights)
    price = 1 / rates.transfer_bytes_per_second + targets.recompute
    terms = Terms(rates.task_seconds, price, COPIES_ROOM * targets.seconds, COPY_SLACK_BYTES)
    repeated = repeated_nodes(edges, weights, block, work.dense, terms)
    own_copies(graph, copied, block)
    block.flags.writeable = False
    return Partition(block, copied, repeated)


def _cut_cones(
    graph: Graph, edges: Edges, weights: Weights, placed: Bools, dense: Bools, targets: Targets
) -> Ints:
    """Cones, cut where they shrink or weigh too much: a label per node."""
    forced = _dense_exits(edges, weights, placed, dense)
    natural = cones(edges, weights.sweep, placed, forced)
    heavy = _heavy(natural, edges, weights, targets)
    shrinking = placed & _shrinking(graph)
    if shrinking.any():
        q = quotient(cones(edges, weights.sweep, placed, forced | shrinking), edges, weights)
        joined = absorb(q, weights.nbytes, _piece_gate(q, natural, dense, targets, glue=False)) != np.arange(
            len(q)
        )
        worth = joined | (q.seconds > targets.seconds / 4)
        forced |= shrinking & (worth[q.of_node] | heavy)
    label = cones(edges, weights.sweep, placed, forced)
    for _ in range(CUT_ROUNDS):
        heavy = _heavy(label, edges, weights, targets)
        if not heavy.any():
            break
        forced |= heavy_cuts(edges, label, _relative_weight(label, edges, weights, targets), heavy)
        label = cones(edges, weights.sweep, placed, forced)
    heavy = _heavy(label, edges, weights, targets)
    if heavy.any():
        label = split_intervals(label, _relative_weight(label, edges, weights, targets), heavy)
    for merge in (absorb, contract):
        q = quotient(label, edges, weights)
        label = merged(q, merge(q, weights.nbytes, _piece_gate(q, natural, dense, targets, glue=True)))
    return label


def _dense_exits(edges: Edges, weights: Weights, placed: Bools, dense: Bools) -> Bools:
    """Nodes of matrix arithmetic whose results are read twice or outlive their sweep: the tiles of a factor.

    They are exits. Otherwise the last tile of a factorisation, which everything before it leads to, would be
    the exit of one cone that holds the whole factor. Values of elementwise chains do not end a cone: there
    the traffic saved is most of the work.
    """
    count = len(placed)
    reader = np.repeat(np.arange(count), np.diff(edges.indptr))
    inside = weights.sweep[edges.nodes] == weights.sweep[reader]
    pairs = distinct(edges.nodes[inside] * count + reader[inside])
    exits = np.bincount(pairs // max(count, 1), minlength=count) > 1
    exits[edges.nodes[~inside]] = True
    exits[weights.value_node[weights.output]] = True
    return exits & dense & placed


def _merge_thin(label: Ints, edges: Edges, weights: Weights, targets: Targets, rates: Rates) -> Ints:
    """Labels after blocks that are hardly worth a task, or a transfer, were merged.

    A thin block joins its only predecessor or its only consumer, whatever that is, and so does one that takes
    hardly longer than moving the values between the two. Several thin blocks join each other along a
    deep-first order; a small graph of thin nodes is searched. No other block is merged, so ready width is
    lost only where a task or a transfer costs more than the work.
    """
    q = quotient(label, edges, weights)
    gathered = float(q.seconds[q.seconds < targets.thin_seconds].sum())
    limit = min(2 * targets.seconds, max(2 * targets.thin_seconds, gathered / (4 * targets.workers)))
    price = Price(rates.task_seconds, 1 / rates.transfer_bytes_per_second, limit, targets.bytes)
    for merge in (absorb, contract):
        room = np.clip(1.25 * q.seconds, limit, 2 * targets.seconds)
        thin = q.seconds < targets.thin_seconds
        nowhere, none = np.full(len(q), -1), np.zeros(len(q), dtype=np.bool_)
        gate = Gate(nowhere, room, targets.bytes, thin, False, none, False, price.seconds_per_byte, False)
        label = merged(q, merge(q, weights.nbytes, gate))
        q = quotient(label, edges, weights)
    while True:
        thin = q.seconds < targets.thin_seconds
        first, _ = cheapest_runs(q, weights.nbytes, topological(q), thin, price)
        if np.array_equal(first, np.arange(len(q))):
            break
        label = merged(q, first)
        q = quotient(label, edges, weights)
    small = np.count_nonzero(label >= 0) <= SEARCHED_NODES
    several = len(q) > len(np.unique(q.sweep))
    if small and several and bool(np.all(weights.seconds[label >= 0] < targets.thin_seconds)):
        return searched(label, edges, weights, price)
    return label


def _fill(label: Ints, edges: Edges, weights: Weights, dense: Bools, targets: Targets) -> Ints:
    """Labels after clusters without matrix arithmetic that follow one cluster were joined, to the target.

    What only comes of a tile once it is there becomes one block, beside the tile's own: a kernel's adjoint
    reads its residuals once, and the tiles that wait for the factor do not wait for it. The little that makes
    a new tile of it (a scaled or mirrored one) is done with the tile.
    """
    for _ in range(2):  # pieces beside each other, then what follows these
        q = quotient(label, edges, weights)
        if not np.isfinite(targets.bytes):
            label = merged(q, gather(q, _loose(q, dense) & _ends(q), targets.seconds))
            q = quotient(label, edges, weights)
        label = _absorbed(
            label, q, weights, _loose(q, dense) & _ends(q), targets.seconds, targets.bytes, True
        )
    q = quotient(label, edges, weights)
    little = _loose(q, dense) & (q.seconds <= targets.seconds / 16)
    return _absorbed(label, q, weights, little, 2 * targets.seconds, targets.bytes, False)


def _absorbed(
    label: Ints, q: Quotient, weights: Weights, chosen: Bools, room: float, room_bytes: float, both: bool
) -> Ints:
    """Labels after chosen clusters joined their only predecessors; if both, only chosen predecessors."""
    none = np.zeros(len(q), dtype=np.bool_)
    gate = Gate(np.full(len(q), -1), np.full(len(q), room), room_bytes, chosen, both, none, False, 0.0, False)
    return merged(q, absorb(q, weights.nbytes, gate))


def _ends(q: Quotient) -> Bools:
    """Whether a cluster writes little of what it reads: the end of a chain, up to sums."""
    return SHRINKS * q.write_bytes <= q.read_bytes


def _loose(q: Quotient, dense: Bools) -> Bools:
    """Whether a cluster holds no matrix arithmetic."""
    loose = np.ones(len(q), dtype=np.bool_)
    loose[q.of_node[(q.of_node >= 0) & dense]] = False
    return loose


def _heavy(label: Ints, edges: Edges, weights: Weights, targets: Targets) -> Bools:
    """Nodes of the clusters of several nodes that are above the targets."""
    q = quotient(label, edges, weights)
    placed = q.of_node >= 0
    several = np.bincount(q.of_node[placed], minlength=len(q)) > 1
    heavy = several & ((q.seconds > 2 * targets.seconds) | (q.read_bytes + q.write_bytes > targets.bytes))
    return np.where(placed, heavy[q.of_node], False) if len(q) else placed


def _relative_weight(label: Ints, edges: Edges, weights: Weights, targets: Targets) -> Floats:
    """Each node's share of a piece: its seconds, or the bytes that it reads from outside its cluster.

    A piece aims at half of what is too heavy, so that what its cuts add to reads and writes has room.
    """
    reader = np.repeat(np.arange(len(label)), np.diff(edges.indptr))
    outside = label[edges.nodes] != label[reader]
    nbytes = weights.nbytes[edges.values] * outside
    read = np.bincount(reader, weights=nbytes, minlength=len(label))
    return np.maximum(weights.seconds / targets.seconds, 2 * read / targets.bytes)


def _shrinking(graph: Graph) -> Bools:
    """Nodes whose results are much smaller than what they read."""
    c = graph.columns
    read = np.concatenate(([0], np.cumsum(graph.value_nbytes[c.operands])))
    made = np.concatenate(([0], np.cumsum(graph.value_nbytes)))
    operand_bytes = read[c.indptr[1:]] - read[c.indptr[:-1]]
    result_bytes = made[c.first_value[1:]] - made[c.first_value[:-1]]
    return (operand_bytes >= SHRINK_FLOOR_BYTES) & (SHRINKS * result_bytes <= operand_bytes)


def _piece_gate(q: Quotient, natural: Ints, dense: Bools, targets: Targets, *, glue: bool) -> Gate:
    """Merges welcome among the pieces of cones: shrinking pieces; if glue, those of one cone, and chains."""
    count = len(q)
    home = np.full(count, -1, dtype=np.int64)
    if glue and count:
        placed = np.flatnonzero(q.of_node >= 0)
        home[q.of_node[placed[::-1]]] = natural[placed[::-1]]  # of the first node
    room = np.full(count, (1.25 if glue else 2.0) * targets.seconds)
    return Gate(
        home, room, targets.bytes, np.zeros(count, dtype=np.bool_), False, _loose(q, dense), True, 0.0, glue
    )


def _numbered(label: Ints, edges: Edges, weights: Weights) -> Ints:
    """Block of every placed node, numbered by sweep, depth and first node."""
    q = quotient(label, edges, weights)
    depth = depths(q, topological(q))
    placed = np.flatnonzero(q.of_node >= 0)
    first = np.zeros(len(q), dtype=np.int64)
    first[q.of_node[placed[::-1]]] = placed[::-1]
    number = np.empty(len(q), dtype=np.int64)
    number[np.lexsort((first, depth, q.sweep))] = np.arange(len(q))
    block = np.full(len(label), -1, dtype=np.int64)
    block[placed] = number[q.of_node[placed]]
    return block
