"""Plans for the executors: a traced function and its gradient in blocks, dropped after their last use."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.evaluate import evaluate
from dagsolve.blocks.partition import Partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import node_work
from dagsolve.executor import Executor
from dagsolve.graph import LEAVES, Graph
from dagsolve.planning.actions import Action, Drop, Output, Plan, Recompute, Run
from dagsolve.reports import RunReport
from dagsolve.tracing.reverse import joint_graph
from dagsolve.tracing.trace import trace_function


def dag_of(f: Callable[..., Any], *args: Any, nodes_per_block: int = 1) -> tuple[BlockDag, dict[int, Any]]:
    """Blocks of the value of f and its gradient towards every argument, with the leaves' values."""
    trace = trace_function("test", f, args, range(len(args)))
    inputs = trace.graph.leaves[: len(trace.values)]
    sweeps = joint_graph(trace.graph, inputs, (0,))
    graph = sweeps.graph
    leaves = {**dict(zip(inputs, trace.values, strict=True)), **trace.constants, **sweeps.constants}
    return blocked(graph, nodes_per_block), leaves


def blocked(graph: Graph, nodes_per_block: int = 1) -> BlockDag:
    """Blocks of so many successive nodes, none across sweeps."""
    block = np.full(len(graph), -1)
    count, members, sweep = -1, 0, -1
    for n in np.flatnonzero(graph.needed()).tolist():
        node = graph.node(n)
        if node.primitive in LEAVES:
            continue
        if members == nodes_per_block or graph.columns.sweep[n] != sweep:
            count, members, sweep = count + 1, 0, graph.columns.sweep[n]
        block[n], members = count, members + 1
    parted = Partition(block, np.zeros(len(graph), bool))
    return block_dag(graph, parted, node_work(graph))


def report_of(executor: Executor) -> RunReport:
    """The report of the executor's last run."""
    assert executor.last_report is not None
    return executor.last_report


def plan_of(dag: BlockDag, order: Sequence[Action] | None = None, *, store_bytes: int | None = None) -> Plan:
    """Runs all blocks in order, or does as `order` says, with drops after the last use added."""
    actions = order if order is not None else [Run(b.index) for b in dag.blocks]
    last: dict[int, int] = {}
    for at, action in enumerate(actions):
        if isinstance(action, (Run, Recompute)):
            block = dag.blocks[action.block]
            last.update(dict.fromkeys((*block.reads, *block.writes), at))
        elif isinstance(action, Drop):
            last.pop(action.value, None)
    full: list[Action] = []
    for at, action in enumerate(actions):
        full.append(action)
        full.extend(Drop(v) for v, end in last.items() if end == at and v not in dag.graph.outputs)
    full.extend(Output(v) for v in dag.graph.outputs)
    return Plan(
        dag=dag,
        actions=tuple(full),
        peak_bytes=0,
        store_bytes=store_bytes,
        memory_limit=None,
        threads=1,
        projected_bytes=0,
        digest="0123456789abcdef",
    )


def expected(dag: BlockDag, leaves: dict[int, Any]) -> dict[int, Any]:
    """The outputs from the graph evaluated at once, without blocks or executors."""
    return evaluate(dag.graph, leaves)


def assert_same(found: dict[int, Any], wanted: dict[int, Any]) -> None:
    assert found.keys() == wanted.keys()
    for value, array in wanted.items():
        np.testing.assert_array_equal(found[value], array, strict=True)


def steps(x: Any, y: Any) -> Any:
    """Matrix products and elementwise steps whose residuals the reverse sweep reads backwards."""
    for _ in range(5):
        x = np.sin(x @ y) + x
    return np.sum(x * x)
