"""Which task goes first, where, and what it is called; pure.

Priorities follow the critical path: T. C. Hu, Operations Research 9 (1961); where that is short, memory.
Places follow the earliest finish, see `earliest`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates
from dagsolve.planning.actions import Plan, Run
from dagsolve.scheduler.earliest import Work, earliest

SHORT = 0.1  # a critical path of this share of each thread's work leaves the order free


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


def urgency(plan: Plan) -> list[int]:
    """Place of each block in the order of a run: by the critical path, or as the plan orders them.

    Whatever the order, threads that never wait while a block is ready are done within their share of the work
    and the critical path together (R. L. Graham, SIAM J. Appl. Math. 17, 1969). Where that path is short, as
    with a sum over many chunks, the order costs next to no time, and all the memory: the longest way first
    would load every chunk for the forward sweep before the reverse sweep reads the first again.
    """
    share = plan.seconds / (plan.workers * plan.threads)
    if plan.critical_seconds > SHORT * share:
        return ranks(plan.dag)
    rank = [0] * len(plan.dag.blocks)
    runs = dict.fromkeys(action.block for action in plan.actions if isinstance(action, Run))
    for place, block in enumerate(runs):
        rank[block] = place
    return rank


class Slot(NamedTuple):
    """Where and when a block is projected to run, in seconds since the start."""

    worker: int
    thread: int
    start: float
    finish: float


def timetable(
    dag: BlockDag, threads: Sequence[int], rates: Rates, rank: Sequence[int] | None = None
) -> list[Slot]:
    """Slot of each block, for workers of so many threads: where it is projected to finish first.

    rank   place of each block in the order that the slots are given in, producers before consumers; None:
           the longest remaining path goes first

    On a two-dimensional cyclic grid of workers, where each tile's owner computes it, simulated gradients of a
    factorisation take up to 20 % less and of a product up to three times as long; neither always moves fewer
    bytes. A plan does not know its tiles' positions, so there is one way: `python -m benchmarks placement`.
    """
    maker = np.full(dag.graph.value_count, -1, dtype=np.int64)
    for value, block in dag.producer.items():
        maker[value] = block
    reads = [np.array(block.reads, dtype=np.int64) for block in dag.blocks]
    work = Work(
        seconds=np.array([block.seconds for block in dag.blocks]),
        order=np.argsort(np.array(ranks(dag) if rank is None else rank, dtype=np.int64)),
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


def homes(
    dag: BlockDag, threads: Sequence[int], rates: Rates, rank: Sequence[int] | None = None
) -> list[int]:
    """Worker of each block, for workers of so many threads; see `timetable`."""
    return [slot.worker for slot in timetable(dag, threads, rates, rank)]


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
