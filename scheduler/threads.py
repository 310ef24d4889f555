"""Tasks run by threads of this process: each thread takes the most urgent ready task itself.

`dask.threaded` hands every task out from the caller's thread, so that between two tasks of a core there is a
change of threads (about 0.7 ms when all cores are busy), and it orders tasks to save memory, without their
durations. Here a task that ends releases what it was the last to read, and its thread goes on with the
highest priority.
"""

import heapq
from collections.abc import Hashable, Mapping, MutableMapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Condition
from typing import Any, Protocol

Key = Hashable


class Runnable(Protocol):
    """A node of a Dask graph."""

    @property
    def dependencies(self) -> frozenset[Any]: ...

    def __call__(self, values: Any, /) -> Any: ...


def run_tasks(
    tasks: Mapping[Any, Runnable],
    keys: Sequence[Key],
    *,
    priorities: Mapping[Any, int],
    cache: MutableMapping[Any, Any],
    threads: int,
) -> list[Any]:
    """Results of the keys; a higher priority goes first, keys without one last.

    Results stay in `cache` until the last task that reads them has run; those of `keys` stay. Only what the
    keys need is run, in the caller's context (NumPy's error state). The first error stops the run, when the
    tasks that are running have ended, and is raised.
    """
    run = _Run(tasks, keys, priorities, cache)
    count = max(1, min(threads, run.left))
    with ThreadPoolExecutor(count, thread_name_prefix="dagsolve") as pool:
        futures = [pool.submit(copy_context().run, run.work) for _ in range(count)]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # an interrupt too
            run.stop()
    for future in done:
        future.result()
    return [cache[key] for key in keys]


class _Run:
    """What is ready, what waits, and who still reads what; one lock guards it."""

    def __init__(
        self,
        tasks: Mapping[Any, Runnable],
        keys: Sequence[Key],
        priorities: Mapping[Any, int],
        cache: MutableMapping[Any, Any],
    ) -> None:
        self._tasks, self._cache, self._keep = tasks, cache, frozenset(keys)
        self._followers: dict[Key, list[Key]] = {}
        self._waiting: dict[Key, int] = {}
        stack = list(dict.fromkeys(keys))
        while stack:
            key = stack.pop()
            if key in self._waiting:
                continue
            dependencies = tasks[key].dependencies
            self._waiting[key] = len(dependencies)
            for d in dependencies:
                self._followers.setdefault(d, []).append(key)
                if d not in self._waiting:
                    stack.append(d)
        self._readers = {key: len(f) for key, f in self._followers.items()}
        last = min(priorities.values(), default=0) - 1
        self._place = {
            key: (-priorities.get(key, last), number) for number, key in enumerate(reversed(self._waiting))
        }
        self._ready = [(*self._place[key], key) for key, count in self._waiting.items() if not count]
        heapq.heapify(self._ready)
        self.left = len(self._waiting)
        self._stopped = False
        self._changed = Condition()

    def stop(self) -> None:
        """No further task is begun."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def work(self) -> None:
        """Runs tasks until none is left; what every thread does."""
        key = self._next()
        while key is not None:
            node = self._tasks[key]
            try:
                self._cache[key] = node({d: self._cache[d] for d in node.dependencies})
            except BaseException:
                self.stop()
                raise
            for d in self._finish(key):
                del self._cache[d]
            key = self._next()

    def _next(self) -> Key | None:
        with self._changed:
            while not self._ready and self.left and not self._stopped:
                self._changed.wait()
            if self._stopped or not self.left:
                return None
            return heapq.heappop(self._ready)[-1]

    def _finish(self, key: Key) -> list[Key]:
        """Makes ready what waited for the key only; the keys that nobody reads any more."""
        with self._changed:
            self.left -= 1
            made = 0
            for follower in self._followers.get(key, ()):
                self._waiting[follower] -= 1
                if not self._waiting[follower]:
                    heapq.heappush(self._ready, (*self._place[follower], follower))
                    made += 1
            if not self.left:
                self._changed.notify_all()
            elif made > 1:  # this thread takes one itself
                self._changed.notify(made - 1)
            gone = []
            for d in self._tasks[key].dependencies:
                self._readers[d] -= 1
                if not self._readers[d] and d not in self._keep:
                    gone.append(d)
            return gone
