"""What a trace records: constants as they were when used, generators, numbers' dtypes, the user's lines."""

import re

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import TraceError
from dagsolve.graph import CONSTANT
from dagsolve.tracing.capture import COPY_BYTES
from tests.tracing.values import names, traced, value, value_of

LARGE = COPY_BYTES // 8 + 13  # items of an array that is not copied


def bits(x):
    return np.asarray(x).tobytes()


# Captured arrays


@pytest.mark.parametrize("n", [3, 67])
def test_a_buffer_counts_as_it_was_when_it_was_used(n):
    buffer = np.zeros(n)

    def f(x):
        total = 0.0
        for k in range(4):
            buffer[:] = np.arange(n) ** 0.5 + k
            total = total + np.sum(x * buffer)
        buffer[:] = -1.0
        return total

    np.testing.assert_allclose(ds.grad(f)(np.ones(n)), 4 * np.arange(n) ** 0.5 + 6, rtol=1e-14)


def test_an_unchanged_array_is_one_constant():
    data = np.arange(5.0) ** 0.5

    def f(x):
        return np.sum(x * data) + np.sum(data / x) + np.sum(x * data)

    assert len(traced(f, np.ones(5)).constants) == 1


def test_a_sign_of_zero_is_a_change():
    buffer = np.array([0.0, 1.0])

    def f(x):
        before = np.arctan2(x, buffer)
        buffer[0] = -0.0
        return before, np.arctan2(x, buffer)

    before, after = value(f, np.zeros(2))
    np.testing.assert_array_equal(before, [0.0, 0.0])
    np.testing.assert_array_equal(after, [np.pi, 0.0])


def test_large_arrays_are_read_only_while_tracing_and_not_copied():
    data = np.arange(LARGE, dtype=float) ** 0.5
    fixed = np.arange(LARGE, dtype=float) ** 0.25
    fixed.flags.writeable = False
    inside = []

    def f(x):
        y = x * data + fixed
        inside.append(data.flags.writeable)
        return np.sum(y)

    found = traced(f, 2.0)
    assert inside == [False]
    assert data.flags.writeable
    assert not fixed.flags.writeable  # as the user left it
    assert [x is data or x is fixed for x in found.constants.values()] == [True, True]


def test_writing_into_a_large_array_that_was_used_raises_in_the_users_line():
    data = np.arange(LARGE, dtype=float) ** 0.5

    def f(x):
        y = np.sum(x * data)
        data[0] = 3.0
        return y

    with pytest.raises(TraceError, match="writes into an array that it used before"):
        traced(f, 2.0)
    assert data.flags.writeable
    assert data[0] == 0.0


# Generators


@pytest.mark.parametrize(
    ("array", "primitive"),
    [
        (np.zeros((7, 11)), "full"),
        (np.ones(67), "full"),
        (np.full((3, 5, 7), -2.5, np.float32), "full"),
        (np.eye(11), "eye"),
        (np.eye(7, 13), "eye"),
        (np.eye(13, dtype=np.float32), "eye"),
        (np.arange(67.0), "arange"),
        (np.arange(67), "arange"),
        (3.0 - 0.25 * np.arange(71), "arange"),
    ],
)
def test_generated_arrays_are_recognised(array, primitive):
    found = traced(lambda x: x * array, 2.0)
    assert names(found) == [primitive, "multiply"]
    assert not found.constants
    assert bits(value_of(found)) == bits(np.float64(2.0) * array)


@pytest.mark.parametrize(
    "array",
    [
        np.eye(11)[::-1],
        np.eye(11) + 1e-300,
        np.eye(11, k=1),
        np.where(np.arange(67) == 40, 1.0, 0.0),
        np.arange(67.0) ** 2,
        np.linspace(0, 1, 67) ** 0.5,
        np.full(67, np.nan),
        np.zeros(67) - 0.0 * np.arange(67),
        np.where(np.arange(67) % 2, 0.0, -0.0),
        np.full(67, -0.0),
        np.where(np.eye(11) == 1, 1.0, -0.0),
        -np.arange(67.0),
        np.zeros(5),
        np.zeros(67, complex),
    ],
)
def test_no_bit_of_another_array_is_lost(array):
    """Whatever is taken for a generator gives the array back, with the signs of its zeros."""
    found = traced(lambda x: (x, array), 1.0)
    assert bits(value_of(found)[1]) == bits(array)


def test_zeros_of_either_sign_in_one_trace():
    positive, negative = np.zeros(67), np.full(67, -0.0)
    found = value(lambda x: tuple(np.arctan2(x, z) for z in (positive, negative, positive)), np.zeros(67))
    assert [float(y[0]) for y in found] == [0.0, np.pi, 0.0]


# Numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("number", [2, 2.5, True, np.float32(2.5), np.float64(2.5), np.int64(2), 1 + 2j])
def test_numbers_take_the_dtype_that_numpy_gives_them(dtype, number):
    """NEP 50: Python numbers are weak, NumPy's are not."""
    x = np.ones(3, dtype)
    for f in (lambda x: x * number, lambda x: number - x, lambda x: np.add(x, number)):
        found, expected = value(f, x), f(x)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_equal_numbers_are_one_constant_and_unequal_ones_are_not():
    found = traced(lambda x: (x + 2.0) * 2.0 - 2.0 + 3.0, np.ones(3))
    assert sorted(float(c) for c in found.constants.values()) == [2.0, 3.0]
    two_dtypes = traced(lambda x, y: (x * 2.0, y * 2.0), np.ones(3), np.ones(3, np.float32))
    assert {c.dtype for c in two_dtypes.constants.values()} == {np.dtype(np.float32), np.dtype(np.float64)}


def test_zeros_of_either_sign_are_two_numbers():
    for zeros in ((0.0, -0.0, 0.0), (-0.0, 0.0, -0.0)):
        found = value(lambda x, zeros=zeros: tuple(np.arctan2(x, z) for z in zeros), np.zeros(3))
        assert [float(y[0]) for y in found] == [np.arctan2(0.0, z) for z in zeros]


def test_true_is_not_one_and_ten_is_not_ten_point_nought():
    found = value(lambda k, x: (k + True, k + 1, k * 10, x * 10), np.float64(3), np.ones(2, np.float32))
    assert [y.dtype.name for y in found] == ["float64", "float64", "float64", "float32"]
    assert [float(np.ravel(y)[0]) for y in found] == [4.0, 4.0, 30.0, 10.0]


# Lines


def test_every_node_knows_the_users_function_and_line():
    def inner(x):
        return np.exp(x) * 2.0  # INNER

    def f(x):
        y = inner(x)
        return np.sum(np.where(y > 1, y, np.linalg.norm(x)))  # OUTER

    nodes = [n for n in traced(f, np.ones(3)).graph.nodes() if n.primitive not in ("input", CONSTANT)]
    with open(__file__) as file:
        lines = file.read().splitlines()
    for node in nodes:
        assert node.scope.file == __file__
        word = "# INNER" if node.scope.function == "inner" else "# OUTER"
        assert lines[node.scope.line - 1].endswith(word), node
    assert {node.scope.function for node in nodes} == {"inner", "f"}


def test_reverse_nodes_carry_the_lines_of_the_nodes_they_belong_to():
    def f(x):
        y = np.exp(x)
        return np.sum(y * y)

    graph = ds.grad(f).trace(np.ones(3))
    reverse = [node for node in graph.nodes() if graph.columns.sweep[node.id] and node.primitive != "full"]
    assert reverse
    assert {node.scope.function for node in reverse} == {"f"}


# Traces in traces


def test_an_inner_trace_captures_tracers_of_the_outer_one():
    def f(x, y):
        inner = ds.grad(lambda z: np.sum(np.sin(z) * y))(x)
        return np.sum(inner * x)

    x, y = np.array([0.5, 1.5]), np.array([2.0, -1.0])
    np.testing.assert_allclose(ds.grad(f, 1)(x, y), np.cos(x) * x, rtol=1e-14)
    np.testing.assert_allclose(ds.grad(f)(x, y), y * (np.cos(x) - x * np.sin(x)), rtol=1e-14)


def test_a_tracer_that_leaks_is_refused_by_every_way_of_use():
    kept = []

    def keep(x):
        kept.append(x)
        return np.sum(x)

    ds.trace(keep, np.ones((2, 2)))
    uses = (
        lambda x: x + 1,
        lambda x: 1.0 - x,
        lambda x: np.exp(x),
        lambda x: -x,
        lambda x: x[0],
        lambda x: x @ x,
        lambda x: x.sum(),
        lambda x: np.concatenate([x, x]),
        lambda x: ds.grad(lambda y: np.sum(y * x))(np.ones((2, 2))),
    )
    for use in uses:
        with pytest.raises(TraceError, match=re.escape("had returned (at") + ".*test_record"):
            use(kept[0])
