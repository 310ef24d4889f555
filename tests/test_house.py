"""The rules of the house that no other tool checks: sizes, names, and who may import what."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("dagsolve", "scheduler", "tests", "examples", "benchmarks")
LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager"}


def python_files(*folders: str) -> list[Path]:
    """Python files of the folders, relative to the root; `scheduler/` once, under its place in the tree."""
    files = (file.relative_to(ROOT) for folder in folders for file in (ROOT / folder).rglob("*.py"))
    linked = Path("dagsolve/scheduler")
    return sorted(file for file in files if linked not in file.parents)


def imported(file: Path) -> Iterator[str]:
    """Dotted names that a file imports at any depth; `from a import b` gives both a and a.b."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(pattern: str, *folders: str) -> set[str]:
    """Files that import a module whose whole dotted name matches, or that name it in `import_module`."""
    found = set()
    for file in python_files(*folders):
        by_name = re.search(rf"import_module\(\s*[\"']{pattern}[\"']", (ROOT / file).read_text())
        if by_name or any(re.fullmatch(pattern, name) for name in imported(file)):
            found.add(file.as_posix())
    return found


@pytest.mark.parametrize("file", python_files(*FOLDERS), ids=str)
def test_file_has_one_subject(file: Path) -> None:
    lines = len((ROOT / file).read_text().splitlines())
    assert lines < LINES, f"{file} has {lines} lines; split it by subject below {LINES}"
    words = {word for part in file.with_suffix("").parts for word in part.split("_")}
    assert not words & VAGUE, f"{file}: a name that says nothing: {sorted(words & VAGUE)}"


def test_only_namespace_imports_cupy() -> None:
    assert importers(r"cupyx?(\..*)?", "dagsolve", "scheduler") <= {"dagsolve/namespace.py"}


def test_only_two_files_import_the_private_task_module_of_dask() -> None:
    allowed = {"dagsolve/tracing/dask_graph.py", "scheduler/tasks.py"}
    assert importers(r"dask\._task_spec(\..*)?", "dagsolve", "scheduler") <= allowed


def test_library_imports_absolutely() -> None:
    """One spelling of a module's name, so that a search for it finds every use."""
    for file in python_files("dagsolve", "scheduler"):
        nodes = ast.walk(ast.parse((ROOT / file).read_text()))
        assert all(node.level == 0 for node in nodes if isinstance(node, ast.ImportFrom)), file


def test_no_reexported_function_has_the_name_of_its_module() -> None:
    """`from dagsolve.blocks.partition import partition` would hide the module from `import … as`."""
    for file in python_files("dagsolve", "scheduler"):
        if file.name != "__init__.py":
            continue
        package = ".".join(file.parent.parts).replace("scheduler", "dagsolve.scheduler")
        for node in ast.parse((ROOT / file).read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                parent, _, module = node.module.rpartition(".")
                hidden = parent == package and any((a.asname or a.name) == module for a in node.names)
                assert not hidden, f"{file}: {node.module}.{module} hides its module"
