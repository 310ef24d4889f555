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
    return after + np.array([block.seconds for block in dag.blocks])


def ranks(dag: BlockDag) -> list[int]:
    """Place of each block when the longest remaining path goes first; among equals, the first block."""
    longest_first = np.argsort(-remaining_seconds(dag), kind="stable")
    rank = np.empty(len(dag.blocks), dtype=np.int64)
    rank[longest_first] = np.arange(len(dag.blocks))
    return [int(place) for place in rank]


def key_prefix(label: str) -> str:
    """The label in letters of which Dask, grouping keys by their first words, loses none.

    Dask stops at the first hyphen before a word that is not alphabetic: "reverse-log1p-3f9-7" would be one of
    "reverse". Only a key's first word may be anything that begins with a letter.
    """
    if not label[:1].isalpha():
        label = f"block-{label}"
    if all(word.isalpha() for word in label.split("-")[1:]):
        return label
    return re.sub(r"\W", "_", label)


def task_key(label: str, run: str, block: int, copy: int = 0) -> str:
    """Key of a block's task, unique by run and block; `copy` counts recomputations.

    `run` must not be a word of letters alone.
    """
    return f"{key_prefix(label)}-{run}-{block}" + (f"-r{copy}" if copy else "")


class Priorities:
    """Priority of a key, for `dask.annotate`; it travels to the scheduler, which asks it for every key."""

    def __init__(self, by_key: Mapping[Any, int]) -> None:
        self._by_key = dict(by_key)

    def __call__(self, key: Any) -> int:
        return self._by_key.get(key, 0)
