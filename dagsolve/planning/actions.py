"""The vocabulary of plans: seven frozen actions, and the Plan that lists them.

A plan is data. `replay` runs it on a pretend machine, executors run it on a real one.
"""

from dataclasses import dataclass
from functools import cached_property
from html import escape

from dask.utils import format_bytes

from dagsolve.blocks.structure import BlockDag


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

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        return self.dag.graph.outputs

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        return self.dag.graph.leaves

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
        dag, blocks = self.dag, self.dag.blocks
        limit = "none" if self.memory_limit is None else format_bytes(self.memory_limit)
        store = (
            "all in memory"
            if self.store_bytes is None
            else f"{format_bytes(self.store_bytes)} in memory, then disk"
        )
        return (
            ("nodes", f"{len(dag.graph):,}"),
            ("blocks", f"{len(dag):,} in {int(dag.levels.max(initial=-1)) + 1:,} level sets"),
            ("tasks", f"{self.tasks:,}"),
            ("arithmetic", f"{self.flops:.3g} flops"),
            ("blocks read", format_bytes(sum(b.read_bytes for b in blocks))),
            ("blocks write", format_bytes(sum(b.write_bytes for b in blocks))),
            ("peak in this order", format_bytes(self.peak_bytes)),
            (
                "peak per worker",
                f"{format_bytes(self.projected_bytes)} with {self.threads} threads, budget {limit}",
            ),
            ("waiting values", store),
            ("work", f"{self.seconds:.3g} s, critical path {self.critical_seconds:.3g} s"),
        )

    def __repr__(self) -> str:
        rows = self.summary()
        width = max(len(name) for name, _ in rows)
        return "\n".join(("Plan", *(f"  {name:<{width}}  {value}" for name, value in rows)))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self.summary()
        )
        return f"<table><caption>Plan</caption>{rows}</table>"
