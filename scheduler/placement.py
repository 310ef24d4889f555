"""Which task goes first, where, and what it is called; pure.

Priorities follow the critical path: T. C. Hu, Operations Research 9 (1961). Places follow the earliest
finish, see `earliest`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates
from dagsolve.scheduler.earliest import Work, earliest


def remaining_seconds(dag: BlockDag) -> npt.NDArray[np.float64]:
    """Longest projected time from the start of each block to the end of the run, shape (blocks,)."""
    after = np.zeros(len(dag.blocks))
    for source, target in reversed(dag.edges):  # descending sources: every target is final before them
        after[source] = max(after[source], after[target] + dag.blocks[target].seconds)
    total: npt.NDArray[np.float64] = after + np.array([block.seconds for block in dag.blocks])
    return total


def ranks(dag: BlockDag) -> list[int]:
    """Place of each block when the longest remaining path goes first; among equals, the first block."""
    longest_first = np.argsort(-remaining_seconds(dag), kind="stable")
    rank = np.empty(len(dag.blocks), dtype=np.int64)
    rank[longest_first] = np.arange(len(dag.blocks))
    return [int(place) for place in rank]


class Slot(NamedTuple):
    """Where and when a block is projected to run, in seconds since the start."""

    worker: int
    thread: int
    start: float
    finish: float


def timetable(dag: BlockDag, threads: Sequence[int], rates: Rates) -> list[Slot]:
    """Slot of each block, for workers of so many threads: where it is projected to finish first.

    Of places that follow the tiles' positions on a two-dimensional cyclic grid of workers, simulated runs of
    tiled factorisations and products moved fewer bytes but took longer, because the cones of a factorisation
    are chains; `python -m benchmarks placement` compares them.
    """
    maker = np.full(dag.graph.value_count, -1, dtype=np.int64)
    for value, block in dag.producer.items():
        maker[value] = block
    reads = [np.array(block.reads, dtype=np.int64) for block in dag.blocks]
    work = Work(
        seconds=np.array([block.seconds for block in dag.blocks]),
        order=np.argsort(np.array(ranks(dag), dtype=np.int64)),
        first_read=np.cumsum([0, *map(len, reads)]),
        reads=np.concatenate(reads) if reads else np.zeros(0, dtype=np.int64),
        maker=maker,
        nbytes=dag.graph.value_nbytes,
    )
    worker, thread, start = earliest(
        work, np.asarray(threads, dtype=np.int64), rates.task_seconds, rates.transfer_bytes_per_second
    )
    finish = start + work.seconds + rates.task_seconds
    columns = (column.tolist() for column in (worker, thread, start, finish))
    return [Slot(*row) for row in zip(*columns, strict=True)]


def homes(dag: BlockDag, threads: Sequence[int], rates: Rates) -> list[int]:
    """Worker of each block, for workers of so many threads; see `timetable`."""
    return [slot.worker for slot in timetable(dag, threads, rates)]


def key_prefix(label: str) -> str:
    """The label as one word that begins with a letter.

    Of a key's first word Dask, grouping keys, loses nothing; of further words it keeps only some:
    "reverse-log1p-3f9-7" and even "reverse-cholesky-3f9-7" (eight letters, the first from a to f, are taken
    for a hash) would both be grouped under "reverse".
    """
    word = re.sub(r"\W", "_", label)
    return word if word[:1].isalpha() else f"block_{word}"


def task_key(label: str, run: str, block: int, copy: int = 0) -> str:
    """Key of a block's task, unique by run and block; `copy` counts recomputations."""
    return f"{key_prefix(label)}-{run}-{block}" + (f"-r{copy}" if copy else "")


class Priorities:
    """Priority of a key, for `dask.annotate`; it travels to the scheduler, which asks it for every key."""

    def __init__(self, by_key: Mapping[Any, int]) -> None:
        self._by_key: dict[Any, int] = dict(by_key)

    def __call__(self, key: Any) -> int:
        return self._by_key.get(key, 0)


class Places:
    """Workers of a key, for `dask.annotate`: a hint, which `AnyWorker` lets the scheduler pass over."""

    def __init__(self, by_key: Mapping[Any, str]) -> None:
        self._by_key: dict[Any, str] = dict(by_key)

    def __call__(self, key: Any) -> list[str]:
        place = self._by_key.get(key)
        return [] if place is None else [place]


class AnyWorker:
    """Whether a key may run elsewhere than on its workers, for `dask.annotate`: always."""

    def __call__(self, key: Any) -> bool:
        return True
