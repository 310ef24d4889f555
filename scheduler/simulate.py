"""simulate: when and where the tasks of a plan would run on a described cluster, and what that moves.

The tasks are those of a real run: one for each run of a block, projections of its values, gates, and one for
each large given array. `machine.happen` lets them happen.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dagsolve.blocks.crossings import rows_of
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates, node_work
from dagsolve.errors import ArgumentError
from dagsolve.planning.actions import Plan
from dagsolve.reports import RunReport
from dagsolve.scheduler.cluster import Cluster
from dagsolve.scheduler.machine import Floats, Ints, Tasks, Wires, happen, traces
from dagsolve.scheduler.parts import USER, groups
from dagsolve.scheduler.placement import homes, urgency
from dagsolve.scheduler.simulation import Simulation
from dagsolve.scheduler.tasks import INLINE_BYTES, bundled_leaves, executions, expected_homes


def simulate(
    plan: Plan,
    cluster: Cluster,
    *,
    measured: RunReport | None = None,
    places: Sequence[int] | None = None,
) -> Simulation:
    """A run of a plan on a cluster that need not exist.

    measured   report of a real run: of this plan, each block takes what it took there; of another one, blocks
               take as many times the projected seconds as their labels did there. None: as projected from the
               cluster's rates
    places     worker of each block; None: the workers that a real run would ask for

    The same plan and cluster give the same numbers. Raises ArgumentError for places that are no workers.
    """
    if not isinstance(cluster, Cluster):
        raise ArgumentError(f"simulate: cluster must be a Cluster, got {type(cluster).__name__}")
    dag, rates = plan.dag, cluster.rates
    seconds = block_seconds(dag, rates)
    if measured is not None:
        seconds = measured_seconds(seconds, plan, measured)
    if places is None:
        several = cluster.workers > 1
        slots, rank = [cluster.slots] * cluster.workers, urgency(plan)
        places = homes(dag, slots, rates, rank) if several else [0] * len(dag)
    home = np.asarray(places, dtype=np.int64)
    if home.shape != (len(dag),) or np.any((home < 0) | (home >= cluster.workers)):
        raise ArgumentError(
            f"simulate: places must be a worker from 0 to {cluster.workers - 1} for each of {len(dag)} blocks"
        )
    tasks, block, given_bytes = _tasks(plan, seconds, home, rates)
    if cluster.workers == 1:
        tasks = tasks._replace(home=np.zeros_like(tasks.home))
    wires = Wires(
        cluster.network_bytes_per_second,
        cluster.latency_seconds,
        cluster.worker_seconds,
        cluster.scheduler_seconds,
    )
    begin = cluster.submit_seconds * len(block) + given_bytes / cluster.client_bytes_per_second
    made = traces(tasks, cluster.workers)
    end, served, transfers = happen(tasks, np.full(cluster.workers, cluster.slots), wires, begin, made)
    fetched = sum(dag.value_nbytes(v) for v in plan.outputs if v in dag.producer)
    runs = np.flatnonzero(block >= 0)
    return Simulation(
        plan=plan,
        cluster=cluster,
        seconds=cluster.client_seconds + end + fetched / cluster.client_bytes_per_second,
        critical_seconds=_longest_way(dag, seconds),
        tasks=len(block),
        transfers=transfers,
        scheduler_seconds=served,
        blocks=block[runs],
        worker=tasks.home[runs],
        start=made.start[runs],
        block_seconds=tasks.seconds[runs],
        busy_seconds=made.busy,
        peak_bytes=made.peak,
        sent_bytes=made.sent,
        received_bytes=made.received,
    )


def block_seconds(dag: BlockDag, rates: Rates) -> Floats:
    """Projected seconds of each block on a machine of these rates, shape (blocks,)."""
    work = node_work(dag.graph, rates).seconds
    members = [np.array(block.nodes, dtype=np.int64) for block in dag.blocks]
    if not members:
        return np.zeros(0)
    first = np.cumsum([0, *map(len, members[:-1])])
    found: Floats = np.add.reduceat(work[np.concatenate(members)], first)
    return found


def measured_seconds(projected: Floats, plan: Plan, measured: RunReport) -> Floats:
    """Seconds of each block as a run measured them: its own where the plan is the same, else by label."""
    labels = [block.label for block in plan.dag.blocks]
    if measured.plan is None:
        raise ArgumentError("simulate: measured must be the report of a run, got one without a plan")
    theirs = [block.seconds for block in measured.plan.dag.blocks]
    seconds = projected.copy()
    if measured.plan.digest == plan.digest:
        for done in measured.done:
            seconds[done.block] = done.seconds
        return seconds
    sums: dict[str, list[float]] = {}
    for done in measured.done:
        entry = sums.setdefault(done.label, [0.0, 0.0])
        entry[0] += done.seconds
        entry[1] += theirs[done.block]
    spent, thought = (sum(entry[k] for entry in sums.values()) for k in (0, 1))
    everything = spent / thought if thought else 1.0
    ratio = {label: a / b for label, (a, b) in sums.items() if b}
    found: Floats = seconds * np.array([ratio.get(label, everything) for label in labels])
    return found


class _Row(NamedTuple):
    """A task before it becomes a row of columns."""

    block: int  # -1: not the run of a block
    nbytes: int
    workspace: int
    home: int
    rank: float
    whole: int
    kept: bool


def _tasks(plan: Plan, seconds: Floats, home: Ints, rates: Rates) -> tuple[Tasks, Ints, int]:
    """The tasks of a run, the block of each (-1: none), and the bytes of the given arrays."""
    dag = plan.dag
    nbytes = dag.graph.value_nbytes.tolist()
    rank, place = urgency(plan), home.tolist()
    made_by, _ = executions(plan)
    homes = expected_homes(plan, made_by, place, rates)
    bundled = bundled_leaves(made_by, lambda value: nbytes[value] > INLINE_BYTES)
    bundle_bytes: Counter[int] = Counter()
    for value, (first, _) in bundled.items():
        bundle_bytes[first] += nbytes[value]
    rows: list[_Row] = []
    reader: list[int] = []  # pairs of tasks
    read: list[int] = []
    at: dict[tuple[int, int], int] = {}  # (moment of a run, value) -> task that holds it
    gates: dict[int, int] = {}
    runs: dict[int, int] = {}  # moment -> task
    leaves: dict[int, int] = {}
    for execution in made_by:
        block = execution.block
        k = block.index
        reads: list[int] = []
        for producer, value in execution.reads:
            if producer is not None:
                reads.append(at[producer.moment, value])
            elif value in bundled:
                first, _ = bundled[value]
                if first not in leaves:
                    leaves[first] = len(rows)
                    rows.append(_Row(-1, bundle_bytes[first], 0, place[k], rank[k], -1, False))
                reads.append(leaves[first])
        if execution.gate is not None:
            behind = execution.gate.moment
            if behind not in gates:
                gates[behind] = len(rows)
                rows.append(_Row(-1, 0, 0, place[execution.gate.block.index], -1, -1, False))
                reader.append(gates[behind])
                read.append(runs[behind])
            reads.append(gates[behind])
        task = runs[execution.moment] = len(rows)
        distinct = dict.fromkeys(reads)
        reader.extend([task] * len(distinct))
        read.extend(distinct)
        found = groups(block, execution.readers, nbytes, homes)
        written = sum(nbytes[v] for v in block.writes)
        for_user = any(group.whole and _for_user(group.readers) for group in found)
        rows.append(_Row(k, written, block.workspace_bytes, place[k], rank[k], -1, for_user))
        for group in found:
            holder = task
            if not group.whole:
                if not group.readers:
                    continue
                holder = len(rows)
                part = sum(nbytes[block.writes[i]] for i in group.positions)
                rows.append(_Row(-1, part, 0, place[k], -1, task, _for_user(group.readers)))
                reader.append(holder)
                read.append(task)
            for i in group.positions:
                at[execution.moment, block.writes[i]] = holder
    return (
        _columns(rows, reader, read, seconds),
        np.array([row.block for row in rows], dtype=np.int64),
        sum(nbytes[v] for v in plan.leaves),
    )


def _for_user(readers: frozenset[Any]) -> bool:
    return any(r == USER or isinstance(r, tuple) for r in readers)


def _columns(rows: list[_Row], reader: list[int], read: list[int], seconds: Floats) -> Tasks:
    """Tasks as columns; in the order of their ranks, those of a block behind each other."""
    count = len(rows)
    columns: Any = list(zip(*rows, strict=True)) if rows else [()] * len(_Row._fields)
    block, nbytes, workspace, home, rank, whole = (np.array(c, dtype=np.int64) for c in columns[:6])
    order = np.lexsort((np.arange(count), rank))
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    readers, reads = np.array(reader, dtype=np.int64), np.array(read, dtype=np.int64)
    by_reader = rows_of(readers, reads, count)
    by_read = rows_of(reads, readers, count)
    spent = np.where(block >= 0, np.append(seconds, 0.0)[block], 0.0)
    return Tasks(
        spent, nbytes, workspace, home, place, whole, np.array(columns[6], dtype=np.bool_),
        by_reader.indptr, by_reader.items, by_read.indptr, by_read.items,
    )  # fmt: skip


def _longest_way(dag: BlockDag, seconds: Floats) -> float:
    finish = seconds.tolist()
    spent = seconds.tolist()
    for source, target in dag.edges:  # sorted by source, which is topological
        finish[target] = max(finish[target], finish[source] + spent[target])
    return float(max(finish, default=0.0))
