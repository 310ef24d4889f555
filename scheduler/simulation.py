"""Simulation: what a plan would take on a described cluster, and where the seconds go."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from dask.utils import format_bytes

from dagsolve.planning.actions import Plan
from dagsolve.reports import BlockDone, RunReport
from dagsolve.scheduler.cluster import Cluster
from dagsolve.tables import Table, duration, facts_html, facts_text, rate, title_html

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """A run that did not happen: seconds, and columns of its blocks and workers."""

    plan: Plan
    cluster: Cluster
    seconds: float
    """From the call to the results in the client."""
    critical_seconds: float
    """Work of the longest chain of blocks at the cluster's rates: no number of workers is faster."""
    tasks: int
    """Dask's: blocks, projections of their values, given arrays."""
    transfers: int
    """Values sent from worker to worker."""
    scheduler_seconds: float
    """In which the scheduler was at work on tasks."""
    blocks: Ints
    """Block of each run of one, as are the four columns below."""
    worker: Ints
    start: Floats
    """Seconds since the call, without the client's own."""
    block_seconds: Floats
    busy_seconds: Floats
    """Work of each worker, without what tasks cost beside it; as are the three columns below."""
    peak_bytes: Ints
    """Values held and workspace."""
    sent_bytes: Ints
    """To other workers."""
    received_bytes: Ints

    @property
    def busy_share(self) -> Floats:
        """Share of its slots' time that each worker works."""
        return self.busy_seconds / max(self.seconds * self.cluster.slots, 1e-300)

    @property
    def efficiency(self) -> float:
        """Mean of `busy_share`: work over what all slots could have done meanwhile."""
        return float(np.mean(self.busy_share))

    @property
    def moved_bytes(self) -> int:
        """Between workers."""
        return int(self.sent_bytes.sum())

    @cached_property
    def done(self) -> tuple[BlockDone, ...]:
        """Every run of a block as a real one announces it, in the order of their ends."""
        of = self.plan.dag.blocks
        columns = (self.blocks, self.worker, self.start, self.block_seconds)
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        order = np.argsort(self.start + self.block_seconds, kind="stable")
        return tuple(
            BlockDone(f"{k}", of[block].label, seconds, block, worker_name(worker), start)
            for k in order.tolist()
            for block, worker, start, seconds in (rows[k],)
        )

    def report(self) -> RunReport:
        """The same as the report of a real run."""
        report = RunReport(
            elapsed_seconds=self.seconds,
            plan=self.plan,
            threads=self.cluster.workers * self.cluster.slots,
            dense_flops=self.cluster.rates.dense_flops,
        )
        for done in self.done:
            report.add(done)
        for worker, (peak, sent) in enumerate(zip(self.peak_bytes, self.sent_bytes, strict=True)):
            report.peak_bytes[worker_name(worker)] = int(peak)
            report.sent_bytes[worker_name(worker)] = int(sent)
        return report

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Rows of (name, value) that say what the run would take."""
        slots = self.cluster.workers * self.cluster.slots
        work = float(self.busy_seconds.sum())
        least = max(self.critical_seconds, work / slots)
        wire = self.received_bytes.max(initial=0) / self.cluster.network_bytes_per_second
        return (
            ("run", f"{duration(self.seconds)} of {self.tasks:,} tasks on {self._machine()}"),
            (
                "bounds",
                f"work over slots {duration(work / slots)}, longest chain {duration(self.critical_seconds)}: "
                f"the run takes {self.seconds / least:.3g} times the larger"
                if least
                else "nothing to do",
            ),
            ("slots at work", f"{self.efficiency:.0%} of the time, {self._shares()}"),
            (
                "arithmetic",
                f"{self.plan.flops:.3g} flops, {rate(self.plan.flops / self.seconds, 'flop/s')}"
                if self.seconds
                else f"{self.plan.flops:.3g} flops",
            ),
            ("scheduler at work", f"{self.scheduler_seconds / self.seconds:.0%} of the time"),
            (
                "between workers",
                f"{format_bytes(self.moved_bytes)} in {self.transfers:,} transfers; "
                f"the worker that receives most takes {duration(wire)} for it",
            ),
            (
                "peak per worker",
                f"{format_bytes(int(self.peak_bytes.max(initial=0)))} of values and workspace",
            ),
        )

    def __repr__(self) -> str:
        return f"Simulation\n{facts_text(self.facts())}\n\n{self._table().text()}"

    def _repr_html_(self) -> str:
        return title_html("Simulation") + facts_html(self.facts()) + self._table().html()

    def _machine(self) -> str:
        of = self.cluster
        kind = "GPU" if of.gpus else "core"
        workers = "1 worker" if of.workers == 1 else f"{of.workers:,} workers"
        return f"{workers} with {of.slots} {kind}{'s' if of.slots > 1 else ''} each"

    def _shares(self) -> str:
        return f"{self.busy_share.min():.0%} to {self.busy_share.max():.0%} by worker"

    def _table(self) -> Table:
        columns = zip(
            self.busy_share,
            self.busy_seconds,
            self.peak_bytes,
            self.sent_bytes,
            self.received_bytes,
            strict=True,
        )
        counts = np.bincount(self.worker, minlength=self.cluster.workers)
        rows = (
            (
                worker_name(w),
                f"{counts[w]:,}",
                f"{seconds:.3g}",
                f"{share:.0%}",
                *(format_bytes(int(n)) for n in (peak, sent, received)),
            )
            for w, (share, seconds, peak, sent, received) in enumerate(columns)
        )
        return Table(("worker", "blocks", "seconds", "at work", "peak", "sent", "received"), tuple(rows))


def worker_name(number: int) -> str:
    """What a simulated worker is called."""
    return f"worker {number}"
