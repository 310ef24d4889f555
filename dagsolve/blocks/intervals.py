"""Cheapest cut of a topological order into runs: merges of small clusters that are not joined by one edge.

Runs of a topological order are labels that never fall along an edge, so their quotient is acyclic. The cost
of a cluster is a task plus the bytes that it reads and writes; the optimum over runs is a shortest path.

A run waits for what its latest member waits for, and all that follows its earliest member waits for the run.
Members from far apart would put the longest path behind itself: a run may make it longer by no more than its
own limit at either end.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dagsolve.blocks.quotient import Quotient, spans

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WINDOW = 128  # clusters looked at before one; repeated merges make longer runs


class Price(NamedTuple):
    """What a cluster costs in seconds, and how large it may become by merging."""

    task_seconds: float
    seconds_per_byte: float
    limit_seconds: float
    limit_bytes: float


def cheapest_runs(
    q: Quotient, nbytes: Ints, order: Ints, mergeable: Bools, price: Price
) -> tuple[Ints, float]:
    """First cluster of each cluster's run in this order, and what all runs cost together.

    A run of several holds mergeable clusters of one sweep and stays within the price's limits.
    """
    position = np.empty(len(q), dtype=np.int64)
    position[order] = np.arange(len(q))
    last_reader = np.full(len(nbytes), -1, dtype=np.int64)
    readers = np.repeat(position, np.diff(q.read_indptr))
    np.maximum.at(last_reader, q.read_values, readers)
    last_reader[q.kept] = len(q)
    before, after, longest = spans(q, order)
    return _cheapest_runs(  # type: ignore[no-any-return]
        order,
        q.sweep,
        q.seconds,
        mergeable,
        q.read_indptr,
        q.read_values,
        q.write_indptr,
        q.write_values,
        last_reader,
        nbytes.astype(np.float64),
        before,
        after,
        longest + 2 * price.limit_seconds,
        *map(float, price),  # another type would be compiled apart
    )


@numba.njit(cache=True)
def _cheapest_runs(  # type: ignore[no-untyped-def]
    order, sweep, seconds, mergeable, read_indptr, reads, write_indptr, writes, last_reader, nbytes,
    before, after, limit_path, task_seconds, per_byte, limit_seconds, limit_bytes,
):  # fmt: skip
    count = len(order)
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    start = np.zeros(count + 1, dtype=np.int64)
    stamp = np.full(len(nbytes), -1, dtype=np.int64)
    for end in range(count):
        read, written, time, start_at, rest = 0.0, 0.0, 0.0, 0.0, 0.0
        for begin in range(end, max(-1, end - WINDOW), -1):
            k = order[begin]
            time += seconds[k]
            start_at, rest = max(start_at, before[k]), max(rest, after[k])
            if begin < end and (
                not mergeable[k]
                or not mergeable[order[end]]
                or sweep[k] != sweep[order[end]]
                or time > limit_seconds
                or start_at + time + rest > limit_path
            ):
                break
            for e in range(write_indptr[k], write_indptr[k + 1]):
                v = writes[e]
                if last_reader[v] > end:
                    written += nbytes[v]
                if stamp[v] == end:
                    read -= nbytes[v]
            for e in range(read_indptr[k], read_indptr[k + 1]):
                v = reads[e]
                if stamp[v] != end:
                    stamp[v] = end
                    read += nbytes[v]
            if begin < end and read + written > limit_bytes:
                continue
            cost = best[begin] + task_seconds + (read + written) * per_byte
            if cost < best[end + 1]:
                best[end + 1] = cost
                start[end + 1] = begin
    first = np.empty(count, dtype=np.int64)
    end = count
    while end > 0:
        for p in range(start[end], end):
            first[order[p]] = order[start[end]]
        end = start[end]
    return first, best[count]
