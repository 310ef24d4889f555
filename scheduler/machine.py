"""The pretend cluster, compiled: tasks finish, messages and values travel, workers take what is ready.

Three kinds of events, in order of time: a task finished, a task reached its worker, a task's values are
there. The scheduler serves finished tasks one after the other. A wire of a worker carries one value after the
other, in each direction; a value is there when both its wires have carried it. A worker's free slot takes the
ready task of the lowest rank; ready tasks wait in a skew heap (D. D. Sleator, R. E. Tarjan, SIAM J. Comput.
15, 1986).
"""

import heapq
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FINISHED, REACHED, READY = 0, 1, 2  # kinds of events; at the same time, in this order


class Wires(NamedTuple):
    """What messages, values and tasks take beside their work, in seconds and bytes a second."""

    bytes_per_second: float
    latency_seconds: float
    worker_seconds: float
    scheduler_seconds: float


class Tasks(NamedTuple):
    """Columns parallel to the tasks, each of which makes one value; what it reads and its readers as CSR."""

    seconds: Floats
    nbytes: Ints  # of the value
    workspace: Ints  # while it runs
    home: Ints  # worker
    rank: Ints  # lower goes first
    whole: Ints  # the task whose value this is a part of, or -1
    kept: npt.NDArray[np.bool_]  # its value stays to the end
    first_read: Ints
    reads: Ints
    first_reader: Ints
    readers: Ints


class Traces(NamedTuple):
    """What happened, filled in by `happen`."""

    start: Floats  # of each task on its slot
    waiting: Ints  # reads of each task that are not made yet; all zero at the end
    busy: Floats  # seconds of work of each worker
    peak: Ints  # bytes of each worker
    sent: Ints  # bytes of each worker to others
    received: Ints


@numba.njit(cache=True)
def _merged(a: int, b: int, rank: Ints, left: Ints, right: Ints) -> int:
    """Root of two skew heaps in one."""
    if a < 0:
        return b
    if b < 0:
        return a
    if rank[b] < rank[a]:
        a, b = b, a
    root = a
    while True:  # down the right way; children change sides
        after = right[a]
        right[a] = left[a]
        if after < 0:
            left[a] = b
            return root
        if rank[b] < rank[after]:
            after, b = b, after
        left[a] = after
        a = after


@numba.njit(cache=True)
def happen(tasks: Tasks, slots: Ints, wires: Wires, begin: float, made: Traces) -> tuple[float, float, int]:
    """(end of the last task, seconds of the scheduler's work, transfers); the rest goes into `made`.

    `begin` is when the scheduler knows all tasks; `slots` how many each worker has.
    """
    count, workers = len(tasks.seconds), len(slots)
    idle = slots.copy()
    queue = np.full(workers, -1, dtype=np.int64)  # root of each worker's ready tasks
    left = np.full(count, -1, dtype=np.int64)
    right = np.full(count, -1, dtype=np.int64)
    held = tasks.nbytes.copy()  # less the parts that others hold
    unread = np.diff(tasks.first_reader)
    outward = np.zeros(workers)  # when each wire is free
    inward = np.zeros(workers)
    used = np.zeros(workers, dtype=np.int64)
    copies = 0
    latest = np.full(count, -1, dtype=np.int64)  # latest copy of each value, a list
    copy_next = np.empty(len(tasks.reads), dtype=np.int64)
    copy_worker = np.empty(len(tasks.reads), dtype=np.int64)
    copy_time = np.empty(len(tasks.reads))
    served, work, last = begin, 0.0, begin
    events = [(begin, -1)]
    events.pop()
    for rank_of in np.argsort(tasks.rank):
        if made.waiting[rank_of] == 0:
            served += wires.scheduler_seconds
            work += wires.scheduler_seconds
            events.append((served + wires.latency_seconds, REACHED * count + rank_of))
    heapq.heapify(events)
    while len(events) > 0:
        now, code = heapq.heappop(events)
        kind, k = code // count, code % count
        w = tasks.home[k]
        if kind == FINISHED:
            last = max(last, now)
            idle[w] += 1
            used[w] -= tasks.workspace[k]
            whole = tasks.whole[k]
            if whole >= 0:  # the part's bytes are its own now
                held[whole] -= tasks.nbytes[k]
                used[w] -= tasks.nbytes[k]
            for d in tasks.reads[tasks.first_read[k] : tasks.first_read[k + 1]]:
                unread[d] -= 1
                if unread[d] == 0 and not tasks.kept[d]:
                    used[tasks.home[d]] -= held[d]
                    c = latest[d]
                    while c >= 0:
                        used[copy_worker[c]] -= tasks.nbytes[d]
                        c = copy_next[c]
            if unread[k] == 0 and not tasks.kept[k]:
                used[w] -= held[k]
            served = max(served, now + wires.latency_seconds) + wires.scheduler_seconds
            work += wires.scheduler_seconds
            for r in tasks.readers[tasks.first_reader[k] : tasks.first_reader[k + 1]]:
                made.waiting[r] -= 1
                if made.waiting[r] == 0:
                    heapq.heappush(events, (served + wires.latency_seconds, REACHED * count + r))
        elif kind == REACHED:
            there = now
            for d in tasks.reads[tasks.first_read[k] : tasks.first_read[k + 1]]:
                source = tasks.home[d]
                if source == w or tasks.nbytes[d] == 0:
                    continue
                c = latest[d]
                found = -1.0
                while c >= 0:
                    if copy_worker[c] == w:
                        found = copy_time[c]
                        break
                    if copy_time[c] <= now and outward[copy_worker[c]] < outward[source]:
                        source = copy_worker[c]
                    c = copy_next[c]
                if found < 0:
                    spent = tasks.nbytes[d] / wires.bytes_per_second
                    outward[source] = max(outward[source], now) + spent
                    inward[w] = max(inward[w], now) + spent
                    found = max(outward[source], inward[w]) + 2 * wires.latency_seconds  # asked, answered
                    copy_next[copies], copy_worker[copies], copy_time[copies] = latest[d], w, found
                    latest[d] = copies
                    copies += 1
                    made.sent[source] += tasks.nbytes[d]
                    made.received[w] += tasks.nbytes[d]
                    used[w] += tasks.nbytes[d]
                    made.peak[w] = max(made.peak[w], used[w])
                there = max(there, found)
            heapq.heappush(events, (there, READY * count + k))
        else:
            queue[w] = _merged(queue[w], k, tasks.rank, left, right)
        while idle[w] > 0 and queue[w] >= 0:
            k = queue[w]
            queue[w] = _merged(left[k], right[k], tasks.rank, left, right)
            left[k] = right[k] = -1
            idle[w] -= 1
            used[w] += tasks.nbytes[k] + tasks.workspace[k]
            made.peak[w] = max(made.peak[w], used[w])
            made.start[k] = now
            made.busy[w] += tasks.seconds[k]
            heapq.heappush(events, (now + wires.worker_seconds + tasks.seconds[k], FINISHED * count + k))
    return last, work, copies


def traces(tasks: Tasks, workers: int) -> Traces:
    """Traces before anything happened."""
    return Traces(
        np.zeros(len(tasks.seconds)),
        np.diff(tasks.first_read),
        np.zeros(workers),
        *(np.zeros(workers, dtype=np.int64) for _ in range(3)),
    )
