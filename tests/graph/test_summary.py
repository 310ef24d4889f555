"""What a notebook and a terminal show of a graph: every number is one of the graph's own."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings

import dagsolve as ds
from dagsolve.graph import Graph
from dagsolve.graph.picture import DRAWN, svg
from dagsolve.graph.summary import SHOWN, sections, text_summary
from tests.graph.generated import graphs


def f(x: Any, w: Any) -> Any:
    y = np.tanh(x @ w)
    return np.sum(y * y)


@pytest.fixture
def traced() -> Graph:
    return ds.trace(f, ds.spec((5, 3)), ds.spec((3, 7), "f4"))


def rows(html: str) -> list[list[str]]:
    tables = ElementTree.fromstring(f"<div>{html}</div>").iter("tr")
    return [[cell.text or "" for cell in row] for row in tables]


def test_html_counts_primitives_lines_inputs_and_outputs(traced: Graph) -> None:
    shown = rows(traced._repr_html_())
    for name, count in traced.counts().items():
        assert [name, str(count)] in shown
    assert ["0 (argument 0)", "(5, 3)", "float64"] in shown
    assert ["1 (argument 1)", "(3, 7)", "float32"] in shown
    line = f.__code__.co_firstlineno
    assert [f"{__file__}:{line + 1} in f", "2", f"{2 * 5 * 7 * 8}"] in shown  # x @ w and tanh
    assert [f"{__file__}:{line + 2} in f", "2", f"{5 * 7 * 8 + 8}"] in shown  # y * y and the sum
    assert [f"{traced.outputs[0]} ({__file__}:{line + 2} in f)", "()", "float64"] in shown
    assert f"{len(traced)} nodes, {traced.edge_count} edges and 5 levels" in traced._repr_html_()


def test_names_of_users_are_escaped() -> None:
    scope: dict[str, Any] = {"np": np}
    exec(compile("g = lambda x: np.sum(x * x)", "<b>&.py", "exec"), scope)
    html = ds.trace(scope["g"], ds.spec(3))._repr_html_()
    assert "&lt;b&gt;&amp;.py:1 in &lt;lambda&gt;" in html
    assert "<b>" not in html


@given(graph=graphs())
@settings(max_examples=40)
def test_every_graph_is_shown(graph: Graph) -> None:
    assert all(0 < len(section.rows) <= SHOWN for section in sections(graph))
    assert text_summary(graph).startswith(f"Graph of {len(graph):,} nodes")
    assert "<strong>" in graph._repr_html_()
    drawing = ElementTree.fromstring(svg(graph).encode())  # whatever files and functions are called
    circles = [*drawing.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == len(graph) + min(6, len(graph.counts()))


def test_long_tables_end_in_a_count() -> None:
    specs = [ds.spec(n) for n in range(1, 24)]
    graph = ds.trace(lambda *xs: sum(np.sum(x) for x in xs), *specs)
    shown = rows(graph._repr_html_())
    assert ["0 (argument 0)", "(1,)", "float64"] in shown
    assert [f"… {23 - SHOWN + 1} more", "", ""] in shown


def test_drawing_goes_from_operands_to_readers() -> None:
    """
    0 → 1 → 3, 0 → 2 → 3: three columns, the middle one with two rows
    """
    drawing = ElementTree.fromstring(svg(Graph.from_edges([0, 0, 1, 2], [1, 2, 3, 3])))
    space = "{http://www.w3.org/2000/svg}"
    dots = [(int(c.attrib["cx"]), int(c.attrib["cy"])) for c in drawing.iter(space + "circle")][:4]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = dots
    assert x0 < x1 == x2 < x3
    assert y0 == y1 == y3 < y2
    paths = [path.attrib["d"] for path in drawing.iter(space + "path")]
    assert sorted((d.split(" C")[0], d.split()[-2:]) for d in paths) == sorted(
        (f"M{a} {b}", [str(c), str(d)])
        for a, b, c, d in ((x0, y0, x1, y1), (x0, y0, x2, y2), (x1, y1, x3, y3), (x2, y2, x3, y3))
    )


def test_large_graph_is_drawn_as_a_profile() -> None:
    """A chain with 1,000 extra leaves that its end reads: one tall bar, the others equal."""
    n, leaves = DRAWN + 7, 1000
    src = np.concatenate((np.arange(n - 1), np.arange(n, n + leaves)))
    dst = np.concatenate((np.arange(1, n), np.full(leaves, n - 1)))
    drawing = ElementTree.fromstring(svg(Graph.from_edges(src, dst)))
    bars = [*drawing.iter("{http://www.w3.org/2000/svg}rect")]
    counts = [int((bar[0].text or "").split()[0].replace(",", "")) for bar in bars]
    assert sum(counts) == n + leaves
    assert counts[0] > leaves
    assert max(counts[1:]) <= -(-n // 400)
