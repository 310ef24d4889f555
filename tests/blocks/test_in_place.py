"""Kernels that may take the memory of an operand do so at its last use, and nowhere else."""

import tracemalloc

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.evaluate import run_block
from dagsolve.blocks.fusions import WITH_TRANSPOSE
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.cholesky import forward_kernel
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array, random_spd
from tests.blocks.recorded import Recorded, peak_arrays

INPLACE = [p for p in PRIMITIVES.values() if p.inplace]
FLAGS = [{}, {"lower": False}, {"transposed": True}, {"right": True, "unit_diagonal": True}]


def calls(primitive):
    return [{}] if primitive.name == "cholesky" else FLAGS


def operands(primitive, rng, *batch, n):
    first = np.ascontiguousarray(random_spd(rng, *batch, n=n))
    return (first,) if len(primitive.operands) == 1 else (first, random_array(rng, *batch, n, n))


@pytest.mark.parametrize("primitive", INPLACE, ids=lambda p: p.name)
@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("n", [1, 7, 71])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_overwriting_gives_the_same_and_writes_to_one_operand(primitive, batch, n, dtype, rng):
    for params in calls(primitive):
        given = [x.astype(dtype) for x in operands(primitive, rng, *batch, n=n)]
        kept = [x.copy() for x in given]
        expected = primitive.forward_kernel(np, *given, **params)
        made = primitive.forward_kernel(np, *given, **params, overwrite=True)
        np.testing.assert_array_equal(made, expected)
        (name,) = primitive.inplace.values()
        for operand, x, before in zip(primitive.operands, given, kept, strict=True):
            if operand != name:
                np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("primitive", INPLACE, ids=lambda p: p.name)
def test_a_chain_runs_in_the_memory_of_its_result(primitive, rng):
    n = 331
    r = Recorded()
    leaves = [r.leaf(n, n) for _ in primitive.operands]
    y = r(primitive.name, *leaves[:-1], r("negative", r("negative", leaves[-1])))
    assert peak_arrays(r.block(y), list(operands(primitive, rng, n=n))) < 1.5


@pytest.mark.parametrize("primitive", INPLACE, ids=lambda p: p.name)
def test_inputs_and_what_is_read_later_stay(primitive, rng):
    r = Recorded()
    leaves = [r.leaf(7, 7) for _ in primitive.operands]
    twice = r("negative", r("negative", leaves[-1]))
    early = r(primitive.name, *leaves[:-1], leaves[-1])
    later = r("add", r(primitive.name, *leaves[:-1], twice), twice)
    block = r.block(early, later)
    given = operands(primitive, rng, n=7)
    kept = [x.copy() for x in given]
    made = run_block(block, list(given))
    np.testing.assert_allclose(made[1] - made[0], given[-1], rtol=1e-12, atol=1e-12)
    for x, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(x, before)


def test_an_operand_given_twice_is_not_written():
    r = Recorded()
    a = r("negative", r("negative", r.leaf(5, 5)))
    (made,) = run_block(r.block(r("solve_triangular", a, a)), [np.eye(5) + np.tri(5)])
    np.testing.assert_allclose(
        made, np.linalg.solve(np.eye(5) + np.tri(5), np.eye(5) + np.tri(5)), atol=1e-12
    )


def test_garbage_above_the_diagonal_is_cleared(rng):
    a = random_spd(rng, n=5)
    stored = np.tril(a) + np.triu(np.full((5, 5), np.nan), 1)
    l = forward_kernel(np, stored, overwrite=True)
    assert l is stored
    np.testing.assert_allclose(l @ l.T, a, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 211])
def test_the_sweep_of_cholesky_overwrites_its_cotangent_and_nothing_else(n, dtype, rng):
    l = np.linalg.cholesky(random_spd(rng, n=n)).astype(dtype)
    l_bar = random_array(rng, n, n).astype(dtype)
    node = find("cholesky.pullback.a")
    params = {
        "given": (True,),
        "params": (),
        "specs": (("a", (n, n), l.dtype.str), ("l", (n, n), l.dtype.str)),
    }
    kept, expected = l.copy(), node.run(np, (l, l_bar), params)
    assert not np.shares_memory(expected, l_bar)
    made = node.run(np, (l, l_bar), {**params, "overwrite": True})
    assert made is l_bar
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(l, kept)


def test_a_gradient_of_cholesky_holds_the_factor_and_its_cotangent(rng):
    n = 389
    a, v = random_spd(rng, n=n), random_array(rng, n)
    gradient = ds.value_and_grad(lambda a: v @ (np.linalg.cholesky(a) @ v), scheduler="sync", progress=False)
    gradient(a)  # compiled
    tracemalloc.start()
    gradient(a)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * a.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_matrix_plus_its_transpose_is_one_step_in_its_memory(dtype, rng):
    n = 389
    r = Recorded()
    a = r("negative", r("negative", r.leaf(n, n, dtype=dtype)))
    block = r.block(r("add", r("transpose", a, axes=(-1, -2)), a))
    given = random_array(rng, n, n).astype(dtype)
    assert block.code.instructions[-1].primitive == WITH_TRANSPOSE
    (made,) = run_block(block, [given])
    np.testing.assert_array_equal(made, given + given.T)
    assert peak_arrays(block, [given]) < 1.5
