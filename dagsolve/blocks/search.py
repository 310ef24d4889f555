"""Local search over acyclic partitions of a small graph.

Every acyclic partition is a cut into runs of some topological order, and the cheapest runs of one order are
found exactly. So: draw an order in which the blocks found so far are runs, cut it at best, go on with the
result. That never gets worse; it merges, splits, and moves nodes between blocks that the order makes
neighbours. Starts from unrelated orders guard against a bad beginning.
"""

from random import Random

import numpy as np

from dagsolve.blocks.cones import Edges, Ints
from dagsolve.blocks.intervals import Price, cheapest_runs
from dagsolve.blocks.quotient import Quotient, Weights, merged, quotient

STARTS = 8
ROUNDS = 32  # without a gain, from each start


def searched(label: Ints, edges: Edges, weights: Weights, price: Price) -> Ints:
    """Labels of the cheapest partition found; at most what these labels cost where they are within limits."""
    nodes = quotient(np.where(label >= 0, np.arange(len(label)), -1), edges, weights)
    placed = np.flatnonzero(nodes.of_node >= 0)
    random = Random(0)
    sources, targets, _ = nodes.edges()
    before: list[set[int]] = [set() for _ in range(len(nodes))]
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        before[target].add(source)
    free = np.ones(len(nodes), dtype=np.bool_)
    best, best_cost = label, np.inf
    for start in range(STARTS):
        groups = label[placed].tolist() if start == 0 else list(range(len(nodes)))
        cost, idle = np.inf, 0
        while idle < ROUNDS:
            order = _random_order(before, groups, nodes, random)
            first, new_cost = cheapest_runs(nodes, weights.nbytes, order, free, price)
            idle = 0 if new_cost < cost * (1 - 1e-12) else idle + 1
            groups, cost = first.tolist(), new_cost
        if cost < best_cost:
            best, best_cost = merged(nodes, np.array(groups)), cost
    return best


def _random_order(before: list[set[int]], groups: list[int], nodes: Quotient, random: Random) -> Ints:
    """A random topological order, by sweep, in which the members of a group follow each other."""
    members: dict[int, list[int]] = {}
    for k, group in enumerate(groups):
        members.setdefault(group, []).append(k)
    needs = {group: {groups[u] for k in held for u in before[k]} - {group} for group, held in members.items()}
    sweep = nodes.sweep.tolist()
    order: list[int] = []
    done: set[int] = set()
    waiting = list(members)
    while waiting:
        lowest = min(sweep[members[g][0]] for g in waiting)
        ready = [g for g in waiting if sweep[members[g][0]] == lowest and needs[g] <= done]
        group = random.choice(ready)
        waiting.remove(group)
        done.add(group)
        inside, held, placed = set(members[group]), list(members[group]), set[int]()
        while held:
            k = random.choice([k for k in held if before[k] & inside <= placed])
            held.remove(k)
            placed.add(k)
            order.append(k)
    return np.array(order, dtype=np.int64)
