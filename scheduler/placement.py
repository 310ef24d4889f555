"""Which task goes first, and what it is called; pure.

Priorities follow the critical path: T. C. Hu, Operations Research 9 (1961).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.structure import BlockDag


def remaining_seconds(dag: BlockDag) -> npt.NDArray[np.float64]:
    """Longest projected time from the start of each block to the end of the run, shape (blocks,)."""
    after = np.zeros(len(dag.blocks))
    for source, target in reversed(dag.edges):  # descending sources: every target is final before them
        after[source] = max(after[source], after[target] + dag.blocks[target].seconds)
    total: npt.NDArray[np.float64] = after + np.array([block.seconds for block in dag.blocks])
    return total


def ranks(dag: BlockDag) -> list[int]:
    """Place of each block when the longest remaining path goes first; among equals, the first block."""
    longest_first = np.argsort(-remaining_seconds(dag), kind="stable")
    rank = np.empty(len(dag.blocks), dtype=np.int64)
    rank[longest_first] = np.arange(len(dag.blocks))
    return [int(place) for place in rank]


def key_prefix(label: str) -> str:
    """The label as one word that begins with a letter.

    Of a key's first word Dask, grouping keys, loses nothing; of further words it keeps only some:
    "reverse-log1p-3f9-7" and even "reverse-cholesky-3f9-7" (eight letters, the first from a to f, are taken
    for a hash) would both be grouped under "reverse".
    """
    word = re.sub(r"\W", "_", label)
    return word if word[:1].isalpha() else f"block_{word}"


def task_key(label: str, run: str, block: int, copy: int = 0) -> str:
    """Key of a block's task, unique by run and block; `copy` counts recomputations."""
    return f"{key_prefix(label)}-{run}-{block}" + (f"-r{copy}" if copy else "")


class Priorities:
    """Priority of a key, for `dask.annotate`; it travels to the scheduler, which asks it for every key."""

    def __init__(self, by_key: Mapping[Any, int]) -> None:
        self._by_key: dict[Any, int] = dict(by_key)

    def __call__(self, key: Any) -> int:
        return self._by_key.get(key, 0)
