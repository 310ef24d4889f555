"""What one looks at first in a graph: its size, primitives, inputs, outputs, levels and lines of code."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from dagsolve.graph.graph import Graph

SHOWN = 12  # rows of a table, at most


class Section(NamedTuple):
    """A table: titles of its columns, and rows of words."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def caption(graph: "Graph") -> str:
    """The graph's size in one line."""
    levels = 1 + int(graph.levels().max()) if len(graph) else 0
    nbytes = int(graph.value_nbytes.sum())
    return (
        f"Graph of {len(graph):,} nodes, {graph.edge_count:,} edges and {levels:,} levels; "
        f"{graph.value_count:,} values of {nbytes:,} bytes"
    )


def sections(graph: "Graph") -> tuple[Section, ...]:
    """Tables of primitives, lines, inputs and outputs, those without rows left out."""
    named: list[tuple[str, ...]] = [(name, f"{count:,}") for name, count in graph.counts().most_common()]
    made = (
        Section(("primitive", "nodes"), _shortened(named)),
        Section(("line", "nodes", "bytes made"), _shortened(_lines(graph))),
        Section(("input", "shape", "dtype"), _shortened(_values(graph, graph.inputs))),
        Section(("output", "shape", "dtype"), _shortened(_values(graph, graph.outputs))),
    )
    return tuple(section for section in made if section.rows)


def text_summary(graph: "Graph") -> str:
    """Caption and tables as lines of text, columns aligned."""
    blocks = [caption(graph)]
    for section in sections(graph):
        table = (section.titles, *section.rows)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for k, row in enumerate(table):
            first, rest = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
            line = "  ".join((first, *(cell.rjust(width) for cell, width in rest)))
            blocks.append(("\n" if k == 0 else "") + line.rstrip())
    return "\n".join(blocks)


def html_summary(graph: "Graph") -> str:
    """Caption and tables as HTML."""
    parts = [f"<div><strong>{escape(caption(graph))}</strong></div>"]
    for section in sections(graph):
        head = "".join(f"<th>{escape(title)}</th>" for title in section.titles)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return "".join(parts)


def _values(graph: "Graph", values: Iterable[int]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for value in values:
        of = graph.spec(value)
        name = graph.columns.scope_table[graph.columns.scope[graph.value_node[value]]]
        found.append((f"{value} ({name})" if str(name) else f"{value}", f"{of.shape}", f"{of.dtype}"))
    return found


def _lines(graph: "Graph") -> list[tuple[str, ...]]:
    """Scopes by the bytes that their nodes make, then by their count."""
    c = graph.columns
    count = len(c.scope_table)
    nodes = np.bincount(c.scope, minlength=count)
    nbytes = np.bincount(c.scope[graph.value_node], weights=graph.value_nbytes, minlength=count)
    order = sorted(np.flatnonzero(nodes).tolist(), key=lambda k: (-nbytes[k], -nodes[k], k))
    return [(str(c.scope_table[k]), f"{nodes[k]:,}", f"{nbytes[k]:,.0f}") for k in order]


def _shortened(rows: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    if len(rows) <= SHOWN:
        return tuple(rows)
    rest = (f"… {len(rows) - SHOWN + 1:,} more", *("" for _ in rows[0][1:]))
    return (*rows[: SHOWN - 1], rest)
