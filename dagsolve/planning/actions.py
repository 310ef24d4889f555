"""The vocabulary of plans: seven frozen actions, and the Plan that lists them.

A plan is data. `replay` runs it on a pretend machine, executors run it on a real one.
"""

from dataclasses import dataclass
from functools import cached_property

from dagsolve.blocks.structure import BlockDag
from dagsolve.planning.budget import Budget
from dagsolve.planning.summary import facts, html_summary, text_summary, warnings


@dataclass(frozen=True, slots=True)
class Run:
    """Run a block: its reads must be in memory, its writes are afterwards."""

    block: int


@dataclass(frozen=True, slots=True)
class Save:
    """Keep a value in memory for a later sweep (a residual)."""

    value: int


@dataclass(frozen=True, slots=True)
class Spill:
    """Write a value to disk and drop it from memory."""

    value: int


@dataclass(frozen=True, slots=True)
class Load:
    """Bring a spilled value back into memory."""

    value: int


@dataclass(frozen=True, slots=True)
class Recompute:
    """Run copies of a block's nodes again."""

    block: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget a value: nothing later reads it."""

    value: int


@dataclass(frozen=True, slots=True)
class Output:
    """Hand a value to the user; it stays in memory."""

    value: int


Action = Run | Save | Spill | Load | Recompute | Drop | Output


@dataclass(frozen=True, eq=False)
class Plan:
    """Frozen actions with what they are projected to take."""

    dag: BlockDag
    actions: tuple[Action, ...]
    peak_bytes: int  # projected peak of values and workspace when the actions run in this order
    store_bytes: int | None  # budget of each worker's TileStore in memory; None: unlimited
    memory_limit: int | None  # bytes per worker, as the user gave it
    threads: int  # per worker, assumed by the projection
    projected_bytes: int  # projected peak per worker: store + threads × working set + transfers + base
    digest: str
    budget: Budget | None = None  # the terms of `projected_bytes`
    workers: int = 1  # assumed by pictures of the plan
    gathered: tuple[str, ...] = ()  # primitives that run in one chunk, with bytes and source line

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        return self.dag.graph.outputs

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        return self.dag.graph.leaves

    @cached_property
    def read_leaves(self) -> tuple[int, ...]:
        """The leaves that a block reads or that are outputs themselves: others need not be loaded."""
        read = {v for block in self.dag.blocks for v in block.reads} | set(self.outputs)
        return tuple(v for v in self.leaves if v in read)

    @property
    def flops(self) -> float:
        return self.dag.flops

    @property
    def seconds(self) -> float:
        """Projected seconds of work, all blocks one after the other."""
        return sum(b.seconds for b in self.dag.blocks)

    @cached_property
    def critical_seconds(self) -> float:
        """Projected seconds of the longest chain of blocks: no number of workers is faster."""
        finish = [b.seconds for b in self.dag.blocks]
        for source, target in self.dag.edges:  # sorted by source, which is topological
            finish[target] = max(finish[target], finish[source] + self.dag.blocks[target].seconds)
        return max(finish, default=0.0)

    @cached_property
    def tasks(self) -> int:
        """Number of blocks run or recomputed."""
        return sum(isinstance(a, Run | Recompute) for a in self.actions)

    def summary(self) -> tuple[tuple[str, str], ...]:
        """Rows of (name, value) that say what the plan takes."""
        return facts(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to beware of: primitives that run in one chunk and large captured arrays, with their lines."""
        return warnings(self)

    def __repr__(self) -> str:
        return text_summary(self)

    def _repr_html_(self) -> str:
        return html_summary(self)
