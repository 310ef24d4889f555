"""`TileStore`: a mapping that holds its arrays in a bounded amount of RAM, and the rest in `.npy` files.

It stands where the results of tasks are kept: in the threads' run and, on a worker, as `worker.data`. Dask
owns lifetime, transfer and recomputation; the store decides only RAM or file:

- What leaves RAM: the value whose next use lies farthest ahead where hints are given (Belady, IBM Systems
  Journal 5, 1966), among equals the least recently used. Hints change speed, never results.
- What counts: the bytes of every NumPy array, once, however many values share it. Room is made *before* a
  value is taken in, so the arrays held never exceed the budget; one above all of it goes to file at once.
- What stays: anything that is no plain numeric array. Files are never unpickled.

A stored array is not to be changed: once written, its file is kept for the next eviction, until `del`.
"""

import heapq
import math
import os
import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagsolve.errors import ArgumentError, StorageError
from dagsolve.tile_files import TileDirectory, TileFile, is_tile


@dataclass(frozen=True)
class StoreStatistics:
    """What a `TileStore` holds and has moved, in bytes."""

    ram_bytes: int
    """Arrays in RAM now."""
    peak_ram_bytes: int
    """The most that were in RAM at once."""
    spilled_bytes: int
    """Written to files since the store was made."""
    loaded_bytes: int
    """Read back from files since the store was made."""


@dataclass(slots=True)
class _Entry:
    """One value: its items (one, or those of a tuple or list), arrays of which may be on disk."""

    kind: type | None  # tuple, list, or None for a bare value
    items: list[Any]  # None where the array is on disk only
    nbytes: int  # of its arrays
    used: int  # tick of the last use
    files: dict[int, TileFile] = field(default_factory=dict)  # position -> file, if ever written
    in_ram: bool = True


class TileStore(MutableMapping[Hashable, Any]):
    """A dictionary whose arrays take at most `budget_bytes` of RAM; the others lie in files.

    `budget_bytes=None` never spills. `directory=None` is the system's place for temporary files; a private
    directory is made there at the first spill and removed by `close`, at garbage collection and at exit.
    `others`, if given, takes every value without plain arrays, and is read for keys that are not here.

    Raises StorageError when a tile cannot be written or its file is damaged.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        budget_bytes: int | None = None,
        others: MutableMapping[Any, Any] | None = None,
    ) -> None:
        self.others: MutableMapping[Any, Any] = {} if others is None else others
        self._directory = TileDirectory(directory)
        self._entries: dict[Hashable, _Entry] = {}
        self._next_use: dict[Hashable, deque[float]] = {}
        self._queue: list[tuple[float, int, Hashable]] = []  # heap in the order of eviction, see `_rank`
        self._unqueued = False  # whether values in RAM are missing from the queue
        self._holders: Counter[int] = Counter()  # id of an array in RAM -> items that hold it
        self._ram_bytes = self._peak_ram_bytes = self._spilled_bytes = self._loaded_bytes = 0
        self._disk_bytes = self._ticks = 0
        self._lock = threading.RLock()
        self._budget = _checked(budget_bytes)

    # The mapping

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return self.others[key]
            self._ticks += 1
            entry.used = self._ticks
            if uses := self._next_use.get(key):
                uses.popleft()
            if not entry.in_ram:
                return self._load(key, entry)
            self._queue_up(key, entry)
            return _assembled(entry.kind, entry.items)

    def __setitem__(self, key: Hashable, value: Any) -> None:
        kind = type(value) if type(value) in (tuple, list) else None
        items = list(value) if kind else [value]
        nbytes = sum({id(item): item.nbytes for item in items if is_tile(item)}.values())
        with self._lock:
            self._forget(key)
            if not nbytes:
                self.others[key] = value
                return
            if key in self.others:
                del self.others[key]
            self._ticks += 1
            entry = _Entry(kind, items, nbytes, self._ticks, in_ram=False)
            if self._admits(key, entry):
                self._enter_ram(key, entry)
            else:
                self._write(key, entry)
                self._leave_items(entry)
            self._entries[key] = entry

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            if not self._forget(key):
                del self.others[key]
            self._next_use.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._entries or key in self.others

    def __iter__(self) -> Iterator[Any]:
        with self._lock:  # a snapshot: other threads may store while one walks
            return iter([*self._entries, *self.others])

    def __len__(self) -> int:
        return len(self._entries) + len(self.others)

    def clear(self) -> None:
        """Forgets every value, without loading any."""
        with self._lock:
            for key in self:
                del self[key]

    def __repr__(self) -> str:
        budget = "unlimited" if self._budget is None else f"{self._budget:,} bytes"
        return f"<TileStore: {len(self)} values, {self._ram_bytes:,} bytes in RAM of {budget}>"

    # Budget, hints, statistics

    @property
    def budget_bytes(self) -> int | None:
        """The most bytes of arrays held in RAM; lowering it spills at once."""
        return self._budget

    @budget_bytes.setter
    def budget_bytes(self, budget_bytes: int | None) -> None:
        with self._lock:
            self._budget = _checked(budget_bytes)
            self._make_room(0)

    def spill(self, key: Hashable) -> None:
        """Moves a value to file now, whatever the budget."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.in_ram:
                self._spill(key)

    def set_next_use(self, uses: Mapping[Any, Sequence[float]]) -> None:
        """Tells when keys will be read: ascending moments on any one clock; every read consumes one.

        An empty sequence takes a hint back. Keys need not be stored yet.
        """
        with self._lock:
            for key, moments in uses.items():
                if len(moments):
                    self._next_use[key] = deque(moments)
                else:
                    self._next_use.pop(key, None)
                entry = self._entries.get(key)
                if entry is not None and entry.in_ram:
                    self._queue_up(key, entry)

    def drain(self) -> Iterator[tuple[Any, Any]]:
        """Hands over the array values one at a time, those in RAM first; each is gone from here then."""
        with self._lock:
            keys = sorted(self._entries, key=lambda key: not self._entries[key].in_ram)
        for key in keys:
            yield key, self.pop(key)

    @property
    def statistics(self) -> StoreStatistics:
        """Bytes held and moved so far."""
        with self._lock:
            return StoreStatistics(
                self._ram_bytes, self._peak_ram_bytes, self._spilled_bytes, self._loaded_bytes
            )

    # The names by which distributed's memory monitor and heartbeat know a `worker.data` that can spill.

    @property
    def fast(self) -> dict[Hashable, int]:
        """Bytes of each value that `evict` could move to file."""
        with self._lock:
            return {key: entry.nbytes for key, entry in self._entries.items() if entry.in_ram}

    def evict(self) -> int:
        """Moves one value to file; its bytes, or -1 if there is none in RAM or the disk refuses."""
        with self._lock:
            key = self._farthest()
            if key is None:
                return -1
            try:
                self._spill(key)
            except StorageError:
                return -1
            return self._entries[key].nbytes

    @property
    def spilled_total(self) -> tuple[int, int]:
        """Bytes of values that are on disk only: as arrays, as files."""
        with self._lock:
            away = sum(entry.nbytes for entry in self._entries.values() if not entry.in_ram)
            return away, self._disk_bytes

    # End of life

    def close(self) -> None:
        """Forgets every array and removes the directory; `others` is left as it is."""
        with self._lock:
            for key in list(self._entries):
                self._forget(key)
            self._next_use.clear()
            self._queue.clear()
            self._directory.close()

    def __enter__(self) -> "TileStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # RAM

    def _admits(self, key: Hashable, entry: _Entry) -> bool:
        """Makes room for a value; False if it is itself the one to go to file."""
        if self._budget is None:
            return True
        if entry.nbytes > self._budget:
            return False
        while self._ram_bytes + self._unshared_bytes(entry) > self._budget:
            rival = self._farthest()
            if rival is None or self._rank(key, entry) < self._rank(rival, self._entries[rival]):
                return False
            self._spill(rival)
        return True

    def _make_room(self, nbytes: int) -> None:
        while self._budget is not None and self._ram_bytes + nbytes > self._budget:
            key = self._farthest()
            if key is None:
                return
            self._spill(key)

    def _farthest(self) -> Hashable | None:
        """The key in RAM to evict next."""
        if self._unqueued:
            self._queue_all()
        while self._queue:
            next_use, used, key = self._queue[0]
            entry = self._entries.get(key)
            if entry is not None and entry.in_ram and (next_use, used) == self._rank(key, entry):
                return key
            heapq.heappop(self._queue)  # used, hinted, evicted or forgotten since it was queued
        return None

    def _rank(self, key: Hashable, entry: _Entry) -> tuple[float, int]:
        """Place in the order of eviction: the farthest next use first; then the longest idle.

        No use or an unknown one is farthest.
        """
        uses = self._next_use.get(key)
        return (-uses[0] if uses else -math.inf, entry.used)

    def _queue_up(self, key: Hashable, entry: _Entry) -> None:
        if self._budget is None:  # nothing is evicted before somebody asks for it
            self._unqueued = True
            return
        heapq.heappush(self._queue, (*self._rank(key, entry), key))
        if len(self._queue) > 4 * len(self._entries) + 64:  # mostly out of date
            self._queue_all()

    def _queue_all(self) -> None:
        resident = [(k, e) for k, e in self._entries.items() if e.in_ram]
        self._queue = [(*self._rank(k, e), k) for k, e in resident]
        heapq.heapify(self._queue)
        self._unqueued = False

    def _unshared_bytes(self, entry: _Entry) -> int:
        fresh = {id(item): item.nbytes for item in entry.items if is_tile(item)}
        return sum(nbytes for held, nbytes in fresh.items() if not self._holders[held])

    def _enter_ram(self, key: Hashable, entry: _Entry) -> None:
        for item in filter(is_tile, entry.items):
            if not self._holders[id(item)]:
                self._ram_bytes += item.nbytes
            self._holders[id(item)] += 1
        entry.in_ram = True
        self._queue_up(key, entry)
        self._peak_ram_bytes = max(self._peak_ram_bytes, self._ram_bytes)

    def _leave_ram(self, entry: _Entry) -> None:
        for item in filter(is_tile, entry.items):
            self._holders[id(item)] -= 1
            if not self._holders[id(item)]:
                del self._holders[id(item)]
                self._ram_bytes -= item.nbytes
        entry.in_ram = False

    @staticmethod
    def _leave_items(entry: _Entry) -> None:
        entry.items = [None if i in entry.files else item for i, item in enumerate(entry.items)]

    def _forget(self, key: Hashable) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        if entry.in_ram:
            self._leave_ram(entry)
        for file in entry.files.values():
            self._disk_bytes -= file.nbytes
            self._directory.remove(file)
        return True

    # Files

    def _spill(self, key: Hashable) -> None:
        entry = self._entries[key]
        self._write(key, entry)
        self._leave_ram(entry)
        self._leave_items(entry)

    def _write(self, key: Hashable, entry: _Entry) -> None:
        """Writes the arrays that have no file yet; all or none are recorded."""
        written: dict[int, TileFile] = {}
        try:
            for i, item in enumerate(entry.items):
                if i not in entry.files and is_tile(item):
                    written[i] = self._directory.write(item)
        except StorageError as fault:
            for file in written.values():
                self._directory.remove(file)
            raise StorageError(f"TileStore: key {key!r}: {fault}") from fault
        entry.files |= written
        moved = sum(file.nbytes for file in written.values())
        self._disk_bytes += moved
        self._spilled_bytes += moved

    def _load(self, key: Hashable, entry: _Entry) -> Any:
        """The value read from its files; kept in RAM too if it deserves the room."""
        items = list(entry.items)
        try:
            for i, file in entry.files.items():
                items[i] = self._directory.read(file)
        except StorageError as fault:
            raise StorageError(f"TileStore: key {key!r}: {fault}") from fault
        self._loaded_bytes += sum(file.nbytes for file in entry.files.values())
        entry.items = items
        if self._admits(key, entry):
            self._enter_ram(key, entry)
        else:
            self._leave_items(entry)
        return _assembled(entry.kind, items)


def _checked(budget_bytes: int | None) -> int | None:
    if budget_bytes is not None and not budget_bytes >= 0:
        raise ArgumentError(f"TileStore: budget_bytes must be None or at least 0, got {budget_bytes!r}")
    return budget_bytes


def _assembled(kind: type | None, items: list[Any]) -> Any:
    return items[0] if kind is None else kind(items)
