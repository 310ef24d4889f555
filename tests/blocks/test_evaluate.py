"""A block computes what NumPy computes node by node, and leaves no trace in its inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagsolve.blocks import fusions
from dagsolve.blocks.evaluate import evaluate, run_block
from dagsolve.errors import ArgumentError
from dagsolve.graph import CONSTANT
from dagsolve.namespace import to_host
from dagsolve.primitives.derived import find
from tests.blocks.recorded import Recorded, peak_arrays


def node_by_node(graph, values):
    """Every value by the primitive's forward, nothing dropped, nothing overwritten."""
    values = dict(values)
    for node in graph.nodes():
        if node.results[0] not in values:
            made = find(node.primitive).forward(np, *(values[v] for v in node.operands), **dict(node.params))
            made = made if isinstance(made, tuple) else (made,)
            values.update(zip(node.results, made, strict=True))
    return values


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
        patch.setattr(fusions, "_SMALLEST", smallest_product)
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
    """y dies at negative, v still shows its memory.

    x → exp → y → transpose → v
              └→ negative ────┴→ multiply
    """
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


@pytest.mark.parametrize("library", ["array_api_strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def test_other_array_libraries(library, rng):
    library = pytest.importorskip(library)
    r = Recorded()
    x, b = r.leaf(31, 31), r.leaf(31, 31)
    y = r("exp", x)
    v = r("transpose", y, axes=(-1, -2))
    block = r.block(r("add", r("negative", y), r("matmul", x, b)), v, x)
    a, b = rng.normal(size=(2, 31, 31))
    made = run_block(block, [library.asarray(a), b])  # a host value meets the others
    assert all(isinstance(y, type(library.asarray(a))) for y in made)
    for left, right in zip(made, run_block(block, [a, b]), strict=True):
        np.testing.assert_allclose(to_host(left), right, rtol=1e-13)
