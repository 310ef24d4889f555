"""Tiles that the tasks of the textbook's loops read, counted in the graphs."""

import dask.array as da
import numpy as np
import pytest
from dask._task_spec import Alias, convert_legacy_graph

import dagsolve as ds


def tiles_read(array, before):
    """Reads of tiles by the tasks that make an array; further names of a tile are no tasks."""
    given = set(before.__dask_graph__())
    nodes = convert_legacy_graph(dict(array.__dask_graph__()))
    made = [node for key, node in nodes.items() if key not in given and not isinstance(node, Alias)]
    return sum(len(node.dependencies) for node in made)


@pytest.mark.parametrize("p", [2, 5, 7])
def test_cholesky(p):
    """One tile a potrf, two a trsm and a syrk, three a gemm: p²(p+1)/2 tiles of b² numbers."""
    b = 1009  # large tiles: a call is a task
    a = da.zeros((p * b, p * b), chunks=b)
    l = ds.linalg.cholesky(a, lower=True)
    pairs, triples = p * (p - 1) // 2, p * (p - 1) * (p - 2) // 6
    assert tiles_read(l, a) == p + 2 * pairs + 2 * pairs + 3 * triples == p * p * (p + 1) // 2


@pytest.mark.parametrize("p", [2, 5])
def test_reverse_sweep_of_cholesky_writes_each_tile_of_the_gradient_once(p):
    """What leaves the blocks of the reverse sweep: the gradient, and at most half a matrix beside it."""
    b = 257
    fn = ds.value_and_grad(
        lambda a, v: v @ (np.linalg.cholesky(a) @ v), chunks=b, scheduler="threads", progress=False
    )
    plan = fn.plan(ds.spec((p * b, p * b)), ds.spec((p * b,)))
    matrix = 8 * (p * b) ** 2
    written = sum(block.write_bytes for block in plan.dag.blocks if block.sweep == 1)
    assert matrix <= written <= 1.75 * matrix
