"""Width: blocks are cut shorter where workers would wait for each other, as far as that helps.

A partition that aims at long blocks may leave too few ready at a time. `wide_dag` compares cuts by the
makespan of a list schedule: blocks start in the order of their bottom levels (the longest way to an end) as
workers become free, which takes at most 2 - 1/workers times the optimum (Graham, SIAM J. Appl. Math. 17,
1969). Each block counts with its task's overhead and the transfer of what it reads.
"""

import heapq
from dataclasses import replace

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Targets, partition
from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.blocks.work import NodeWork, Rates
from dagsolve.graph import Graph

HALVINGS = 3  # of the seconds aimed at
GAIN = 0.9  # a shorter cut takes at most this share of the makespan, or is not worth its tasks
WORTH_SECONDS = 0.02  # shorter makespans are left alone
LARGE_NODES = 200_000  # larger graphs are cut once


def wide_dag(graph: Graph, work: NodeWork, targets: Targets, rates: Rates) -> BlockDag:
    """The blocks of a graph, cut shorter than aimed at where that fills the workers."""
    best = block_dag(graph, partition(graph, work, targets=targets, rates=rates), work)
    if len(graph) > LARGE_NODES or targets.workers < 2:
        return best
    shortest, longest_way = makespan(best, targets.workers, rates)
    ready = sum(_seconds(b, rates) for b in best) / max(longest_way, 1e-12)
    if ready >= 2 * targets.workers:
        return best
    for halving in range(1, HALVINGS + 1):
        least = sum(_seconds(b, rates) for b in best) / targets.workers
        if shortest < WORTH_SECONDS or GAIN * shortest < least:
            break
        shorter = replace(targets, seconds=targets.seconds / 2**halving)
        dag = block_dag(graph, partition(graph, work, targets=shorter, rates=rates), work)
        seconds, _ = makespan(dag, targets.workers, rates)
        if seconds <= GAIN * shortest:
            best, shortest = dag, seconds
    return best


def makespan(dag: BlockDag, workers: int, rates: Rates) -> tuple[float, float]:
    """Projected seconds of all blocks on so many workers, and of the longest way through them."""
    followers: list[list[int]] = [[] for _ in dag.blocks]
    waiting = [0] * len(dag)
    for source, target in dag.edges:
        followers[source].append(target)
        waiting[target] += 1
    seconds = [_seconds(block, rates) for block in dag.blocks]
    level = list(seconds)
    for k in reversed(range(len(dag))):  # blocks are numbered topologically
        level[k] += max((level[t] for t in followers[k]), default=0.0)
    ready = [(-level[k], k) for k, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, k = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[k], k))
        now, k = heapq.heappop(running)
        for target in followers[k]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, (-level[target], target))
    return now, max(level, default=0.0)


def _seconds(block: Block, rates: Rates) -> float:
    return block.seconds + rates.task_seconds + block.read_bytes / rates.transfer_bytes_per_second
