"""A block computes what NumPy computes node by node, and leaves no trace in its inputs."""

import pickle
import tracemalloc
import warnings

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.blocks import instructions
from dagsolve.blocks.evaluate import compile_block, evaluate, program, run_block
from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.errors import ArgumentError, BlockError, FactorisationError, GraphError
from dagsolve.graph import CONSTANT, INPUT, ColumnsBuilder, Graph, Scope
from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.derived import find
from dagsolve.spec import spec


class Recorded:
    """A graph written down by hand; node k stands at line k of model.py."""

    def __init__(self):
        self.columns, self.specs, self.inputs = ColumnsBuilder(), {}, []

    def node(self, name, operands, params, specs):
        c = self.columns
        at = c.scope_table.add(Scope("model", "model.py", len(c.primitive)))
        added = [c.specs.add(s) for s in specs]
        first = c.append(c.names.add(name), c.param_table.add(params), at, 0, operands, added)
        self.specs.update(enumerate(specs, first))
        return first

    def leaf(self, *shape, dtype=np.float64, kind=INPUT):
        value = self.node(kind, (), (), (spec(shape, dtype),))
        self.inputs.append(value)
        return value

    def __call__(self, name, *operands, **params):
        specs = find(name).result_specs(tuple(self.specs[v] for v in operands), params)
        return self.node(name, operands, tuple(sorted(params.items())), specs)

    def graph(self, *outputs):
        return Graph(self.columns.freeze(), tuple(self.inputs), outputs).check()

    def block(self, *writes):
        graph = self.graph(*writes)
        return compile_block(graph, range(len(graph)), self.inputs, writes)


def node_by_node(graph, values):
    """Every value by the primitive's forward, nothing dropped, nothing overwritten."""
    values = dict(values)
    for node in graph.nodes():
        if node.results[0] not in values:
            made = find(node.primitive).forward(np, *(values[v] for v in node.operands), **dict(node.params))
            made = made if isinstance(made, tuple) else (made,)
            values.update(zip(node.results, made, strict=True))
    return values


def names(program):
    return [i.primitive for i in program.code.instructions]


@pytest.fixture
def fuse_all(monkeypatch):
    """Small products accumulate in place too."""
    monkeypatch.setattr(instructions, "_SMALLEST_PRODUCT", 0)


# The law: any program, any order of views, writes and last uses --------------------------------------------

SHAPES = ((3, 5), (5, 3), (5, 5), (3, 3), (5,), ())
UNARY = ("negative", "absolute", "transpose", "reshape", "getitem", "broadcast_to", "astype", "sum")
BINARY = ("add", "subtract", "maximum", "multiply", "matmul", "matmul")


@st.composite
def recorded_programs(draw):
    """A program whose values are integers below 2⁵³: bits cannot depend on the order of a sum."""
    r = Recorded()
    leaves = [r.leaf(*shape) for shape in SHAPES]
    values = list(leaves)
    for _ in range(draw(st.integers(7, 14))):
        name = draw(st.sampled_from(UNARY + BINARY))
        a = draw(st.sampled_from(3 * values[-3:] + leaves))  # mostly the newest: they die where they are used
        shape = r.specs[a].shape
        if name in ("multiply", "matmul"):  # with a leaf, so that values grow slowly
            fits = [v for v in leaves if _fits(name, shape, r.specs[v].shape)]
            if not fits:
                continue
            made = r(name, a, draw(st.sampled_from(fits)))
        elif name in BINARY:
            fits = [v for v in values if _fits(name, shape, r.specs[v].shape)][-4:]
            made = r(name, *draw(st.permutations([a, draw(st.sampled_from(fits))])))
        elif name == "transpose":
            made = r(name, a, axes=tuple(range(-1, -1 - len(shape), -1)))
        elif name == "reshape":
            made = r(name, a, shape=shape[::-1])
        elif name == "getitem":
            made = r(name, a, index=((0, 3, 1),) if shape else ())
        elif name == "broadcast_to":
            made = r(name, a, shape=(5, 5) if shape in ((5,), ()) else shape)
        elif name == "astype":
            made = r(name, a, dtype="float64")  # hands back its operand
        elif name == "sum":
            made = r(name, a, axis=(-1,), keepdims=False) if shape else r("negative", a)
        else:
            made = r(name, a)
        values.append(made)
    return r, [values[-1], *draw(st.lists(st.sampled_from(values), max_size=4))]


def _fits(name, left, right):
    if name == "matmul":
        return len(left) == 2 == len(right) and left[1] == right[0]
    return left == right or () in (left, right) or (len({*left, *right}) == 1 and len(left) != len(right))


@pytest.mark.parametrize("smallest_product", [0, 2**40])
@given(recorded=recorded_programs(), seed=st.integers(0, 2**32 - 1), read_only=st.booleans())
def test_block_equals_numpy_bit_for_bit(smallest_product, recorded, seed, read_only):
    r, writes = recorded
    rng = np.random.default_rng(seed)
    inputs = [rng.integers(-2, 3, size=r.specs[v].shape).astype(float) for v in r.inputs]
    inputs = [np.asarray(x) for x in inputs]
    copies = [x.copy() for x in inputs]
    for x in inputs:
        x.flags.writeable = not read_only
    graph = r.graph(*writes)
    expected = node_by_node(graph, dict(zip(r.inputs, copies, strict=True)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instructions, "_SMALLEST_PRODUCT", smallest_product)
        made = run_block(r.block(*writes), inputs)
    for value, y in zip(writes, made, strict=True):
        np.testing.assert_array_equal(y, expected[value], strict=True)
        assert type(y) is np.ndarray
        assert y.flags.owndata
        assert y.flags.c_contiguous
        assert not any(np.shares_memory(y, x) for x in inputs)
    assert not any(np.shares_memory(made[i], made[j]) for i in range(len(made)) for j in range(i))
    for x, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(x, copy, strict=True)


# In place ---------------------------------------------------------------------------------------------------


def peak_arrays(block, inputs):
    """Peak of memory taken by a run, in arrays of the first input's size."""
    run_block(block, inputs)  # resolves the program
    tracemalloc.start()
    try:
        run_block(block, inputs)
        return tracemalloc.get_traced_memory()[1] / inputs[0].nbytes
    finally:
        tracemalloc.stop()


def test_chain_runs_in_the_memory_of_its_result(rng):
    r = Recorded()
    y = x = r.leaf(100_003)
    for _ in range(20):
        y = r("exp", r("negative", y))
    assert peak_arrays(r.block(y), [rng.random(100_003)]) < 1.1
    assert r.specs[x] is r.specs[y]


def test_sums_run_in_the_memory_of_one_term(rng):
    r = Recorded()
    x, total = r.leaf(100_003), None
    for _ in range(5):
        term = r("exp", x)
        total = term if total is None else r("subtract", term, total)  # the second operand's memory
    assert peak_arrays(r.block(total), [rng.random(100_003)]) < 2.1


def test_memory_seen_by_a_view_is_not_written(rng):
    """    x → exp → y → transpose → v
                     └→ negative ────┴→ multiply      y dies at negative, v still shows its memory."""
    r = Recorded()
    x = r.leaf(7, 7)
    y = r("exp", x)
    v = r("transpose", y, axes=(-1, -2))
    out = r("multiply", r("negative", y), v)
    block = r.block(out)
    assert block.code.instructions[2].reuse  # the specs allow it, the reference count does not
    a = rng.normal(size=(7, 7))
    np.testing.assert_array_equal(run_block(block, [a])[0], -np.exp(a) * np.exp(a).T)


def test_input_seen_through_a_view_is_not_written(rng):
    r = Recorded()
    flat = r("reshape", r.leaf(7, 5), shape=(35,))
    block = r.block(r("negative", flat))
    x = rng.normal(size=(7, 5))
    copy = x.copy()
    np.testing.assert_array_equal(run_block(block, [x])[0], -copy.ravel())
    np.testing.assert_array_equal(x, copy)


def test_result_of_transposed_operand_comes_in_rows(rng):
    """NumPy keeps the operand's memory order; a block's output is C-contiguous."""
    r = Recorded()
    block = r.block(r("negative", r("transpose", r.leaf(7, 5), axes=(-1, -2))))
    (made,) = run_block(block, [np.ones((7, 5))])
    assert made.flags.c_contiguous


def test_product_does_not_take_the_memory_of_a_factor():
    r = Recorded()
    a = r("exp", r.leaf(5, 5))
    assert r.block(r("matmul", a, a)).code.instructions[1].reuse == ()


def test_view_as_output_does_not_keep_its_buffer(rng):
    r = Recorded()
    y = r("exp", r.leaf(1009, 101))
    column = r("getitem", y, index=((0, 1, 1),))
    x = rng.random((1009, 101))
    block = r.block(column)
    (made,) = run_block(block, [x])
    assert made.base is None
    np.testing.assert_array_equal(made, np.exp(x)[:, :1])
    z = r("exp", r("negative", y))  # in the memory of y, which no view shows any more
    assert peak_arrays(r.block(column, z), [x]) < 1.1


# Accumulation -----------------------------------------------------------------------------------------------


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


# Programs ---------------------------------------------------------------------------------------------------


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


# Values -----------------------------------------------------------------------------------------------------


def test_numbers_are_zero_dimensional_arrays():
    r = Recorded()
    x, half = r.leaf(), r.leaf(kind=CONSTANT)
    y = r("multiply", x, half)
    block = r.block(y, half)
    for given_half in (0.5, np.float64(0.5), np.array(0.5)):
        made = run_block(block, [np.array(3.0), given_half])
        assert [(type(v), v.shape, v.item()) for v in made] == [(np.ndarray, (), 1.5), (np.ndarray, (), 0.5)]


def test_whole_graph_at_once(rng):
    r = Recorded()
    x, unused = r.leaf(3, 5), r.leaf(7)
    y = r("exp", x)
    z = r("sum", y, axis=(-1, -2), keepdims=False)
    graph = r.graph(z, unused)
    a = rng.normal(size=(3, 5))
    made = evaluate(graph, {x: a}, [z, y, x])
    assert made[z] == np.exp(a).sum()
    np.testing.assert_array_equal(made[y], np.exp(a))
    np.testing.assert_array_equal(made[x], a)
    assert not np.shares_memory(made[x], a)
    with pytest.raises(ArgumentError, match=r"absent are 1 \(\(7,\) float64\)"):
        evaluate(graph, {x: a})


def test_pullback_nodes_run_like_others(rng):
    """The pullback of exp multiplies; that of add hands its cotangent back, which must be copied."""
    r = Recorded()
    y, y_bar = r.leaf(7), r.leaf(7)
    seven = ((7,), "<f8")
    known = {"given": (True,), "params": ()}
    x_bar = r("exp.pullback.x", y, y_bar, **known, specs=(("x", *seven), ("y", *seven)))
    a_bar = r("add.pullback.a", y_bar, **known, specs=(("a", *seven), ("b", *seven), ("y", *seven)))
    y, y_bar = rng.normal(size=(2, 7))
    made = run_block(r.block(x_bar, a_bar), [y, y_bar])
    np.testing.assert_array_equal(made[0], y * y_bar)
    np.testing.assert_array_equal(made[1], y_bar)
    assert not np.shares_memory(made[1], y_bar)


def test_other_array_libraries(rng):
    r = Recorded()
    x, b = r.leaf(31, 31), r.leaf(31, 31)
    y = r("exp", x)
    block = r.block(r("add", y, r("matmul", x, b)), r("transpose", y, axes=(-1, -2)), x)
    a, b = rng.normal(size=(2, 31, 31))
    made = run_block(block, [array_api_strict.asarray(a), b])  # a host value meets the others
    assert all(isinstance(v, type(array_api_strict.asarray(a))) for v in made)
    for left, right in zip(made, run_block(block, [a, b]), strict=True):
        np.testing.assert_allclose(np.asarray(left), right, rtol=1e-14)


# Faults and warnings ----------------------------------------------------------------------------------------


def failing(monkeypatch, name, fault):
    def forward(xp, a):
        raise fault

    rule = Primitive(name, "a(n,n) -> y(n,n)", forward, specs=lambda a: (a,))
    monkeypatch.setitem(PRIMITIVES, name, rule)
    r = Recorded()
    return r.block(r(name, r("exp", r.leaf(5, 5, dtype=np.float32))))


def test_fault_names_primitive_operands_and_line(monkeypatch):
    block = failing(monkeypatch, "shattered", IndexError("out of glue"))
    words = r"shattered\(\(5, 5\) float32\) failed: IndexError: out of glue; recorded at model.py:2 in model"
    with pytest.raises(BlockError, match=words) as caught:
        run_block(block, [np.ones((5, 5), np.float32)])
    assert isinstance(caught.value.__cause__, IndexError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_own_errors_keep_their_class(monkeypatch):
    block = failing(monkeypatch, "singular", FactorisationError("singular: a is singular"))
    with pytest.raises(FactorisationError, match=r"a is singular; in singular\(.*recorded at model.py:2"):
        run_block(block, [np.ones((5, 5), np.float32)])


@pytest.mark.parametrize(
    ("given_input", "words"),
    [
        (np.ones((5, 3)), r"input 0 must be \(3, 5\) float64, got \(5, 3\) float64"),
        (np.ones((3, 5), np.float32), r"input 0 must be \(3, 5\) float64, got \(3, 5\) float32"),
        (2.0, r"input 0 must be \(3, 5\) float64, got float"),
    ],
)
def test_input_of_another_spec_is_refused(given_input, words):
    r = Recorded()
    with pytest.raises(BlockError, match=words):
        run_block(r.block(r("exp", r.leaf(3, 5))), [given_input])
    with pytest.raises(BlockError, match="reads 1 values, got 0"):
        run_block(r.block(r("exp", r.inputs[0])), [])


def logarithm_of_zero(file):
    r = Recorded()
    x = r.leaf(3)
    r.columns.scope_table.entries[0] = Scope("model", file, 17)
    y = r.columns.append(
        r.columns.names.add("log"), r.columns.param_table.add(()), 0, 0, (x,), [r.columns.specs.add(spec(3))]
    )
    return r.block(y)


def test_warnings_come_from_the_users_line_once():
    block = logarithm_of_zero("once.py")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            run_block(block, [np.zeros(3)])
    shown = [(w.category, str(w.message), w.filename, w.lineno) for w in caught]
    assert shown == [(RuntimeWarning, "divide by zero encountered in log", "once.py", 17)]


def test_warnings_obey_filters_and_error_states():
    block = logarithm_of_zero("obeys.py")
    with pytest.raises(RuntimeWarning, match="divide by zero encountered in log"):  # this suite's filter
        run_block(block, [np.zeros(3)])
    with np.errstate(divide="ignore"):
        assert np.isneginf(run_block(block, [np.zeros(3)])[0]).all()
    with np.errstate(divide="raise"), pytest.raises(BlockError, match="FloatingPointError: divide by zero"):
        run_block(block, [np.zeros(3)])
    heard = []
    with np.errstate(divide="call", call=lambda kind, flag: heard.append(kind)):
        run_block(block, [np.zeros(3)])
    assert heard == ["divide by zero"]
