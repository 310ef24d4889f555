"""Cones of a graph and their cuts: compiled passes over edges in topological order.

A *cone* is a set of nodes of one sweep with one exit: every other member is read, inside its sweep, by
members only. The cones below are maximal: in reverse topological order a node joins its consumers' cone if
they all lie in one.

Lemma (cones). Whatever nodes are forced to be exits, the quotient by the cones is acyclic. An edge that
leaves a cone within its sweep starts at the exit, since a member that is not the exit has all its consumers
inside; and the exit is the member of highest id. So on an edge u -> v between cones of one sweep,
exit(u) = u < v <= exit(v); on an edge between sweeps the sweep rises. The pair (sweep, exit) rises along
every edge.

Lemma (refinement). Replacing a block of an acyclic quotient by an acyclic partition of itself keeps the
quotient acyclic: a cycle through another block would be a cycle before, one inside is excluded.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.graph import Graph

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Edges(NamedTuple):
    """Reads of the nodes that are placed: CSR over nodes, copied nodes contracted into their operands."""

    indptr: Ints  # N + 1; empty rows for leaves, copied and unneeded nodes
    values: Ints  # value ids read, distinct in a row
    nodes: Ints  # the nodes that make them


def placed_edges(graph: Graph, placed: Bools, copied: Bools) -> Edges:
    """What each placed node reads when copied nodes are made again by whoever reads them."""
    c = graph.columns
    indptr, values = _contracted(c.indptr, c.operands, graph.value_node, placed, copied)
    return Edges(indptr, values, graph.value_node[values])


def cones(edges: Edges, sweep: Ints, placed: Bools, forced: Bools) -> Ints:
    """Exit of each placed node's maximal cone, -1 elsewhere; forced nodes are exits."""
    return _cones(edges.indptr, edges.nodes, sweep, placed, forced)  # type: ignore[no-any-return]


def heavy_cuts(edges: Edges, label: Ints, weight: Floats, heavy: Bools) -> Bools:
    """Nodes to force as exits so that what hangs on each weighs at most 1, inside the heavy clusters.

    From the sources on, the heaviest operand subtrees are cut off a node until the rest fits; a node that is
    read twice counts for its last consumer. Fewest cuts on trees (Kundu and Misra, SIAM J. Comput. 6, 1977).
    """
    return _heavy_cuts(edges.indptr, edges.nodes, label, weight, heavy)  # type: ignore[no-any-return]


def split_intervals(label: Ints, weight: Floats, heavy: Bools) -> Ints:
    """Labels in which heavy clusters are cut into runs of ascending ids that weigh at most 1 (or one node).

    Acyclic by the refinement lemma; a label is the highest id of its run.
    """
    return _split_intervals(label, weight, heavy)  # type: ignore[no-any-return]


@numba.njit(cache=True)
def _contracted(indptr, operands, value_node, placed, copied):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    stamp = np.full(len(value_node), -1, dtype=np.int64)
    out_indptr = np.zeros(n + 1, dtype=np.int64)
    out = np.empty(max(len(operands), 16), dtype=np.int64)
    stack = np.empty(64, dtype=np.int64)
    filled = 0
    for v in range(n):
        out_indptr[v] = filled
        if not placed[v]:
            continue
        top = 1
        stack[0] = v
        while top > 0:
            top -= 1
            u = stack[top]
            for e in range(indptr[u], indptr[u + 1]):
                value = operands[e]
                if stamp[value] == v:
                    continue
                stamp[value] = v
                w = value_node[value]
                if copied[w]:
                    if top == len(stack):
                        stack = np.concatenate((stack, np.empty_like(stack)))
                    stack[top] = w
                    top += 1
                else:
                    if filled == len(out):
                        out = np.concatenate((out, np.empty_like(out)))
                    out[filled] = value
                    filled += 1
    out_indptr[n] = filled
    return out_indptr, out[:filled].copy()


@numba.njit(cache=True)
def _cones(indptr, nodes, sweep, placed, forced):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    label = np.full(n, -1, dtype=np.int64)
    of_consumers = np.full(n, -1, dtype=np.int64)  # their common cone; -1: none yet, -2: several
    for v in range(n - 1, -1, -1):
        if not placed[v]:
            continue
        label[v] = v if forced[v] or of_consumers[v] < 0 else of_consumers[v]
        for e in range(indptr[v], indptr[v + 1]):
            u = nodes[e]
            if placed[u] and sweep[u] == sweep[v]:
                if of_consumers[u] == -1:
                    of_consumers[u] = label[v]
                elif of_consumers[u] != label[v]:
                    of_consumers[u] = -2
    return label


@numba.njit(cache=True)
def _heavy_cuts(indptr, nodes, label, weight, heavy):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    forced = np.zeros(n, dtype=np.bool_)
    last = np.full(n, -1, dtype=np.int64)  # last consumer in the same cluster
    for v in range(n):
        if label[v] >= 0 and heavy[v]:
            for e in range(indptr[v], indptr[v + 1]):
                if label[nodes[e]] == label[v]:
                    last[nodes[e]] = v
    hanging = np.zeros(n)
    for v in range(n):
        if label[v] < 0 or not heavy[v]:
            continue
        total = weight[v]
        for e in range(indptr[v], indptr[v + 1]):
            u = nodes[e]
            if last[u] == v and not forced[u]:
                total += hanging[u]
        while total > 1.0:
            worst = -1
            for e in range(indptr[v], indptr[v + 1]):
                u = nodes[e]
                if last[u] == v and not forced[u] and (worst < 0 or hanging[u] > hanging[worst]):
                    worst = u
            if worst < 0:
                break
            forced[worst] = True
            total -= hanging[worst]
        hanging[v] = total
    return forced


@numba.njit(cache=True)
def _split_intervals(label, weight, heavy):  # type: ignore[no-untyped-def]
    n = len(label)
    out = label.copy()
    current = np.full(n, -1, dtype=np.int64)  # run of each old label, seen from its last node
    held = np.zeros(n)
    for v in range(n - 1, -1, -1):
        k = label[v]
        if k < 0 or not heavy[v]:
            continue
        if current[k] < 0 or held[k] + weight[v] > 1.0:
            current[k] = v
            held[k] = 0.0
        held[k] += weight[v]
        out[v] = current[k]
    return out


def copied_nodes(graph: Graph, placed: Bools, free: Bools, depth_limit: int, slack_bytes: int) -> Bools:
    """Nodes that every block which reads them makes for itself.

    A free node is copied if crossing its operands instead of its results moves no more bytes (up to a slack),
    and its operands are leaves, copied nodes, or, for a view, one value that is placed. Outputs are never
    copied, nor are chains longer than the limit, so the work of all copies stays linear.
    """
    c = graph.columns
    output = np.zeros(len(graph), dtype=np.bool_)
    output[graph.value_node[list(graph.outputs)]] = True
    sizes = np.concatenate(([0], np.cumsum(graph.value_nbytes)))
    made = sizes[c.first_value[1:]] - sizes[c.first_value[:-1]]
    nbytes, candidate = graph.value_nbytes, placed & free & ~output
    return _copied(  # type: ignore[no-any-return]
        c.indptr,
        c.operands,
        graph.value_node,
        nbytes,
        made,
        candidate,
        graph.is_leaf,
        depth_limit,
        slack_bytes,
    )


@numba.njit(cache=True)
def _own_copies(indptr, producers, copied, block):  # type: ignore[no-untyped-def]
    for v in range(len(indptr) - 2, -1, -1):
        if block[v] >= 0:
            for e in range(indptr[v], indptr[v + 1]):
                u = producers[e]
                if copied[u] and (block[u] < 0 or block[v] < block[u]):
                    block[u] = block[v]


def own_copies(graph: Graph, copied: Bools, block: Ints) -> None:
    """Give each copied node, in place, the first of the blocks that read it."""
    _own_copies(graph.columns.indptr, graph.producers, copied, block)


@numba.njit(cache=True)
def _copied(indptr, operands, value_node, nbytes, made, candidate, leaf, depth_limit, slack):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    depth = np.zeros(n, dtype=np.int64)  # 0: placed or leaf
    over_placed = np.zeros(n, dtype=np.bool_)  # a copied node over a value that is placed
    copied = np.zeros(n, dtype=np.bool_)
    for v in range(n):
        if not candidate[v]:
            continue
        read, deepest, bases = 0, 0, 0
        for e in range(indptr[v], indptr[v + 1]):
            u = value_node[operands[e]]
            read += nbytes[operands[e]]
            deepest = max(deepest, depth[u])
            if over_placed[u] or not (leaf[u] or copied[u]):
                bases += 1
        alone = indptr[v + 1] - indptr[v] == 1
        if deepest < depth_limit and (bases == 0 or (bases == 1 and alone)) and read <= made[v] + slack:
            copied[v] = True
            depth[v] = deepest + 1
            over_placed[v] = bases > 0
    return copied
