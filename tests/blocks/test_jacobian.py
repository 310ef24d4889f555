"""The system of blocks: its Jacobians by any order and its gradients are those of nodes and of JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.build import block_dag
from dagsolve.blocks.jacobian import (
    BlockSystem,
    block_jacobian,
    block_system,
    elimination_flops,
    elimination_order,
)
from dagsolve.blocks.partition import Partition, Targets, partition
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError, DtypeError, ShapeError
from dagsolve.operators import Bundle, Dense, OperatorMatrix, to_dense
from dagsolve.tracing.trace import trace_function

jax.config.update("jax_enable_x64", True)

ORDERS = ["auto", "forward", "reverse", "mixed"]


def layers(np, linalg, w, x):
    for _ in range(3):
        x = np.tanh(w @ x) + x
    return x * np.sum(x**2)


def factor(np, linalg, w, x):
    a = w @ w.T + np.outer(x, x) + 5 * np.eye(5)
    l = np.linalg.cholesky(a)
    return linalg.solve_triangular(l, x, lower=True) * np.sum(np.log(np.diag(l)))


def fork(np, linalg, w, x):
    a, b = np.exp(0.1 * x), np.sin(w @ x)
    q, r = np.linalg.qr(w + 3 * np.eye(5))
    return np.concatenate([a * b, np.diag(r) * a, q @ b])


PROGRAMS = [layers, factor, fork]


def blocks_of(program: Any, values: list[Any], length: int) -> tuple[BlockDag, dict[int, Any]]:
    """The blocks of a program's graph, so many nodes each (0: as they are partitioned), and its leaves."""
    trace = trace_function("test", lambda *a: program(np, ds.linalg, *a), values)
    graph = trace.graph
    work = node_work(graph)
    if length:
        needed = graph.needed() & ~graph.is_leaf
        runs = np.where(needed, (np.cumsum(needed) - 1) // length, -1)
        made = Partition(runs, np.zeros(len(graph), dtype=np.bool_))
    else:
        made = partition(graph, work, targets=Targets(seconds=5e-6, thin_seconds=0.0))
    return block_dag(graph, made, work), {
        **trace.constants,
        **dict(zip(graph.inputs, values, strict=True)),
    }


def by_jax(program: Any, values: list[Any]) -> Any:
    return jax.jacobian(lambda *a: program(jnp, jax.scipy.linalg, *a), (0, 1))(*values)


@pytest.fixture
def values(rng):
    return [rng.normal(size=(5, 5)), rng.normal(size=5)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_jacobians_by_every_order_are_those_of_jax(program: Any, values: list[Any]):
    expected = by_jax(program, values)
    whole = ds.jacobian(lambda *a: program(np, ds.linalg, *a), (0, 1), scheduler="sync")(*values)
    for length in (1, 3, 0):
        dag, leaves = blocks_of(program, values, length)
        assert len(dag) > 2 or not length
        for order in ORDERS:
            (found,) = block_jacobian(dag, leaves, dag.graph.inputs, dag.graph.outputs, order=order)
            for mine, theirs, ours in zip(found, expected, whole, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-11)
                np.testing.assert_allclose(mine, ours, rtol=1e-10, atol=1e-11)


def drawn(rng, specs):
    parts = [rng.normal(size=s.shape) for s in specs]
    return parts[0] if len(parts) == 1 else Bundle(parts)


def inner(a, b):
    pairs = zip(a, b, strict=True) if isinstance(a, tuple) or isinstance(b, tuple) else [(a, b)]
    return sum(0.0 if x is None or y is None else float(np.sum(x * y)) for x, y in pairs)


@pytest.mark.parametrize("length", [1, 3, 0])
@pytest.mark.parametrize("program", PROGRAMS)
def test_transposes_satisfy_the_inner_product_law(program: Any, length: int, values: list[Any], rng):
    dag, leaves = blocks_of(program, values, length)
    system = block_system(dag, leaves, dag.graph.inputs)
    specs = [made.specs for made in system.rows]
    inputs = [(dag.graph.spec(v),) for v in dag.graph.inputs]
    entries = [(specs[i], specs[j], e) for i, j, e in system.identity_minus_l if i != j]
    entries += [(specs[i], inputs[j], e) for i, j, e in system.d]
    assert len(entries) >= len(system.rows)
    for out, into, entry in entries:
        x_dot, y_bar = drawn(rng, into), drawn(rng, out)
        left, right = inner(entry @ x_dot, y_bar), inner(x_dot, entry.T @ y_bar)
        assert left == pytest.approx(right, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("length", [1, 3, 0])
@pytest.mark.parametrize("program", PROGRAMS)
def test_backslash_on_the_blocks_is_the_gradient(program: Any, length: int, values: list[Any], rng):
    dag, leaves = blocks_of(program, values, length)
    system: BlockSystem = block_system(dag, leaves, dag.graph.inputs)
    output = dag.graph.outputs[0]
    seed = rng.normal(size=dag.graph.spec(output).shape)
    found = system.d.T @ ds.backslash(system.identity_minus_l.T, system.right_hand_side({output: seed}))
    _, pullback = ds.vjp(lambda *a: program(np, ds.linalg, *a), *values, scheduler="sync")
    for mine, expected in zip(found, pullback(seed), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-11, atol=1e-12)

    tangents = [rng.normal(size=x.shape) for x in values]
    solved = ds.backslash(system.identity_minus_l, system.d @ tangents)
    row = system.row[output]
    place = system.rows[row].block.writes.index(output)
    y_dot = solved[row] if len(system.rows[row].specs) == 1 else solved[row][place]
    _, expected = ds.jvp(
        lambda *a: program(np, ds.linalg, *a), tuple(values), tuple(tangents), scheduler="sync"
    )
    np.testing.assert_allclose(y_dot, expected, rtol=1e-11, atol=1e-12)


def test_small_entries_are_dense_and_large_ones_run_the_block(values: list[Any], rng):
    def f(np, linalg, w, x):
        return np.sum((w @ w @ x) ** 2) * np.ones(1)

    w, x = rng.normal(size=(61, 61)), rng.normal(size=61)
    dag, leaves = blocks_of(f, [w, x], 1)
    system = block_system(dag, leaves, dag.graph.inputs)
    entries = [e for row in (*system.identity_minus_l.stored, *system.d.stored) for e in row.values()]
    assert {isinstance(e, Dense) for e in entries} == {True, False}
    (found,) = block_jacobian(dag, leaves, dag.graph.inputs[1:], dag.graph.outputs)
    expected = ds.jacobian(lambda x: f(np, ds.linalg, w, x), scheduler="sync")(x)
    np.testing.assert_allclose(found[0], expected, rtol=1e-11)


def test_auto_takes_the_order_of_fewest_flops():
    """A funnel: many inputs to one output take the reverse order, one input to many the forward one."""
    for sizes, best in (([97, 31, 7, 1], "reverse"), ([1, 7, 31, 97], "forward")):
        entries = {(k + 1, k): np.ones((sizes[k + 1], sizes[k])) for k in range(3)}
        a = OperatorMatrix.identity(4) - OperatorMatrix(entries, (4, 4))
        nodes = [1, 2]
        chosen = elimination_order(a, nodes, sizes)
        assert chosen == elimination_order(a, nodes, sizes, best)
        others = (elimination_order(a, nodes, sizes, order) for order in ORDERS[1:])
        flops = {tuple(order): elimination_flops(a, order, sizes) for order in others}
        assert elimination_flops(a, chosen, sizes) == min(flops.values())
    # the first of the two products, by hand
    assert elimination_flops(a, [1], [97, 31, 7, 1]) == 2 * 97 * 31 * 7


def test_inputs_that_are_outputs_and_outputs_of_nothing(values: list[Any]):
    def f(np, linalg, w, x):
        return w, np.tanh(x), np.floor(x)

    dag, leaves = blocks_of(f, values, 1)
    graph = dag.graph
    found = block_jacobian(dag, leaves, graph.inputs, graph.outputs)
    np.testing.assert_array_equal(found[0][0].reshape(25, 25), np.eye(25))
    assert not found[0][1].any()
    assert not found[1][0].any()
    np.testing.assert_allclose(found[1][1], np.diag(1 - np.tanh(values[1]) ** 2), rtol=1e-12)
    assert not found[2][1].any()
    assert found[2][0].shape == (5, 5, 5)


def test_an_entry_is_the_matrix_that_to_dense_finds(values: list[Any]):
    dag, leaves = blocks_of(layers, values, 1)
    system = block_system(dag, leaves, dag.graph.inputs[1:])
    made = system.rows[-1]
    ((j, entry), *_) = system.identity_minus_l.stored[-1].items()
    v = system.rows[j].block.writes[0]
    matrix = to_dense(entry, dag.graph.spec(v).shape, made.specs[0].shape)
    np.testing.assert_allclose(matrix, made.matrices()[v], rtol=1e-12, atol=1e-13)  # vectors: one order


def test_bad_requests_are_named(values: list[Any], monkeypatch):
    dag, leaves = blocks_of(layers, values, 1)
    inputs, outputs = dag.graph.inputs, dag.graph.outputs
    with pytest.raises(ArgumentError, match='order must be "auto", "forward", "reverse" or "mixed", got'):
        block_jacobian(dag, leaves, inputs, outputs, order="best")
    with pytest.raises(ArgumentError, match="output 999 is written by no block"):
        block_jacobian(dag, leaves, inputs, [999])
    with pytest.raises(ArgumentError, match="value 999 is written by no block"):
        block_system(dag, leaves, inputs).right_hand_side({999: 1.0})
    monkeypatch.setattr("dagsolve.blocks.jacobian.ITEMS", 10)
    with pytest.raises(ShapeError, match="more than 10"):
        block_jacobian(dag, leaves, inputs, outputs)
    turned = [values[0] + 0j, values[1] + 0j]
    dag, leaves = blocks_of(lambda np, linalg, w, x: np.exp(w @ x), turned, 1)
    with pytest.raises(DtypeError, match="must be real, got complex ones"):
        block_jacobian(dag, leaves, dag.graph.inputs, dag.graph.outputs)
