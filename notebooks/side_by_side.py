"""A graph and its matrix drawn side by side: an edge and its matrix element have one colour."""

from itertools import pairwise

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

INK, PALE, PAPER = "#222222", "#e8e8e8", "#ffffff"
GAP = 0.35  # between -D and I - L
PALETTE = (  # told apart also by colour-blind readers
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#8c564b", "#5f6a72", "#b5bd22", "#7b5ea7",
)  # fmt: skip


def draw_system(
    A, names, *, D=None, parameters=(), colour_of=None, labelled=True, title="", size=(8.4, 3.4), font=10
):
    """The figure of the graph of A = I - L and of the matrix A; with D, of [-D, I - L].

    names, parameters   of the nodes (rows and columns of A) and of the columns of D
    colour_of           number of the colour of the element at (row, column) of [D, L]; default: all differ
    labelled            whether edges between nodes show their elements
    """
    wide, columns = len(parameters), [*parameters, *names]
    elements = {
        (i, wide + j): A.symbol(i, j).replace("-", "−") for i, row in enumerate(A.stored) for j in row
    }
    if D is not None:
        elements.update({(i, j): "−" + D.symbol(i, j) for i, row in enumerate(D.stored) for j in row})
    number = {place: k for k, place in enumerate(sorted(elements, key=lambda place: place[::-1]))}
    chosen = number.get if colour_of is None else lambda place: colour_of(*place)
    colours = {place: PALETTE[chosen(place) % len(PALETTE)] for place in elements}
    lengths = [
        max((len(elements[place]) for place in elements if place[1] == j), default=0)
        for j in range(len(columns))
    ]
    edges = np.cumsum([0, *(max(0.75, 0.4 + 0.11 * length) for length in lengths)])
    levels = len(list(nx.topological_generations(nx.DiGraph([(j, wide + i) for i, j in elements]))))
    widths = [1.6 * levels, edges[-1] + 0.5]
    figure, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=widths, layout="constrained")
    _draw_graph(left, elements, colours, columns, wide, labelled, font)
    diagonal = [A.symbol(i, i) for i in range(len(names))]
    _draw_matrix(right, elements, colours, columns, names, diagonal, edges, font)
    if title:
        figure.suptitle(title)
    return figure


def _draw_graph(axes, elements, colours, columns, wide, labelled, font):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(columns)))
    graph.add_edges_from((j, wide + i) for i, j in elements)
    place = layered_places(graph, wide)
    inner, outer = range(wide, len(columns)), range(wide)
    style = {"ax": axes, "node_size": 480, "edgecolors": INK, "linewidths": 1.1}
    nx.draw_networkx_nodes(graph, place, inner, node_color=PAPER, **style)
    nx.draw_networkx_nodes(graph, place, outer, node_color=PALE, node_shape="s", **style)
    named = dict(enumerate(columns))
    nx.draw_networkx_labels(graph, place, named, font_size=max(font, 9), font_color=INK, ax=axes)
    edges = list(elements)
    nx.draw_networkx_edges(
        graph, place, [(j, wide + i) for i, j in edges], edge_color=[colours[edge] for edge in edges],
        width=1.7, node_size=540, arrowsize=14, ax=axes,
    )  # fmt: skip
    for i, j in edges if labelled else ():
        if j < wide:
            continue
        (x, y), (u, v) = place[j], place[wide + i]
        above = 0.13 * (place[wide][1] - place[0][1]) if wide else 0  # long symbols stand over the edge
        box = None if wide else {"color": PAPER, "pad": 1.5}
        text = elements[i, j].removeprefix("−")
        axes.text(
            (x + u) / 2, (y + v) / 2 + above, text,
            ha="center", va="center", fontsize=font, color=colours[i, j], bbox=box,
        )  # fmt: skip
    axes.margins(0.12)
    axes.set_axis_off()


def layered_places(graph, parameters):
    """Positions of nodes: inner ones by level from left to right, parameters below their readers."""
    inner = graph.subgraph(range(parameters, len(graph)))
    place = {}
    for level, nodes in enumerate(nx.topological_generations(inner)):
        nodes = sorted(nodes)
        for k, node in enumerate(nodes):
            place[node] = (2.0 * level, 1.4 * ((len(nodes) - 1) / 2 - k))
    lowest = min(y for _, y in place.values()) - 1.5
    for node in range(parameters):
        (reader,) = graph.successors(node)
        beside = sorted(p for p in graph.predecessors(reader) if p < parameters)
        shift = beside.index(node) - (len(beside) - 1) / 2
        place[node] = (place[reader][0] + 0.9 * shift, lowest)
    return place


def _draw_matrix(axes, elements, colours, columns, names, diagonal, edges, font):
    """Draws the elements as tiles; column j reaches from edges[j] to edges[j + 1], plus the gap."""
    wide, width = len(columns) - len(names), np.diff(edges)
    for i in range(len(names)):
        for j in range(len(columns)):
            x = edges[j] + (GAP if wide and j >= wide else 0)
            text = elements.get((i, j), diagonal[i] if j == wide + i else "")
            fill = colours.get((i, j), PALE if text else PAPER)
            axes.add_patch(Rectangle((x, i), width[j], 1, facecolor=fill, edgecolor="#bbbbbb", linewidth=0.7))
            ink = PAPER if (i, j) in colours else INK
            axes.text(x + width[j] / 2, i + 0.5, text, ha="center", va="center", color=ink, fontsize=font)
    shift = np.where(np.arange(len(columns)) >= wide, GAP if wide else 0, 0)
    axes.set(xlim=(-0.05, edges[-1] + (GAP if wide else 0) + 0.05), ylim=(len(names) + 0.05, -0.05))
    axes.set_xticks(edges[:-1] + width / 2 + shift, columns, fontsize=max(font, 9))
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=max(font, 9))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_blocks(matrix, sizes, names, *, title="", size=4.6):
    """The figure of a dense matrix of numbers, cut into blocks of these sizes."""
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    limit = np.abs(matrix).max()
    axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    edges = np.cumsum([0, *sizes])
    for edge in edges[1:-1]:
        axes.axhline(edge - 0.5, color=INK, linewidth=0.7)
        axes.axvline(edge - 0.5, color=INK, linewidth=0.7)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    axes.set_xticks(middles, names)
    axes.set_yticks(middles, names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_title(title)
    return figure


def draw_tasks(graph, labels, rows, path, *, title="", size=(9.0, 2.6)):
    """The figure of a graph of tasks from left to right, with one path in colour.

    labels, rows   of the nodes: what stands in the box, and in which row it is (0 in the middle)
    """
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    levels = enumerate(nx.topological_generations(graph))
    place = {node: (2.0 * level, 1.1 * rows[node]) for level, nodes in levels for node in nodes}
    half_width, half_height, marked = 0.66, 0.36, set(pairwise(path))
    for u, v in graph.edges:
        start, end = place[u], place[v]
        colour, width = (PALETTE[1], 2.4) if (u, v) in marked else ("#999999", 1.3)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 1}
        axes.annotate(
            "", (end[0] - half_width, end[1]), (start[0] + half_width, start[1]), arrowprops=arrow, zorder=0
        )
    for node, (x, y) in place.items():
        edge, face = (PALETTE[1], "#fbe3d3") if node in path else (INK, PAPER)
        corner = (x - half_width, y - half_height)
        style = {"boxstyle": "round,pad=0,rounding_size=0.12", "edgecolor": edge, "facecolor": face}
        axes.add_patch(FancyBboxPatch(corner, 2 * half_width, 2 * half_height, **style))
        axes.text(x, y, labels[node], ha="center", va="center", fontsize=9.5)
    places = np.array(list(place.values()))
    low, high = places.min(axis=0), places.max(axis=0)
    axes.set(xlim=(low[0] - 0.8, high[0] + 0.8), ylim=(low[1] - 0.5, high[1] + 0.5))
    axes.set_axis_off()
    axes.set_title(title)
    return figure
