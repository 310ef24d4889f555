"""Budgets: the peak of a worker's memory, projected by a sum before any work is done.

    projected = base + transfers + threads x largest working set + store

holds for every order that a scheduler may choose. `base` is what the process holds already, a working set
what a block reads, writes and needs beside that, and the store takes the values that wait between blocks: as
many as the budget leaves room for, the rest of them lie on disk.
"""

from dataclasses import dataclass

import psutil
from dask.utils import format_bytes, parse_bytes

from dagsolve.blocks.structure import BlockDag
from dagsolve.errors import ArgumentError, BudgetError


@dataclass(frozen=True)
class Budget:
    """The terms of the projection, per worker; all in bytes."""

    memory_limit: int | None  # None: unlimited
    threads: int
    working_set_bytes: int  # of the largest block
    transfer_bytes: int  # limit on values in flight between workers
    base_bytes: int  # resident before the run
    value_bytes: int  # of all values that wait between blocks, whatever the order

    @property
    def floor_bytes(self) -> int:
        """Smallest feasible budget: everything that waits lies on disk."""
        return self.base_bytes + self.transfer_bytes + self.threads * self.working_set_bytes

    @property
    def store_bytes(self) -> int | None:
        """Memory left for values that wait between blocks; None: unlimited."""
        return None if self.memory_limit is None else self.memory_limit - self.floor_bytes

    @property
    def projected_bytes(self) -> int:
        """Peak that no order of the blocks exceeds."""
        store = self.value_bytes if self.store_bytes is None else min(self.store_bytes, self.value_bytes)
        return self.floor_bytes + store

    def __str__(self) -> str:
        base, transfers = format_bytes(self.base_bytes), format_bytes(self.transfer_bytes)
        working_set = f"{self.threads} threads x working set {format_bytes(self.working_set_bytes)}"
        values = format_bytes(self.projected_bytes - self.floor_bytes)
        total = format_bytes(self.projected_bytes)
        return f"{total} = base {base} + transfers {transfers} + {working_set} + values {values}"


def bytes_of(memory_limit: int | float | str | None) -> int | None:
    """A budget in bytes: None, a number, or a text such as "4 GiB".

    Raises ArgumentError for anything else, and for a budget that is not positive.
    """
    if memory_limit is None:
        return None
    try:
        limit = int(parse_bytes(memory_limit))
    except (ValueError, TypeError, AttributeError, OverflowError) as fault:
        raise ArgumentError(
            f'memory_limit: must be None, a number of bytes or a text like "4 GiB", got {memory_limit!r}'
        ) from fault
    if limit <= 0:
        raise ArgumentError(f"memory_limit: must be more than 0 bytes, got {memory_limit!r}")
    return limit


def resident_bytes() -> int:
    """Bytes that this process holds in memory now."""
    return int(psutil.Process().memory_info().rss)


def budget(
    dag: BlockDag,
    memory_limit: int | float | str | None,
    *,
    threads: int,
    transfer_bytes: int = 0,
    base_bytes: int | None = None,
) -> Budget:
    """The projection for this dag on workers of so many threads; base defaults to this process's.

    Raises BudgetError when even with every waiting value on disk the limit is exceeded.
    """
    if threads < 1:
        raise ArgumentError(f"budget: threads must be at least 1, got {threads}")
    made = Budget(
        memory_limit=bytes_of(memory_limit),
        threads=threads,
        working_set_bytes=max((b.working_set_bytes for b in dag.blocks), default=0),
        transfer_bytes=transfer_bytes,
        base_bytes=resident_bytes() if base_bytes is None else base_bytes,
        value_bytes=_value_bytes(dag),
    )
    if made.memory_limit is not None and made.floor_bytes > made.memory_limit:
        raise BudgetError(_refusal(dag, made))
    return made


def _value_bytes(dag: BlockDag) -> int:
    values = {v for b in dag.blocks for v in (*b.reads, *b.writes)} | set(dag.graph.outputs)
    return int(dag.graph.value_nbytes[list(values)].sum()) if values else 0


def _refusal(dag: BlockDag, made: Budget) -> str:
    head = (
        f"memory_limit is {made.memory_limit:,} bytes, the projected peak of a worker {made.floor_bytes:,} "
        f"bytes even with every waiting value on disk (base {made.base_bytes:,} + transfers "
        f"{made.transfer_bytes:,} + {made.threads} threads x working set {made.working_set_bytes:,})"
    )
    if not dag.blocks:
        return f"{head}; give at least {made.floor_bytes:,} bytes"
    block = max(dag.blocks, key=lambda b: b.working_set_bytes)
    where = f"block {block.index} ({block.label}), recorded at {dag.source_line(block)}"
    return (
        f"{head}. The working set is that of {where}: it reads {block.read_bytes:,}, writes "
        f"{block.write_bytes:,} and needs {block.workspace_bytes:,} bytes beside. Give at least "
        f"{made.floor_bytes:,} bytes, fewer threads per worker, or smaller chunks"
    )
