"""What a run needs on every worker: one BLAS thread per task, bounded transfers, a TileStore, a peak meter.

Everything is undone when the last run of the worker is over, because the cluster is not ours alone.
"""

import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import scipy.linalg  # noqa: F401  loads SciPy's own BLAS, which `threadpool_limits` must find
from distributed import Worker, WorkerPlugin
from threadpoolctl import ThreadpoolController

from dagsolve.executor import ResidentMemory
from dagsolve.scheduler.heap import kept_heap
from dagsolve.storage import StoreStatistics, TileStore

TRANSFER_BYTES = 256 * 1024**2
"""Values on their way to a worker at most, beside those in its store; one larger value comes alone."""


class _Pin:
    """The limit of this process's BLAS pools, shared by all who asked for one: the least counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[int] = []
        self._limits: Any = None
        self._pools: tuple[int, Any] | None = None  # modules imported when the pools were looked for

    def ask(self, threads: int) -> None:
        with self._lock:
            self._asked.append(threads)
            self._apply()

    def withdraw(self, threads: int) -> None:
        with self._lock:
            self._asked.remove(threads)
            self._apply()

    def _apply(self) -> None:
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None
        if self._asked:
            pools = self._found()
            least = min(self._asked)
            allowed = {pool.prefix: min(least, pool.num_threads) for pool in pools.lib_controllers}
            self._limits = pools.limit(limits=allowed)

    def _found(self) -> Any:
        """The process's BLAS libraries, looked for again (2 ms) only after further imports."""
        imported = len(sys.modules)
        if self._pools is None or self._pools[0] != imported:
            self._pools = (imported, ThreadpoolController().select(user_api="blas"))
        return self._pools[1]


_PIN = _Pin()


@contextmanager
def blas_threads(threads: int = 1) -> Iterator[None]:
    """Limits every BLAS pool of this process to so many threads, or what it has, while one is inside.

    Once around a run or for the life of a worker, never per task: the limit is global, and two tasks that
    set and restore it would overtake each other. Of several limits at a time the least holds.
    """
    _PIN.ask(threads)
    try:
        yield
    finally:
        _PIN.withdraw(threads)


@dataclass
class _Installed:
    """What one worker was given, and by which runs."""

    store: TileStore
    former: MutableMapping[Any, Any]
    undo: ExitStack
    sent_before: int  # bytes that the worker had sent when the first run came
    memory: ResidentMemory = field(default_factory=ResidentMemory)
    budgets: dict[str, int | None] = field(default_factory=dict)  # run -> bytes

    def apply_budget(self) -> None:
        """The smallest budget asked for: each run was promised that the store takes no more."""
        asked = [budget for budget in self.budgets.values() if budget is not None]
        self.store.budget_bytes = min(asked, default=None)


_INSTALLED: "WeakKeyDictionary[Worker, _Installed]" = WeakKeyDictionary()


class RunPlugin(WorkerPlugin):
    """One run's presence on all workers, also on those that a nanny starts again.

    `uses` are next-use hints for the store: key -> ascending moments. Values other than arrays stay with
    the worker's former mapping, which spills them in its own way.
    """

    def __init__(self, run: str, store_bytes: int | None, uses: Mapping[Any, Sequence[float]]) -> None:
        self.name = f"dagsolve-{run}"
        self._run, self._store_bytes, self._uses = run, store_bytes, dict(uses)

    def setup(self, worker: Worker) -> None:
        """Installs the store, or joins the runs that have one."""
        installed = _INSTALLED.get(worker)
        if installed is None:
            installed = _INSTALLED[worker] = _install(worker)
        installed.budgets[self._run] = self._store_bytes
        installed.apply_budget()
        installed.store.set_next_use(self._uses)

    def teardown(self, worker: Worker) -> None:
        """Leaves; the last run restores the worker as it was."""
        installed = _INSTALLED.get(worker)
        if installed is None or self._run not in installed.budgets:
            return
        del installed.budgets[self._run]
        installed.store.set_next_use({key: () for key in self._uses})
        if installed.budgets:
            installed.apply_budget()
        else:
            _restore(worker, _INSTALLED.pop(worker))


def _install(worker: Worker) -> _Installed:
    undo = ExitStack()
    undo.enter_context(kept_heap())  # trimmed last, after the store is empty
    undo.enter_context(blas_threads())
    limit = worker.state.transfer_incoming_bytes_limit
    undo.callback(setattr, worker.state, "transfer_incoming_bytes_limit", limit)
    worker.state.transfer_incoming_bytes_limit = min(limit, TRANSFER_BYTES)
    former = worker.data
    store = TileStore(worker.local_directory, others=former)
    _set_data(worker, store)
    return _Installed(store, former, undo, worker.transfer_outgoing_bytes_total)


def _restore(worker: Worker, installed: _Installed) -> None:
    try:
        for key, value in installed.store.drain():
            installed.former[key] = value
    finally:
        _set_data(worker, installed.former)
        installed.store.close()
        installed.undo.close()


def _set_data(worker: Worker, data: MutableMapping[Any, Any]) -> None:
    """Both owners of the reference: the state machine stores and reads, the memory manager watches."""
    worker.memory_manager.data = data
    worker.state.data = data


class WorkerReport(NamedTuple):
    """What one worker's share of a run took, in bytes."""

    peak_growth_bytes: int
    sent_bytes: int  # to other workers and to the client
    store: StoreStatistics


def worker_report(dask_worker: Worker) -> WorkerReport | None:
    """Growth, bytes sent and store of a worker since it takes part in runs; for `Client.run`."""
    installed = _INSTALLED.get(dask_worker)
    if installed is None:
        return None
    sent = dask_worker.transfer_outgoing_bytes_total - installed.sent_before
    return WorkerReport(installed.memory.peak_growth_bytes(), sent, installed.store.statistics)
