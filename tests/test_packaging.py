"""The wheel holds every package of the tree, `scheduler/` included, under one name."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_on_disk() -> set[str]:
    """Dotted names of the folders with an `__init__.py`, `scheduler/` seen through its link."""
    walk = os.walk(ROOT / "dagsolve", followlinks=True)
    folders = (Path(folder).relative_to(ROOT) for folder, _, files in walk if "__init__.py" in files)
    return {".".join(folder.parts) for folder in folders}


def modules_on_disk() -> set[str]:
    """Paths of the Python files, relative to the folder that holds `dagsolve`."""
    walk = os.walk(ROOT / "dagsolve", followlinks=True)
    files = (Path(folder, name) for folder, _, names in walk for name in names if name.endswith(".py"))
    return {file.relative_to(ROOT).as_posix() for file in files}


def test_explicit_packages_equal_the_tree(settings: dict[str, Any]) -> None:
    listed = settings["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_on_disk()


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {str(Path(module).parent).replace("/", ".") for module in modules_on_disk()}
    assert folders == packages_on_disk()


def test_scheduler_link_is_relative() -> None:
    link = ROOT / "dagsolve" / "scheduler"
    assert link.is_symlink()
    assert os.readlink(link) == "../scheduler"


def test_version_is_the_newest_in_the_changelog(settings: dict[str, Any]) -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == settings["project"]["version"]


def test_entry_points_resolve(settings: dict[str, Any]) -> None:
    """Commands and plugins name objects that exist."""
    groups = {"console_scripts": settings["project"].get("scripts", {})}
    groups |= settings["project"].get("entry-points", {})
    for group, entries in groups.items():
        for name, value in entries.items():
            EntryPoint(name, value, group).load()


def test_scheduler_refuses_its_other_name() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import scheduler"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1
    assert "ImportError: this package was imported as 'scheduler'" in run.stderr
    assert "import dagsolve.scheduler" in run.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without network from a copy of the tree."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("dagsolve", "scheduler"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=ignore)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source / file)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = (sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(target), str(source))
    run = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = target.glob("dagsolve-*.whl")
    return built


def test_wheel_holds_the_modules_of_the_tree(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if name.endswith(".py")} == modules_on_disk()
    assert "dagsolve/scheduler/__init__.py" in names
    assert "dagsolve/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_imports_from_a_clean_folder(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import dagsolve, dagsolve.scheduler; "
        "print(dagsolve.__file__); print(dagsolve.scheduler.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    for file, folder in zip(run.stdout.split(), ("dagsolve", "dagsolve/scheduler"), strict=True):
        assert Path(file) == tmp_path / folder / "__init__.py"
