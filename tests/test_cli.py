"""The command: what it prints is the graph's, its errors are one line, its exit code then 2."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

import dagsolve as ds
from dagsolve.cli import main
from dagsolve.graph import Graph


def f(x: Any) -> Any:
    return np.sum(np.exp(x @ x.T))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    ds.grad(f).trace(ds.spec((7, 5))).save(tmp_path / "g")
    return tmp_path / "g"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["graph", *map(str, words)])


def test_info_shows_the_summary_and_what_lines_cost(stored: Path) -> None:
    found = run("info", stored)
    assert found.exit_code == 0
    graph = ds.open_graph(stored)
    assert f"Graph of {len(graph)} nodes, {graph.edge_count} edges" in found.stdout
    assert f"{__file__}:{f.__code__.co_firstlineno + 1} in f" in found.stdout
    assert "residuals" in found.stdout


def test_info_of_primitives_without_rules_leaves_costs_out(tmp_path: Path) -> None:
    Graph.from_edges([0, 1], [1, 2]).save(tmp_path / "g")
    found = run("info", tmp_path / "g", "--no-verify")
    assert found.exit_code == 0
    assert "Graph of 3 nodes, 2 edges and 3 levels" in found.stdout
    assert "residuals" not in found.stdout


def test_path_shows_the_critical_path_by_the_given_numbers(tmp_path: Path) -> None:
    """
    9 → 4 → 0 by weights 2 and 3, and 9 → 0 by 1
    """
    Graph.from_edges([9, 4, 9], [4, 0, 0], [2.0, 3.0, 1.0]).save(tmp_path / "g")
    found = run("path", tmp_path / "g")
    first, *rest = found.stdout.splitlines()
    assert first == "critical path of 3 nodes, length 5"
    assert [line.split()[:2] for line in rest] == [["9", "node"], ["4", "node"], ["0", "node"]]
    assert run("path", tmp_path / "g", "--lines", "1").stdout.splitlines()[-1] == "… 2 more"


def test_plot_writes_a_picture(stored: Path, tmp_path: Path) -> None:
    found = run("plot", stored, "-o", tmp_path / "picture.svg")
    assert found.exit_code == 0, found.output
    assert found.stdout.strip() == str(tmp_path / "picture.svg")
    circles = ElementTree.parse(tmp_path / "picture.svg").getroot().iter("{http://www.w3.org/2000/svg}circle")
    assert len([*circles]) > len(ds.open_graph(stored))


@pytest.mark.parametrize("command", ["info", "path", "plot"])
@pytest.mark.parametrize("damage", ["absent", "foreign", "damaged"])
def test_errors_are_one_line(command: str, damage: str, stored: Path, tmp_path: Path) -> None:
    if damage == "absent":
        shutil.rmtree(stored)
    elif damage == "foreign":
        (stored / "graph.json").write_text("{}")
    else:
        content = bytearray((stored / "operands.npy").read_bytes())
        content[-1] ^= 1
        (stored / "operands.npy").write_bytes(content)
    found = run(command, stored)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 1
    assert found.stderr.startswith(f"dagsolve: open_graph: {stored} ")
    assert isinstance(found.exception, SystemExit)


def test_unwritable_output_is_one_line(stored: Path, tmp_path: Path) -> None:
    found = run("plot", stored, "-o", tmp_path / "absent" / "picture.svg")
    assert found.exit_code == 2
    assert found.stderr.splitlines() == [
        f"dagsolve: [Errno 2] No such file or directory: '{tmp_path}/absent/picture.svg'"
    ]


def test_names_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    scope: dict[str, Any] = {"np": np}
    exec(compile("g = lambda x: np.sum(x)", "caf\udce9\x07.py", "exec"), scope)
    ds.trace(scope["g"], ds.spec(3)).save(tmp_path / "g")
    for command in ("info", "path"):
        assert "caf?\x07.py:1" in run(command, tmp_path / "g").stdout
    assert run("plot", tmp_path / "g", "-o", tmp_path / "p.svg").exit_code == 0
    ElementTree.parse(tmp_path / "p.svg")


def test_command_of_a_shell_has_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from dagsolve.cli import main; main()", "graph", "info", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("dagsolve: open_graph: ")
    assert len(found.stderr.splitlines()) == 1


def test_help_names_the_commands() -> None:
    found = run("--help")
    assert found.exit_code == 0
    assert all(word in found.stdout for word in ("info", "path", "plot"))


def planned(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["plan", *map(str, words)])


def test_plan_says_what_a_stored_graph_takes(stored: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plan.png"
    found = planned(stored, "--memory-limit", "64 GiB", "--workers", "2", "--threads", "3", "-o", picture)
    assert found.exit_code == 0, found.output
    assert f"nodes               {len(ds.open_graph(stored)):,}" in found.stdout
    assert "with 3 threads, budget 64.00 GiB" in found.stdout
    assert f"{__file__}:{f.__code__.co_firstlineno + 1} in f" in found.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_plan_of_a_graph_from_edges_is_refused_in_one_line(tmp_path: Path) -> None:
    Graph.from_edges([0, 1], [1, 2]).save(tmp_path / "g")
    found = planned(tmp_path / "g")
    assert found.exit_code == 2
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("limit", ["1 MiB", "much", "-3"])
def test_impossible_budget_is_one_line(limit: str, stored: Path) -> None:
    found = planned(stored, f"--memory-limit={limit}")
    assert found.exit_code == 2
    assert found.stderr.startswith("dagsolve: memory_limit")
    assert len(found.stderr.splitlines()) == 1
