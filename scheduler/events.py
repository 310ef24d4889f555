"""Progress of a run: what has been done, on its way from the tasks to the user's eyes.

A task announces its block under the run's name. In the process of the executor the listener is called
directly; on a distant worker the announcement travels as one of distributed's events. There is one topic for
all runs, because the scheduler keeps the last events of every topic for ever.

The warnings of a block travel with its announcement, and the executor shows them where the user waits; those
of lazy results, which Dask itself runs, go by distributed's own way to the client.
"""

import html
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from distributed import get_worker
from distributed import warn as warn_client

from dagsolve.blocks.evaluate import Warned
from dagsolve.errors import GaugeWarning
from dagsolve.planning.actions import Plan, Recompute, Run
from dagsolve.reports import BlockDone, Listener

TOPIC = "dagsolve"
_LISTENERS: dict[str, Listener] = {}  # name of a run of this process -> its listener

_PASSED_ON: set[Warned] = set()
_REMEMBERED = 1024

_REFRESH_SECONDS = 0.2
_PATIENCE_SECONDS = 1.0  # a run shorter than this shows no bar unless asked to
_WIDTH = 30


@contextmanager
def listening(run: str, listener: Listener) -> Iterator[None]:
    """Directs the announcements of one run to a listener, for as long as the context lasts."""
    _LISTENERS[run] = listener
    try:
        yield
    finally:
        del _LISTENERS[run]


def announce(run: str, done: BlockDone) -> None:
    """Tells the listener of a run, in this process or through the worker's scheduler."""
    listener = _LISTENERS.get(run)
    try:
        worker = get_worker()
    except ValueError:  # threads of this process, or the tasks were taken elsewhere
        if listener is not None:
            listener(done)
        return
    if listener is not None:  # a worker inside this process
        listener(replace(done, worker=worker.address))
    else:
        worker.log_event(
            TOPIC,
            [
                *(run, [list(warned) for warned in done.warned]),
                *(done.key, done.label, done.seconds, done.block, worker.address, done.start),
            ],
        )


def receive(event: tuple[float, Any]) -> None:
    """Hands one of distributed's events (time, message) to the listener of its run, if that is here."""
    run, warned, *done = event[1]
    listener = _LISTENERS.get(run)
    if listener is not None:
        listener(replace(BlockDone(*done), warned=tuple(Warned(*one) for one in warned)))


def is_worker() -> bool:
    """Whether this is a task on a worker of a cluster."""
    try:
        get_worker()
    except ValueError:
        return False
    return True


def pass_on(warned: Iterable[Warned]) -> None:
    """Hands warnings of tasks that nobody listens to on to the client, each once per process."""
    for one in warned:
        if one in _PASSED_ON:
            continue
        if len(_PASSED_ON) >= _REMEMBERED:
            _PASSED_ON.clear()
        _PASSED_ON.add(one)
        category = GaugeWarning if one.category == GaugeWarning.__name__ else RuntimeWarning
        warn_client(f"{one.text}, at {one.file}:{one.line}", category)


class ProgressBar:
    """Blocks done out of all, and by label, as one line of text that is written again and again.

    `sink` takes the line and whether it is the last; calls may come from several threads.
    """

    def __init__(self, total: int, sink: Any, *, patience_seconds: float = 0.0) -> None:
        self._total, self._sink = total, sink
        self._done: set[str] = set()
        self._by_label: Counter[str] = Counter()
        self._start = time.monotonic()
        self._next = self._start + patience_seconds
        self._shown = False
        self._lock = threading.Lock()

    def __call__(self, done: BlockDone) -> None:
        with self._lock:
            if done.key not in self._done:  # a repeated block is no progress
                self._done.add(done.key)
                self._by_label[done.label] += 1
            if time.monotonic() >= self._next:
                self._show(last=False)

    def close(self) -> None:
        """Writes the last line, if any was written."""
        with self._lock:
            if self._shown or self._next <= time.monotonic():
                self._show(last=True)

    def line(self) -> str:
        """The bar, the counts, the seconds, and the labels with the most blocks first."""
        done = len(self._done)
        full = _WIDTH * done // max(self._total, 1)
        labels = " · ".join(f"{label} {count}" for label, count in self._by_label.most_common(3))
        seconds = time.monotonic() - self._start
        return f"{'█' * full}{'░' * (_WIDTH - full)} {done}/{self._total} blocks  {seconds:.1f} s  {labels}"

    def _show(self, last: bool) -> None:
        self._sink(self.line(), last)
        self._shown, self._next = True, time.monotonic() + _REFRESH_SECONDS


@contextmanager
def watch(plan: Plan, progress: bool | None) -> Iterator[Listener]:
    """A listener that shows a bar: in a notebook, else on stderr.

    `progress`: True always; False never; None in a notebook or on a terminal, once a run takes a second.
    """
    notebook = _in_notebook()
    if progress is False or (progress is None and not notebook and not sys.stderr.isatty()):
        yield lambda done: None
        return
    total = sum(isinstance(action, (Run, Recompute)) for action in plan.actions)
    sink = _NotebookSink() if notebook else _terminal_sink
    bar = ProgressBar(total, sink, patience_seconds=0.0 if progress else _PATIENCE_SECONDS)
    try:
        yield bar
    finally:
        bar.close()


def _terminal_sink(line: str, last: bool) -> None:
    sys.stderr.write(f"\r\x1b[2K{line}" if sys.stderr.isatty() else line)
    sys.stderr.write("\n" if last or not sys.stderr.isatty() else "")
    sys.stderr.flush()


class _NotebookSink:
    """One output of a notebook cell, replaced at every line."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, line: str, last: bool) -> None:
        from IPython.display import HTML, display  # optional: only a notebook comes here

        content = HTML(f"<pre style='margin:0'>{html.escape(line)}</pre>")
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython is not imported for the answer."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
