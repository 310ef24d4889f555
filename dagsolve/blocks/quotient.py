"""The quotient of a graph by clusters of its nodes, and merges along its edges that keep it acyclic.

Clusters never mix sweeps, and an edge never goes to an earlier sweep, so no cycle of the quotient changes
sweep: edges between sweeps are ignored when a merge is judged.

Lemma (absorb). Let Q have predecessors in its sweep, all in one cluster P. Merging Q into P keeps the
quotient acyclic. A cycle through the merged cluster enters it at P, since Q is entered from P only. If it
left from P it was a cycle before; if it left from Q it was one through P -> Q. Dually when all consumers of P
in its sweep lie in one cluster Q. Each merge is judged on the quotient left by those before it, so any
sequence of them is sound.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.blocks.cones import Edges

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SHRINKS = 16  # a result this many times smaller than what it is made of is worth cutting behind


class Quotient(NamedTuple):
    """K clusters by ascending label with what crosses them."""

    of_node: Ints  # N: cluster of each placed node, -1 elsewhere
    sweep: Ints  # K
    seconds: Floats  # K
    read_bytes: Floats  # K, distinct values from leaves and other clusters
    write_bytes: Floats  # K, values that other clusters read and outputs
    read_indptr: Ints  # K + 1: CSR of (value, cluster that makes it, -1 for leaves), distinct
    read_values: Ints
    read_clusters: Ints
    write_indptr: Ints  # K + 1: CSR of the values written
    write_values: Ints
    kept: Bools  # V: values that an output or a later sweep needs

    def __len__(self) -> int:
        return len(self.sweep)

    def edges(self) -> tuple[Ints, Ints, Ints]:
        """(source, target, value) of each crossing inside a sweep."""
        target = np.repeat(np.arange(len(self)), np.diff(self.read_indptr))
        inside = self.read_clusters >= 0
        inside[inside] = self.sweep[self.read_clusters[inside]] == self.sweep[target[inside]]
        return self.read_clusters[inside], target[inside], self.read_values[inside]


class Weights(NamedTuple):
    """What the partition weighs, by node and by value."""

    sweep: Ints  # N
    seconds: Floats  # N
    nbytes: Ints  # V
    value_node: Ints  # V
    output: Bools  # V


def quotient(label: Ints, edges: Edges, weights: Weights) -> Quotient:
    """The quotient by these labels (-1: not placed)."""
    placed = label >= 0
    labels, inverse = np.unique(label[placed], return_inverse=True)
    of_node = np.full(len(label), -1, dtype=np.int64)
    of_node[placed] = inverse
    count, value_count = len(labels), max(len(weights.nbytes), 1)
    sweep: Ints = np.zeros(count, dtype=np.int64)
    sweep[inverse] = weights.sweep[placed]
    seconds = _totals(inverse, weights.seconds[placed], count)
    maker = of_node[weights.value_node]

    target = np.repeat(of_node, np.diff(edges.indptr))
    crossing = maker[edges.values] != target
    keys = distinct(target[crossing] * value_count + edges.values[crossing])
    targets, read_values = np.divmod(keys, value_count)
    sources = maker[read_values]
    later = sources >= 0
    later[later] = sweep[sources[later]] != sweep[targets[later]]
    kept = weights.output.copy()
    kept[read_values[later]] = True
    written = kept.copy()
    written[read_values] = True
    written &= maker >= 0
    write_values = np.flatnonzero(written)
    write_values = write_values[np.argsort(maker[write_values], kind="stable")]
    nbytes, bounds = weights.nbytes, np.arange(count + 1)
    return Quotient(
        of_node,
        sweep,
        seconds,
        _totals(targets, nbytes[read_values], count),
        _totals(maker[write_values], nbytes[write_values], count),
        np.searchsorted(targets, bounds),
        read_values,
        sources,
        np.searchsorted(maker[write_values], bounds),
        write_values,
        kept,
    )


def _totals(index: Ints, amount: npt.NDArray[Any], count: int) -> Floats:
    total: Floats = np.bincount(index, weights=amount, minlength=count).astype(np.float64)
    return total


def distinct(keys: Ints) -> Ints:
    """The keys in ascending order, each once: by sorting, which beats `np.unique`'s hashing here."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


class Gate(NamedTuple):
    """Which merges along an edge are welcome, by cluster."""

    home: Ints  # clusters of one home were one cone: they may be joined again; -1: none
    room_seconds: Floats  # a merged cluster takes at most the larger of its parts' rooms
    room_bytes: float  # of reads and writes
    thin: Bools  # may be merged with whatever has room, or, if `both`, with each other
    both: bool
    apart: Bools  # clusters without matrix arithmetic; none joins one with it by being small
    shrinking: bool  # whether what writes little of what it reads joins the cluster that it reads
    seconds_per_byte: float  # what takes no longer than moving twice what it shares joins the other end
    chains: bool  # whether a cluster joins the only one it reads, if that is read by it alone

    def typed(self) -> "Gate":
        """The same with bytes as a float: an int would be compiled apart."""
        return self._replace(room_bytes=float(self.room_bytes))


def absorb(q: Quotient, nbytes: Ints, gate: Gate) -> Ints:
    """Root cluster of each cluster after clusters were merged into their only predecessor."""
    source, target, value = q.edges()
    indptr = np.searchsorted(target, np.arange(len(q) + 1))
    crossing = nbytes[value].astype(np.float64)
    links = np.bincount(distinct(source * len(q) + target) // max(len(q), 1), minlength=len(q))
    work = (q.seconds, q.read_bytes, q.write_bytes)
    return _merge_along(indptr, source, crossing, True, *work, *gate.typed(), links)  # type: ignore[no-any-return]


def contract(q: Quotient, nbytes: Ints, gate: Gate) -> Ints:
    """Root cluster of each cluster after clusters were merged into their only consumer."""
    source, target, value = q.edges()
    order = np.argsort(source, kind="stable")
    indptr = np.searchsorted(source[order], np.arange(len(q) + 1))
    crossing = nbytes[value[order]].astype(np.float64)
    work = (q.seconds, q.read_bytes, q.write_bytes)
    links = np.zeros(len(q), dtype=np.int64)  # chains are joined by `absorb`
    return _merge_along(indptr, target[order], crossing, False, *work, *gate.typed(), links)  # type: ignore[no-any-return]


def gather(q: Quotient, loose: Bools, room_seconds: float) -> Ints:
    """Root cluster of each cluster after loose ones with the same only predecessor were merged.

    A path from one to another would give the other a second predecessor, so there is none: the quotient stays
    acyclic.
    """
    source, target, _ = q.edges()
    pairs = distinct(target * len(q) + source)
    target, source = pairs // len(q), pairs % len(q)
    alone = np.bincount(target, minlength=len(q)) == 1
    keep = alone[target] & loose[target]
    root = np.arange(len(q))
    last: dict[int, int] = {}  # predecessor -> cluster that its followers join
    seconds = q.seconds.copy()
    for k, p in zip(target[keep].tolist(), source[keep].tolist(), strict=True):
        r = last.get(p)
        if r is not None and seconds[r] + seconds[k] <= room_seconds:
            root[k] = r
            seconds[r] += seconds[k]
        else:
            last[p] = k
    return root


def merged(q: Quotient, root: Ints) -> Ints:
    """Label of each node after a merge of clusters."""
    return np.where(q.of_node >= 0, root[q.of_node], -1)


def topological(q: Quotient) -> Ints:
    """Clusters in a topological order that goes deep first: what was just made is read next."""
    source, target, _ = q.edges()
    order = np.argsort(source, kind="stable")
    indptr = np.searchsorted(source[order], np.arange(len(q) + 1))
    starts = np.argsort(q.sweep, kind="stable")
    return _topological(indptr, target[order], starts)  # type: ignore[no-any-return]


def depths(q: Quotient, order: Ints) -> Ints:
    """Longest distance of each cluster from the first ones of its sweep, in edges."""
    source, target, _ = q.edges()
    indptr = np.searchsorted(target, np.arange(len(q) + 1))
    return _depths(indptr, source, order)  # type: ignore[no-any-return]


class Spans(NamedTuple):
    """Where each cluster lies on the longest paths, in seconds; sweeps wait for each other's values too."""

    before: Floats  # K: longest path to its start
    after: Floats  # K: longest path from its end
    longest: float  # of all paths


def spans(q: Quotient, order: Ints) -> Spans:
    """Longest paths before and after each cluster, along a topological order of all of them."""
    before, after = _spans(q.read_indptr, q.read_clusters, q.seconds, order)
    return Spans(before, after, float((before + q.seconds + after).max(initial=0.0)))


@numba.njit(cache=True)
def _spans(indptr, sources, seconds, order):  # type: ignore[no-untyped-def]
    before, after = np.zeros(len(seconds)), np.zeros(len(seconds))
    for k in order:
        for e in range(indptr[k], indptr[k + 1]):
            s = sources[e]
            if s >= 0:
                before[k] = max(before[k], before[s] + seconds[s])
    for k in order[::-1]:
        for e in range(indptr[k], indptr[k + 1]):
            s = sources[e]
            if s >= 0:
                after[s] = max(after[s], after[k] + seconds[k])
    return before, after


@numba.njit(cache=True)
def _merge_along(  # type: ignore[no-untyped-def]
    indptr,
    neighbour,
    crossing,
    upward,
    seconds,
    reads,
    writes,
    home,
    room,
    room_bytes,
    thin,
    both,
    apart,
    shrinking,
    per_byte,
    chains,
    links,
):
    count = len(seconds)
    root = np.arange(count)
    time, read, write, room = seconds.copy(), reads.copy(), writes.copy(), room.copy()
    apart = apart.copy()
    for step in range(count):
        k = step if upward else count - 1 - step
        partner = -1
        shared = 0.0
        for e in range(indptr[k], indptr[k + 1]):
            r = neighbour[e]
            while root[r] != r:
                root[r] = root[root[r]]
                r = root[r]
            if r == k:
                continue
            if partner == -1:
                partner = r
            elif partner != r:
                partner = -2
                break
            shared += crossing[e]
        if partner < 0:
            continue
        same_home = home[k] >= 0 and home[k] == home[partner]
        if upward:
            follows = apart[k] and not apart[partner]
            small = shrinking and not follows and SHRINKS * writes[k] <= shared
            welcome = same_home or small or (chains and links[partner] == 1)
        else:
            welcome = same_home and SHRINKS * writes[k] > max(reads[k], writes[k])
        welcome = welcome or (thin[k] and (thin[partner] or not both)) or time[k] <= 2 * shared * per_byte
        fits_time = time[k] + time[partner] <= max(room[k], room[partner])
        fits_bytes = read[k] + write[k] + read[partner] + write[partner] - shared <= room_bytes
        if welcome and fits_time and fits_bytes:
            root[k] = partner
            time[partner] += time[k]
            read[partner] += read[k] - (shared if upward else 0.0)
            write[partner] += write[k]
            room[partner] = max(room[k], room[partner])
            apart[partner] = apart[partner] and apart[k]
            links[partner] += links[k] - 1
    for k in range(count):
        r = k
        while root[r] != r:
            r = root[r]
        root[k] = r
    return root


@numba.njit(cache=True)
def _topological(indptr, targets, starts):  # type: ignore[no-untyped-def]
    count = len(starts)
    waiting = np.zeros(count, dtype=np.int64)
    for t in targets:
        waiting[t] += 1
    stack = np.empty(count, dtype=np.int64)
    order = np.empty(count, dtype=np.int64)
    filled = 0
    for start in starts:
        if waiting[start] != 0:
            continue
        waiting[start] = -1
        stack[0] = start
        top = 1
        while top > 0:
            top -= 1
            k = stack[top]
            order[filled] = k
            filled += 1
            for e in range(indptr[k + 1] - 1, indptr[k] - 1, -1):
                t = targets[e]
                waiting[t] -= 1
                if waiting[t] == 0:
                    waiting[t] = -1
                    stack[top] = t
                    top += 1
    return order[:filled]


@numba.njit(cache=True)
def _depths(indptr, sources, order):  # type: ignore[no-untyped-def]
    depth = np.zeros(len(indptr) - 1, dtype=np.int64)
    for k in order:
        for e in range(indptr[k], indptr[k + 1]):
            depth[k] = max(depth[k], depth[sources[e]] + 1)
    return depth
