"""What the worker processes of a cluster on this machine hold in memory and read from files."""

import os
import threading
import time

import psutil

INTERVAL = 0.02  # seconds between two looks


class ProcessWatch:
    """Memory of a client's workers, looked at from this process while it is open.

    seconds     of each look, since the first
    resident    worker -> bytes at each look
    """

    def __init__(self, client):
        self._processes = {name: psutil.Process(pid) for name, pid in client.run(os.getpid).items()}
        self.seconds, self.resident = [], {name: [] for name in self._processes}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def peak(self):
        """Worker -> the most bytes seen."""
        return {name: max(looks) for name, looks in self.resident.items()}

    def read_bytes(self):
        """Bytes that all of them together have read from files; None where the system does not count them."""
        if not hasattr(psutil.Process, "io_counters"):
            return None
        return sum(process.io_counters().read_chars for process in self._processes.values())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look(self):
        start = time.perf_counter()
        while True:
            found = {name: process.memory_info().rss for name, process in self._processes.items()}
            self.seconds.append(time.perf_counter() - start)
            for name, size in found.items():
                self.resident[name].append(size)
            if self._stop.wait(INTERVAL):
                return
