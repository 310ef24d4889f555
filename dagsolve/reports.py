"""RunReport: what one run took, by primitive and by worker, beside what its plan projected."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from dask.utils import format_bytes

from dagsolve.blocks.evaluate import Warned
from dagsolve.planning.actions import Plan
from dagsolve.storage import StoreStatistics
from dagsolve.tables import Table, duration, facts_html, facts_text, title_html

THIS_PROCESS = "this process"

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BlockDone:
    """One block has been run."""

    key: str
    """Unique within a run; the same again if the block had to be repeated."""
    label: str
    seconds: float
    block: int = -1
    """Index in the plan's dag; -1: unknown."""
    worker: str = THIS_PROCESS
    start: float = 0.0
    """Seconds since the epoch, by the clock of the worker."""
    warned: tuple[Warned, ...] = ()
    """Warnings that a worker of a cluster collected, each once."""


Listener = Callable[[BlockDone], None]


class LabelTime(NamedTuple):
    """What the blocks of one label took, repetitions included."""

    label: str
    blocks: int
    seconds: float
    projected_seconds: float
    flops: float


class WorkerTime(NamedTuple):
    """What one worker did."""

    worker: str
    blocks: int
    seconds: float
    peak_bytes: int | None  # growth of its resident memory; None: not measured
    sent_bytes: int  # to other workers and to the client


@dataclass(repr=False)
class RunReport:
    """What one run took; kept by an executor, and by a transformed function, as `last_report`."""

    elapsed_seconds: float = 0.0
    blocks: dict[str, int] = field(default_factory=dict)
    """Label -> blocks run, repetitions included."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Label -> seconds inside those blocks."""
    done: list[BlockDone] = field(default_factory=list)
    """Every block run, in the order in which they were announced."""
    peak_bytes: dict[str, int] = field(default_factory=dict)
    """Process or worker -> growth of its resident memory at the peak of the run."""
    store_peak_bytes: int = 0
    """The most that one TileStore held in RAM."""
    spilled_bytes: int = 0
    loaded_bytes: int = 0
    sent_bytes: dict[str, int] = field(default_factory=dict)
    """Worker -> bytes that it sent to other workers and to the client."""
    gathered_bytes: int = 0
    """Results that workers sent to the client."""
    plan: Plan | None = None
    threads: int = 1
    """Of all workers together."""
    dense_flops: float | None = None
    """Flops a second of a matrix product on one thread, where it was measured; see `dagsolve.report`."""

    def add(self, done: BlockDone) -> None:
        """Counts one block."""
        self.blocks[done.label] = self.blocks.get(done.label, 0) + 1
        self.done.append(done)
        self.seconds[done.label] = self.seconds.get(done.label, 0.0) + done.seconds

    def add_store(self, moved: StoreStatistics) -> None:
        """Counts what one store held and moved."""
        self.store_peak_bytes = max(self.store_peak_bytes, moved.peak_ram_bytes)
        self.spilled_bytes += moved.spilled_bytes
        self.loaded_bytes += moved.loaded_bytes

    @property
    def durations(self) -> list[float]:
        """Seconds of every block run, in the order in which they were announced."""
        return [done.seconds for done in self.done]

    @property
    def busy_seconds(self) -> float:
        """Seconds inside blocks, of all threads together."""
        return sum(self.seconds.values())

    @property
    def flops(self) -> float:
        """Of the blocks that were run, repetitions included, by their primitives' costs."""
        return sum(entry.flops for entry in self.by_label())

    @property
    def efficiency(self) -> float | None:
        """Flops of the run over those that matrix products would have done meanwhile on all its threads.

        None where the rate of matrix products was not measured.
        """
        if self.dense_flops is None or not self.elapsed_seconds:
            return None
        return self.flops / (self.elapsed_seconds * self.threads * self.dense_flops)

    @property
    def moved_bytes(self) -> int:
        """Sent from worker to worker."""
        return max(0, sum(self.sent_bytes.values()) - self.gathered_bytes)

    @property
    def projected_growth_bytes(self) -> int | None:
        """Growth of a worker's memory that the plan projects, for any order; None without a plan's terms."""
        terms = None if self.plan is None else self.plan.budget
        return None if terms is None else terms.projected_bytes - terms.base_bytes

    def by_label(self) -> tuple[LabelTime, ...]:
        """Times by label, the longest first."""
        sums = {label: [0, 0.0, 0.0, 0.0] for label in self.blocks}
        blocks = () if self.plan is None else self.plan.dag.blocks
        for done in self.done:
            entry = sums[done.label]
            entry[0] += 1
            entry[1] += done.seconds
            if 0 <= done.block < len(blocks):
                entry[2] += blocks[done.block].seconds
                entry[3] += blocks[done.block].flops
        made = (LabelTime(label, int(n), *rest) for label, (n, *rest) in sums.items())
        return tuple(sorted(made, key=lambda entry: (-entry.seconds, entry.label)))

    def by_worker(self) -> tuple[WorkerTime, ...]:
        """Times by worker, in the order of their names."""
        counts: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for done in self.done:
            counts[done.worker] = counts.get(done.worker, 0) + 1
            seconds[done.worker] = seconds.get(done.worker, 0.0) + done.seconds
        return tuple(
            WorkerTime(
                name,
                counts.get(name, 0),
                seconds.get(name, 0.0),
                self.peak_bytes.get(name),
                self.sent_bytes.get(name, 0),
            )
            for name in sorted({*counts, *self.peak_bytes, *self.sent_bytes})
        )

    def facts(self) -> Facts:
        """Rows of (name, value) that say what the run took."""
        workers = len({*self.peak_bytes, *(done.worker for done in self.done)})
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        where = threads if workers <= 1 else f"{workers} workers with {threads} together"
        available = self.elapsed_seconds * self.threads
        share = f", {self.busy_seconds / available:.0%} of the threads' time" if available else ""
        longest = max(self.durations, default=0.0)
        rows = [
            ("run", f"{duration(self.elapsed_seconds)}, {len(self.done):,} blocks on {where}"),
            ("in blocks", f"{duration(self.busy_seconds)}{share}; the longest {duration(longest)}"),
        ]
        if self.plan is not None:
            work, path = duration(self.plan.seconds), duration(self.plan.critical_seconds)
            rows.append(("projected", f"{work} in blocks, critical path {path}"))
            rows.append(("arithmetic", self._arithmetic()))
        if self.peak_bytes:
            rows.append(("peak", self._peak()))
        rows.append(
            (
                "store",
                f"{format_bytes(self.store_peak_bytes)} held at most, {format_bytes(self.spilled_bytes)} "
                f"written to disk, {format_bytes(self.loaded_bytes)} read back",
            )
        )
        if self.sent_bytes:
            to_client = f", {format_bytes(self.gathered_bytes)} to the client" if self.gathered_bytes else ""
            rows.append(("sent", f"{format_bytes(self.moved_bytes)} between workers{to_client}"))
        return tuple(rows)

    def tables(self) -> tuple[Table, ...]:
        """Times by label, and by worker."""
        labels = Table(
            ("blocks", "count", "seconds", "share", "projected", "Gflop/s", *self._rate_title()),
            tuple(self._label_row(entry) for entry in self.by_label()),
        )
        workers = Table(
            ("worker", "count", "seconds", "peak growth", "sent"),
            tuple(
                (
                    of.worker,
                    f"{of.blocks:,}",
                    f"{of.seconds:.3g}",
                    "" if of.peak_bytes is None else format_bytes(of.peak_bytes),
                    format_bytes(of.sent_bytes),
                )
                for of in self.by_worker()
            ),
        )
        return tuple(table for table in (labels, workers) if table.rows)

    def __repr__(self) -> str:
        tables = (table.text() for table in self.tables())
        return "\n\n".join((f"RunReport\n{facts_text(self.facts())}", *tables))

    def _repr_html_(self) -> str:
        tables = "".join(table.html() for table in self.tables())
        return title_html(f"Run of {len(self.done):,} blocks") + facts_html(self.facts()) + tables

    def _arithmetic(self) -> str:
        rate = f", {self.flops / self.elapsed_seconds / 1e9:.3g} Gflop/s" if self.elapsed_seconds else ""
        words = f"{self.flops:.3g} flops{rate}"
        if self.efficiency is None or self.dense_flops is None:
            return words
        return f"{words}: {self.efficiency:.1%} of matrix products at {self.dense_flops / 1e9:.3g} a thread"

    def _peak(self) -> str:
        worst = max(self.peak_bytes, key=self.peak_bytes.__getitem__)
        words = f"{format_bytes(self.peak_bytes[worst])} above the start"
        if len(self.peak_bytes) > 1:
            words += f" on {worst}"
        projected = self.projected_growth_bytes
        return words if projected is None else f"{words}, projected {format_bytes(projected)} for any order"

    def _rate_title(self) -> tuple[str, ...]:
        return () if self.dense_flops is None else ("of matmul",)

    def _label_row(self, of: LabelTime) -> tuple[str, ...]:
        rate = of.flops / of.seconds if of.seconds else 0.0
        share = of.seconds / self.busy_seconds if self.busy_seconds else 0.0
        row = (
            of.label,
            f"{of.blocks:,}",
            f"{of.seconds:.3g}",
            f"{share:.0%}",
            f"{of.projected_seconds:.3g}",
            f"{rate / 1e9:.3g}",
        )
        return row if self.dense_flops is None else (*row, f"{rate / self.dense_flops:.0%}")


def recording(report: RunReport, listener: Listener) -> Listener:
    """A listener that also counts in a report; it may be called from several threads."""
    lock = threading.Lock()

    def hear(done: BlockDone) -> None:
        with lock:
            report.add(done)
        listener(done)

    return hear
