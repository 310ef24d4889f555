"""Programs: products that accumulate, and equal work as one object."""

import pickle

import numpy as np
import pytest

from dagsolve.blocks import fusions
from dagsolve.blocks.evaluate import compile_block, program, run_block
from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.errors import GraphError
from dagsolve.graph import INPUT, ColumnsBuilder, Graph, Scope
from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.derived import find
from dagsolve.specs import spec
from tests.blocks.recorded import Recorded, names, peak_arrays


@pytest.fixture
def fuse_all(monkeypatch):
    """Small products accumulate in place too."""
    monkeypatch.setattr(fusions, "_SMALLEST", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("born", [True, False], ids=["born in the block", "an input"])
@pytest.mark.parametrize("form", ["c + p", "p + c", "c - p", "c + -p", "c - -p"])
@pytest.mark.usefixtures("fuse_all")
def test_product_accumulates(form, born, dtype, rng):
    r = Recorded()
    c, a, b = r.leaf(31, 37, dtype=dtype), r.leaf(31, 41, dtype=dtype), r.leaf(37, 41, dtype=dtype)
    start = r("exp", c) if born else c
    product = r("matmul", a, r("transpose", b, axes=(-1, -2)))
    if "-p" in form:
        product = r("negative", product)
    name = "subtract" if "c - " in form else "add"
    block = r.block(r(name, product, start) if form == "p + c" else r(name, start, product))
    assert names(block)[-1] == "accumulate"
    assert "matmul" not in names(block)
    inputs = [rng.normal(size=r.specs[v].shape).astype(dtype) for v in r.inputs]
    for x in inputs:
        x.flags.writeable = False
    c, a, b = (x.astype(np.float64) for x in inputs)
    c = np.exp(inputs[0]).astype(np.float64) if born else c
    expected = c + (a @ b.T) * {"c + p": 1, "p + c": 1, "c - p": -1, "c + -p": -1, "c - -p": 1}[form]
    (y,) = run_block(block, inputs)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-14 * 100 if dtype == np.float64 else 1e-5 * 4)


@pytest.mark.usefixtures("fuse_all")
def test_sum_of_products_takes_one_array(rng):
    r = Recorded()
    a, b = r.leaf(211, 211), r.leaf(211, 211)
    total = r("matmul", a, b)
    for _ in range(3):
        total = r("add", total, r("matmul", b, a))
    block = r.block(total)
    assert names(block) == ["matmul", "accumulate", "accumulate", "accumulate"]
    x, y = rng.normal(size=(2, 211, 211))
    assert peak_arrays(block, [x, y]) < 1.1
    np.testing.assert_allclose(run_block(block, [x, y])[0], x @ y + 3 * (y @ x), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("fuse_all")
def test_factor_is_not_overwritten_by_its_own_accumulation(rng):
    """c + c b: c dies there, but BLAS reads it while it writes the result."""
    r = Recorded()
    x, b = r.leaf(809, 809), r.leaf(809, 809)  # more than BLAS copies before it writes
    c = r("negative", x)
    block = r.block(r("add", c, r("matmul", c, b)))
    assert names(block) == ["negative", "accumulate"]
    x, b = rng.normal(size=(2, 809, 809))
    np.testing.assert_allclose(run_block(block, [x, b])[0], -x - x @ b, rtol=0, atol=1e-11)


@pytest.mark.parametrize("why", ["read twice", "written", "broadcast", "complex", "stacked", "a aᵀ"])
@pytest.mark.usefixtures("fuse_all")
def test_other_products_stay_products(why):
    r = Recorded()
    dtype = np.complex128 if why == "complex" else np.float64
    lead = (2,) if why == "stacked" else ()
    c = r.leaf(*(lead or ()), 31 if why != "broadcast" else 1, 31, dtype=dtype)
    a, b = r.leaf(*lead, 31, 37, dtype=dtype), r.leaf(*lead, 37, 31, dtype=dtype)
    product = r("matmul", a, r("transpose", a, axes=(-1, -2)) if why == "a aᵀ" else b)
    total = r("add", c, product)
    writes = {"read twice": [r("multiply", total, product)], "written": [total, product]}.get(why, [total])
    assert "matmul" in names(r.block(*writes))


def test_small_products_stay_products():
    r = Recorded()
    product = r("matmul", r.leaf(3, 5), r.leaf(5, 3))
    assert names(r.block(r("add", r.leaf(3, 3), product))) == ["matmul", "add"]


def test_nodes_that_no_write_needs_are_left_out():
    r = Recorded()
    x = r.leaf(3)
    y = r("exp", x)
    r("sin", y)
    assert names(r.block(y)) == ["exp"]


def test_program_survives_pickling(rng):
    r = Recorded()
    x = r.leaf(7, 5)
    block = r.block(r("sum", r("exp", x), axis=(-1,), keepdims=False))
    again = pickle.loads(pickle.dumps(block))
    a = rng.normal(size=(7, 5))
    assert again == block
    np.testing.assert_array_equal(run_block(again, [a])[0], run_block(block, [a])[0])


def tiled_dag(count):
    """`count` blocks of the same two nodes, on tiles of their own, recorded at the same two lines."""
    c, blocks = ColumnsBuilder(), []
    lines = [c.scope_table.add(Scope("model", "model.py", line)) for line in (1, 2)]
    tile, empty = c.specs.add(spec((7, 7))), c.param_table.add(())
    for _ in range(count):
        leaf = c.append(c.names.add(INPUT), empty, lines[0], 0, (), [tile])
        y = c.append(c.names.add("exp"), empty, lines[0], 0, (leaf,), [tile])
        z = c.append(c.names.add("negative"), empty, lines[1], 0, (y,), [tile])
        blocks.append(((y, z), (leaf,), (z,)))
    graph = Graph(c.freeze(), tuple(b[1][0] for b in blocks), tuple(b[2][0] for b in blocks)).check()
    rows = (Block(k, 0, "exp", *b, 0.0, 0.0, 0, 0, 0) for k, b in enumerate(blocks))
    return BlockDag(graph, tuple(rows))


def test_blocks_of_equal_work_share_one_program():
    dag = tiled_dag(50)
    programs = [program(dag, k) for k in range(50)]
    assert len({id(p) for p in programs}) == 1
    assert len(pickle.dumps(programs)) < len(pickle.dumps(programs[:1])) + 50 * 8


def test_params_that_compare_equal_are_different_work():
    def digest(exponent):
        r = Recorded()
        x = r.leaf(3)
        y = r.node("astype", (x,), (("dtype", exponent),), (spec(3),))
        return r.block(y).code.digest

    assert len({digest(1), digest(1.0), digest(True)}) == 3


def test_value_that_nobody_makes_is_named():
    r = Recorded()
    y = r("exp", r.leaf(3))
    z = r("sin", y)
    graph = r.graph(z)
    with pytest.raises(GraphError, match=r"neither reads nor nodes give values 1 \(of exp\)"):
        compile_block(graph, [z], [], [z])


def test_replaced_primitive_is_seen(monkeypatch):
    r = Recorded()
    block = r.block(r("astype", r.leaf(3), dtype="float64"))
    run_block(block, [np.ones(3)])
    twice = Primitive("astype", "x -> y", lambda xp, x, dtype: 2 * x)
    monkeypatch.setitem(PRIMITIVES, "astype", twice)
    find.cache_clear()
    try:
        np.testing.assert_array_equal(run_block(block, [np.ones(3)])[0], np.full(3, 2.0))
    finally:
        monkeypatch.undo()
        find.cache_clear()
