"""The user's function and line behind a recorded call: the innermost frame that is not a library's."""

import os
import sys
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType

import numpy as np

from dagsolve.graph import Scope

_HERE = Path(__file__).parent.parent
_SITE = Path(np.__file__).parent.parent
_LIBRARIES = ("numpy", "scipy", "dask", "distributed", "toolz", "optree")
_INSIDE = tuple(
    str(p.resolve()) + os.sep for p in (_HERE, _HERE / "scheduler", *(_SITE / name for name in _LIBRARIES))
)


class _Library(dict[CodeType, bool]):
    """Code object -> whether it belongs to a library; found once per code object."""

    def __missing__(self, code: CodeType) -> bool:
        found = self[code] = code.co_filename.startswith(_INSIDE)
        return found


is_library = _Library().__getitem__


def user_line(depth: int = 1) -> tuple[CodeType | None, int]:
    """Code and line number of the innermost frame outside dagsolve and the libraries it drives."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        if not is_library(frame.f_code):
            return frame.f_code, frame.f_lineno
        frame = frame.f_back
    return None, 0


def scope_of(line: tuple[CodeType | None, int]) -> Scope:
    code, number = line
    return Scope("<unknown>", "", 0) if code is None else Scope(code.co_name, code.co_filename, number)


def source_scope() -> Scope:
    """The user's function and line that called us."""
    return scope_of(user_line(2))


def raising_scope(fault: BaseException) -> Scope:
    """The user's function and line that an exception came out of."""
    lines = [(frame.f_code, number) for frame, number in walk_tb(fault.__traceback__)]
    return scope_of(next((line for line in reversed(lines) if not is_library(line[0])), (None, 0)))
