"""Graphs as SVG: one column of dots per level, operands to the left; large graphs as nodes per level."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dagsolve.graph.graph import Graph

DRAWN = 2_000  # nodes that are drawn one by one, at most
_STEP, _MARGIN, _RADIUS = 28, 24, 6
_BARS, _BAR_HEIGHT = 400, 160
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")  # by P. Tol
_EDGE = "#bbbbbb"


def svg(graph: "Graph") -> str:
    """The text of an SVG file: nodes and edges, or the level profile above 2,000 nodes."""
    return _profile(graph) if len(graph) > DRAWN else _drawing(graph)


def _drawing(graph: "Graph") -> str:
    level = graph.levels()
    row = _rows(level)
    x, y = _MARGIN + _STEP * level, _MARGIN + _STEP * row
    colour = {name: _COLOURS[min(k, 6)] for k, (name, _) in enumerate(graph.counts().most_common())}
    reader = np.repeat(np.arange(len(graph)), np.diff(graph.columns.indptr))
    parts = []
    for u, v in sorted({*zip(graph.producers.tolist(), reader.tolist(), strict=True)}):
        bend = _STEP // 2 if level[v] == level[u] + 1 else _STEP  # long edges swing around what is between
        parts.append(
            f'<path d="M{x[u]} {y[u]} C{x[u] + bend} {y[u]} {x[v] - bend} {y[v]} {x[v]} {y[v]}" '
            f'fill="none" stroke="{_EDGE}"/>'
        )
    for node in graph.nodes():
        title = _text(f"{node.id} {node.primitive} at {node.scope}")
        parts.append(
            f'<circle cx="{x[node.id]}" cy="{y[node.id]}" r="{_RADIUS}" fill="{colour[node.primitive]}">'
            f"<title>{title}</title></circle>"
        )
    below = 2 * _MARGIN + _STEP * int(row.max(initial=0))
    for k, (name, shade) in enumerate(list(colour.items())[:6]):
        top = below + 18 * k
        parts.append(f'<circle cx="{_MARGIN}" cy="{top}" r="{_RADIUS}" fill="{shade}"/>')
        parts.append(f'<text x="{_MARGIN + 14}" y="{top + 5}" font-size="13">{_text(name)}</text>')
    width = 2 * _MARGIN + _STEP * int(level.max(initial=0))
    return _page(max(width, 220), below + 18 * min(len(colour), 6) + _MARGIN, parts)


def _profile(graph: "Graph") -> str:
    """Nodes per level as bars, the levels in at most 400 groups."""
    level = graph.levels()
    count = int(level.max()) + 1
    bars = min(count, _BARS)
    nodes = np.bincount(level * bars // count, minlength=bars)
    height = np.ceil(_BAR_HEIGHT * nodes / nodes.max()).astype(int)
    parts = [
        f'<rect x="{_MARGIN + 2 * k}" y="{_MARGIN + _BAR_HEIGHT - h}" width="2" height="{h}" '
        f'fill="{_COLOURS[0]}"><title>{n:,} nodes</title></rect>'
        for k, (h, n) in enumerate(zip(height.tolist(), nodes.tolist(), strict=True))
    ]
    words = f"{len(graph):,} nodes over {count:,} levels; at most {nodes.max():,} nodes in a bar"
    parts.append(f'<text x="{_MARGIN}" y="{2 * _MARGIN + _BAR_HEIGHT}" font-size="13">{words}</text>')
    return _page(max(2 * _MARGIN + 2 * bars, 460), 3 * _MARGIN + _BAR_HEIGHT, parts)


def _rows(
    level: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Position of each node among those of its level, by id."""
    order = np.argsort(level, kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(level))))[:-1] if len(level) else level
    row = np.empty(len(level), dtype=np.int64)
    row[order] = np.arange(len(level)) - start[level[order]]
    return row


def _text(words: str) -> str:
    """Words as XML takes them; it knows no control characters, not even escaped."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words))


def _page(width: int, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">\n' + "\n".join(parts) + "\n</svg>\n"
    )
