"""Rates of this machine by executor: what the partition and the projections of time are computed from."""

import time
from dataclasses import replace
from functools import lru_cache

import numpy as np

from dagsolve.blocks.partition import Targets
from dagsolve.blocks.work import Rates

__all__ = ["DISK_BYTES_PER_SECOND", "DISTRIBUTED", "THREADS", "Rates", "measured_rates", "targets_for"]

THREADS = Rates()
DISTRIBUTED = Rates(task_seconds=2e-3, transfer_bytes_per_second=1e9)
DISK_BYTES_PER_SECOND = 1e9  # tiles written and read back

_PROBE_ROWS = 384
_PROBE_CALLS = 5


@lru_cache(maxsize=1)
def dense_flops() -> float:
    """Flops a second of a matrix product in this process, measured once in a few milliseconds."""
    a = np.full((_PROBE_ROWS, _PROBE_ROWS), 1.0)
    out = np.empty_like(a)
    best = np.inf
    for _ in range(_PROBE_CALLS):  # the first call starts BLAS; the best is not disturbed by others
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    return float(2 * _PROBE_ROWS**3 / max(best, 1e-9))


def measured_rates(rates: Rates = THREADS) -> Rates:
    """These rates with the matrix product's measured on this machine."""
    return replace(rates, dense_flops=dense_flops())


def targets_for(
    rates: Rates, *, workers: int, target_bytes: float = np.inf, on_disk: bool = False
) -> Targets:
    """What blocks should be like when a task costs what these rates say.

    Blocks aim at 75 tasks' overheads, but at least 50 ms and at most 150 ms. A byte that waits for a later
    sweep has left the cache: it costs a write and a read of memory, or of the disk where not all fit. One
    worker that need not watch its bytes gains nothing from a cut: its values stay in one block, where a
    result may take the memory of its last operand.
    """
    if workers == 1 and target_bytes == np.inf:
        return Targets(seconds=np.inf, bytes=np.inf, thin_seconds=0.0, workers=1)
    return Targets(
        seconds=min(max(0.05, 75 * rates.task_seconds), 0.15),
        bytes=target_bytes,
        thin_seconds=1.25 * rates.task_seconds,
        workers=workers,
        recompute=2 / (DISK_BYTES_PER_SECOND if on_disk else rates.bytes_per_second),
    )
