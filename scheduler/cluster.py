"""Cluster: workers, wires and overheads as numbers, for plans and simulations of what is not at hand."""

import math
from dataclasses import dataclass, fields

from dagsolve.blocks.work import Rates
from dagsolve.errors import ArgumentError, SchedulerError
from dagsolve.executor import Capacity, Leaves
from dagsolve.planning.actions import Plan
from dagsolve.planning.budget import resident_bytes
from dagsolve.reports import RunReport
from dagsolve.scheduler.worker import TRANSFER_BYTES
from dagsolve.tables import facts_html, facts_text, rate, title_html


@dataclass(frozen=True)
class Cluster:
    """Equal workers, the network between them, and what tasks cost beside their work.

    Given as `scheduler=` to a transformed function, its `.plan(*specs)` plans for this cluster: nothing can
    run there. `measure_cluster` gives the numbers of a real one; `dataclasses.replace` makes it larger.
    Defaults are those of a CPU cluster under Dask with an Ethernet of 10 Gbit/s.
    """

    workers: int = 1
    threads: int = 1
    """Of each worker; each runs one task at a time on one core."""
    gpus: int = 0
    """Of each worker; if any, tasks run there, one at a time on each, and the threads only wait for them."""
    dense_flops: float = 4e10
    """Flops a second of matrix products on one core."""
    elementwise_flops: float = 1e9
    """Flops a second of loops over items on one core."""
    memory_bytes_per_second: float = 8e9
    """Through memory, one core."""
    gpu_flops: float = 4e13
    """Flops a second of matrix products on one GPU."""
    gpu_bytes_per_second: float = 2e12
    """Through the memory of one GPU."""
    network_bytes_per_second: float = 1.25e9
    """Into a worker, and as much out of it."""
    latency_seconds: float = 5e-4
    """Of a message between two processes, up to its handling."""
    worker_seconds: float = 1e-3
    """What a worker's thread spends on a task beside its work."""
    scheduler_seconds: float = 5e-4
    """What the scheduler spends on a task, one task after the other."""
    submit_seconds: float = 3e-4
    """What client and scheduler spend on a task of a graph before the first one starts."""
    client_seconds: float = 0.1
    """What a run takes in the client beside its tasks."""
    client_bytes_per_second: float = math.inf
    """Given arrays and results through the client; infinite where workers load and keep them."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("workers", "threads", "gpus"):
                least = 0 if field.name == "gpus" else 1
                valid, wanted = (
                    isinstance(value, int) and value >= least,
                    f"a whole number of at least {least}",
                )
            elif field.name.endswith("_per_second") or field.name.endswith("_flops"):
                valid, wanted = isinstance(value, (int, float)) and value > 0, "a number above 0"
            else:
                valid, wanted = isinstance(value, (int, float)) and value >= 0, "a number of at least 0"
            if not valid:
                raise ArgumentError(f"Cluster: {field.name} must be {wanted}, got {value!r}")

    @property
    def slots(self) -> int:
        """Tasks that a worker runs side by side."""
        return self.gpus or self.threads

    @property
    def rates(self) -> Rates:
        """What one slot does in a second, for plans; the cost of a task to a power of two."""
        gpu = self.gpus > 0
        memory = self.gpu_bytes_per_second if gpu else self.memory_bytes_per_second
        return Rates(
            dense_flops=self.gpu_flops if gpu else self.dense_flops,
            elementwise_flops=memory / 8 if gpu else self.elementwise_flops,  # a GPU's loops wait for memory
            bytes_per_second=memory,
            call_seconds=1e-5 if gpu else 2e-6,
            task_seconds=power_of_two(self.scheduler_seconds + self.worker_seconds),
            transfer_bytes_per_second=self.network_bytes_per_second if self.workers > 1 else memory / 2,
        )

    @property
    def capacity(self) -> Capacity:
        """What plans for this cluster are made for."""
        several = self.workers > 1
        transfers = TRANSFER_BYTES if several else 0
        return Capacity(self.workers, self.slots, transfers, distributed=several, rates=self.rates)

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Rows of (name, value)."""
        kind = "GPU" if self.gpus else "core"
        of = self.rates
        through = (
            "given arrays and results stay on the workers"
            if math.isinf(self.client_bytes_per_second)
            else f"client {rate(self.client_bytes_per_second, 'B/s')}"
        )
        return (
            ("workers", f"{self.workers:,} with {self.slots} {kind}{'s' if self.slots > 1 else ''} each"),
            (f"one {kind}", f"{rate(of.dense_flops, 'flop/s')}, memory {rate(of.bytes_per_second, 'B/s')}"),
            (
                "network",
                f"{rate(self.network_bytes_per_second, 'B/s')} of a worker each way, "
                f"{1e6 * self.latency_seconds:.3g} µs; {through}",
            ),
            (
                "one task",
                f"{1e3 * self.worker_seconds:.3g} ms on its worker, "
                f"{1e3 * self.scheduler_seconds:.3g} ms of the scheduler, "
                f"{1e3 * self.submit_seconds:.3g} ms to submit",
            ),
            ("one run", f"{self.client_seconds:.3g} s in the client"),
        )

    def __str__(self) -> str:
        return f"Cluster\n{facts_text(self.facts())}"

    def _repr_html_(self) -> str:
        return title_html("Cluster") + facts_html(self.facts())


def power_of_two(seconds: float) -> float:
    """The nearest power of two in the logarithm: a measured cost that is the same tomorrow."""
    return float(2.0 ** round(math.log2(max(seconds, 2.0**-20))))


class DescribedExecutor:
    """Stands for a cluster that is only described: plans are made for it, none can run."""

    def __init__(self, cluster: Cluster) -> None:
        self.last_report: RunReport | None = None
        self._cluster = cluster

    def capacity(self) -> Capacity:
        """The cluster's workers and rates."""
        return self._cluster.capacity

    def base_bytes(self) -> int:
        """What this process holds: a worker has imported as much."""
        return resident_bytes()

    def execute(
        self,
        plan: Plan,
        leaves: Leaves,
        *,
        graph: object = None,
        progress: bool | None = None,
    ) -> dict[int, object]:
        """Raises SchedulerError: nobody is there."""
        raise SchedulerError(
            "scheduler is a described Cluster, which runs nothing: call .plan(*specs) and ds.simulate, or "
            "give a distributed.Client"
        )
