"""The picture of a BlockDag: the pattern of its block matrix I - L."""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.summary import sweep_name
from dagsolve.drawing.figures import INK, Picture, label_colours, label_patches

Ints = npt.NDArray[np.int64]

CELLS = 500  # along a side; the blocks of a larger matrix share cells
_FRAMES = 150  # level sets that are framed, at most


def matrix_picture(dag: BlockDag) -> Picture:
    """The pattern of I - L, each nonzero in the colour of its row's primitive.

    Rows and columns are blocks, by sweep and then by level set; a framed square on the diagonal is one level
    set of one sweep. Blocks of a reverse sweep have the lighter shade of their primitive.
    """
    sweeps = np.array([block.sweep for block in dag.blocks], dtype=np.int64)
    order = np.lexsort((dag.levels, sweeps))  # topological too: edges go to higher levels or later sweeps
    counts = Counter(block.label for block in dag.blocks)
    colours = label_colours(counts)
    figure = Picture(figsize=(9.6, 6.6), layout="compressed")
    axes = figure.subplots()
    n = max(len(dag), 1)
    pattern = _pattern(dag, np.argsort(order), colours)
    axes.imshow(pattern, interpolation="nearest", extent=(0, n, n, 0))
    sweep_of, level_of = sweeps[order], dag.levels[order]
    framed = _frame_level_sets(axes, sweep_of, level_of)
    for edge in (np.flatnonzero(np.diff(sweep_of)) + 1).tolist():
        axes.axhline(edge, color=INK, linewidth=1.2)
        axes.axvline(edge, color=INK, linewidth=1.2)
    _name_sweeps(axes, sweep_of)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="block that is read", ylabel="block that reads")
    axes.set_title(
        f"$I - L$: {len(dag):,} blocks of {len(dag.graph):,} nodes, {len(dag.edges):,} reads, "
        f"{int(dag.levels.max(initial=-1)) + 1:,} level sets"
    )
    handles: list[Artist] = label_patches(colours, {label: f"{k:,}" for label, k in counts.items()})
    if framed:
        frame = "level set: blocks that\ncan run side by side"
        handles.append(Patch(facecolor="white", edgecolor=INK, label=frame))
    beside = (1.07, 0.5)  # of the names of the sweeps
    title = "Blocks, by primitive"
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=beside, frameon=False, title=title)
    return figure


def _pattern(dag: BlockDag, place: Ints, colours: dict[str, Any]) -> npt.NDArray[np.float64]:
    """RGB of every cell, white where L has no entry; the diagonal lies above the entries of its cell."""
    n = len(dag)
    side = max(min(n, CELLS), 1)
    picture = np.ones((side, side, 3))
    cell = place * side // max(n, 1)
    shade = np.array([colours[block.label] for block in dag.blocks]).reshape(n, 3)
    if dag.edges:
        source, target = np.array(dag.edges).T
        picture[cell[target], cell[source]] = shade[target]
    picture[cell, cell] = shade
    return picture


def _frame_level_sets(axes: Any, sweep_of: Ints, level_of: Ints) -> bool:
    """Frames around the level sets, unless there are too many to be seen."""
    changes = (np.flatnonzero((np.diff(level_of) != 0) | (np.diff(sweep_of) != 0)) + 1).tolist()
    if len(changes) >= _FRAMES:
        return False
    for first, last in pairwise((0, *changes, len(sweep_of))):
        side = last - first
        axes.add_patch(Rectangle((first, first), side, side, fill=False, edgecolor=INK, linewidth=0.7))
    for edge in changes:
        axes.axhline(edge, color=INK, alpha=0.13, linewidth=0.5)
        axes.axvline(edge, color=INK, alpha=0.13, linewidth=0.5)
    return True


def _name_sweeps(axes: Any, sweep_of: Ints) -> None:
    for sweep in np.unique(sweep_of).tolist():
        rows = np.flatnonzero(sweep_of == sweep)
        middle = (rows[0] + rows[-1] + 1) / 2
        name = f"{sweep_name(sweep)} sweep"
        axes.text(len(sweep_of) * 1.015, middle, name, rotation=-90, va="center", ha="left")
