"""Primitives with several results on the whole path: trace, reverse sweep, blocks, chunks, executors, Dask.

x ──► qr ──► q ──► product ──► sum          each result has readers of its own, in blocks of their own;
       └───► r ──► eigh ──► w ──► sum       one result of eigh is read by nobody
                    └────► v
"""

import logging

import array_api_strict
import dask.array as da
import numpy as np
import pytest
from dask.base import compute
from distributed import Client, LocalCluster

import dagsolve as ds
from dagsolve.blocks.build import block_dag
from dagsolve.blocks.evaluate import evaluate, program, run_block
from dagsolve.blocks.partition import Targets, partition
from dagsolve.blocks.work import node_work
from dagsolve.tracing.reverse import joint_graph, operator_matrix
from dagsolve.tracing.trace import trace_function

WEIGHTS = np.linspace(-1.0, 1.0, 5)


def chain(x):
    q, r = np.linalg.qr(x)
    w, _ = np.linalg.eigh(r.T @ r)
    return np.sum(np.sin(q) @ r) + np.sum(WEIGHTS / (1.0 + w))


def both(x):
    """The node with both cotangents, each a sum of several contributions."""
    q, r = np.linalg.qr(x)
    return np.sum(q * q * q) + np.sum(np.cos(r)) + np.sum((q @ r) ** 2) + np.sum(np.abs(r) @ q.T)


def first_only(x):
    return np.sum(np.linalg.qr(x)[0] ** 3)


def second_only(x):
    return np.sum(np.log(np.abs(np.diagonal(np.linalg.qr(x)[1]))))


FUNCTIONS = (chain, both, first_only, second_only)


@pytest.fixture
def x(rng):
    return rng.standard_normal((11, 5))


@pytest.mark.parametrize("f", FUNCTIONS)
def test_first_and_second_derivatives(f, x):
    ds.testing.check_grads(f, (x,), order=2, scheduler="sync")


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("chunks", [None, 3, ((4, 7), (2, 3))])
def test_executors_agree_with_the_backslash(f, chunks, x):
    trace = trace_function("test", f, (x,))
    leaves = {**trace.constants, trace.graph.inputs[0]: x}
    i_minus_l, d, g = operator_matrix(trace.graph, leaves, trace.graph.inputs)
    (expected,) = d.T @ ds.backslash(i_minus_l.T, g)
    cut = chunks if chunks is None or isinstance(chunks, int) else {0: chunks}
    for scheduler in ("sync", "threads"):
        value, gradient = ds.value_and_grad(f, chunks=cut, scheduler=scheduler)(x)
        assert value == pytest.approx(f(x), rel=1e-12)
        np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_results_cross_block_borders_separately(f, x):
    """Blocks as small as they can be: what a node makes is written by name, unread results are not."""
    trace = trace_function("test", f, (x,))
    sweeps = joint_graph(trace.graph, trace.graph.inputs, (0,))
    graph = sweeps.graph
    leaves = {**trace.constants, **sweeps.constants, graph.inputs[0]: x}
    work = node_work(graph)
    dag = block_dag(graph, partition(graph, work, targets=Targets(seconds=1e-12, thin_seconds=0.0)), work)
    values = dict(leaves)
    for k, block in enumerate(dag.blocks):
        made = run_block(program(dag, k), [values[v] for v in block.reads])
        values.update(zip(block.writes, made, strict=True))
    for v, expected in evaluate(graph, leaves).items():
        np.testing.assert_allclose(values[v], expected, rtol=1e-13, atol=1e-13)
    read = {v for block in dag.blocks for v in block.reads} | set(graph.outputs)
    written = {v for block in dag.blocks for v in block.writes}
    assert written <= read
    (factorisation,) = (node for node in graph.nodes() if node.primitive == "qr")
    assert written & set(factorisation.results)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_both_sweeps_on_another_array_library(f, x):
    trace = trace_function("test", f, (x,))
    sweeps = joint_graph(trace.graph, trace.graph.inputs, (0,))
    leaves = {**trace.constants, **sweeps.constants, sweeps.graph.inputs[0]: x}
    expected = evaluate(sweeps.graph, leaves)
    strict = {**leaves, sweeps.graph.inputs[0]: array_api_strict.asarray(x)}
    for v, y in evaluate(sweeps.graph, strict).items():
        assert isinstance(y, type(array_api_strict.asarray(x)))
        np.testing.assert_allclose(np.asarray(y), expected[v], rtol=1e-12, atol=1e-12)


def test_workers_of_a_cluster_agree(x):
    options = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL, "processes": False}
    expected = ds.value_and_grad(both, scheduler="sync")(x)
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster, Client(cluster) as client:
        for chunks in (None, 4):
            value, gradient = ds.value_and_grad(both, chunks=chunks, scheduler=client, progress=False)(x)
            assert value == pytest.approx(expected[0], rel=1e-12)
            np.testing.assert_allclose(gradient, expected[1], rtol=1e-10, atol=1e-11)


def test_jacobian_carries_extra_axes_through_every_result(x):
    def factors(x):
        q, r = np.linalg.qr(x)
        return np.concatenate([np.sin(q), r @ r])[:, :2]

    found = ds.jacobian(factors)(x)
    step = 1e-6
    direction = np.cos(np.arange(55.0)).reshape(11, 5)
    expected = (factors(x + step * direction) - factors(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.tensordot(found, direction, 2), expected, rtol=1e-6, atol=1e-8)


def pivoted(x):
    """Columns in the order of their pivots: no loop over tiles knows it beforehand."""
    q, r, _ = ds.linalg.qr(x, mode="economic", pivoting=True)
    return np.sum(np.sin(q) @ r)


def test_one_chunk_is_noted_once_with_the_bytes_of_all_results(x):
    (note,) = ds.grad(pivoted, chunks=4, scheduler="sync").plan(x).gathered
    nbytes = 8 * (55 + 55 + 25 + 5)
    assert note.startswith(f"pivoted_qr: runs in one chunk of {nbytes:,} bytes (")
    assert "test_several_results.py:" in note


def test_matrix_that_one_task_gathers_is_noted_once(x):
    (note,) = ds.grad(chain, chunks=4, scheduler="sync").plan(x).gathered  # QR runs in tiles
    assert note.startswith(f"eigh: one task gathers {8 * 25} bytes (")
    assert "test_several_results.py:" in note


@pytest.mark.parametrize("decomposition", [da.linalg.tsqr, da.linalg.qr])
def test_dask_programs_that_factor_chunks(decomposition, x):
    """Dask's own QR of stacked chunks, out of NumPy's on each: ∂/∂X Σ cos(R)² is free of R's signs."""
    arrays = da.from_array(x, chunks=(6, 5))
    _, r = decomposition(arrays)
    y = da.sum(da.cos(r) ** 2)
    value, (gradient,) = compute(*ds.value_and_gradients(y, [arrays]), scheduler="sync")
    expected, other = ds.value_and_grad(lambda x: np.sum(np.cos(np.linalg.qr(x)[1]) ** 2))(x)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, other, rtol=1e-10, atol=1e-11)
