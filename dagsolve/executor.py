"""What runs a plan: the protocol, and the serial reference.

    values = executor.execute(plan, leaves)     value id -> array, for every output of the plan

The serial executor follows the plan's actions one by one in this process. Threads and clusters
(`dagsolve.scheduler`) turn the same actions into Dask tasks and must give the same numbers.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import psutil
from dask.local import get_sync

from dagsolve.blocks.evaluate import program, run_block
from dagsolve.blocks.work import Rates
from dagsolve.errors import ArgumentError, PlanError
from dagsolve.namespace import Array
from dagsolve.planning.actions import Drop, Plan, Recompute, Run, Spill
from dagsolve.planning.budget import resident_bytes
from dagsolve.reports import THIS_PROCESS, BlockDone, Listener, RunReport, recording
from dagsolve.storage import StoreStatistics, TileStore

Leaves = Mapping[int, Any]
"""Value id -> array, number, or a node or reference of an existing Dask graph."""


Watch = Callable[[Plan, bool | None], AbstractContextManager[Listener]]
"""Opens a listener for one run, given the user's `progress` option."""


class Capacity(NamedTuple):
    """What an executor has to offer: the numbers that plans are made for."""

    workers: int
    threads: int  # per worker
    transfer_bytes: int = 0  # per worker, values in flight at most
    distributed: bool = False
    rates: Rates | None = None  # of one thread and its tasks, where they are known; None: the usual ones


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
        report, memory, start = RunReport(plan=plan), ResidentMemory(), time.perf_counter()
        given = _computed({v: leaves[v] for v in plan.read_leaves}, graph)
        with self._watch(plan, progress) as shown:
            listen = recording(report, shown)
            with (
                _InMemory()
                if plan.store_bytes is None and not any(isinstance(a, Spill) for a in plan.actions)
                else TileStore(self._directory, budget_bytes=plan.store_bytes)
            ) as store:
                values = _follow(plan, store, given, listen)
                report.add_store(store.statistics)
        report.elapsed_seconds = time.perf_counter() - start
        report.peak_bytes[THIS_PROCESS] = memory.peak_growth_bytes()
        self.last_report = report
        return values


class _InMemory(dict[int, Any]):
    """Values that will never leave memory: a `TileStore` without its bookkeeping (10 µs a value)."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = self._peak_bytes = 0

    def __enter__(self) -> "_InMemory":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self._bytes += getattr(value, "nbytes", 0)
        self._peak_bytes = max(self._peak_bytes, self._bytes)

    def pop(self, key: int, default: Any = None) -> Any:
        value = super().pop(key, default)
        self._bytes -= getattr(value, "nbytes", 0)
        return value

    @property
    def statistics(self) -> StoreStatistics:
        return StoreStatistics(self._bytes, self._peak_bytes, 0, 0)


def _follow(
    plan: Plan, store: "_InMemory | TileStore", given: Mapping[int, Any], listen: Listener
) -> dict[int, Array]:
    """Outputs of the plan, its actions done one by one."""
    for action in plan.actions:
        match action:
            case Drop(value):
                store.pop(value, None)
            case Run(block) | Recompute(block):
                listen(_run(plan, block, store, given))
            case Spill(value) if isinstance(store, TileStore):
                store.spill(value)
            case _:  # Save, Load and Output change nothing: a value stays until it is dropped
                pass
    return {value: store[value] if value in store else given[value] for value in plan.outputs}


def _run(plan: Plan, index: int, store: "_InMemory | TileStore", given: Mapping[int, Any]) -> BlockDone:
    block = plan.dag.blocks[index]
    began, start = time.time(), time.perf_counter()
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
    return BlockDone(f"{index}", block.label, time.perf_counter() - start, index, start=began)


def _computed(leaves: Leaves, graph: Mapping[Any, Any] | None) -> dict[int, Any]:
    """The leaves with those of an existing Dask graph computed."""
    nodes = {value: leaf for value, leaf in leaves.items() if hasattr(leaf, "key")}
    if not nodes:
        return dict(leaves)
    tasks = dict(graph or {})
    tasks |= {leaf.key: leaf for leaf in nodes.values() if callable(leaf)}  # a node; a reference is not
    found = get_sync(tasks, [leaf.key for leaf in nodes.values()])
    return {**leaves, **dict(zip(nodes, found, strict=True))}
