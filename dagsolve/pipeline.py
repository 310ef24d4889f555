"""From a traced function to numbers: array graph → tile graph → joint graph → blocks → plan → run.

Each arrow is one function of one file below; `compile_trace` reads as the table of contents. What it makes
depends on the array graph's structure only, so it is kept by the graph's digest and used again: the second
call of a gradient traces the function, binds the arrays and runs.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError
from dagsolve.executor import Capacity, Executor
from dagsolve.graph import Graph
from dagsolve.namespace import Array
from dagsolve.options import Options
from dagsolve.planning.actions import Plan
from dagsolve.planning.budget import budget
from dagsolve.planning.cost import DISTRIBUTED, THREADS, targets_for
from dagsolve.planning.schedule import make_plan
from dagsolve.planning.width import wide_dag
from dagsolve.scheduler.executor import executor_of
from dagsolve.specs import Spec, spec_of
from dagsolve.tracing.chunked import Tiled, tiled, untiled
from dagsolve.tracing.layout import Chunks, Layout, normalised_chunks
from dagsolve.tracing.reverse import Sweeps, joint_graph, tangent_graph
from dagsolve.tracing.trace import Trace

KEPT = 64  # compiled graphs kept per process

FORWARD, REVERSE, PULLBACK, TANGENT = "forward", "reverse", "pullback", "tangent"
JACOBIAN = "jacobian"  # a pullback of as many cotangents at once as the result has items


@dataclass(frozen=True, eq=False)
class Compiled:
    """A plan, and how the function's arguments and results lie in its values."""

    tiled: Tiled
    plan: Plan
    outputs: tuple[Layout, ...]  # of the function's results
    seeds: tuple[Layout, ...]  # of the new inputs: cotangents or tangents
    derivatives: tuple[Layout, ...]  # cotangents of the wanted inputs, or tangents of the results
    numbers: Mapping[int, Any]  # constants that the rules brought along


_KEPT: OrderedDict[Any, Compiled] = OrderedDict()


def compile_trace(
    trace: Trace,
    wanted: Sequence[int],
    mode: str,
    options: Options,
    executor: Executor,
    seeded: Sequence[int] = (0,),
) -> Compiled:
    """The plan of a traced function and one mode of derivative; `wanted` are positions of inputs.

    Raises BudgetError when `memory_limit` cannot be kept, before any work.
    """
    chunks = _input_chunks(trace, options)
    capacity = executor.capacity()
    key = (trace.graph.digest, chunks, tuple(wanted), mode, tuple(seeded), options.memory_limit, capacity)
    found = _KEPT.get(key)
    if found is not None:
        _KEPT.move_to_end(key)
        return found
    cut = untiled(trace.graph) if options.chunks is None else tiled(trace.graph, chunks, options.chunks)
    sweeps, seeds, derivatives = _sweeps(cut, wanted, mode, seeded)
    plan = replace(plan_graph(sweeps.graph, options, executor), gathered=cut.gathered)
    made = Compiled(cut, plan, cut.outputs, seeds, derivatives, {**cut.literals, **sweeps.constants})
    _KEPT[key] = made
    while len(_KEPT) > KEPT:
        _KEPT.popitem(last=False)
    return made


def plan_graph(graph: Graph, options: Options, executor: Executor) -> Plan:
    """Partition, blocks and actions of a joint graph, for the workers of an executor as they are now."""
    return plan_for(graph, options.memory_limit, executor.capacity(), executor.base_bytes())


def plan_for(graph: Graph, limit: int | None, capacity: Capacity, base_bytes: int) -> Plan:
    """Partition, blocks and actions of a joint graph, for workers that hold so many bytes before the run.

    Where the budget cannot hold all that waits between blocks, more of it is computed again instead. Raises
    BudgetError when it cannot hold even then.
    """
    rates = DISTRIBUTED if capacity.distributed else THREADS
    work = node_work(graph, rates)
    terms = {
        "threads": capacity.threads,
        "transfer_bytes": capacity.transfer_bytes,
        "base_bytes": base_bytes,
    }
    for on_disk in (False, True):
        targets = targets_for(
            rates,
            workers=capacity.workers * capacity.threads,
            target_bytes=_block_bytes(limit, capacity.threads, base_bytes),
            on_disk=on_disk,
        )
        dag = wide_dag(graph, work, targets, rates)
        if limit is None or budget(dag, None, **terms).projected_bytes <= limit:
            break
    return replace(make_plan(dag, memory_limit=limit, **terms), workers=capacity.workers)


def _block_bytes(limit: int | None, threads: int, base_bytes: int) -> float:
    """Bytes that a block may read and write: half of each thread's share, the rest is for waiting values."""
    if limit is None:
        return math.inf
    return max(1.0, limit - base_bytes) / (2 * threads)


def run(
    compiled: Compiled, trace: Trace, executor: Executor, options: Options, seeds: Sequence[Array] = ()
) -> tuple[list[Array], list[Array]]:
    """Results of the function and derivatives, as arrays."""
    leaves = dict(compiled.numbers)
    for layout, value in zip(compiled.tiled.inputs, trace.values, strict=True):
        leaves.update(layout.split(_concrete(value)))
    for v, layout in compiled.tiled.constants.items():
        leaves.update(layout.split(trace.constants[v]))
    for layout, value in zip(compiled.seeds, seeds, strict=True):
        leaves.update(layout.split(value))
    values = executor.execute(compiled.plan, leaves, progress=options.progress)
    return [y.join(values) for y in compiled.outputs], [x.join(values) for x in compiled.derivatives]


def executor_for(options: Options) -> Executor:
    """The executor that the options name; the active Client when they name none."""
    return executor_of(options.scheduler)


def _sweeps(
    cut: Tiled, wanted: Sequence[int], mode: str, seeded: Sequence[int]
) -> tuple[Sweeps, tuple[Layout, ...], tuple[Layout, ...]]:
    """The graph with its second sweep, and the layouts of seeds and derivatives."""
    inputs = [cut.inputs[k] for k in wanted]
    values = [v for layout in inputs for v in layout.values]
    if mode == FORWARD:
        return Sweeps(cut.graph, (), {}), (), ()
    if mode == TANGENT:
        sweeps = tangent_graph(cut.graph, values)
        made = sweeps.graph.outputs[len(cut.graph.outputs) :]
        return sweeps, _relaid(inputs, sweeps.seeds), _relaid(cut.outputs, made)
    starts = np.cumsum([0, *(len(y.values) for y in cut.outputs)]).tolist()
    positions = [p for k in seeded for p in range(starts[k], starts[k + 1])]
    lead = (math.prod(cut.outputs[0].shape),) if mode == JACOBIAN else ()
    sweeps = joint_graph(cut.graph, values, positions, seeds_are_inputs=mode != REVERSE, lead=lead)
    made = sweeps.graph.outputs[len(cut.graph.outputs) :]
    seeds = _relaid([cut.outputs[k] for k in seeded], sweeps.seeds, lead) if mode != REVERSE else ()
    return sweeps, seeds, _relaid(inputs, made, lead)


def _relaid(
    layouts: Sequence[Layout], values: Sequence[int], lead: tuple[int, ...] = ()
) -> tuple[Layout, ...]:
    """The same chunks, behind leading axes in one chunk each, with other values, taken in order."""
    rest = iter(values)
    return tuple(
        Layout((*((n,) for n in lead), *x.chunks), tuple(next(rest) for _ in x.values)) for x in layouts
    )


def _input_chunks(trace: Trace, options: Options) -> tuple[Chunks, ...]:
    chosen = options.chunks
    if isinstance(chosen, Mapping):
        known = set(trace.argument)
        for number in chosen:
            if number not in known:
                raise ArgumentError(
                    f"chunks: argument {number!r} is not an array argument; these are {sorted(known)}"
                )
    made = []
    for value, number, name in zip(trace.values, trace.argument, trace.names, strict=True):
        entry = chosen.get(number) if isinstance(chosen, Mapping) else chosen
        made.append(normalised_chunks(entry, spec_of(value).shape, name))
    return tuple(made)


def _concrete(value: Any) -> Array:
    if isinstance(value, Spec):
        raise ArgumentError(f"a call needs arrays, got a spec {value}. Use .plan(...) to plan without data.")
    return np.asarray(value) if isinstance(value, (float, complex, np.generic)) else value
