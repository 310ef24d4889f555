"""Members, reads and working memory of all blocks: compiled passes over their nodes.

Sets of blocks' items come as two arrays (CSR): the items of block b are `items[indptr[b]:indptr[b + 1]]`.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.graph import Graph

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """One ascending run of items per block."""

    indptr: Ints
    items: Ints

    def of_items(self) -> Ints:
        """The block of each item."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def lists(self) -> list[tuple[int, ...]]:
        """The items of each block."""
        items, bounds = self.items.tolist(), self.indptr.tolist()
        return [tuple(items[a:b]) for a, b in zip(bounds, bounds[1:], strict=False)]


def rows_of(block: Ints, items: Ints, count: int) -> Rows:
    """Items by block, -1 for none; items of a block stay in their order."""
    placed = np.flatnonzero(block >= 0)
    order = placed[np.argsort(block[placed], kind="stable")]
    return Rows(np.searchsorted(block[order], np.arange(count + 1)), items[order])


def members(graph: Graph, owned: Rows, copied: Bools, repeated: Bools) -> Rows:
    """Nodes of every block: its own, copied ones that it reads, repeated ones of earlier sweeps."""
    c = graph.columns
    indptr, nodes = _members(*owned, c.indptr, graph.producers, copied, repeated, c.sweep)
    return _ascending(indptr, nodes, len(graph))


def reads(graph: Graph, held: Rows) -> Rows:
    """Values that the nodes of every block take from elsewhere."""
    c = graph.columns
    indptr, values = _reads(*held, c.indptr, c.operands, graph.value_node)
    return _ascending(indptr, values, len(graph.value_node))


def _ascending(indptr: Ints, items: Ints, count: int) -> Rows:
    """The same runs, each sorted: here, because Numba takes seconds to compile a sort."""
    first = count * np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return Rows(indptr, np.sort(items + first) - first)


def workspaces(
    graph: Graph, held: Rows, taken: Rows, written: Rows, view: Bools, workspace_bytes: Ints
) -> Ints:
    """Peak bytes of values born and dropped inside every block, if nothing is done in place.

    A view owns no memory and keeps what it is a view of.
    """
    c = graph.columns
    nbytes = graph.value_nbytes
    return _workspaces(  # type: ignore[no-any-return]
        *held, *taken, *written, c.indptr, c.operands, c.first_value, nbytes, view, workspace_bytes
    )


@numba.njit(cache=True)
def _members(bounds, owned, indptr, producers, copied, repeated, sweep):  # type: ignore[no-untyped-def]
    stamp = np.full(len(indptr) - 1, -1, dtype=np.int64)
    out_bounds = np.zeros(len(bounds), dtype=np.int64)
    out = np.empty(max(2 * len(owned), 16), dtype=np.int64)
    filled = 0
    for b in range(len(bounds) - 1):
        start = filled
        out_bounds[b] = start
        if filled + bounds[b + 1] - bounds[b] > len(out):
            out = np.concatenate((out, np.empty_like(out)))
        for k in range(bounds[b], bounds[b + 1]):
            out[filled] = owned[k]
            filled += 1
        own = sweep[out[start]] if filled > start else 0
        at = start
        while at < filled:  # the run is its own queue
            n = out[at]
            at += 1
            for e in range(indptr[n], indptr[n + 1]):
                u = producers[e]
                if (copied[u] or (repeated[u] and sweep[u] < own)) and stamp[u] != b:
                    stamp[u] = b
                    if filled == len(out):
                        out = np.concatenate((out, np.empty_like(out)))
                    out[filled] = u
                    filled += 1
    out_bounds[-1] = filled
    return out_bounds, out[:filled].copy()


@numba.njit(cache=True)
def _reads(bounds, nodes, indptr, operands, value_node):  # type: ignore[no-untyped-def]
    inside = np.full(len(indptr) - 1, -1, dtype=np.int64)
    stamp = np.full(len(value_node), -1, dtype=np.int64)
    out_bounds = np.zeros(len(bounds), dtype=np.int64)
    total = 0
    for n in nodes:
        total += indptr[n + 1] - indptr[n]
    out = np.empty(total, dtype=np.int64)
    filled = 0
    for b in range(len(bounds) - 1):
        out_bounds[b] = filled
        for k in range(bounds[b], bounds[b + 1]):
            inside[nodes[k]] = b
        for k in range(bounds[b], bounds[b + 1]):
            for e in range(indptr[nodes[k]], indptr[nodes[k] + 1]):
                v = operands[e]
                if stamp[v] != b and inside[value_node[v]] != b:
                    stamp[v] = b
                    out[filled] = v
                    filled += 1
    out_bounds[-1] = filled
    return out_bounds, out[:filled].copy()


@numba.njit(cache=True)
def _workspaces(  # type: ignore[no-untyped-def]
    bounds, nodes, read_bounds, reads, write_bounds, writes, indptr, operands, first, nbytes, view, workspace,
):  # fmt: skip
    count = len(bounds) - 1
    peaks = np.zeros(count, dtype=np.int64)
    outside = np.full(len(nbytes), -1, dtype=np.int64)  # stamped by block: read, or written
    root = np.arange(len(nbytes))  # value whose memory a value shows
    last = np.full(len(nbytes), -1, dtype=np.int64)  # last node of the block that reads this memory
    for b in range(count):
        for k in range(read_bounds[b], read_bounds[b + 1]):
            outside[reads[k]] = b
            root[reads[k]] = reads[k]
        for k in range(write_bounds[b], write_bounds[b + 1]):
            outside[writes[k]] = b
        for k in range(bounds[b], bounds[b + 1]):
            n = nodes[k]
            for e in range(indptr[n], indptr[n + 1]):
                last[root[operands[e]]] = n
            for v in range(first[n], first[n + 1]):
                last[v] = -1
                shows = view[n] and indptr[n + 1] > indptr[n] and outside[v] != b
                root[v] = root[operands[indptr[n]]] if shows else v
        live, peak = 0, 0
        for k in range(bounds[b], bounds[b + 1]):
            n = nodes[k]
            for v in range(first[n], first[n + 1]):
                if root[v] == v and outside[v] != b:
                    live += nbytes[v]
            peak = max(peak, live + workspace[n])
            for v in range(first[n], first[n + 1]):
                if root[v] == v and outside[v] != b and last[v] == -1:
                    live -= nbytes[v]
            for e in range(indptr[n], indptr[n + 1]):
                r = root[operands[e]]
                if last[r] == n and outside[r] != b:
                    live -= nbytes[r]
                    last[r] = -2
        peaks[b] = peak
    return peaks
