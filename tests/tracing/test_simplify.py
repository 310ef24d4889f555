"""Signs and projections: fewer nodes, and not one bit of a result changes."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings

import dagsolve as ds
from dagsolve.tracing import record
from dagsolve.tracing.reverse import inline, joint_graph
from tests.programs.generator import Program, programs
from tests.tracing.values import traced, value


def outputs(function, data, monkeypatch, simplify):
    """Value and gradient from the joint graph, each node by itself."""
    with monkeypatch.context() as patch:
        if not simplify:
            patch.setattr(record, "simplified", lambda *args: None)
        trace = traced(function, *data)
        sweeps = joint_graph(trace.graph, trace.graph.inputs, (0,))
    leaves = dict(zip(sweeps.graph.inputs, map(np.asarray, trace.values), strict=True))
    found = inline(sweeps.graph, {**trace.constants, **sweeps.constants, **leaves})
    return [found[v] for v in sweeps.graph.outputs]


def test_results_are_the_same_bit_for_bit(monkeypatch):
    """On generated programs, but for the signs of zeros: -(0) + 0 is not 0 - 0."""

    @settings(max_examples=25, database=None, phases=[Phase.generate])
    @given(programs())
    def check(program: Program) -> None:
        data = program.data()

        def function(*inputs):
            return program(np, ds.linalg, *inputs)

        short = outputs(function, data, monkeypatch, True)
        long = outputs(function, data, monkeypatch, False)
        for a, b in zip(short, long, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)

    check()


X = np.random.default_rng(20261121).standard_normal((5, 5))
Y = np.random.default_rng(20261122).standard_normal((5, 5))


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x, y: np.negative(-x), []),
        (lambda x, y: x.T.T, []),
        (lambda x, y: np.transpose(np.transpose(x[None], (1, 2, 0)), (1, 2, 0)), None),
        (lambda x, y: np.tril(np.tril(x)) @ y, ["tril", "matmul"]),
        (lambda x, y: np.triu(np.triu(x, 1), 1), ["triu"]),
        (lambda x, y: np.triu(np.triu(x, 1), 2), ["triu", "triu"]),
        (lambda x, y: np.tril(np.triu(x)), ["triu", "tril"]),
        (lambda x, y: x + np.negative(y), ["subtract"]),
        (lambda x, y: x - np.negative(y), ["add"]),
        (lambda x, y: np.negative(x) + y, ["subtract"]),
        (lambda x, y: np.negative(x) - y, ["add", "negative"]),
        (lambda x, y: x - np.negative(y) @ y, ["matmul", "add"]),
        (lambda x, y: x - y.T @ np.negative(x), ["transpose", "matmul", "add"]),
        (lambda x, y: x + np.sum(np.negative(y).T * y, axis=0), ["transpose", "multiply", "sum", "subtract"]),
    ],
)
def test_rewritings(f, expected):
    """The nodes that the result needs; others stay in the columns and are never run."""
    found = traced(lambda x, y: f(x, y) * 1.0, X, Y)
    np.testing.assert_array_equal(value(f, X, Y), f(X, Y))
    needed = found.graph.needed()
    left = [
        n.primitive for n in found.graph.nodes() if needed[n.id] and n.primitive not in ("input", "constant")
    ]
    assert (
        expected is None
        or left == [*expected, "multiply"]
        or left == [*expected[:-1], "multiply", "negative"]
    )


def test_a_chain_of_updates_has_products_and_differences_only():
    """c - a b - …: no negated matrix in either sweep."""

    def f(c, a, b):
        for _ in range(3):
            c = c - a @ b
        return np.sum(c * c)

    graph = ds.grad(f, (0, 1, 2)).trace(X, Y, X)
    needed = graph.needed()
    counts = [node.primitive for node in graph.nodes() if needed[node.id]]
    assert (
        counts.count("negative") <= 2
    )  # of the two accumulated cotangents at most, never of a product's operand
    assert counts.count("matmul") <= 3 + 2 * 3


def test_an_integer_sign_is_left_alone():
    """Unsigned integers wrap around: -(x) y is not -(x y) of another dtype."""
    k = np.array([1, 2, 3], np.uint8)
    f = lambda x: x * (-k * np.array([2, 2, 2], np.uint8))  # noqa: E731
    np.testing.assert_array_equal(value(f, np.ones(3)), f(np.ones(3)))
