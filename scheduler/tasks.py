"""A plan and its leaves as a plain dictionary of Dask tasks.

One task per run of a block. Its key holds the block's written values: the bare array if there is one, else a
tuple. Dask forgets a key as a whole, so where the values of a block have different readers, each set of
readers gets a key of its own by a cheap projection task, unless `parts` finds that the block's will do: a
result that goes on at once and a residual that waits for the reverse sweep have separate lifetimes.

A recomputed block is a copy under a new key. It waits for a gate: a task of no value behind the block that
ran last before it in the plan, so that it does not run early and lie in memory until it is wanted.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dask._expr import LLGExpr
from dask._task_spec import DataNode, GraphNode, Task, TaskRef, convert_legacy_graph

from dagsolve.blocks.evaluate import BlockProgram, Warned, program, run_block
from dagsolve.blocks.structure import Block
from dagsolve.blocks.work import Rates
from dagsolve.errors import PlanError
from dagsolve.executor import Leaves, checked_leaves
from dagsolve.planning.actions import Drop, Plan, Recompute, Run
from dagsolve.reports import BlockDone
from dagsolve.scheduler.events import announce, is_worker, pass_on
from dagsolve.scheduler.parts import USER, Homes, bundles, groups
from dagsolve.scheduler.placement import task_key, urgency

Key = Any  # a Dask key
Place = int | None  # position in the tuple under a key; None: the key holds the bare array

INLINE_BYTES = 16 * 1024  # on a cluster, a smaller given array travels inside the tasks that read it
_AT_ONCE = 1  # above every block: these tasks cost nothing and let memory go


@dataclass(frozen=True)
class TaskGraph:
    """Tasks of one run, and what the executor has to know about their keys."""

    tasks: dict[Key, GraphNode]
    outputs: dict[int, Key]
    """Value id -> key of the bare array, or of a tuple, see `places`; absent where the output is itself a
    given array."""
    places: dict[int, int]
    """Position of an output in the tuple under its key; those of bare arrays are absent."""
    priorities: dict[Key, int]
    """Higher goes first; keys of an existing graph are absent."""
    blocks: dict[Key, int]
    """Block of each key that a block's task or one of its projections makes; of given arrays and of tasks of
    an existing graph, the first one that reads them."""
    uses: dict[Key, list[int]]
    """Moments of the plan at which a key is read, ascending."""


@dataclass
class Execution:
    """One run of a block: the first, or a recomputation."""

    block: Block
    copy: int
    moment: int
    reads: list[tuple["Execution | None", int]]  # who makes a value (None: it is a leaf), value
    gate: "Execution | None"
    readers: dict[int, set[Any]]  # value written -> who reads it
    places: dict[int, tuple[Key, Place]] = field(default_factory=dict)  # value written -> where it lies
    key: Key = None


def run_program(
    program: BlockProgram,
    announced: tuple[str, str, str, int] | None,
    places: tuple[Any, ...],
    *operands: Any,
) -> Any:
    """The written values of a block, bare if one; `places` picks its reads out of the operands.

    `announced` is (run, key, label, block) of the event to send, or None.
    """
    began, start = time.time(), time.perf_counter()
    inputs = [operands[i] if place is None else operands[i][place] for i, place in places]
    warned: dict[Warned, None] = {}
    made = run_block(program, inputs, warned.setdefault if is_worker() else None)
    if announced is not None:
        run, key, label, block = announced
        seconds = time.perf_counter() - start
        announce(run, BlockDone(key, label, seconds, block, start=began, warned=tuple(warned)))
    elif warned:
        pass_on(warned)
    return made[0] if len(made) == 1 else made


def project(values: tuple[Any, ...], positions: tuple[int, ...]) -> Any:
    """Some of a block's values; the bare array if one."""
    return values[positions[0]] if len(positions) == 1 else tuple(values[i] for i in positions)


def gate(_: Any) -> None:
    """Nothing, but not before its operand is there."""


def task_graph(
    plan: Plan,
    leaves: Leaves,
    run: str,
    *,
    graph: Mapping[Key, Any] | None = None,
    inline_bytes: int | None = None,
    announce_blocks: bool = True,
    home: Sequence[int] | None = None,
    rates: Rates | None = None,
) -> TaskGraph:
    """The tasks of a plan, named by `run`, which must be unique among all runs of a scheduler.

    Given arrays up to `inline_bytes` (None: all) are part of the tasks that read them; larger ones are nodes
    of their own, so that each worker gets them once and Dask can send them again when a worker is lost.
    References and nodes among the leaves are those of `graph`, whose tasks are merged in. With `home`, the
    worker of each block, and `rates` of tasks and transfers, outputs may share a key.
    """
    checked_leaves(plan, leaves)
    made_by, final = executions(plan)
    homes = None if home is None or rates is None else expected_homes(plan, made_by, home, rates)
    builder = _Builder(plan, leaves, run, graph or {}, inline_bytes, announce_blocks, homes)
    builder.bundle(made_by)
    for execution in made_by:
        builder.add(execution)
    made = builder.made
    for value in plan.outputs:
        if value in final:
            made.outputs[value], place = final[value].places[value]
            if place is not None:
                made.places[value] = place
        elif (reference := builder.reference(value)) is not None:
            made.outputs[value] = reference.key
    rank = urgency(plan)
    for execution in sorted(made_by, key=lambda e: rank[e.block.index]):
        _claim(made, execution.key, execution.block.index, -rank[execution.block.index])
    return made


def named_graph(tasks: Mapping[Key, GraphNode], name: str) -> LLGExpr:
    """The tasks as what `Client.get` sends, under a name that is unique.

    For a plain dictionary Dask makes a name by hashing every array and program in it, while no task runs.
    """
    return LLGExpr(dict(tasks), _determ_token=name)


def executions(plan: Plan) -> tuple[list[Execution], dict[int, Execution]]:
    """The plan's runs in its order, each read bound to the run that makes it; and who made what is left."""
    made: list[Execution] = []
    present: dict[int, Execution] = {}
    copies: Counter[int] = Counter()
    recomputed: set[int] = set()  # values made since the last first run: what reads them waits behind them
    previous: Execution | None = None  # the last first run
    for moment, action in enumerate(plan.actions):
        if isinstance(action, Drop):
            present.pop(action.value, None)
        if not isinstance(action, (Run, Recompute)):
            continue  # the store decides what is in RAM, Dask what is forgotten
        block = plan.dag.blocks[action.block]
        again = isinstance(action, Recompute)
        execution = Execution(
            block=block,
            copy=copies[block.index],
            moment=moment,
            reads=[(present.get(value), value) for value in block.reads],
            gate=previous if again and recomputed.isdisjoint(block.reads) else None,
            readers={value: set() for value in block.writes},
        )
        made.append(execution)
        copies[block.index] += 1
        for producer, value in execution.reads:
            if producer is not None:
                producer.readers[value].add(moment)
        for value in block.writes:
            present.setdefault(value, execution)  # a recomputed block makes again what is absent
        if again:
            recomputed.update(block.writes)
        else:
            recomputed.clear()
            previous = execution
    for value in plan.outputs:
        if value in present:
            present[value].readers[value].add((USER, value))
    return made, present


def expected_homes(
    plan: Plan, made_by: Iterable[Execution], home: Sequence[int], rates: Rates
) -> Homes | None:
    """What `parts` asks about the workers; None under a budget, which counts what a block itself reads."""
    if plan.memory_limit is not None:
        return None
    wait = plan.seconds / max(2 * plan.tasks, 1)
    return Homes(home, {e.moment: e.block.index for e in made_by}, rates, wait)


def bundled_leaves(
    made_by: Iterable[Execution], large: Callable[[int], bool]
) -> dict[int, tuple[int, Place]]:
    """Place of each large given value that has no task yet; see `bundles`."""
    readers: dict[int, list[int]] = defaultdict(list)
    for execution in made_by:
        for producer, value in execution.reads:
            if producer is None and large(value):
                readers[value].append(execution.moment)
    return bundles(readers)


class _Builder:
    """Adds executions to a task graph, producers first."""

    def __init__(
        self,
        plan: Plan,
        leaves: Leaves,
        run: str,
        graph: Mapping[Key, Any],
        inline_bytes: int | None,
        announce_blocks: bool,
        homes: Homes | None,
    ) -> None:
        self.made = TaskGraph(convert_legacy_graph(graph), {}, {}, {}, {}, defaultdict(list))
        self._plan, self._leaves, self._run = plan, leaves, run
        self._inline_bytes, self._announce, self._homes = inline_bytes, announce_blocks, homes
        self._bundles: dict[int, tuple[int, Place]] = {}
        self._bundled: dict[int, list[int]] = defaultdict(list)

    def bundle(self, made_by: Iterable[Execution]) -> None:
        """Decides which given arrays share a node: those that the same runs read."""

        def large(value: int) -> bool:
            leaf = self._leaves.get(value)
            if self._inline_bytes is None or isinstance(leaf, (GraphNode, TaskRef)):
                return False
            return getattr(leaf, "nbytes", 0) > self._inline_bytes

        self._bundles = bundled_leaves(made_by, large)
        for value, (first, _) in self._bundles.items():
            self._bundled[first].append(value)

    def reference(self, value: int) -> TaskRef | None:
        """The task of a leaf that belongs to an existing graph; its node is merged in."""
        leaf = self._leaves[value]
        if isinstance(leaf, GraphNode):
            self.made.tasks[leaf.key] = leaf
            return TaskRef(leaf.key)
        return TaskRef(leaf.key) if isinstance(leaf, TaskRef) else None

    def add(self, execution: Execution) -> None:
        """The task of one run, its gate, and the projections of its values."""
        block, run = execution.block, self._run
        execution.key = key = task_key(block.label, run, block.index, execution.copy)
        operands: list[Any] = []
        position: dict[Key, int] = {}
        places: list[tuple[int, Place]] = []
        for producer, value in execution.reads:
            operand, place = self._operand(producer, value, block.index)
            if isinstance(operand, TaskRef):
                if operand.key not in position:
                    position[operand.key] = len(operands)
                    operands.append(operand)
                    self.made.uses[operand.key].append(execution.moment)
                places.append((position[operand.key], place))
            else:
                places.append((len(operands), None))
                operands.append(operand)
        if execution.gate is not None:
            operands.append(self._gate(execution.gate, execution.moment))
        announced = (run, key, block.label, block.index) if self._announce else None
        code = program(self._plan.dag, block.index)
        self.made.tasks[key] = Task(key, run_program, code, announced, tuple(places), *operands)
        self.made.blocks[key] = block.index
        self._place_writes(execution, key)

    def _operand(self, producer: Execution | None, value: int, reader: int) -> tuple[Any, Place]:
        """What stands for a value among a task's arguments, and where in it the value lies."""
        if producer is not None:
            key, place = producer.places[value]
            return TaskRef(key), place
        if value not in self._leaves:
            raise PlanError(
                f"task_graph: value {value} is read, but it is no leaf and no action before makes it;"
                " the plan is at fault, please report it"
            )
        reference = self.reference(value)
        if reference is not None:
            return reference, None
        if value not in self._bundles:
            return self._leaves[value], None
        first, place = self._bundles[value]
        key = f"leaf-{self._run}-{first}"
        if key not in self.made.tasks:
            held = tuple(self._leaves[v] for v in self._bundled[first])
            self.made.tasks[key] = DataNode(key, held[0] if place is None else held)
            self.made.blocks[key] = reader
        return TaskRef(key), place

    def _gate(self, behind: Execution, moment: int) -> TaskRef:
        key = f"gate-{self._run}-{behind.moment}"
        if key not in self.made.tasks:
            self.made.tasks[key] = Task(key, gate, TaskRef(behind.key))
            self.made.priorities[key] = _AT_ONCE
            self.made.uses[behind.key].append(moment)
        return TaskRef(key)

    def _place_writes(self, execution: Execution, key: str) -> None:
        """Decides under which key each written value lies; see `groups`."""
        block = execution.block
        found = groups(block, execution.readers, self._plan.dag.graph.value_nbytes, self._homes)
        for number, group in enumerate(found):
            if group.whole:
                for i in group.positions:
                    execution.places[block.writes[i]] = (key, i if len(block.writes) > 1 else None)
                continue
            if not group.readers:
                continue  # made again beside what was wanted
            part = f"part-{key}-{number}"
            self.made.tasks[part] = Task(part, project, TaskRef(key), tuple(group.positions))
            self.made.priorities[part] = _AT_ONCE
            self.made.blocks[part] = block.index
            self.made.uses[key].append(execution.moment)
            for place, i in enumerate(group.positions):
                execution.places[block.writes[i]] = (part, place if len(group.positions) > 1 else None)


def _claim(made: TaskGraph, key: Key, block: int, priority: int) -> None:
    """The priority of a block's task; the leaves and foreign tasks that nobody needs sooner share it, and go
    with the block: what is loaded elsewhere has to be moved."""
    stack = [key]
    while stack:
        at = stack.pop()
        if at not in made.priorities and at in made.tasks:
            made.priorities[at] = priority
            made.blocks.setdefault(at, block)
            stack.extend(made.tasks[at].dependencies)
