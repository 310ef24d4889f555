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

import dask.array as da
import numpy as np

from dagsolve.binding import Bound, chunks_of, loading_tasks
from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError
from dagsolve.executor import Capacity, Executor
from dagsolve.graph import Graph
from dagsolve.kernels import choices
from dagsolve.namespace import Array
from dagsolve.options import Options
from dagsolve.planning.actions import Plan
from dagsolve.planning.budget import budget
from dagsolve.planning.cost import DISTRIBUTED, THREADS, targets_for
from dagsolve.planning.schedule import make_plan
from dagsolve.planning.width import wide_dag
from dagsolve.scheduler.executor import executor_of
from dagsolve.specs import spec_of
from dagsolve.tracing.anchors import without_anchors
from dagsolve.tracing.capture import chunked
from dagsolve.tracing.chunked import Tiled, tiled, untiled
from dagsolve.tracing.layout import Chunks, Layout, normalised_chunks, slices
from dagsolve.tracing.reverse import Sweeps, jacobian_columns, jacobian_rows, joint_graph, tangent_graph
from dagsolve.tracing.trace import Trace

KEPT = 64  # compiled graphs kept per process

FORWARD, REVERSE, PULLBACK, TANGENT = "forward", "reverse", "pullback", "tangent"
ROWS, COLUMNS = "rows", "columns"  # Jacobians: all unit cotangents at once, or a tangent sweep per item


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
    captured = _captured_chunks(trace)
    chunks = _input_chunks(trace, options, captured)
    capacity = executor.capacity()
    pieces = (chunks, tuple(captured.items()))
    asked = (tuple(wanted), mode, tuple(seeded), choices.policy(), options.memory_limit)
    key = (trace.graph.digest, pieces, asked, capacity)
    found = _KEPT.get(key)
    if found is not None:
        _KEPT.move_to_end(key)
        return found
    whole = options.chunks is None and not any(len(c) > 1 for x in (*chunks, *captured.values()) for c in x)
    cut = untiled(trace.graph) if whole else tiled(trace.graph, chunks, options.chunks, captured)
    sweeps, seeds, derivatives = _sweeps(cut, wanted, mode, seeded)
    graph = without_anchors(sweeps.graph)
    count = len(cut.graph.outputs)
    outputs, derivatives = (
        _relaid(cut.outputs, graph.outputs[:count]),
        _relaid(derivatives, graph.outputs[count:]),
    )
    plan = replace(plan_graph(graph, options, executor), gathered=cut.gathered)
    made = Compiled(cut, plan, outputs, seeds, derivatives, {**cut.literals, **sweeps.constants})
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
    rates = capacity.rates or (DISTRIBUTED if capacity.distributed else THREADS)
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
    found = bound(compiled, trace, seeds)
    read = {v: found.leaves[v] for v in compiled.plan.read_leaves}
    tasks = (
        loading_tasks(found.loading(), read, distributed=executor.capacity().distributed)
        if found.arrays
        else None
    )
    values = executor.execute(compiled.plan, found.leaves, graph=tasks, progress=options.progress)
    return [y.join(values) for y in compiled.outputs], [x.join(values) for x in compiled.derivatives]


def bound(compiled: Compiled, trace: Trace, seeds: Sequence[Array] = ()) -> Bound:
    """Arguments, captured arrays and seeds as the leaves of the plan."""
    made = Bound(dict(compiled.numbers))
    for layout, value in zip(compiled.tiled.inputs, trace.values, strict=True):
        made.bind(layout, value)
    for v, layout in compiled.tiled.constants.items():
        made.bind(layout, trace.constants[v])
    for layout, value in zip(compiled.seeds, seeds, strict=True):
        made.bind(layout, value)
    return made


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
    count = len(cut.graph.outputs)
    if mode == TANGENT:
        sweeps = tangent_graph(cut.graph, values)
        return sweeps, _relaid(inputs, sweeps.seeds), _relaid(cut.outputs, sweeps.graph.outputs[count:])
    if mode in (ROWS, COLUMNS):
        (y,), groups = cut.outputs, [layout.values for layout in inputs]
        of_pairs = [Layout((*y.chunks, *x.chunks), _pairs(y, x)) for x in inputs]
        if mode == COLUMNS:
            sweeps = jacobian_columns(cut.graph, groups)
            return sweeps, (), _relaid(of_pairs, sweeps.graph.outputs[count:])
        sweeps = jacobian_rows(cut.graph, groups, list(slices(y.chunks)), y.shape)
        units = Layout(((math.prod(y.shape),), *y.chunks), sweeps.seeds)
        return sweeps, (units,), _relaid(of_pairs, sweeps.graph.outputs[count:])
    starts = np.cumsum([0, *(len(y.values) for y in cut.outputs)]).tolist()
    positions = [p for k in seeded for p in range(starts[k], starts[k + 1])]
    sweeps = joint_graph(cut.graph, values, positions, seeds_are_inputs=mode != REVERSE)
    seeds = _relaid([cut.outputs[k] for k in seeded], sweeps.seeds) if mode != REVERSE else ()
    return sweeps, seeds, _relaid(inputs, sweeps.graph.outputs[count:])


def _relaid(layouts: Sequence[Layout], values: Sequence[int]) -> tuple[Layout, ...]:
    """The same chunks with other values, taken in order."""
    rest = iter(values)
    return tuple(Layout(x.chunks, tuple(next(rest) for _ in x.values)) for x in layouts)


def _pairs(y: Layout, x: Layout) -> tuple[int, ...]:
    """As many places as there are pairs of tiles."""
    return (0,) * (len(y.values) * len(x.values))


def _captured_chunks(trace: Trace) -> dict[int, Chunks]:
    """The chunks of captured Dask arrays, by value id."""
    found = {v: chunks_of(x, "a captured Dask array") for v, x in trace.constants.items()}
    return {v: chunks for v, chunks in found.items() if chunks is not None}


def _input_chunks(trace: Trace, options: Options, captured: Mapping[int, Chunks]) -> tuple[Chunks, ...]:
    """Chunks of the inputs: a Dask array's own, else what the options say.

    Where they say nothing, axes of a length that a Dask array has are cut as that one, others not at all.
    """
    chosen = options.chunks
    if isinstance(chosen, Mapping):
        known = set(trace.argument)
        for number in chosen:
            if number not in known:
                raise ArgumentError(
                    f"chunks: argument {number!r} is not an array argument; these are {sorted(known)}"
                )
    own = [chunks_of(x, name) for x, name in zip(trace.values, trace.names, strict=True)]
    by_length = {sum(c): c for chunks in (*captured.values(), *own) for c in chunks or ()}
    made: list[Chunks] = []
    for value, number, name, chunks in zip(trace.values, trace.argument, trace.names, own, strict=True):
        entry = chosen.get(number) if isinstance(chosen, Mapping) else chosen
        if chunks is not None and (entry is None or isinstance(chunked(value), da.Array)):
            made.append(chunks)
        elif entry is None:
            made.append(tuple(by_length.get(n, (n,)) for n in spec_of(value).shape))
        else:
            made.append(normalised_chunks(entry, spec_of(value).shape, name))
    return tuple(made)
