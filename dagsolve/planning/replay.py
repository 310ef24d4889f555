"""replay: a pretend machine that runs a plan's actions on sizes alone, and refuses a plan that breaks a law.

It has a memory and a disk that hold value ids. Leaves come from the user: they enter memory when they are
first read. With `store_bytes` the memory behaves as the workers' TileStore does: what was used longest ago is
written to disk when values exceed it, and comes back when it is read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.errors import PlanError
from dagsolve.planning.actions import Action, Drop, Load, Output, Recompute, Run, Save, Spill


@dataclass(frozen=True)
class Replay:
    """What the pretend machine counted."""

    peak_bytes: int  # values in memory and the working set of the running block, at most
    values_peak_bytes: int  # values in memory or on disk, between blocks, at most
    spilled_bytes: int  # written to disk
    loaded_bytes: int  # read back from disk
    recomputed_flops: float
    runs: int  # blocks run or recomputed


def replay(
    dag: BlockDag,
    actions: Iterable[Action],
    *,
    budget_bytes: int | None = None,
    store_bytes: int | None = None,
) -> Replay:
    """What a plan takes, after every one of its laws was checked.

    Raises PlanError where an action reads a value that is absent, a block is run twice, a value is dropped or
    loaded that is not there, memory exceeds `budget_bytes`, or where at the end a block was not run, an
    output not handed over, or a value left behind.
    """
    machine = _Machine(dag, budget_bytes, store_bytes)
    for position, action in enumerate(actions):
        machine.position = position
        machine.do(action)
    machine.finish()
    return Replay(
        machine.peak,
        machine.values_peak,
        machine.spilled,
        machine.loaded,
        machine.recomputed_flops,
        machine.runs,
    )


class Moment(NamedTuple):
    """Memory while one block runs, in bytes."""

    block: int
    values_bytes: int  # in memory, what the block reads among them
    beside_bytes: int  # for what the block makes and needs beside
    disk_bytes: int


def memory_profile(
    dag: BlockDag, actions: Iterable[Action], *, store_bytes: int | None = None
) -> list[Moment]:
    """The pretend machine's memory while each block runs, in the plan's order.

    Raises PlanError when the actions break a law; see `replay`.
    """
    machine = _Machine(dag, None, store_bytes)
    moments = []
    for position, action in enumerate(actions):
        machine.position = position
        machine.do(action)
        if isinstance(action, Run | Recompute):
            moments.append(machine.moment)
    machine.finish()
    return moments


class _Machine:
    def __init__(self, dag: BlockDag, budget_bytes: int | None, store_bytes: int | None) -> None:
        self.dag, self.budget, self.store = dag, budget_bytes, store_bytes
        self.nbytes, self.outputs = dag.graph.value_nbytes.tolist(), set(dag.graph.outputs)
        self.unseen = set(dag.graph.leaves)  # leaves that nothing has read yet
        self.memory: dict[int, int] = {}  # value -> bytes, least recently used first
        self.disk: set[int] = set()
        self.written: set[int] = set()  # values that have a file, whether or not they are in memory
        self.done: set[int] = set()
        self.handed: set[int] = set()
        self.resident = self.on_disk = self.position = 0
        self.peak = self.values_peak = self.spilled = self.loaded = self.runs = 0
        self.recomputed_flops = 0.0
        self.moment = Moment(-1, 0, 0, 0)  # the last block's
        self.acts: dict[type, Callable[[Any], None]] = {
            Run: self._first_run,
            Recompute: self._again,
            Save: self._save,
            Output: self._hand_over,
            Spill: self._spill,
            Load: self._load,
            Drop: self._drop,
        }

    def do(self, action: Any) -> None:
        act = self.acts.get(type(action))
        if act is None:
            raise self._fault(f"{action!r} is not an action")
        act(action)

    def _first_run(self, action: Run) -> None:
        block = self._block(action.block)
        if block.index in self.done:
            raise self._fault(f"block {block.index} ({block.label}) is run twice")
        self._run(block, set())
        self.done.add(block.index)

    def _again(self, action: Recompute) -> None:
        block = self._block(action.block)
        if block.index not in self.done:
            raise self._fault(f"block {block.index} ({block.label}) is recomputed before it was run")
        self._run(block, {v for v in block.writes if v in self.memory or v in self.disk})
        self.recomputed_flops += block.flops

    def _save(self, action: Save) -> None:
        self._need(action.value, "saved")

    def _hand_over(self, action: Output) -> None:
        if action.value not in self.outputs:
            raise self._fault(f"value {action.value} is handed over and is no output")
        self._need(action.value, "handed over")
        self.handed.add(action.value)

    def _spill(self, action: Spill) -> None:
        if action.value not in self.memory:
            raise self._fault(f"value {action.value} is spilled and is not in memory")
        self._to_disk(action.value)

    def _load(self, action: Load) -> None:
        if action.value not in self.disk:
            raise self._fault(f"value {action.value} is loaded and is not on disk")
        self._from_disk(action.value)
        self._settle(0, "loading")

    def _drop(self, action: Drop) -> None:
        value = action.value
        if value in self.handed:
            raise self._fault(f"value {value} is dropped after it was handed over")
        if value in self.memory:
            self.resident -= self.memory.pop(value)
        elif value in self.disk:
            self.disk.discard(value)
            self.on_disk -= self.nbytes[value]
        else:
            raise self._fault(f"value {value} is dropped and is not there")
        self.written.discard(value)

    def finish(self) -> None:
        missing = [b for b in self.dag.blocks if b.index not in self.done]
        if missing:
            first = f"{missing[0].index} ({missing[0].label})"
            raise PlanError(f"replay: {len(missing)} blocks were never run, the first is {first}")
        absent = [v for v in self.dag.graph.outputs if v not in self.handed]
        if absent:
            raise PlanError(f"replay: output value {absent[0]} was never handed over")
        left = [v for v in (*self.memory, *self.disk) if v not in self.handed]
        if left:
            raise PlanError(f"replay: {len(left)} values were left behind, the first is value {left[0]}")

    def _block(self, index: int) -> Block:
        if not 0 <= index < len(self.dag):
            raise self._fault(f"block {index} does not exist, there are {len(self.dag)}")
        return self.dag.blocks[index]

    def _run(self, block: Block, present: set[int]) -> None:
        for value in block.reads:
            self._need(value, f"read by block {block.index} ({block.label})")
        made = [v for v in block.writes if v not in present]
        for value in made:
            if value in self.memory or value in self.disk:
                raise self._fault(f"value {value} is made twice, by block {block.index} ({block.label})")
        beside = self._beyond_store(block)
        self._settle(beside, f"running block {block.index} ({block.label})")
        self.moment = Moment(block.index, self.resident, beside, self.on_disk)
        for value in made:
            self._into_memory(value)
        self._settle(0, f"after block {block.index} ({block.label})")
        self.runs += 1

    def _beyond_store(self, block: Block) -> int:
        """Bytes beside the values in memory while the block runs."""
        if self.store is None:
            return block.write_bytes + block.workspace_bytes  # what it reads is already counted
        return block.working_set_bytes  # the store may write out what a running block still holds

    def _need(self, value: int, why: str) -> None:
        if value in self.unseen:
            self.unseen.discard(value)
            self._into_memory(value)
        elif value in self.memory:
            self.memory[value] = self.memory.pop(value)  # the most recently used
        elif value in self.disk and self.store is not None:
            self._from_disk(value)
        else:
            where = "is on disk" if value in self.disk else "is absent"
            raise self._fault(f"value {value} {where} when it is {why}")

    def _into_memory(self, value: int) -> None:
        size = self.nbytes[value]
        self.memory[value] = size
        self.resident += size

    def _to_disk(self, value: int) -> None:
        size = self.memory.pop(value)
        self.resident -= size
        self.on_disk += size
        self.disk.add(value)
        if value not in self.written:
            self.written.add(value)
            self.spilled += size

    def _from_disk(self, value: int) -> None:
        self.disk.discard(value)
        self.on_disk -= self.nbytes[value]
        self.loaded += self.nbytes[value]
        self._into_memory(value)

    def _settle(self, beside: int, when: str) -> None:
        """Hold the store's limit, count the peak, and refuse a breach of the budget."""
        self.values_peak = max(self.values_peak, self.resident + self.on_disk)
        while self.store is not None and self.resident > self.store:
            self._to_disk(next(iter(self.memory)))
        self.peak = max(self.peak, self.resident + beside)
        if self.budget is not None and self.resident + beside > self.budget:
            raise self._fault(f"{when} takes {self.resident + beside:,} bytes, the budget is {self.budget:,}")

    def _fault(self, what: str) -> PlanError:
        return PlanError(f"replay: at action {self.position}, {what}")
