"""What runs a plan: the protocol, the record of a run, and the serial reference.

    values = executor.execute(plan, leaves)     value id -> array, for every output of the plan

The serial executor follows the plan's actions one by one in this process. Threads and clusters
(`dagsolve.scheduler`) turn the same actions into Dask tasks and must give the same numbers.
"""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import psutil
from dask.local import get_sync

from dagsolve.blocks.evaluate import program, run_block
from dagsolve.errors import ArgumentError, PlanError
from dagsolve.namespace import Array
from dagsolve.planning.actions import Drop, Plan, Recompute, Run, Spill
from dagsolve.planning.budget import resident_bytes
from dagsolve.storage import StoreStatistics, TileStore

Leaves = Mapping[int, Any]
"""Value id -> array, number, or a node or reference of an existing Dask graph."""


@dataclass(frozen=True, slots=True)
class BlockDone:
    """One block has been run."""

    key: str
    """Unique within a run; the same again if the block had to be repeated."""
    label: str
    seconds: float


Listener = Callable[[BlockDone], None]
Watch = Callable[[Plan, bool | None], AbstractContextManager[Listener]]
"""Opens a listener for one run, given the user's `progress` option."""


@dataclass
class RunReport:
    """What one run took; kept by an executor as `last_report`."""

    elapsed_seconds: float = 0.0
    blocks: dict[str, int] = field(default_factory=dict)
    """Label -> blocks run, repetitions included."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Label -> seconds inside those blocks."""
    durations: list[float] = field(default_factory=list, repr=False)
    """Seconds of every block run, in the order in which they were announced."""
    peak_bytes: dict[str, int] = field(default_factory=dict)
    """Process or worker -> growth of its resident memory at the peak of the run."""
    store_peak_bytes: int = 0
    """The most that one TileStore held in RAM."""
    spilled_bytes: int = 0
    loaded_bytes: int = 0

    def add(self, done: BlockDone) -> None:
        """Counts one block."""
        self.blocks[done.label] = self.blocks.get(done.label, 0) + 1
        self.durations.append(done.seconds)
        self.seconds[done.label] = self.seconds.get(done.label, 0.0) + done.seconds

    def add_store(self, moved: StoreStatistics) -> None:
        """Counts what one store held and moved."""
        self.store_peak_bytes = max(self.store_peak_bytes, moved.peak_ram_bytes)
        self.spilled_bytes += moved.spilled_bytes
        self.loaded_bytes += moved.loaded_bytes


def recording(report: RunReport, listener: Listener) -> Listener:
    """A listener that also counts in a report; it may be called from several threads."""
    lock = threading.Lock()

    def hear(done: BlockDone) -> None:
        with lock:
            report.add(done)
        listener(done)

    return hear


class Capacity(NamedTuple):
    """What an executor has to offer: the numbers that plans are made for."""

    workers: int
    threads: int  # per worker
    transfer_bytes: int = 0  # per worker, values in flight at most
    distributed: bool = False


class Executor(Protocol):
    """Runs plans."""

    last_report: RunReport | None

    def capacity(self) -> Capacity:
        """Workers and threads as they are now."""
        ...

    def base_bytes(self) -> int:
        """Bytes that a worker holds in memory before a run."""
        ...

    def execute(
        self,
        plan: Plan,
        leaves: Leaves,
        *,
        graph: Mapping[Any, Any] | None = None,
        progress: bool | None = None,
    ) -> dict[int, Array]:
        """Every output of the plan, by value id.

        `leaves` holds a value for each of `plan.leaves`; those that are references or nodes of an existing
        Dask graph are computed with the tasks of `graph`. `progress`: True shows it, False does not, None
        does where somebody is looking.

        Raises BlockError for a block that failed, SchedulerError when Dask is gone, StorageError when a
        tile could not be kept.
        """
        ...


class ResidentMemory:
    """Growth of this process's resident memory at its peak since this was made, in bytes.

    On Linux the kernel's own high-water mark, reset at the start, so no moment is missed.
    """

    def __init__(self) -> None:
        self._marked = _reset_high_water_mark()
        self._start: int = psutil.Process().memory_info().rss

    def peak_growth_bytes(self) -> int:
        """Peak minus start; where the mark cannot be reset, the peak of the whole process counts."""
        peak = _high_water_mark() if self._marked else None
        if peak is None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return max(0, peak - self._start)


def _reset_high_water_mark() -> bool:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _high_water_mark() -> int | None:
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


@contextmanager
def silence(plan: Plan, progress: bool | None) -> Iterator[Listener]:
    """The `Watch` that shows nothing."""
    yield lambda done: None


def checked_leaves(plan: Plan, leaves: Leaves) -> None:
    """Raises ArgumentError unless every leaf of the plan is given."""
    missing = [value for value in plan.leaves if value not in leaves]
    if missing:
        raise ArgumentError(
            f"execute: leaves must hold a value for each of the plan's {len(plan.leaves)} leaves; missing are"
            f" the value ids {missing[:8]}"
        )


class SerialExecutor:
    """The reference: the plan's actions in their order, in this process and thread.

    `directory` is where tiles beyond `plan.store_bytes` go; `watch` opens the listener of each run.
    """

    def __init__(self, *, watch: Watch = silence, directory: str | os.PathLike[str] | None = None) -> None:
        self.last_report: RunReport | None = None
        self._watch = watch
        self._directory = directory

    def capacity(self) -> Capacity:
        """One worker of one thread."""
        return Capacity(1, 1)

    def base_bytes(self) -> int:
        """Bytes that this process holds in memory now."""
        return resident_bytes()

    def execute(
        self,
        plan: Plan,
        leaves: Leaves,
        *,
        graph: Mapping[Any, Any] | None = None,
        progress: bool | None = None,
    ) -> dict[int, Array]:
        """Every output of the plan, by value id; see `Executor.execute`."""
        checked_leaves(plan, leaves)
        report, memory, start = RunReport(), ResidentMemory(), time.perf_counter()
        given = _computed(leaves, graph)
        with (
            TileStore(self._directory, budget_bytes=plan.store_bytes) as store,
            self._watch(plan, progress) as shown,
        ):
            listen = recording(report, shown)
            for action in plan.actions:
                match action:
                    case Run(block) | Recompute(block):
                        listen(_run(plan, block, store, given))
                    case Drop(value):
                        store.pop(value, None)
                    case Spill(value):
                        store.spill(value)
                    case _:  # Save, Load and Output change nothing: a value stays until it is dropped
                        pass
            values = {value: store[value] if value in store else given[value] for value in plan.outputs}
            report.add_store(store.statistics)
        report.elapsed_seconds = time.perf_counter() - start
        report.peak_bytes["this process"] = memory.peak_growth_bytes()
        self.last_report = report
        return values


def _run(plan: Plan, index: int, store: TileStore, given: Mapping[int, Any]) -> BlockDone:
    block = plan.dag.blocks[index]
    start = time.perf_counter()
    try:
        inputs = [store[value] if value in store else given[value] for value in block.reads]
    except KeyError as fault:
        raise PlanError(
            f"execute: block {index} ({block.label}) reads value {fault.args[0]}, which was dropped or never"
            " made; the plan is at fault, please report it"
        ) from None
    made = run_block(program(plan.dag, index), inputs)
    for value, array in zip(block.writes, made, strict=True):
        if value not in store:  # a recomputed block makes again what is absent
            store[value] = array
    return BlockDone(f"{index}", block.label, time.perf_counter() - start)


def _computed(leaves: Leaves, graph: Mapping[Any, Any] | None) -> dict[int, Any]:
    """The leaves with those of an existing Dask graph computed."""
    nodes = {value: leaf for value, leaf in leaves.items() if hasattr(leaf, "key")}
    if not nodes:
        return dict(leaves)
    tasks = dict(graph or {})
    tasks |= {leaf.key: leaf for leaf in nodes.values() if callable(leaf)}  # a node; a reference is not
    found = get_sync(tasks, [leaf.key for leaf in nodes.values()])
    return {**leaves, **dict(zip(nodes, found, strict=True))}
