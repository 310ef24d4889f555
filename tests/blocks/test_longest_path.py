"""Merges and moves of cheap nodes put no expensive ones behind each other."""

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.work import Rates, node_work


def log_determinant(a):
    return np.sum(np.log(np.diag(np.linalg.cholesky(a))))


def column_means(a):
    l = np.linalg.cholesky(a @ a.T)
    return np.sum(np.tanh(np.mean(l, axis=0))) + np.sum(np.exp(-np.diag(l)))


@pytest.mark.parametrize("f", [log_determinant, column_means])
@pytest.mark.parametrize("tiles", [7, 13])
def test_blocks_of_large_tiles_have_the_longest_path_of_their_nodes(f, tiles):
    """One node here takes minutes, and thousands take nothing: these must not tie those together."""
    order = 16411
    cluster = ds.Cluster(workers=7, threads=3)
    fn = ds.value_and_grad(f, chunks=order, scheduler=cluster)
    plan = fn.plan(ds.spec((tiles * order, tiles * order)))
    dag = plan.dag
    seconds = node_work(dag.graph, Rates(dense_flops=cluster.dense_flops)).seconds
    _, shortest = dag.graph.critical_path(node_weight=seconds)
    before = np.zeros(len(dag))
    for block in dag.blocks:
        reads = [before[dag.producer[v]] for v in block.reads if v in dag.producer]
        before[block.index] = max(reads, default=0.0) + block.seconds
    assert before.max() <= 1.02 * shortest
