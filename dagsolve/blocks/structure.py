"""BlockDag: the blocks of all sweeps, what each reads and makes, and what that costs.

Symbolic only: no arrays. A block is the unit of a Dask task.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.summary import html_summary
from dagsolve.graph import Graph
from dagsolve.semirings import MaxPlus, path_system, path_to
from dagsolve.substitution import backslash

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Nodes solved together."""

    index: int  # topological
    sweep: int  # 0 forward, 1 reverse, …
    label: str  # the dominant primitive, e.g. "cholesky" or "reverse-cholesky"
    nodes: tuple[int, ...]  # node ids, ascending
    reads: tuple[int, ...]  # value ids loaded from leaves and other blocks
    writes: tuple[int, ...]  # value ids made for other blocks or as outputs
    flops: float
    seconds: float  # projected
    read_bytes: int
    write_bytes: int
    workspace_bytes: int  # peak of values born and dropped inside, beyond reads and writes

    @property
    def working_set_bytes(self) -> int:
        """Bytes in memory while the block runs."""
        return self.read_bytes + self.write_bytes + self.workspace_bytes


@dataclass(frozen=True, eq=False)
class BlockDag:
    """All blocks in topological order: the pattern of the block matrix I - L."""

    graph: Graph
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    @cached_property
    def producer(self) -> Mapping[int, int]:
        """Block that makes each value that crosses blocks; leaves are absent."""
        return {value: block.index for block in self.blocks for value in block.writes}

    @cached_property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """Blocks that read each value that crosses blocks, leaves included, ascending."""
        found: dict[int, list[int]] = {}
        for block in self.blocks:
            for value in block.reads:
                found.setdefault(value, []).append(block.index)
        return {value: tuple(readers) for value, readers in found.items()}

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(producer, consumer) pairs of blocks, each once: the nonzeros of L."""
        producer = self.producer
        return tuple(sorted({(producer[v], b.index) for b in self.blocks for v in b.reads if v in producer}))

    @cached_property
    def levels(self) -> Ints:
        """Level of each block: longest distance from the leaves in edges, shape (blocks,)."""
        reads = path_system(len(self), ((u, v, 1) for u, v in self.edges), MaxPlus)
        return np.array([at.value for at in backslash(reads, [MaxPlus.one] * len(self))], dtype=np.int64)

    @cached_property
    def critical_path(self) -> tuple[int, ...]:
        """The chain of blocks, each reading the one before, that takes the longest: no schedule is faster."""
        seconds = [block.seconds for block in self.blocks]
        reads = path_system(len(self), ((u, v, seconds[u]) for u, v in self.edges), MaxPlus)
        any_time = [MaxPlus.one] * len(self)
        start = backslash(reads, any_time)
        last = max(range(len(self)), key=lambda v: start[v].value + seconds[v], default=None)
        return () if last is None else path_to(reads, any_time, start, last)

    @property
    def sweeps(self) -> int:
        return 1 + max((b.sweep for b in self.blocks), default=0)

    def value_nbytes(self, value: int) -> int:
        """Bytes of a value."""
        return self.graph.spec(value).nbytes

    @property
    def flops(self) -> float:
        return sum(b.flops for b in self.blocks)

    def source_line(self, block: Block) -> str:
        """The user's line that recorded a block's largest value."""
        if not block.writes:
            return str(self.graph.node(block.nodes[-1]).scope)
        largest = max(block.writes, key=self.value_nbytes)
        return str(self.graph.node(int(self.graph.value_node[largest])).scope)

    def __repr__(self) -> str:
        by_sweep = " + ".join(str(sum(b.sweep == s for b in self.blocks)) for s in range(self.sweeps))
        return (
            f"BlockDag of {len(self)} blocks ({by_sweep} by sweep), "
            f"{len(self.edges)} edges, {self.flops:.3g} flops"
        )

    def _repr_html_(self) -> str:
        return html_summary(self)
