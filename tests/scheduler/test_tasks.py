"""A plan as Dask tasks: one per run of a block, with lifetimes and gates that Dask sees."""

import pickle
from typing import Any

import dask.threaded
import numpy as np
import pytest
from dask._task_spec import DataNode, Task, TaskRef
from dask.local import get_sync

from dagsolve.errors import ArgumentError, PlanError
from dagsolve.executor import SerialExecutor
from dagsolve.graph import Graph
from dagsolve.planning.actions import Action, Drop, Recompute, Run
from dagsolve.scheduler.executor import ThreadsExecutor
from dagsolve.scheduler.tasks import named_graph, project, run_program, task_graph
from dagsolve.specs import spec
from dagsolve.tracing.record import Recorder
from tests.scheduler.plans import assert_same, blocked, dag_of, expected, plan_of, steps

RUN = "01234567-run"


def blocks_of(made):
    return {key: node for key, node in made.tasks.items() if getattr(node, "func", None) is run_program}


def compute(made, get=get_sync):
    return dict(zip(made.outputs, get(made.tasks, list(made.outputs.values())), strict=True))


@pytest.mark.parametrize("nodes_per_block", [1, 3, 100])
@pytest.mark.parametrize("inline_bytes", [None, 0])
def test_tasks_give_what_the_graph_gives(rng, nodes_per_block, inline_bytes):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)), nodes_per_block=nodes_per_block)
    made = task_graph(plan_of(dag), leaves, RUN, inline_bytes=inline_bytes)
    assert len(blocks_of(made)) == len(dag)
    assert any(isinstance(node, DataNode) for node in made.tasks.values()) == (inline_bytes == 0)
    assert_same(compute(made), expected(dag, leaves))


def test_tasks_are_small_and_hold_no_graph(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    made = task_graph(plan_of(dag), leaves, RUN, inline_bytes=0)
    assert all(len(pickle.dumps(node)) < 3000 for node in blocks_of(made).values())
    assert not any(isinstance(a, Graph) for node in blocks_of(made).values() for a in node.args)


def test_graph_is_sent_without_hashing_what_is_in_it(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    made = task_graph(plan_of(dag), leaves, RUN, inline_bytes=0)

    class Unhashed:
        def __dask_tokenize__(self):
            raise AssertionError("hashed")

    tasks = {**made.tasks, "held": DataNode("held", Unhashed())}
    sent = pickle.loads(pickle.dumps(named_graph(made.tasks, RUN)))
    assert named_graph(tasks, RUN)._name == sent._name
    assert sent.__dask_graph__().keys() == made.tasks.keys()


def two_results(x):
    r"""
    x ── sin ── exp ── ×, sum
      \________________/ (reverse sweep)
    In one block with exp, sin is a residual for the reverse sweep while exp goes on at once.
    """
    s = np.sin(x)
    return np.sum(np.exp(s) * s)


def test_values_with_different_readers_have_keys_of_their_own(rng):
    dag, leaves = dag_of(two_results, rng.standard_normal((7, 11)), nodes_per_block=2)
    made = task_graph(plan_of(dag), leaves, RUN)
    parts = {key: node for key, node in made.tasks.items() if getattr(node, "func", None) is project}
    assert parts
    for key, node in parts.items():
        (whole,) = node.dependencies
        readers = [k for k, other in made.tasks.items() if key in other.dependencies]
        assert readers or key in made.outputs.values()
        assert all(k in parts for k, other in made.tasks.items() if whole in other.dependencies)
        assert made.priorities[key] > max(made.priorities[k] for k in blocks_of(made))
    assert_same(compute(made), expected(dag, leaves))


def test_recomputed_blocks_are_copies_behind_a_gate(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    forward = [b for b in dag.blocks if b.sweep == 0]
    reverse = [b for b in dag.blocks if b.sweep]
    order: list[Action] = [Run(b.index) for b in forward]
    order += [Drop(v) for b in forward for v in b.writes if v not in dag.graph.outputs]
    order += [Run(reverse[0].index), *(Recompute(b.index) for b in forward)]
    order += [Run(b.index) for b in reverse[1:]]
    made = task_graph(plan_of(dag, order), leaves, RUN)
    copies = {key: node for key, node in made.tasks.items() if str(key).endswith("-r1")}
    assert len(copies) == len(forward)
    (gate,) = [key for key in made.tasks if str(key).startswith("gate")]
    (first,) = made.tasks[gate].dependencies
    assert first in made.tasks
    for node in copies.values():  # each waits, itself or through another copy
        assert gate in node.dependencies or node.dependencies & copies.keys()
    originals = {key for key in blocks_of(made) if key not in copies}
    forward_keys = {k for k in originals if not k.startswith("reverse")}
    for key in originals - forward_keys:  # the reverse sweep reads copies only
        assert not made.tasks[key].dependencies & forward_keys
    assert_same(compute(made), expected(dag, leaves))
    assert_same(compute(made, dask.threaded.get), expected(dag, leaves))


def test_existing_graph_is_merged_and_takes_the_priority_of_its_readers(rng):
    x, y = rng.standard_normal((2, 13, 13))
    dag, leaves = dag_of(steps, x, y)
    first, second = dag.graph.leaves[:2]
    graph = {("x", 0): Task(("x", 0), np.negative, TaskRef("-x")), "-x": -x, "unused": (np.negative, "-x")}
    given = {**leaves, first: TaskRef(("x", 0)), second: Task("y", np.transpose, y.T)}
    made = task_graph(plan_of(dag), given, RUN, graph=graph, inline_bytes=0)
    readers = [made.priorities[k] for k in blocks_of(made) if ("x", 0) in made.tasks[k].dependencies]
    assert made.priorities[("x", 0)] == made.priorities["-x"] == max(readers)
    assert "unused" not in made.priorities
    first_read = min(made.blocks[k] for k in made.blocks if ("x", 0) in made.tasks[k].dependencies)
    assert made.blocks[("x", 0)] == made.blocks["-x"] == first_read  # loaded where it is read
    assert_same(compute(made), expected(dag, leaves))


def test_next_uses_ascend_and_count_every_reader(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)), nodes_per_block=3)
    made = task_graph(plan_of(dag), leaves, RUN, inline_bytes=0)
    for key, moments in made.uses.items():
        assert moments == sorted(moments)
        assert len(moments) == sum(key in node.dependencies for node in made.tasks.values())


def test_output_that_is_a_leaf_is_left_to_the_caller(rng):
    a = rng.standard_normal((3, 5))
    with Recorder() as recorder:
        x = recorder.input(spec((3, 5)), "x")
        y: Any = np.exp(x)
        plan = plan_of(blocked(recorder.graph((x.id, y.id))))
    assert list(task_graph(plan, {x.id: a}, RUN).outputs) == [plan.outputs[1]]
    assert task_graph(plan, {x.id: TaskRef("a")}, RUN, graph={"a": a}).outputs[x.id] == "a"
    for executor in (SerialExecutor(), ThreadsExecutor()):
        assert_same(executor.execute(plan, {x.id: a}), {x.id: a, plan.outputs[1]: np.exp(a)})


def test_missing_leaf_and_impossible_plan_are_named(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    with pytest.raises(ArgumentError, match="missing are the value ids"):
        task_graph(plan_of(dag), {}, RUN)
    order: list[Action] = [Run(b.index) for b in dag.blocks]
    order.insert(1, Drop(dag.blocks[0].writes[0]))
    with pytest.raises(PlanError, match="no action before makes it"):
        task_graph(plan_of(dag, order), leaves, RUN)
