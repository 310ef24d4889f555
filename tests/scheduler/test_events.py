"""Announcements reach the listener of their run; the bar counts what was done."""

import io
import sys

import numpy as np
import pytest

from dagsolve.blocks.evaluate import Warned
from dagsolve.reports import BlockDone
from dagsolve.scheduler.events import ProgressBar, announce, listening, receive, watch
from tests.scheduler.plans import dag_of, plan_of


def done(key, label="cholesky"):
    return BlockDone(key, label, 0.5)


def test_announcements_go_to_the_listener_of_their_run():
    heard: list[BlockDone] = []
    with listening("run-1", heard.append):
        announce("run-1", done("a"))
        announce("run-2", done("b"))  # nobody listens: no error
        receive((0.0, ["run-1", [["overflow", "RuntimeWarning", "a.py", 2]], "c", "matmul", 0.25]))
    announce("run-1", done("d"))
    receive((0.0, ["run-1", [], "e", "matmul", 0.25]))
    assert heard == [
        done("a"),
        BlockDone("c", "matmul", 0.25, warned=(Warned("overflow", "RuntimeWarning", "a.py", 2),)),
    ]


def test_bar_counts_blocks_once_and_ends_full():
    lines = []
    bar = ProgressBar(3, lambda line, last: lines.append((line, last)))
    bar(done("a"))
    bar(done("a"))  # repeated after a worker was lost
    bar(done("b", "matmul"))
    bar(done("c"))
    bar.close()
    assert "1/3 blocks" in lines[0][0]
    line, last = lines[-1]
    assert last
    assert "3/3 blocks" in line
    assert "cholesky 2 · matmul 1" in line
    assert "░" not in line


def test_quick_run_shows_nothing():
    lines = []
    bar = ProgressBar(3, lambda line, last: lines.append(line), patience_seconds=60.0)
    bar(done("a"))
    bar.close()
    assert lines == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_option_when_nobody_looks(monkeypatch, progress, shown):
    plan = plan_of(dag_of(np.sum, np.ones(3))[0])
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with watch(plan, progress) as listen:
        listen(done("0"))
    assert ("blocks" in written.getvalue()) == shown


def test_terminal_line_is_written_over(monkeypatch):
    plan = plan_of(dag_of(np.sum, np.ones(3))[0])
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with watch(plan, True) as listen:
        listen(done("0"))
    written = terminal.getvalue()
    assert written.startswith("\r")
    assert written.count("\n") == 1
    assert written.endswith("\n")
