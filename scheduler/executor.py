"""Plans run by Dask: threads of this process, or the workers of a cluster. The only file that holds a client.

No call here waits for ever: whatever asks the scheduler something has a time limit, and while a run goes on
the client and the number of workers are looked at every second.
"""

import contextlib
import os
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack
from typing import Any

import dask
import numpy as np
from dask.base import annotate
from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, get_client, rejoin, secede, wait

from dagsolve.errors import ArgumentError, SchedulerError
from dagsolve.executor import (
    Capacity,
    Executor,
    Leaves,
    ResidentMemory,
    SerialExecutor,
    Watch,
)
from dagsolve.namespace import Array
from dagsolve.planning.actions import Plan
from dagsolve.planning.budget import resident_bytes
from dagsolve.planning.cost import DISTRIBUTED
from dagsolve.reports import THIS_PROCESS, RunReport, recording
from dagsolve.scheduler.cluster import Cluster, DescribedExecutor
from dagsolve.scheduler.events import TOPIC, listening, receive, watch
from dagsolve.scheduler.placement import AnyWorker, Places, Priorities, homes, urgency
from dagsolve.scheduler.tasks import INLINE_BYTES, TaskGraph, named_graph, task_graph
from dagsolve.scheduler.threads import run_tasks
from dagsolve.scheduler.worker import TRANSFER_BYTES, RunPlugin, blas_threads, worker_report
from dagsolve.storage import TileStore

_RETRIES = 2
_ANSWER_SECONDS = 5.0  # an idle scheduler answers within this, or counts as gone
_BUSY_SECONDS = 60.0  # one that reads a large graph
_IMPORT_SECONDS = 120.0  # one whose workers import dagsolve for the first time
_LOOK_SECONDS = 0.5
_EVENT_SECONDS = 0.25  # announcements are batched: the last come behind the results
_WORKERS_BACK_SECONDS = 20.0  # a nanny starts its worker again within this


def executor_of(scheduler: Any) -> Executor:
    """The executor that the option `scheduler` names.

    None: the active Client if there is one, else threads. "sync", "threads", a `distributed.Client`, or a
    described `Cluster`, for plans only.
    """
    match scheduler:
        case None:
            try:
                return ClusterExecutor(get_client())
            except ValueError:  # no client is active
                return ThreadsExecutor()
        case "sync":
            return SerialExecutor(watch=watch)
        case "threads":
            return ThreadsExecutor()
        case Client():
            return ClusterExecutor(scheduler)
        case Cluster():
            return DescribedExecutor(scheduler)
        case _:
            raise ArgumentError(
                'scheduler must be None, "sync", "threads", a distributed.Client or a described Cluster, '
                f"got {scheduler!r}"
            )


def _run_name(plan: Plan) -> str:
    """Unique: Dask takes equal keys for equal values, and the same plan may run on other data meanwhile."""
    return f"{plan.digest[:8]}-{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def _thread_given_back() -> Iterator[None]:
    """Lets a worker use this thread's place while it waits, if this is inside a Dask task."""
    try:
        secede()
    except ValueError:  # no task
        yield
        return
    try:
        yield
    finally:
        rejoin()


class ThreadsExecutor:
    """Threads of this process, one per core (or Dask's `num_workers`), results in one TileStore."""

    def __init__(self, *, watch: Watch = watch, directory: str | os.PathLike[str] | None = None) -> None:
        self.last_report: RunReport | None = None
        self._watch = watch
        self._directory = directory

    def capacity(self) -> Capacity:
        """One worker of Dask's `num_workers` threads, one per core by default."""
        return Capacity(1, dask.config.get("num_workers", None) or CPU_COUNT)

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
        report = RunReport(plan=plan, threads=self.capacity().threads)
        memory, start = ResidentMemory(), time.perf_counter()
        run = _run_name(plan)
        made = task_graph(plan, leaves, run, graph=graph)
        keys = list(dict.fromkeys(made.outputs.values()))
        with (
            self._watch(plan, progress) as shown,
            listening(run, recording(report, shown)),
            blas_threads(_blas_threads(plan, report.threads)),
            TileStore(self._directory, budget_bytes=plan.store_bytes) as store,
        ):
            store.set_next_use(made.uses)
            found = run_tasks(
                made.tasks, keys, priorities=made.priorities, cache=store, threads=report.threads
            )
            report.add_store(store.statistics)
        report.elapsed_seconds = time.perf_counter() - start
        report.peak_bytes[THIS_PROCESS] = memory.peak_growth_bytes()
        self.last_report = report
        return _outputs(plan, leaves, made, found)


def _blas_threads(plan: Plan, threads: int) -> int:
    """BLAS threads for each block: the cores that blocks side by side leave over.

    Tiles run beside each other, a thread each; a decomposition that was not cut may have all cores.
    """
    side_by_side = plan.seconds / plan.critical_seconds if plan.critical_seconds > 0 else threads
    return max(1, int(threads / max(1.0, side_by_side - 0.1)))


class ClusterExecutor:
    """The workers of a client's cluster."""

    def __init__(self, client: Client, *, watch: Watch = watch) -> None:
        self.last_report: RunReport | None = None
        self._client = client
        self._watch = watch

    def capacity(self) -> Capacity:
        """The client's workers and the most threads that one of them has.

        Raises SchedulerError when the scheduler does not answer or has no workers.
        """
        threads = self._check()
        return Capacity(len(threads), max(threads.values(), default=1), TRANSFER_BYTES, distributed=True)

    def base_bytes(self) -> int:
        """The most that one of the workers holds in memory, by its last heartbeat."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return max((int(w["metrics"].get("memory", 0)) for w in workers), default=0)

    def execute(
        self,
        plan: Plan,
        leaves: Leaves,
        *,
        graph: Mapping[Any, Any] | None = None,
        progress: bool | None = None,
    ) -> dict[int, Array]:
        """Every output of the plan, by value id; see `Executor.execute`."""
        threads = self._check()
        report, start = RunReport(plan=plan, threads=sum(threads.values())), time.perf_counter()
        run = _run_name(plan)
        home = self._home(plan, threads)
        made = task_graph(
            plan, leaves, run, graph=graph, inline_bytes=INLINE_BYTES, home=home, rates=DISTRIBUTED
        )
        with ExitStack() as stack:
            stack.enter_context(_thread_given_back())
            shown = stack.enter_context(self._watch(plan, progress))
            stack.enter_context(listening(run, recording(report, shown)))
            self._client.subscribe_topic(TOPIC, receive)  # once or a hundred times, it is the same
            stack.enter_context(self._installed(run, plan, made))
            futures = stack.enter_context(self._submitted(run, made, _places(made, home, threads)))
            self._wait(futures)
            found = self._gather(futures)
            report.gathered_bytes = sum(map(_nbytes, found))
            self._add_worker_reports(report)
            _hear_out(report, plan.tasks)
        for warned in dict.fromkeys(warned for done in report.done for warned in done.warned):
            warned.show()
        report.elapsed_seconds = time.perf_counter() - start
        self.last_report = report
        return _outputs(plan, leaves, made, found)

    def _home(self, plan: Plan, threads: Mapping[str, int]) -> list[int]:
        """A worker for each block: Dask alone lets every block follow the first to its worker."""
        if len(threads) < 2:
            return [0] * len(plan.dag)
        return homes(plan.dag, [threads[address] for address in sorted(threads)], DISTRIBUTED, urgency(plan))

    # What a run sets up, each undone when the run ends, however it ends

    @contextlib.contextmanager
    def _installed(self, run: str, plan: Plan, made: TaskGraph) -> Iterator[None]:
        plugin = RunPlugin(run, plan.store_bytes, made.uses)
        try:
            self._ask(lambda: self._client.register_plugin(plugin), _IMPORT_SECONDS)
        except SchedulerError:
            raise
        except Exception as fault:
            raise SchedulerError(
                f"ClusterExecutor: the workers could not take part: {type(fault).__name__}: {fault};"
                " the same version of dagsolve must be installed on the scheduler and on every worker"
            ) from fault
        try:
            yield
        finally:
            if self._client.status == "running":
                with contextlib.suppress(Exception):
                    self._ask(lambda: self._client.unregister_worker_plugin(plugin.name), _BUSY_SECONDS)

    @contextlib.contextmanager
    def _submitted(self, run: str, made: TaskGraph, places: Places) -> Iterator[list[Future[Any]]]:
        keys = list(dict.fromkeys(made.outputs.values()))
        with (  # the graph holds the leaves, so that they outlive any worker: it may be large
            annotate(
                priority=Priorities(made.priorities),
                retries=_RETRIES,
                workers=places,
                allow_other_workers=AnyWorker(),
            ),
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}),
        ):
            futures: list[Future[Any]] = (
                self._client.get(named_graph(made.tasks, run), keys, sync=False) if keys else []
            )
        try:
            yield futures
        except BaseException:  # KeyboardInterrupt too: nothing of a broken run goes on
            if self._client.status == "running":
                with contextlib.suppress(Exception):
                    self._ask(lambda: self._client.cancel(futures))
            raise
        finally:
            for future in futures:
                future.release()

    # Questions

    def _ask(self, question: Callable[[], Any], seconds: float = _ANSWER_SECONDS) -> Any:
        """The client's answer, within a time limit: on its own event loop its methods can be awaited."""

        async def answer() -> Any:
            return await question()

        try:
            return self._client.sync(answer, callback_timeout=seconds)
        except (TimeoutError, OSError) as fault:
            why = f"no answer within {seconds:g} s ({type(fault).__name__})"
            raise self._gone(why) from fault

    def _gone(self, why: str) -> SchedulerError:
        address = getattr(self._client.scheduler, "address", "unknown address")
        return SchedulerError(
            f"ClusterExecutor: the scheduler at {address} is gone: {why}; connect a new Client and run again"
        )

    def _check(self) -> dict[str, int]:
        """Threads of each worker; raises SchedulerError unless the client is connected and there are any."""
        if self._client.asynchronous:
            raise ArgumentError("scheduler must be a Client that blocks, got one made with asynchronous=True")
        if self._client.status != "running":
            raise self._gone(f"the client is {self._client.status}")
        threads = self._threads()
        if not threads:
            raise SchedulerError(
                "ClusterExecutor: the cluster has no workers; start some, or wait for them with"
                " client.wait_for_workers(1)"
            )
        return threads

    def _threads(self, seconds: float = _ANSWER_SECONDS) -> dict[str, int]:
        return dict(self._ask(lambda: self._client.nthreads(), seconds))

    # The run

    def _wait(self, futures: list[Future[Any]]) -> None:
        """Returns when every future is finished; raises for the first that failed."""
        alone_since: float | None = None
        while True:
            failed = next((f for f in futures if f.status not in ("pending", "finished")), None)
            if failed is not None:
                raise self._failure(failed)
            pending = [future for future in futures if future.status == "pending"]
            if not pending:
                return
            with self._client.as_current():  # `wait` asks the current client: there may be none, or another
                try:
                    wait(pending, timeout=_LOOK_SECONDS)
                except (TimeoutError, CancelledError) as fault:  # the statuses tell
                    fault.__traceback__ = None  # Dask's frame holds the fault, and by ours all that was given
            if self._client.status != "running":
                raise self._gone(f"the client is {self._client.status}")
            if self._threads(_BUSY_SECONDS):
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > _WORKERS_BACK_SECONDS:
                raise SchedulerError(
                    f"ClusterExecutor: there were no workers for {_WORKERS_BACK_SECONDS:g} s; look at their"
                    " logs (too little memory is the usual cause), start workers and run again"
                )

    def _failure(self, future: Future[Any]) -> BaseException:
        """The error of a future as the user is to see it, with the worker's traceback as its cause."""
        if future.status != "error":
            if self._client.status != "running":
                return self._gone(f"the client is {self._client.status}")
            return SchedulerError(
                f"ClusterExecutor: the run was {future.status} (task {future.key}) by somebody else, as"
                " client.restart() and client.cancel() do; run again"
            )
        fault: BaseException = self._ask(lambda: future.exception())
        if isinstance(fault, KilledWorker):
            return SchedulerError(
                f"ClusterExecutor: {fault} A worker that dies in the same task again and again has mostly run"
                " out of memory: give workers more, or the plan a smaller memory_limit"
            )
        lines = traceback.format_exception(type(fault), fault, self._ask(lambda: future.traceback()))
        fault.__cause__ = SchedulerError("on a worker:\n" + "".join(lines))
        return fault

    def _gather(self, futures: list[Future[Any]]) -> tuple[Any, ...]:
        try:
            return tuple(self._client.gather(futures))
        except Exception as fault:
            if self._client.status != "running":
                raise self._gone(f"the client is {self._client.status}") from fault
            raise

    def _add_worker_reports(self, report: RunReport) -> None:
        found = self._ask(lambda: self._client.run(worker_report, on_error="ignore"))
        for address, of_worker in found.items():
            if of_worker is not None:
                report.peak_bytes[address] = of_worker.peak_growth_bytes
                report.sent_bytes[address] = of_worker.sent_bytes
                report.add_store(of_worker.store)


def _places(made: TaskGraph, home: list[int], threads: Mapping[str, int]) -> Places:
    """Workers of the keys that blocks make and read; none where there is no choice."""
    if len(threads) < 2:
        return Places({})
    addresses = sorted(threads)
    return Places({key: addresses[home[block]] for key, block in made.blocks.items()})


def _nbytes(found: Any) -> int:
    """Bytes of an array, or of a tuple of them."""
    return sum(map(_nbytes, found)) if isinstance(found, tuple) else int(getattr(found, "nbytes", 0))


def _hear_out(report: RunReport, blocks: int) -> None:
    """Waits for the last announcements; those of a worker that died never come."""
    deadline = time.monotonic() + _EVENT_SECONDS
    while len(report.done) < blocks and time.monotonic() < deadline:
        time.sleep(0.001)


def _outputs(plan: Plan, leaves: Leaves, made: TaskGraph, found: Any) -> dict[int, Array]:
    """The outputs by value id; arrays that came over a wire are made writeable."""
    by_key = dict(zip(dict.fromkeys(made.outputs.values()), found, strict=True))
    by_value = {
        value: by_key[key][made.places[value]] if value in made.places else by_key[key]
        for value, key in made.outputs.items()
    }
    values = {value: by_value[value] if value in by_value else leaves[value] for value in plan.outputs}
    return {
        value: array.copy() if isinstance(array, np.ndarray) and not array.flags.writeable else array
        for value, array in values.items()
    }
