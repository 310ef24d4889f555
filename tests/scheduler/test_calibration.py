"""Measured clusters: their counts are those of the real ones, their numbers are those of a machine."""

import dask
import pytest
from distributed import Client, LocalCluster

import dagsolve as ds
from dagsolve.errors import ArgumentError, SchedulerError
from dagsolve.planning.cost import dense_flops
from dagsolve.scheduler import calibration


def test_threads_of_this_process_are_measured():
    with dask.config.set(num_workers=2):
        found = ds.measure_cluster()
    assert (found.workers, found.threads, found.slots) == (1, 2, 2)
    assert dense_flops() / 20 < found.dense_flops < 4 * dense_flops()
    assert 1e8 < found.memory_bytes_per_second < 1e12
    assert 1e7 < found.elementwise_flops < 1e11
    assert 0 < found.scheduler_seconds < 0.01


def test_cluster_of_a_client_is_measured(monkeypatch):
    monkeypatch.setattr(calibration, "_LAYERS", (3, 8))
    monkeypatch.setattr(calibration, "_CHAIN", (6, 1))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as local,
        Client(local, set_as_default=False) as client,
    ):
        found = ds.measure_cluster(client)
        assert (found.workers, found.threads) == (2, 1)
        assert 0 < found.scheduler_seconds < 0.2
        assert 0 <= found.worker_seconds < 0.2
        assert 0 <= found.latency_seconds < 0.5
        assert 0 < found.client_seconds < 5
        assert found.network_bytes_per_second > 1e6
        assert not client.run(lambda dask_worker: [k for k in dask_worker.data if "leaf" in k])[
            next(iter(client.nthreads()))
        ]
        local.scale(0)
        while client.nthreads():
            pass
        with pytest.raises(SchedulerError, match="has no workers"):
            ds.measure_cluster(client)


def test_what_is_no_client_is_refused():
    with pytest.raises(ArgumentError, match="must be a distributed.Client or None, got str"):
        ds.measure_cluster("threads")  # type: ignore[arg-type]
