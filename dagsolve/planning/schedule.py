"""make_plan: an order of the blocks that keeps memory low, with every value dropped after its last use.

Two orders are tried on the pretend machine, the blocks' own (by sweep and depth) and a greedy one that always
runs the ready block after which memory is lowest; the plan takes the one with the lower peak.
"""

import heapq
from collections.abc import Sequence
from hashlib import blake2b

from dagsolve.blocks.structure import BlockDag
from dagsolve.planning.actions import Action, Drop, Output, Plan, Run
from dagsolve.planning.budget import Budget, budget
from dagsolve.planning.replay import replay


def make_plan(
    dag: BlockDag,
    *,
    memory_limit: int | float | str | None = None,
    threads: int = 1,
    transfer_bytes: int = 0,
    base_bytes: int | None = None,
) -> Plan:
    """The plan that computes every block once and keeps every value until its last use.

    Values that exceed the store's share of the budget wait on disk; that changes no action. Raises
    BudgetError when the budget cannot hold, before any work.
    """
    projection = budget(
        dag, memory_limit, threads=threads, transfer_bytes=transfer_bytes, base_bytes=base_bytes
    )
    orders = dict.fromkeys((tuple(range(len(dag))), greedy_order(dag)))
    actions = min((keep_everything(dag, order) for order in orders), key=lambda a: replay(dag, a).peak_bytes)
    return plan_of(dag, actions, projection)


def plan_of(dag: BlockDag, actions: Sequence[Action], projection: Budget) -> Plan:
    """The plan of these actions, replayed under the projection's store.

    Raises PlanError when the actions break a law.
    """
    counted = replay(dag, actions, store_bytes=projection.store_bytes)
    return Plan(
        dag=dag,
        actions=tuple(actions),
        peak_bytes=counted.peak_bytes,
        store_bytes=projection.store_bytes,
        memory_limit=projection.memory_limit,
        threads=projection.threads,
        projected_bytes=projection.projected_bytes,
        digest=_digest(dag, actions),
        budget=projection,
    )


def keep_everything(dag: BlockDag, order: Sequence[int]) -> tuple[Action, ...]:
    """Run the blocks in this order, hand outputs over when made, drop the rest after the last use."""
    outputs = set(dag.graph.outputs)
    uses = {value: len(readers) for value, readers in dag.consumers.items()}
    actions: list[Action] = []
    handed: set[int] = set()
    for index in order:
        block = dag.blocks[index]
        actions.append(Run(index))
        for value in block.writes:
            if value in outputs:
                actions.append(Output(value))
                handed.add(value)
        for value in block.reads:
            uses[value] -= 1
            if not uses[value] and value not in outputs:
                actions.append(Drop(value))
    actions.extend(
        Output(v) for v in dict.fromkeys(dag.graph.outputs) if v not in handed
    )  # leaves handed through
    return tuple(actions)


def greedy_order(dag: BlockDag) -> tuple[int, ...]:
    """A topological order: always the ready block that adds least to memory, ties to the lower index.

    What a block adds is what it writes less what it reads for the last time; a block is pushed anew when the
    last reader of a value becomes known. Takes time linear in reads, but for the queue.
    """
    producer, consumers = dag.producer, dag.consumers
    outputs = set(dag.graph.outputs)
    uses = {value: len(readers) for value, readers in consumers.items()}
    waiting = [len({producer[v] for v in block.reads if v in producer}) for block in dag.blocks]
    followers: list[list[int]] = [[] for _ in dag.blocks]
    for source, target in dag.edges:
        followers[source].append(target)
    done = [False] * len(dag)

    nbytes = dag.graph.value_nbytes.tolist()
    growth = [block.write_bytes for block in dag.blocks]
    for value, readers in consumers.items():
        if len(readers) == 1 and value not in outputs:
            growth[readers[0]] -= nbytes[value]
    queue = [(growth[k], k) for k, count in enumerate(waiting) if not count]
    heapq.heapify(queue)
    order: list[int] = []
    while queue:
        _, index = heapq.heappop(queue)
        if done[index]:
            continue
        done[index] = True
        order.append(index)
        for target in followers[index]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(queue, (growth[target], target))
        for value in dag.blocks[index].reads:
            uses[value] -= 1
            if uses[value] == 1:
                reader = next(k for k in consumers[value] if not done[k])
                if value not in outputs:
                    growth[reader] -= nbytes[value]
                    if not waiting[reader]:
                        heapq.heappush(queue, (growth[reader], reader))
    return tuple(order)


def _digest(dag: BlockDag, actions: Sequence[Action]) -> str:
    h = blake2b(dag.graph.digest.encode(), digest_size=16)
    for block in dag.blocks:
        h.update(repr((block.nodes, block.reads, block.writes)).encode())
    h.update(repr(actions).encode())
    return h.hexdigest()
