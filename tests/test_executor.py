"""The serial reference gives what the graph gives, keeps its store's budget, and counts what it did."""

import numpy as np
import pytest
from dask._task_spec import Task, TaskRef

from dagsolve.errors import ArgumentError, FactorisationError, PlanError
from dagsolve.executor import ResidentMemory, SerialExecutor
from dagsolve.planning.actions import Action, Drop, Recompute, Run, Spill
from dagsolve.planning.replay import replay
from tests.scheduler.plans import assert_same, dag_of, expected, plan_of, report_of, steps


@pytest.mark.parametrize("nodes_per_block", [1, 3, 100])
@pytest.mark.parametrize("tiles", [None, 0, 3])
def test_outputs_are_those_of_the_graph(rng, nodes_per_block, tiles):
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y, nodes_per_block=nodes_per_block)
    executor = SerialExecutor()
    plan = plan_of(dag, store_bytes=None if tiles is None else tiles * x.nbytes)
    assert_same(executor.execute(plan, leaves), expected(dag, leaves))
    report = report_of(executor)
    assert sum(report.blocks.values()) == len(dag)
    assert set(report.seconds) == {b.label for b in dag.blocks}
    if tiles is not None:
        assert report.store_peak_bytes <= tiles * x.nbytes


def test_store_peak_is_what_replay_projects(rng):
    """Without leaves and the running block, the pretend machine's peak is the store's."""
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    plan, executor = plan_of(dag), SerialExecutor()
    executor.execute(plan, leaves)
    given = sum(np.asarray(leaves[v]).nbytes for v in plan.leaves)
    projected = replay(dag, plan.actions)
    report = report_of(executor)
    assert projected.values_peak_bytes - given <= report.store_peak_bytes
    assert report.store_peak_bytes <= projected.peak_bytes


def test_spilled_and_recomputed_values_are_the_same(rng):
    """Every value of the forward sweep is spilled or dropped and made again before the reverse sweep."""
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    forward = [b for b in dag.blocks if b.sweep == 0]
    order: list[Action] = [Run(b.index) for b in forward]
    for number, block in enumerate(forward):
        for value in block.writes:
            if value not in dag.graph.outputs:
                order.append(Spill(value) if number % 2 else Drop(value))
    order += [Recompute(b.index) for b in forward if b.index % 2 == 0]
    order += [Run(b.index) for b in dag.blocks if b.sweep]
    plan, executor = plan_of(dag, order), SerialExecutor()
    assert_same(executor.execute(plan, leaves), expected(dag, leaves))
    assert report_of(executor).spilled_bytes > 0
    assert sum(report_of(executor).blocks.values()) > len(dag)


def test_leaves_may_be_tasks_of_a_dask_graph(rng):
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y)
    wanted = expected(dag, leaves)
    graph = {"x": Task("x", np.negative, TaskRef("-x")), "-x": Task("-x", np.negative, x)}
    first, second = dag.graph.leaves[:2]
    given = {**leaves, first: TaskRef("x"), second: Task("y", np.transpose, y.T)}
    assert_same(SerialExecutor().execute(plan_of(dag), given, graph=graph), wanted)


def test_missing_leaf_is_named(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    missing = dag.graph.leaves[1]
    del leaves[missing]
    with pytest.raises(ArgumentError, match=rf"missing are the value ids \[{missing}\]"):
        SerialExecutor().execute(plan_of(dag), leaves)


def test_plan_that_reads_a_dropped_value_is_refused(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    order: list[Action] = [Run(b.index) for b in dag.blocks]
    order.insert(1, Drop(dag.blocks[0].writes[0]))
    with pytest.raises(PlanError, match="was dropped or never made"):
        SerialExecutor().execute(plan_of(dag, order), leaves)


def test_error_of_a_block_comes_through():
    dag, leaves = dag_of(lambda a: np.sum(np.linalg.cholesky(a)), np.eye(5))
    leaves[dag.graph.leaves[0]] = -np.eye(5)
    with pytest.raises(FactorisationError, match="test_executor"):
        SerialExecutor().execute(plan_of(dag), leaves)


def test_resident_memory_sees_a_peak_that_has_passed():
    memory = ResidentMemory()
    held = np.ones(37_000_000)
    nbytes = held.nbytes
    del held
    assert 0.98 * nbytes <= memory.peak_growth_bytes() <= 1.5 * nbytes
