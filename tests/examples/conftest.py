"""What tests of the programs share."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The module of an example by its name, imported as a program started in its folder would be."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module
