"""What tests on a GPU share. They carry the mark `gpu`, which the default run leaves out (make gpu-test)."""

from typing import Any

import pytest

from dagsolve.namespace import has_device


@pytest.fixture
def cupy() -> Any:
    """The CuPy module, where there is one and it finds a device."""
    found = pytest.importorskip("cupy")
    if not has_device():
        pytest.skip("CuPy finds no CUDA device")
    return found
