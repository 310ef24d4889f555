"""Laws of simulated runs: their bounds, what they move, and what more of anything can change."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import ArgumentError, SchedulerError
from dagsolve.planning.actions import Action, Recompute, Run
from dagsolve.reports import BlockDone, RunReport
from dagsolve.scheduler.simulate import block_seconds, simulate
from tests.scheduler.plans import dag_of, plan_of, steps

N = 131  # 137 KiB, above what travels inside tasks
QUICK = ds.Cluster(
    latency_seconds=0.0,
    worker_seconds=0.0,
    scheduler_seconds=0.0,
    submit_seconds=0.0,
    client_seconds=0.0,
)  # nothing but work and wires


@pytest.fixture(scope="module")
def plan():
    x = np.ones((N, N))
    return plan_of(dag_of(steps, x, x)[0])


@pytest.fixture(scope="module")
def chain():
    def f(x):
        for _ in range(7):
            x = np.sin(x)
        return np.sum(x)

    return plan_of(dag_of(f, np.ones((N, N)))[0])


def values_read_elsewhere(plan, places):
    """Bytes of each value, once for each worker that reads it and neither makes it nor reads it first."""
    dag, moved = plan.dag, 0
    for value, readers in dag.consumers.items():
        maker = dag.producer.get(value, readers[0])
        if dag.value_nbytes(value) > 16 * 1024 or value in dag.producer:
            moved += dag.value_nbytes(value) * len({places[r] for r in readers} - {places[maker]})
    return moved


def test_one_thread_takes_the_sum_of_work_and_overheads(plan):
    costs = ds.Cluster(
        latency_seconds=2.0**-9,
        worker_seconds=2.0**-10,
        scheduler_seconds=2.0**-11,
        submit_seconds=2.0**-12,
        client_seconds=2.0**-3,
    )
    slowly = replace(costs, dense_flops=1e3, elementwise_flops=1e3, memory_bytes_per_second=1e3)
    work = float(block_seconds(plan.dag, slowly.rates).sum())
    found = simulate(plan, slowly)
    assert found.busy_seconds.sum() == pytest.approx(work)
    waits = found.tasks * (2 * 2.0**-9 + 2.0**-10 + 2.0**-11 + 2.0**-12) + 2.0**-3
    assert work < found.seconds <= work + waits  # those of tasks that can wait are hidden by work
    assert simulate(plan, QUICK).seconds == pytest.approx(block_seconds(plan.dag, QUICK.rates).sum())


@settings(deadline=None, max_examples=25)
@given(
    workers=st.integers(1, 7),
    threads=st.integers(1, 3),
    wire=st.sampled_from([1e7, 1e9, 1e12]),
    latency=st.sampled_from([0.0, 1e-3]),
    seed=st.integers(0, 99),
)
def test_no_run_beats_its_bounds(plan, workers, threads, wire, latency, seed):
    cluster = replace(
        QUICK, workers=workers, threads=threads, network_bytes_per_second=wire, latency_seconds=latency
    )
    places = np.random.default_rng(seed).integers(workers, size=len(plan.dag)).tolist()
    found = simulate(plan, cluster, places=places)
    work = block_seconds(plan.dag, cluster.rates)
    assert found.seconds >= found.critical_seconds * (1 - 1e-12)
    assert found.seconds >= work.sum() / (workers * threads) * (1 - 1e-12)
    assert found.seconds >= found.received_bytes.max() / wire
    assert np.all(found.busy_share <= 1 + 1e-9)
    assert found.moved_bytes == found.received_bytes.sum() == values_read_elsewhere(plan, places)
    assert sorted(found.blocks.tolist()) == list(range(len(plan.dag)))
    end = dict(zip(found.blocks.tolist(), (found.start + found.block_seconds).tolist(), strict=True))
    start = dict(zip(found.blocks.tolist(), found.start.tolist(), strict=True))
    assert all(end[source] <= start[target] + 1e-12 for source, target in plan.dag.edges)
    again = simulate(plan, cluster, places=places)
    assert again.seconds == found.seconds
    np.testing.assert_array_equal(again.start, found.start)


def test_what_is_in_one_place_moves_nothing(plan):
    found = simulate(plan, replace(QUICK, workers=2), places=[1] * len(plan.dag))
    assert (found.moved_bytes, found.transfers) == (0, 0)
    assert found.seconds == pytest.approx(simulate(plan, QUICK).seconds)
    assert found.peak_bytes[0] == 0


def test_more_bandwidth_is_never_slower_on_a_chain(chain):
    places = [k % 2 for k in range(len(chain.dag))]
    seconds = [
        simulate(chain, replace(QUICK, workers=2, network_bytes_per_second=wire), places=places).seconds
        for wire in (1e6, 1e7, 1e8, 1e9)
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[0] > 2 * seconds[1]


def test_peak_holds_what_waits(chain):
    """One after the other on one worker: at most all that is ever made and given."""
    dag = chain.dag
    given_bytes = sum(dag.value_nbytes(v) for v in chain.leaves)
    found = simulate(chain, QUICK)
    least = max(b.read_bytes + b.write_bytes + b.workspace_bytes for b in dag)
    assert least <= found.peak_bytes[0] <= given_bytes + sum(b.write_bytes + b.workspace_bytes for b in dag)


def test_blocks_take_what_they_took(plan, rng):
    took = rng.uniform(0.01, 0.1, len(plan.dag))
    done = [BlockDone(f"{b.index}", b.label, float(took[b.index]), b.index) for b in plan.dag]
    report = RunReport(plan=plan, done=done)
    assert simulate(plan, QUICK, measured=report).seconds == pytest.approx(took.sum())
    twice = [replace(x, seconds=2 * plan.dag.blocks[x.block].seconds) for x in done]
    other = RunReport(plan=replace(plan, digest="another"), done=twice)
    found = simulate(plan, QUICK, measured=other).seconds
    assert found == pytest.approx(2 * simulate(plan, QUICK).seconds)
    with pytest.raises(ArgumentError, match="without a plan"):
        simulate(plan, QUICK, measured=RunReport())


def test_recomputed_blocks_run_behind_their_gates(rng):
    dag, _ = dag_of(steps, np.ones((N, N)), np.ones((N, N)))
    order: list[Action] = [Run(b.index) for b in dag.blocks]
    first_reverse = next(b.index for b in dag.blocks if b.sweep == 1)
    order.insert(first_reverse, Recompute(1))
    found = simulate(plan_of(dag, order), replace(QUICK, threads=4))
    runs = np.flatnonzero(found.blocks == 1)
    assert len(runs) == 2
    before = np.flatnonzero(found.blocks == first_reverse - 1)
    assert found.start[runs[1]] >= (found.start + found.block_seconds)[before[0]]


def test_a_plan_for_a_described_cluster_needs_none():
    cluster = ds.Cluster(workers=8, threads=4)
    fn = ds.grad(lambda a: np.sum(np.log(np.diag(np.linalg.cholesky(a)))), chunks=512, scheduler=cluster)
    plan = fn.plan(ds.spec((4096, 4096)))
    found = ds.simulate(plan, cluster)
    assert (plan.workers, plan.threads) == (8, 4)
    assert found.seconds < ds.simulate(plan, replace(cluster, workers=1, threads=1)).seconds
    assert len(found.done) == len(plan.dag)
    assert found.report().busy_seconds == pytest.approx(found.busy_seconds.sum())
    assert "8 workers with 4 cores each" in repr(found)
    assert "worker 7" in found._repr_html_()
    with pytest.raises(SchedulerError, match="described Cluster"):
        fn(np.eye(1024))


def test_gpus_are_the_slots_of_their_workers():
    cluster = ds.Cluster(workers=2, threads=8, gpus=2)
    assert cluster.slots == 2
    assert cluster.rates.dense_flops == cluster.gpu_flops
    assert "2 GPUs each" in str(cluster)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"gpus": -1}, "gpus must be a whole number of at least 0, got -1"),
        ({"network_bytes_per_second": 0.0}, "network_bytes_per_second must be a number above 0, got 0.0"),
        ({"latency_seconds": -1.0}, "latency_seconds must be a number of at least 0, got -1.0"),
    ],
)
def test_impossible_clusters_are_refused(wrong, message):
    with pytest.raises(ArgumentError, match=f"Cluster: {message}"):
        ds.Cluster(**wrong)


def test_places_must_be_workers(plan):
    with pytest.raises(ArgumentError, match="places must be a worker from 0 to 1 for each of"):
        simulate(plan, replace(QUICK, workers=2), places=[2] * len(plan.dag))


@pytest.mark.parametrize("cluster", [ds.Cluster(workers=3, threads=2), ds.Cluster(workers=40, threads=2)])
def test_simulations_are_drawn(plan, cluster):
    figure = ds.plot(simulate(plan, cluster))
    assert figure.axes[0].get_title().startswith("Simulated: ")
    assert figure._repr_png_()
