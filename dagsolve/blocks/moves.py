"""Moves of single nodes across the boundaries of blocks, where fewer bytes then cross.

Blocks are numbered in a topological order of their quotient, so numbers never fall along an edge inside a
sweep. A node may go to the block of the last of its producers or of the first of its consumers, as far as it
stays between the two; then numbers still never fall, and no move makes a cycle. A pass is that of Fiduccia
and Mattheyses: the best move first, also where it loses, each node once; then moves are taken back down to
the best prefix. The bytes that all blocks read and write together never grow.

Only what costs less than moving its operands and results twice is moved: a product of matrices stays where
its tile is made. No block loses its last node, none grows beyond the targets or the heaviest there is. A
block waits for what its new node reads, and the node's readers wait for the block: no move may make a path
longer than the longest one by more than a task's worth.

References: C. Fiduccia, R. Mattheyses, Proc. 19th Design Automation Conf. (1982) 175-181; J. Herrmann,
M. Kho, B. Uçar, K. Kaya, Ü. Çatalyürek, SIAM J. Sci. Comput. 41 (2019) A2117-A2145, section 3.2.
"""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.blocks.cones import Edges
from dagsolve.blocks.quotient import Weights, quotient, spans, topological

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PASSES = 4
PATIENCE = 64  # moves without a new best, before a pass ends
EXPLORED = 2**16  # candidates among which losses are tried where no single move gains
SCANNED = 64  # readers of a value that are looked at; of one with more the worst is assumed


class Bounds(NamedTuple):
    """How large a block may become by moves, and what a byte costs."""

    seconds: float
    bytes: float  # of reads and writes
    seconds_per_byte: float
    slack_seconds: float  # that a move may add to the longest path


def moved(label: Ints, edges: Edges, weights: Weights, dense: Bools, bounds: Bounds) -> Ints:
    """Labels after moves across boundaries: as many blocks, at most as many bytes that cross.

    Takes time linear in nodes and edges per pass, up to a logarithm; a pass without a gain is the last.
    """
    q = quotient(label, edges, weights)
    if len(q) < 2:
        return label
    position = np.empty(len(q), dtype=np.int64)
    order = topological(q)
    position[order] = np.arange(len(q))
    before, after, longest = spans(q, order)
    before, after = before[order], after[order]
    block = np.where(q.of_node >= 0, position[q.of_node], -1)
    reader_indptr, readers = _readers(edges.indptr, edges.values, len(weights.nbytes))
    first_value = np.searchsorted(weights.value_node, np.arange(len(label) + 1))
    nbytes = weights.nbytes.astype(np.float64)
    traffic = _traffic(edges.indptr, edges.values, first_value, nbytes)
    movable = (block >= 0) & ~dense & (weights.seconds <= 2 * bounds.seconds_per_byte * traffic)
    seconds, held = np.empty(len(q)), np.empty(len(q))
    seconds[position], held[position] = q.seconds, q.read_bytes + q.write_bytes
    size = np.bincount(block[block >= 0], minlength=len(q))
    changed = False
    for _ in range(PASSES):
        gained = _pass(
            edges.indptr, edges.values, edges.nodes, reader_indptr, readers, first_value, weights.sweep,
            weights.seconds, nbytes, q.kept, movable, block, seconds, held, size, before, after,
            longest + bounds.slack_seconds,
            float(min(bounds.seconds, q.seconds.max())), float(bounds.bytes),
        )  # fmt: skip
        if not gained:
            break
        changed = True
    return block if changed else label


@numba.njit(cache=True)
def _readers(indptr, values, value_count):  # type: ignore[no-untyped-def]
    """CSR over values of the nodes that read them, ascending."""
    out_indptr = np.zeros(value_count + 1, dtype=np.int64)
    for v in values:
        out_indptr[v + 1] += 1
    for v in range(value_count):
        out_indptr[v + 1] += out_indptr[v]
    filled = out_indptr[:-1].copy()
    out = np.empty(len(values), dtype=np.int64)
    for n in range(len(indptr) - 1):
        for e in range(indptr[n], indptr[n + 1]):
            out[filled[values[e]]] = n
            filled[values[e]] += 1
    return out_indptr, out


@numba.njit(cache=True)
def _traffic(indptr, values, first_value, nbytes):  # type: ignore[no-untyped-def]
    """Bytes of what each node reads and makes."""
    total = np.zeros(len(indptr) - 1)
    for n in range(len(total)):
        for e in range(indptr[n], indptr[n + 1]):
            total[n] += nbytes[values[e]]
        for v in range(first_value[n], first_value[n + 1]):
            total[n] += nbytes[v]
    return total


@numba.njit(cache=True)
def _range(n, indptr, nodes, reader_indptr, readers, first_value, sweep, block):  # type: ignore[no-untyped-def]
    """Last block of the node's producers and first of its consumers, in its sweep; -1 where there is none."""
    last, first = -1, -1
    for e in range(indptr[n], indptr[n + 1]):
        u = nodes[e]
        if block[u] >= 0 and sweep[u] == sweep[n]:
            last = max(last, block[u])
    for v in range(first_value[n], first_value[n + 1]):
        for e in range(reader_indptr[v], reader_indptr[v + 1]):
            u = readers[e]
            if sweep[u] == sweep[n] and (first < 0 or block[u] < first):
                first = block[u]
                if first == block[n]:
                    return last, first
    return last, first


@numba.njit(cache=True)
def _change(n, target, indptr, values, nodes, reader_indptr, readers, first_value, nbytes, kept, block):  # type: ignore[no-untyped-def]
    """What the node's block and the target read and write more after the move, in bytes; never too little."""
    home = block[n]
    at_home, at_target = 0.0, 0.0
    for e in range(indptr[n], indptr[n + 1]):
        v = values[e]
        maker = block[nodes[e]]
        begin, end = reader_indptr[v], reader_indptr[v + 1]
        known = end - begin <= SCANNED
        stays, there, outside = not known, False, not known
        if known:
            for f in range(begin, end):
                u = readers[f]
                if u != n:
                    stays = stays or block[u] == home
                    there = there or block[u] == target
                    outside = outside or block[u] != maker
        if maker != home and not stays:
            at_home -= nbytes[v]
        if maker != target and not there:
            at_target += nbytes[v]
        if maker >= 0 and not kept[v]:
            if maker == home and (not outside or not known):
                at_home += nbytes[v]
            elif maker == target and not outside:
                at_target -= nbytes[v]
    for v in range(first_value[n], first_value[n + 1]):
        begin, end = reader_indptr[v], reader_indptr[v + 1]
        known = end - begin <= SCANNED
        stays, there, beyond_home, beyond_target = not known, False, kept[v], kept[v] or not known
        if known:
            for f in range(begin, end):
                at = block[readers[f]]
                stays = stays or at == home
                there = there or at == target
                beyond_home = beyond_home or at != home
                beyond_target = beyond_target or at != target
        if stays:
            at_home += nbytes[v]
        if there:
            at_target -= nbytes[v]
        if beyond_home:
            at_home -= nbytes[v]
        if beyond_target:
            at_target += nbytes[v]
    return at_home, at_target


@numba.njit(cache=True)
def _path(  # type: ignore[no-untyped-def]
    n, target, indptr, nodes, reader_indptr, readers, first_value, block, seconds, before, after
):
    """Longest path through the target if it held the node, in seconds; never too little."""
    start, rest = before[target], after[target]
    for e in range(indptr[n], indptr[n + 1]):
        b = block[nodes[e]]
        if b >= 0 and b != target:
            start = max(start, before[b] + seconds[b])
    for v in range(first_value[n], first_value[n + 1]):
        if reader_indptr[v + 1] - reader_indptr[v] > SCANNED:
            return np.inf
        for e in range(reader_indptr[v], reader_indptr[v + 1]):
            b = block[readers[e]]
            if b >= 0 and b != target:
                rest = max(rest, after[b] + seconds[b])
    return start + seconds[target] + rest


@numba.njit(cache=True)
def _best(  # type: ignore[no-untyped-def]
    n, indptr, values, nodes, reader_indptr, readers, first_value, sweep, node_seconds, nbytes, kept, block,
    seconds, held, size, before, after, limit_path, limit_seconds, limit_bytes,
):  # fmt: skip
    """Target of the node's best move (-1: none), what it gains in bytes, and how both blocks change."""
    home = block[n]
    chosen, gain, home_change, target_change = -1, -np.inf, 0.0, 0.0
    if size[home] < 2:
        return chosen, gain, home_change, target_change
    last, first = _range(n, indptr, nodes, reader_indptr, readers, first_value, sweep, block)
    for target in (last, first):
        if target < 0 or target == home or target == chosen:
            continue
        if target < last or (first >= 0 and target > first):
            continue
        if seconds[target] + node_seconds[n] > limit_seconds:
            continue
        path = _path(
            n, target, indptr, nodes, reader_indptr, readers, first_value, block, seconds, before, after
        )
        if path + node_seconds[n] > limit_path:
            continue
        less, more = _change(
            n, target, indptr, values, nodes, reader_indptr, readers, first_value, nbytes, kept, block
        )
        if held[target] + more > limit_bytes or held[home] + less > max(limit_bytes, held[home]):
            continue
        if -(less + more) > gain:
            chosen, gain, home_change, target_change = target, -(less + more), less, more
    return chosen, gain, home_change, target_change


@numba.njit(cache=True)
def _pass(  # type: ignore[no-untyped-def]
    indptr, values, nodes, reader_indptr, readers, first_value, sweep, node_seconds, nbytes, kept, movable,
    block, seconds, held, size, before, after, limit_path, limit_seconds, limit_bytes,
):  # fmt: skip
    """One pass, in place; whether bytes were gained."""
    count = len(indptr) - 1
    queue = [(0.0, 0)]
    queue.pop()
    hope = False
    for n in range(count):
        if movable[n]:
            chosen, gain, _, _ = _best(
                n, indptr, values, nodes, reader_indptr, readers, first_value, sweep, node_seconds, nbytes,
                kept, block, seconds, held, size, before, after, limit_path, limit_seconds, limit_bytes,
            )  # fmt: skip
            if chosen >= 0:
                queue.append((-gain, n))
                hope = hope or gain > 0
    if not hope and len(queue) > EXPLORED:
        return False
    heapify(queue)
    locked = ~movable
    moves = [(0, 0, 0.0, 0.0)]  # node, where it was, what both blocks gained in bytes
    moves.pop()
    total, best, kept_moves = 0.0, 0.0, 0
    while queue and len(moves) - kept_moves < PATIENCE:
        key, n = heappop(queue)
        if locked[n]:
            continue
        target, gain, home_change, target_change = _best(
            n, indptr, values, nodes, reader_indptr, readers, first_value, sweep, node_seconds, nbytes,
            kept, block, seconds, held, size, before, after, limit_path, limit_seconds, limit_bytes,
        )  # fmt: skip
        if target < 0:
            continue
        if -gain > key:
            heappush(queue, (-gain, n))
            continue
        home = block[n]
        moves.append((n, home, home_change, target_change))
        locked[n] = True
        block[n] = target
        seconds[home] -= node_seconds[n]
        seconds[target] += node_seconds[n]
        held[home] += home_change
        held[target] += target_change
        size[home] -= 1
        size[target] += 1
        total += gain
        if total > best * (1 + 1e-12):
            best, kept_moves = total, len(moves)
        for e in range(indptr[n], indptr[n + 1]):
            u = nodes[e]
            if not locked[u]:
                heappush(queue, (-np.inf, u))  # its gain is found when it comes out
        for v in range(first_value[n], first_value[n + 1]):
            for e in range(reader_indptr[v], min(reader_indptr[v + 1], reader_indptr[v] + SCANNED)):
                if not locked[readers[e]]:
                    heappush(queue, (-np.inf, readers[e]))
    while len(moves) > kept_moves:
        n, home, home_change, target_change = moves.pop()
        target = block[n]
        block[n] = home
        seconds[home] += node_seconds[n]
        seconds[target] -= node_seconds[n]
        held[home] -= home_change
        held[target] -= target_change
        size[home] += 1
        size[target] -= 1
    return best > 0
