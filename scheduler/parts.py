"""Which values of a block share its task's key, and which get a key of their own; pure.

Dask forgets and sends a key as a whole. A projection task gives values a key of their own, but costs a task,
and a worker whose threads are busy runs it behind a block: on a critical path that is the longest wait there
is. Where the workers of a run are known, values are left under the block's key if that holds next to nothing
longer than the plan does, and what is sent beside them takes no longer than the projection would.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dagsolve.blocks.structure import Block
from dagsolve.blocks.work import Rates

USER = "user"  # reads what the run returns
_HELD_SHARE = 16  # of what a block writes, so much may be held longer than the plan does
_HELD_BYTES = 64 * 1024
_SENT_BESIDE = 2  # times the bytes that a distant reader asks for
_EVER = float("inf")


class Group(NamedTuple):
    """Values of a block with the same readers."""

    readers: frozenset[Any]
    positions: list[int]  # among the block's writes
    whole: bool  # read under the block's own key


@dataclass(frozen=True)
class Homes:
    """Where the readers of a run are expected, and what tasks and transfers take there."""

    worker: Sequence[int]  # of each block
    block: Mapping[int, int]  # of each moment at which one runs
    rates: Rates
    wait_seconds: float
    """What a task waits for a thread that is busy: half a block."""


def groups(
    block: Block, readers: Mapping[int, Collection[Any]], nbytes: Any, homes: Homes | None
) -> list[Group]:
    """The block's values by their readers: moments of the plan, or (USER, value).

    With homes, all that only the user reads is one group; without, each of his values is alone.
    """
    found: dict[frozenset[Any], list[int]] = defaultdict(list)
    for i, value in enumerate(block.writes):
        of_value = frozenset(readers[value])
        if homes is not None:
            of_value = frozenset(USER if isinstance(r, tuple) else r for r in of_value)
        found[of_value].append(i)
    if len(found) == 1:
        ((only, positions),) = found.items()
        return [Group(only, positions, True)]
    sizes = [sum(int(nbytes[block.writes[i]]) for i in positions) for positions in found.values()]
    whole = [False] * len(found) if homes is None else _whole(block.index, list(found), sizes, homes)
    return [Group(r, p, w) for (r, p), w in zip(found.items(), whole, strict=True)]


def _whole(block: int, found: Sequence[frozenset[Any]], sizes: Sequence[int], homes: Homes) -> list[bool]:
    """Whether each group is read under the block's key."""
    total = sum(sizes)
    slack = max(_HELD_BYTES, total // _HELD_SHARE)
    last = [max((_EVER if r == USER else r for r in readers), default=-1) for readers in found]
    first = min((r for readers in found for r in readers if r != USER), default=-1)
    made = []
    for readers, size, end in zip(found, sizes, last, strict=True):
        held = sum(other for other, its_end in zip(sizes, last, strict=True) if its_end < end)
        at = {USER if r == USER else homes.worker[homes.block[r]] for r in readers}
        distant = len(at - {homes.worker[block]})
        beside = total - size
        sent = distant * beside / homes.rates.transfer_bytes_per_second
        saved = homes.rates.task_seconds + (homes.wait_seconds if first in readers else 0.0)
        near = not distant or (beside <= _SENT_BESIDE * size and sent <= saved)
        made.append(bool(readers) and held <= slack and near)
    return made


def bundles(readers: Mapping[int, Collection[int]]) -> dict[int, tuple[int, int | None]]:
    """Given value -> the first value of those with the same readers, and its place among them.

    One key for all of them has the lifetime of each. The place is None where a value is alone.
    """
    together: dict[frozenset[int], list[int]] = defaultdict(list)
    for value, of_value in readers.items():
        together[frozenset(of_value)].append(value)
    return {
        value: (values[0], place if len(values) > 1 else None)
        for values in together.values()
        for place, value in enumerate(values)
    }
