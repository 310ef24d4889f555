"""Every notebook runs from top to bottom, and its committed outputs are what its cells give.

Cells run in this process, without a kernel. What they print and the value of their last line are compared
as text; pictures are drawn, not compared. A cell with the tag "varies" (times, addresses) is only run; a
notebook with `"dagsolve": {"slow": true}` in its metadata runs in `make slow`.
"""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST_BYTES = 300_000


def read(notebook: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return found


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(notebook)["cells"] if cell["cell_type"] == "code"]


def marked(notebook: Path) -> Any:
    slow = read(notebook)["metadata"].get("dagsolve", {}).get("slow", False)
    return pytest.param(notebook, id=notebook.stem, marks=[pytest.mark.slow] if slow else [])


def executed(source: str, names: dict[str, Any]) -> str:
    """Runs a cell; what it prints, then the value of its last line unless that ends with a semicolon."""
    tree = ast.parse(source)
    shown = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if source.rstrip().endswith(";"):
        shown = None
    body = tree.body[:-1] if shown is not None else tree.body
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, type_ignores=[]), "<cell>", "exec"), names)
        value = None if shown is None else eval(compile(ast.Expression(shown.value), "<cell>", "eval"), names)
    return printed.getvalue() + ("" if value is None else repr(value))


def committed(cell: dict[str, Any]) -> str:
    """The same of the outputs that the notebook holds."""
    printed = ("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")
    values = (
        "".join(out["data"]["text/plain"])
        for out in cell["outputs"]
        if out["output_type"] == "execute_result"
    )
    return "".join((*printed, *values))


@pytest.mark.parametrize("notebook", [marked(notebook) for notebook in NOTEBOOKS])
def test_notebook_gives_its_outputs(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)  # a notebook's own folder is on its path
    monkeypatch.chdir(FOLDER)
    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook), start=1):
        found = executed("".join(cell["source"]), names)
        plt.close("all")
        if "varies" not in cell["metadata"].get("tags", ()):
            assert found == committed(cell), f"{notebook.name}: code cell {number}; run the notebook again"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_was_run_once_in_order(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small(notebook: Path) -> None:
    size = notebook.stat().st_size
    assert size < LARGEST_BYTES, f"{notebook.name} has {size:,} bytes; make its pictures smaller"
