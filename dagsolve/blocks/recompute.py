"""Residuals that later sweeps make again instead of reading them: copies of cheap forward nodes.

A *component* is a connected set of nodes of one sweep that cost little and lead up to values which later
sweeps read: the elementwise chain of a kernel tile. Its *boundary* is what it reads from elsewhere: leaves,
and operands much smaller than what is made of them. If a component is chosen, every block of a later sweep
that reads one of its values holds copies of those of its nodes that it needs, and reads the boundary.

Lemma (copies). The quotient stays acyclic. Copies remove edges into blocks of later sweeps and add edges from
the makers of boundary values, which belong to the component's sweep or an earlier one, into those same
blocks. So every edge that is new goes to a later sweep, along none does the sweep fall, and a cycle would lie
in one sweep, where no edge is new.

Lemma (work). A component that k blocks of later sweeps read is run at most 1 + k times: where it was, and
once in each of the k. Copies do not spread further, since no chosen component makes a boundary value of
another one: that value crosses. What a component adds, k times its seconds, is at most what it saves.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dagsolve.blocks.cones import Edges
from dagsolve.blocks.quotient import SHRINKS, Weights, distinct

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Terms(NamedTuple):
    """What a copy is worth and how much of them a block takes."""

    task_seconds: float  # saved per pair of blocks between which nothing crosses any longer
    seconds_per_byte: float  # saved per byte that a block reads no longer
    limit_seconds: float  # of a block with its copies
    floor_bytes: int  # smaller results are no part of a component


def repeated_nodes(edges: Edges, weights: Weights, block: Ints, dense: Bools, terms: Terms) -> Bools:
    """Nodes that blocks of later sweeps make for themselves, beside the block that they belong to.

    Two rounds: whole components; then, of those that cost too much, what lies between their dear nodes, whose
    results cross. `block` is -1 for what has no place. Takes time linear in nodes and edges, but for sorting.
    """
    count = len(block)
    reader = np.repeat(np.arange(count), np.diff(edges.indptr))
    nbytes = weights.nbytes[edges.values].astype(np.float64)
    made = np.bincount(weights.value_node, weights=weights.nbytes, minlength=count)
    read = np.bincount(reader, weights=nbytes, minlength=count)
    candidate = (block >= 0) & (made > terms.floor_bytes) & (~dense | (read * SHRINKS <= made))
    large = nbytes * SHRINKS > made[reader]
    held = np.bincount(block[block >= 0], weights=weights.seconds[block >= 0]).astype(np.float64)
    repeated = np.zeros(count, dtype=np.bool_)
    for cheap in (candidate, candidate & (weights.seconds <= terms.seconds_per_byte * made)):
        repeated |= _round(edges, weights, block, cheap & ~repeated, large, repeated, held, terms)
    return repeated


def _round(
    edges: Edges,
    weights: Weights,
    block: Ints,
    candidate: Bools,
    large: Bools,
    fixed: Bools,
    held: Floats,
    terms: Terms,
) -> Bools:
    """Nodes of the components of these candidates that pay; none beside what is fixed. Adds to `held`."""
    count, blocks, values = len(block), len(held), max(len(weights.nbytes), 1)
    maker, reader = edges.nodes, np.repeat(np.arange(count), np.diff(edges.indptr))
    later = weights.sweep[reader] > weights.sweep[maker]
    wanted = np.zeros(count, dtype=np.bool_)
    wanted[maker[later & candidate[maker]]] = True
    if not wanted.any():
        return wanted
    link = candidate[maker] & candidate[reader] & ~later & large
    wanted = _ancestors(edges.indptr, maker, link, wanted)
    link &= wanted[reader]
    links = coo_array((np.ones(np.count_nonzero(link)), (maker[link], reader[link])), shape=(count, count))
    component = np.where(wanted, connected_components(links, directed=False)[1], np.int64(-1))
    total = int(component.max()) + 1
    seconds = np.bincount(component[wanted], weights=weights.seconds[wanted], minlength=total)

    crossing = distinct(edges.values[later] * blocks + block[reader[later]])  # (value, block) pairs
    value, target = np.divmod(crossing, blocks)
    group = component[weights.value_node[value]]
    value, target, group = value[group >= 0], target[group >= 0], group[group >= 0]
    uses = distinct(group * blocks + target)  # (component, block) pairs
    repeats = np.bincount(uses // blocks, minlength=total)
    pairs = distinct((group * blocks + block[weights.value_node[value]]) * blocks + target)
    tasks = np.bincount(pairs // (blocks * blocks), minlength=total)
    saved = np.bincount(group, weights=weights.nbytes[value], minlength=total)

    outer = wanted[reader] & ~later & (component[maker] != component[reader])
    owner, value = np.divmod(distinct(component[reader[outer]] * values + edges.values[outer]), values)
    first = np.concatenate(([0], np.cumsum(repeats)))
    entry = np.repeat(np.arange(len(owner)), repeats[owner])  # each boundary value for each block
    rank = np.arange(len(entry)) - np.repeat(np.cumsum(repeats[owner]) - repeats[owner], repeats[owner])
    target = uses[first[owner[entry]] + rank] % blocks
    new = ~np.isin(value[entry] * blocks + target, crossing)
    added = np.bincount(owner[entry[new]], weights=weights.nbytes[value[entry[new]]], minlength=total)
    joined = np.zeros(total, dtype=np.bool_)  # to another block still, by a boundary value that is no leaf's
    joined[owner[entry[new & (block[weights.value_node[value[entry]]] >= 0)]]] = True
    gain = terms.task_seconds * tasks * ~joined + terms.seconds_per_byte * (saved - added)
    chosen = (repeats > 0) & (added < saved) & (repeats * seconds <= gain)

    crossed = component[weights.value_node[value[chosen[owner]]]]
    ends = (reader[fixed[maker] & ~later], maker[fixed[reader] & ~later])
    beside = component[np.concatenate(ends)]
    chosen[crossed[crossed >= 0]] = False
    chosen[beside[beside >= 0]] = False
    chosen = _fitting(uses, chosen, seconds, held, terms.limit_seconds)
    chosen_nodes: Bools = wanted & chosen[component]
    return chosen_nodes


@numba.njit(cache=True)
def _ancestors(indptr, maker, link, wanted):  # type: ignore[no-untyped-def]
    for v in range(len(indptr) - 2, -1, -1):
        if wanted[v]:
            for e in range(indptr[v], indptr[v + 1]):
                if link[e]:
                    wanted[maker[e]] = True
    return wanted


@numba.njit(cache=True)
def _fitting(uses, chosen, seconds, held, limit):  # type: ignore[no-untyped-def]
    """Components, in their order, for which every block that would repeat them has room."""
    blocks, start = len(held), 0
    while start < len(uses):
        k = uses[start] // blocks
        end = start
        fits = chosen[k]
        while end < len(uses) and uses[end] // blocks == k:
            fits = fits and held[uses[end] % blocks] + seconds[k] <= limit
            end += 1
        chosen[k] = fits
        if fits:
            for u in range(start, end):
                held[uses[u] % blocks] += seconds[k]
        start = end
    return chosen
