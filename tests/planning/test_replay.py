"""The pretend machine accepts every plan that is made and refuses every way of breaking one."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.blocks.build import block_dag
from dagsolve.blocks.partition import Partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import Rates, node_work
from dagsolve.errors import PlanError
from dagsolve.graph import Graph
from dagsolve.planning.actions import Action, Drop, Load, Output, Recompute, Run, Save, Spill
from dagsolve.planning.replay import replay
from dagsolve.planning.schedule import greedy_order, keep_everything
from tests.blocks.task_graphs import Program, find, tiled_cholesky
from tests.blocks.test_partition import graphs, partitioned


def plan_actions(dag: BlockDag) -> list[Action]:
    return list(keep_everything(dag, range(len(dag))))


def singletons(graph: Graph) -> BlockDag:
    """One block per node."""
    block = np.where(graph.is_leaf, -1, np.cumsum(~graph.is_leaf) - 1)
    made = Partition(block, np.zeros(len(graph), dtype=np.bool_))
    return block_dag(graph, made, node_work(graph, Rates(), find))


@pytest.fixture
def dag() -> BlockDag:
    return partitioned(tiled_cholesky(4, 257))[2]


@pytest.fixture
def chain() -> BlockDag:
    """x(101) -> a(211) -> b(307) -> c(401), a block each, read by another sweep that needs a again."""
    g = Program()
    x = g.input((101, 101))
    a = g.call("cholesky", x, shape=(211, 211))
    b = g.call("cholesky", a, shape=(307, 307))
    g.sweep = 1
    c = g.call("update", b, a, shape=(401, 401))
    return singletons(g.graph(b, c))


@given(graphs(), st.booleans())
def test_every_plan_that_keeps_everything_is_accepted(graph: Graph, greedy: bool):
    _, _, dag = partitioned(graph)
    order: Sequence[int] = greedy_order(dag) if greedy else range(len(dag))
    counted = replay(dag, keep_everything(dag, order))
    assert counted.runs == len(dag)
    assert counted.peak_bytes >= max((b.write_bytes for b in dag), default=0)


def test_the_peak_is_the_largest_sum_over_time():
    """x(101) -> a(211) -> c(401) with y(307) read last: while c is made x is gone, y is not there yet."""
    g = Program()
    x, y = g.input((101, 101)), g.input((307, 307))
    a = g.call("cholesky", x, shape=(211, 211))
    b = g.call("cholesky", a, shape=(401, 401))
    c = g.call("update", a, b, y, shape=(503, 503))
    dag = singletons(g.graph(a, b, c))
    counted = replay(dag, keep_everything(dag, range(3)))
    assert counted.peak_bytes == 8 * (211**2 + 401**2 + 307**2 + 503**2)


def test_a_dropped_run_is_refused(dag: BlockDag):
    actions = plan_actions(dag)
    for position, action in enumerate(actions):
        if isinstance(action, Run):
            with pytest.raises(PlanError, match="absent|never run|not there"):
                replay(dag, actions[:position] + actions[position + 1 :])


def test_a_second_run_is_refused(dag: BlockDag):
    with pytest.raises(PlanError, match=r"at action 1, block 0 \(cholesky\) is run twice"):
        replay(dag, [Run(0), *plan_actions(dag)])


def test_an_early_drop_is_refused(dag: BlockDag):
    """Each drop moved before the run that still needs the value."""
    actions = plan_actions(dag)
    for position, action in enumerate(actions):
        if isinstance(action, Drop):
            reader = max(k for k in range(position) if isinstance(actions[k], Run))
            moved = [*actions[:reader], action, *actions[reader:position], *actions[position + 1 :]]
            with pytest.raises(PlanError, match=rf"value {action.value} is (absent|dropped)"):
                replay(dag, moved)


def test_a_missing_drop_is_refused(dag: BlockDag):
    actions = plan_actions(dag)
    drop = next(a for a in actions if isinstance(a, Drop))
    actions.remove(drop)
    with pytest.raises(PlanError, match=f"1 values were left behind, the first is value {drop.value}"):
        replay(dag, actions)


def test_a_second_drop_is_refused(dag: BlockDag):
    actions = plan_actions(dag)
    drop = next(a for a in actions if isinstance(a, Drop))
    with pytest.raises(PlanError, match=f"value {drop.value} is dropped and is not there"):
        replay(dag, [*actions, drop])


def test_a_missing_output_is_refused(dag: BlockDag):
    actions = plan_actions(dag)
    output = next(a for a in actions if isinstance(a, Output))
    with pytest.raises(PlanError, match=f"output value {output.value} was never handed over"):
        replay(dag, [a for a in actions if a != output])


def test_a_dropped_output_is_refused(dag: BlockDag):
    with pytest.raises(PlanError, match="dropped after it was handed over"):
        replay(dag, [*plan_actions(dag), Drop(dag.graph.outputs[0])])


def test_a_swapped_order_is_refused(dag: BlockDag):
    """Every block moved before the first block that it reads from."""
    actions = plan_actions(dag)
    runs = [k for k, a in enumerate(actions) if isinstance(a, Run)]
    for source, target in dag.edges:
        swapped = list(actions)
        swapped[runs[source]], swapped[runs[target]] = actions[runs[target]], actions[runs[source]]
        with pytest.raises(PlanError, match="is absent when it is read by block|is dropped and is not there"):
            replay(dag, swapped)


def test_what_is_no_output_cannot_be_handed_over(chain: BlockDag):
    with pytest.raises(PlanError, match="is handed over and is no output"):
        replay(chain, [Run(0), Output(chain.blocks[0].writes[0])])


@pytest.mark.parametrize("block", [-1, 3])
def test_a_block_that_does_not_exist_is_refused(chain: BlockDag, block: int):
    with pytest.raises(PlanError, match=f"block {block} does not exist, there are 3"):
        replay(chain, [Run(block)])


def test_the_budget_holds_to_the_byte(dag: BlockDag):
    actions = plan_actions(dag)
    peak = replay(dag, actions).peak_bytes
    assert replay(dag, actions, budget_bytes=peak).peak_bytes == peak
    with pytest.raises(PlanError, match=rf"takes {peak:,} bytes, the budget is {peak - 1:,}"):
        replay(dag, actions, budget_bytes=peak - 1)


def test_a_spilled_value_takes_no_memory_until_it_is_loaded(chain: BlockDag):
    x, (a,), (b,), (c,) = chain.graph.inputs[0], *(block.writes for block in chain)
    actions: list[Action] = [Run(0), Drop(x), Save(a), Run(1), Output(b), Spill(a), Load(a)]
    actions += [Run(2), Output(c), Drop(a)]
    counted = replay(chain, actions)
    assert counted.spilled_bytes == counted.loaded_bytes == 8 * 211**2
    assert counted.peak_bytes == 8 * (211**2 + 307**2 + 401**2)
    with pytest.raises(PlanError, match=f"value {a} is on disk when it is read by block 2"):
        replay(chain, [action for action in actions if action != Load(a)])
    with pytest.raises(PlanError, match=f"value {a} is loaded and is not on disk"):
        replay(chain, [action for action in actions if action != Spill(a)])
    with pytest.raises(PlanError, match=f"value {a} is spilled and is not in memory"):
        replay(chain, [*actions[:6], Spill(a), *actions[6:]])


def test_recomputing_brings_back_what_was_dropped(chain: BlockDag):
    x, (a,), (b,), (c,) = chain.graph.inputs[0], *(block.writes for block in chain)
    actions: list[Action] = [Run(0), Run(1), Output(b), Drop(a), Recompute(0), Drop(x), Run(2)]
    actions += [Drop(a), Output(c)]
    counted = replay(chain, actions)
    assert counted.runs == 4
    assert counted.recomputed_flops == chain.blocks[0].flops
    with pytest.raises(PlanError, match=r"block 1 \(cholesky\) is recomputed before it was run"):
        replay(chain, [Run(0), Recompute(1)])
    with pytest.raises(PlanError, match=f"value {x} is absent"):
        replay(chain, [Run(0), Run(1), Output(b), Drop(a), Drop(x), Recompute(0)])


@pytest.mark.parametrize("tiles", [0, 3, 11])
def test_a_store_spills_what_exceeds_it_and_loads_what_is_read(dag: BlockDag, tiles: int):
    """The peak is the store and one working set at most; what fits is never written."""
    store, actions = tiles * 8 * 257**2, plan_actions(dag)
    counted = replay(dag, actions, store_bytes=store)
    assert counted.peak_bytes <= store + max(b.working_set_bytes for b in dag)
    assert counted.spilled_bytes > 0
    assert counted.loaded_bytes > 0
    unlimited = replay(dag, actions)
    roomy = replay(dag, actions, store_bytes=unlimited.values_peak_bytes)
    assert roomy.spilled_bytes == roomy.loaded_bytes == 0
    assert roomy.values_peak_bytes == unlimited.values_peak_bytes == counted.values_peak_bytes
