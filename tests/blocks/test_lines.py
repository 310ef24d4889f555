"""Costs by line: sums over lines are those of the graph, residuals are what a later sweep reads."""

from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.blocks.lines import LineCost, LineCosts, costs_by_line
from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError, GraphError
from dagsolve.graph import Graph

M, N, K = 31, 37, 41


def f(a: Any, b: Any) -> Any:
    c = a @ b
    d = np.exp(c).T
    return np.sum(d)


@pytest.fixture
def joint() -> Graph:
    return ds.grad(f, (0, 1)).trace(ds.spec((M, N)), ds.spec((N, K)))


def line(costs: LineCosts, number: int) -> LineCost:
    """The line of f with that number, counted from `def`."""
    (found,) = [c for c in costs if c.scope.line == f.__code__.co_firstlineno + number]
    return found


def test_costs_of_lines_are_those_of_the_mathematics(joint: Graph) -> None:
    costs = costs_by_line(joint)
    product, exponential = line(costs, 1), line(costs, 2)
    assert costs[0] is product
    assert product.scope.function == "f"
    assert product.flops >= 3 * 2 * M * N * K  # forward, and one product for each cotangent
    assert product.flops < 3.1 * 2 * M * N * K
    assert exponential.residual_bytes == 8 * M * K  # exp keeps its result; the view of it is not another
    assert product.residual_bytes == 0  # it keeps a and b, which are inputs
    assert product.made_bytes >= 8 * (M * K + M * N + N * K)


def test_sums_over_lines_are_sums_over_nodes(joint: Graph) -> None:
    costs, work = costs_by_line(joint), node_work(joint)
    assert sum(c.nodes for c in costs) == int((~joint.is_leaf).sum())
    assert sum(c.flops for c in costs) == pytest.approx(float(work.flops.sum()))
    assert sum(c.seconds for c in costs) == pytest.approx(float(work.seconds.sum()))


def test_one_sweep_keeps_nothing() -> None:
    costs = costs_by_line(ds.trace(f, ds.spec((M, N)), ds.spec((N, K))))
    assert sum(c.residual_bytes for c in costs) == 0
    assert line(costs, 1).flops == pytest.approx(2 * M * N * K, rel=0.05)


@pytest.mark.parametrize("order", ["flops", "seconds", "made_bytes", "residual_bytes", "nodes"])
def test_lines_fall_by_the_cost_that_is_asked_for(order: str, joint: Graph) -> None:
    ranked = costs_by_line(joint).by(order)
    numbers = [getattr(c, order) for c in ranked]
    assert numbers == sorted(numbers, reverse=True)
    assert {*ranked} == {*costs_by_line(joint)}


def test_table_names_lines_and_shares(joint: Graph) -> None:
    shown = repr(costs_by_line(joint)).splitlines()
    assert shown[0].split() == ["line", "share", "nodes", "flops", "seconds", "made", "residuals"]
    assert shown[1].startswith(f"{__file__}:{f.__code__.co_firstlineno + 1} in f ")
    assert len({len(row) for row in shown}) == 1
    html = costs_by_line(joint).by("residual_bytes")._repr_html_()
    assert "100.0%" in html
    assert f"{8 * M * K / 1024:.1f} KiB" in html


def test_unknown_order_and_unknown_primitive_are_refused(joint: Graph) -> None:
    with pytest.raises(ArgumentError, match="by: order must be one of flops, .*, got 'bytes'"):
        costs_by_line(joint).by("bytes")
    with pytest.raises(GraphError, match="node"):
        costs_by_line(Graph.from_edges([0], [1]))
