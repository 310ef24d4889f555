"""Operators that move entries do as NumPy's functions do, also on tracers and strict arrays."""

from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.operators import (
    Broadcast,
    Bundle,
    Dense,
    Kronecker,
    LeftMultiplication,
    Permute,
    Reduce,
    Reshape,
    Scatter,
    Select,
)

shapes = arrays.array_shapes(min_dims=1, max_dims=3, max_side=5)
indices = shapes.flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        arrays.basic_indices(shape, allow_newaxis=True)
        | arrays.integer_array_indices(shape, dtype=np.dtype(np.int64)),
    )
)


@given(indices)
def test_select_reads_and_scatter_adds_as_numpy_does(drawn):
    shape, index = drawn
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    select = Select(index, shape)
    part = select @ x
    np.testing.assert_array_equal(part, x[index])
    expected = np.zeros(shape)
    np.add.at(expected, index, part)
    np.testing.assert_array_equal(select.T @ part, expected)


@given(indices)
def test_scatter_without_writing_is_the_same(drawn):
    """Strict arrays of the standard cannot add into an index; tracers can write nothing at all."""
    shape, index = drawn
    scatter = Scatter(index, shape)
    y = np.arange(1.0, 1 + np.prod(scatter.part)).reshape(scatter.part)
    found = scatter @ array_api_strict.asarray(y)
    np.testing.assert_array_equal(np.asarray(found), scatter @ y)


@given(shapes, st.randoms())
def test_permute_is_numpy_transpose_and_its_adjoint_undoes_it(shape, random):
    axes = tuple(random.sample(range(len(shape)), len(shape)))
    x = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(Permute(axes) @ x, np.transpose(x, axes))
    np.testing.assert_array_equal(Permute(axes).T @ (Permute(axes) @ x), x)
    np.testing.assert_array_equal(Permute(axes).solve(Permute(axes) @ x), x)


@given(arrays.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 5), max_dims=3))
def test_broadcast_is_numpy_broadcast(drawn):
    (small,) = drawn.input_shapes
    x = np.random.default_rng(7).normal(size=small)
    large = np.broadcast_shapes(small, (2, 3, 5))
    np.testing.assert_array_equal(Broadcast(small, large) @ x, np.broadcast_to(x, large))
    copies = np.prod(large) / np.prod(small)
    np.testing.assert_allclose(Reduce(large, small) @ (Broadcast(small, large) @ x), copies * x, rtol=1e-14)


def test_reshape_is_numpy_reshape(rng):
    x = rng.normal(size=(5, 3))
    op = Reshape((5, 3), (3, 1, 5))
    np.testing.assert_array_equal(op @ x, x.reshape(3, 1, 5))
    np.testing.assert_array_equal(op.solve(op @ x), x)
    assert op.T == Reshape((3, 1, 5), (5, 3))


OPERATORS = {
    "reshape": Reshape((5, 3), (15,)),
    "permute": Permute((1, 0)),
    "select": Select((slice(1, 4), 2), (5, 3)),
    "scatter": Scatter((slice(1, 6), slice(None, None, 2)), (7, 5)),
    "scatter repeated": Scatter(([3, 0, 3, 3, 1],), (7, 3)),
    "broadcast": Broadcast((5, 3), (2, 5, 3)),
    "reduce": Reduce((5, 3), (5, 1)),
    "dense": Dense(np.arange(30.0).reshape(2, 15), (5, 3), (2,)),
    "kronecker": Kronecker(np.arange(6.0).reshape(2, 3), np.arange(35.0).reshape(7, 5)),
}


@pytest.mark.parametrize("op", OPERATORS.values(), ids=OPERATORS)
def test_operators_are_recorded_and_differentiated(op, rng):
    """The gradient of |op X|²/2 is op.T op X, found by tracing op itself."""
    x = rng.normal(size=(5, 3))

    def loss(x: Any) -> Any:
        return np.sum((op @ x) ** 2) / 2

    np.testing.assert_allclose(ds.grad(loss)(x), op.T @ (op @ x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in ("dense", "kronecker")])
def test_operators_without_arrays_take_arrays_of_the_standard(name, rng):
    op = OPERATORS[name]
    x = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(np.asarray(op @ array_api_strict.asarray(x)), op @ x)


def test_equal_parts_make_equal_operators():
    rows = np.array([0, 2])
    for a, b in (
        (Reshape((5, 3), (15,)), Reshape([5, 3], [15])),  # type: ignore[arg-type]
        (Select((slice(0, 3), ..., None), (5, 3)), Select((slice(0, 3), ..., None), (5, 3))),
        (Select(rows, (5, 3)), Select((rows,), (5, 3))),
        (Permute((1, 0)), Permute((1, 0)).T),
    ):
        assert a == b
        assert hash(a) == hash(b)
        assert a.T.T == a
    assert Reshape((5, 3), (15,)) != Reshape((3, 5), (15,))
    assert Select(0, (5, 3)) != Select(slice(0, 1), (5, 3))
    assert Select(rows, (5, 3)) != Select(rows.copy(), (5, 3))
    assert Select(0, (5, 3)) != Scatter(0, (5, 3))


def test_symbols_show_shapes_and_indices():
    assert str(Reshape((5, 3), (15,))) == "reshape(5×3→15)"
    assert str(Reduce((5, 3), ())) == "sum(5×3→1)"
    assert str(Broadcast((3,), (5, 3))) == "broadcast(3→5×3)"
    assert str(Permute((1, 0))) == "permute(1,0)"
    assert str(Select((slice(1, 4), slice(None, None, 2), 3), (5, 3, 7))) == "select[1:4, ::2, 3]"
    assert str(Select((..., [0, 2]), (5, 3)).T) == "scatter[…, 2]"
    assert str(LeftMultiplication(np.ones((2, 5)), "W") @ Reshape((10,), (5, 2))) == "ℒ(W)∘reshape(10→5×2)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Reshape((5, 3), (7, 2)), ShapeError, r"as many entries, got \(5, 3\) and \(7, 2\)"),
        (lambda: Permute((0, 2)), ArgumentError, r"each of 0 to 1 once, got \(0, 2\)"),
        (lambda: Broadcast((5,), (5, 3)), ShapeError, r"Broadcast: shape \(5,\) must broadcast to \(5, 3\)"),
        (lambda: Broadcast((5, 3), (3,)), ShapeError, r"\(5, 3\) must broadcast to \(3,\)"),
        (lambda: Reduce((5, 3), (2,)), ShapeError, r"Reduce: shape \(2,\) must broadcast to \(5, 3\)"),
        (lambda: Select((0, 7), (5, 3)), ShapeError, r"Select: the index does not fit \(5, 3\): index 7"),
        (lambda: Dense(np.ones((4, 15)), (5, 3), (2, 7)), ShapeError, r"\(14, 15\) .* got \(4, 15\)"),
        (lambda: Dense(1.0, (), ()), ShapeError, "got float"),
        (
            lambda: Reshape((5, 3), (15,)) @ np.ones((3, 5)),
            ShapeError,
            r"must have shape \(5, 3\), got \(3, 5\)",
        ),
        (lambda: Permute((1, 0)) @ np.ones(3), ShapeError, r"must have 2 axes, got \(3,\)"),
        (lambda: Select(0, (5,)) @ 3.0, ShapeError, r"must have shape \(5,\), got float"),
        (lambda: Select(0, (5,)) @ Bundle((np.ones(5),)), ShapeError, "got Bundle"),
        (lambda: Dense(np.ones((2, 5)), (5,), (2,)).solve(np.ones(2)), ShapeError, r"square .* got \(2, 5\)"),
    ],
)
def test_misuse_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
