"""Places by earliest finish, compiled: blocks in the order of their ranks, each where it is done first.

A block waits for a free thread and for its reads. What another worker holds is moved first, once to each
worker and from whoever is free to send it, over wires that carry one value after the other in each direction.
Given values lie where the first block that reads them runs.
References: H. Topcuoglu, S. Hariri, M.-Y. Wu, IEEE Trans. Parallel Distrib. Syst. 13 (2002); with wires that
are busy, O. Sinnen, L. A. Sousa, ibid. 16 (2005).
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PRICE = 16.0
"""Of a move's seconds: simulated gradients of tiled factorisations and products on 4 and 16 workers take as
long with 1 on slow cores, 10 to 20 % longer on fast ones, and move 10 to 100 % more bytes."""


class Work(NamedTuple):
    """Blocks and the values that cross them, as columns; what blocks read as CSR of values."""

    seconds: Floats  # of each block
    order: Ints  # blocks, producers first
    first_read: Ints
    reads: Ints
    maker: Ints  # block of each value, -1: given
    nbytes: Ints  # of each value


@numba.njit(cache=True)
def earliest(
    work: Work, threads: Ints, task_seconds: float, bytes_per_second: float
) -> tuple[Ints, Ints, Floats]:
    """(worker, thread, start) of each block, for workers of so many threads.

    Looked at are the workers that hold what is read and the one that is free first. A move counts with its
    time on the wires, many times, also where it delays nothing yet: other blocks will want them.
    """
    count, workers = len(work.seconds), len(threads)
    most = threads.max()
    idle = np.full((workers, most), np.inf)
    for w in range(workers):
        idle[w, : threads[w]] = 0.0
    free = np.zeros(workers)  # the least of each row
    outward = np.zeros(workers)
    inward = np.zeros(workers)
    worker = np.full(count, -1, dtype=np.int64)
    thread = np.zeros(count, dtype=np.int64)
    start = np.zeros(count)
    finish = np.zeros(count)
    values = len(work.nbytes)
    given = np.full(values, -1, dtype=np.int64)  # worker that a given value was first read on
    latest = np.full(values, -1, dtype=np.int64)  # copies of each value, a list
    after = np.empty(len(work.reads), dtype=np.int64)
    place = np.empty(len(work.reads), dtype=np.int64)
    there = np.empty(len(work.reads))
    copies = 0
    seen = np.full(workers, -1, dtype=np.int64)  # the last block that looked at a worker
    for k in work.order:
        reads = work.reads[work.first_read[k] : work.first_read[k + 1]]
        first = int(np.argmin(free))
        best, chosen, begins = np.inf, -1, 0.0
        for candidate in range(-1, len(reads)):
            if candidate < 0:
                w = first
            else:
                v = reads[candidate]
                w = worker[work.maker[v]] if work.maker[v] >= 0 else given[v]
                if w < 0:
                    continue
            if seen[w] == k:
                continue
            seen[w] = k
            ready, wire, moved = 0.0, inward[w], 0.0
            for v in reads:
                maker = work.maker[v]
                source, made = (worker[maker], finish[maker]) if maker >= 0 else (given[v], 0.0)
                if source < 0 or source == w:
                    ready = max(ready, made)
                    continue
                c = latest[v]
                while c >= 0 and place[c] != w:
                    if outward[place[c]] < outward[source]:
                        source = place[c]
                    c = after[c]
                if c >= 0:
                    ready = max(ready, there[c])
                    continue
                spent = work.nbytes[v] / bytes_per_second
                sent = max(outward[source], made) + spent
                wire = max(wire, made) + spent
                moved += spent
                ready = max(ready, max(sent, wire) + task_seconds)
            begin = max(ready, free[w])
            found = begin + work.seconds[k] + task_seconds + PRICE * moved
            if found < best or (found == best and w < chosen):
                best, chosen, begins = found, w, begin
        w = chosen
        for v in reads:
            maker = work.maker[v]
            source, made = (worker[maker], finish[maker]) if maker >= 0 else (given[v], 0.0)
            if source < 0:
                given[v] = w
            if source < 0 or source == w:
                continue
            c = latest[v]
            while c >= 0 and place[c] != w:
                if outward[place[c]] < outward[source]:
                    source = place[c]
                c = after[c]
            if c >= 0:
                continue
            spent = work.nbytes[v] / bytes_per_second
            outward[source] = max(outward[source], made) + spent
            inward[w] = max(inward[w], made) + spent
            after[copies], place[copies] = latest[v], w
            there[copies] = max(outward[source], inward[w]) + task_seconds
            latest[v] = copies
            copies += 1
        worker[k], thread[k] = w, np.argmin(idle[w])
        start[k] = begins
        finish[k] = begins + work.seconds[k] + task_seconds
        idle[w, thread[k]] = finish[k]
        free[w] = idle[w].min()
    return worker, thread, start
