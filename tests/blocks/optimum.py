"""The cheapest acyclic partition of a small graph, exactly: dynamic programming over ideals.

An ideal holds every node before its own; an acyclic partition is a chain of ideals, whose differences are the
blocks. Nothing here is shared with the heuristic that it judges.
"""

from dagsolve.blocks.partition import Targets
from dagsolve.blocks.work import NodeWork, Rates
from dagsolve.graph import Graph


def block_cost(graph: Graph, nodes: frozenset[int], rates: Rates) -> float:
    """A task, and the bytes that these nodes read from elsewhere and that others read of theirs."""
    made = {v for n in nodes for v in graph.node(n).results}
    read = {v for n in nodes for v in graph.node(n).operands} - made
    used = {v for m in graph.nodes() if m.id not in nodes for v in m.operands} | set(graph.outputs)
    moved = sum(graph.spec(v).nbytes for v in (*read, *(made & used)))
    return rates.task_seconds + moved / rates.transfer_bytes_per_second


def optimum(graph: Graph, work: NodeWork, targets: Targets, rates: Rates) -> float:
    """Cost of the cheapest acyclic partition whose blocks of several nodes take at most twice the target."""
    nodes = [n for n in range(len(graph)) if not graph.is_leaf[n] and graph.needed()[n]]
    position = {n: k for k, n in enumerate(nodes)}
    before = [
        sum(
            {
                1 << position[p]
                for p in {int(graph.value_node[v]) for v in graph.node(n).operands}
                if p in position
            }
        )
        for n in nodes
    ]
    seconds = [float(work.seconds[n]) for n in nodes]
    full = (1 << len(nodes)) - 1
    cost: dict[int, float] = {}

    def of_block(members: int) -> float:
        if members not in cost:
            held = frozenset(n for k, n in enumerate(nodes) if members >> k & 1)
            time = sum(s for k, s in enumerate(seconds) if members >> k & 1)
            feasible = len(held) == 1 or time <= 2 * targets.seconds
            cost[members] = block_cost(graph, held, rates) if feasible else float("inf")
        return cost[members]

    best = {0: 0.0}
    ideals = [0]
    for ideal in ideals:  # grows while it is read: ideals by adding one node
        for k in range(len(nodes)):
            if not ideal >> k & 1 and before[k] & ~ideal == 0 and (larger := ideal | 1 << k) not in best:
                best[larger] = float("inf")
                ideals.append(larger)
    ideals.sort(key=int.bit_count)
    for position_, ideal in enumerate(ideals):
        for smaller in ideals[:position_]:
            if smaller & ~ideal == 0:
                best[ideal] = min(best[ideal], best[smaller] + of_block(ideal & ~smaller))
    return best[full]
