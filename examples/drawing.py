"""Pictures of the examples: a regression over time, and the block matrix of a plan."""

from itertools import pairwise

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

INK, FIT = "#222222", "#0072b2"
PALETTE = (  # told apart also by colour-blind readers
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#8c564b", "#5f6a72", "#b5bd22", "#7b5ea7",
)  # fmt: skip
REVERSE = "reverse-"
NEAR_YEARS = 4  # of the record, in the picture of where the forecast begins


def draw_regression(path, x, y, residual, times, mean, deviation):
    """Writes the observations y at x, mean and two standard deviations at `times`, and the residuals at x.

    x and times are calendar years; y, residual, mean and deviation are in ppm.
    """
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplot_mosaic([["whole", "whole"], ["near", "left"]], height_ratios=(3, 2))
    end = x[-1]
    for name in ("whole", "near"):
        axes = panels[name]
        band = (mean - 2 * deviation, mean + 2 * deviation)
        label = "± 2 standard deviations of an observation"
        axes.fill_between(times, *band, color=FIT, alpha=0.3, linewidth=0, label=label)
        label = "Gaussian-process regression and forecast"
        axes.plot(times, mean, color=FIT, linewidth=1.1, label=label, zorder=3)
        label = f"{len(x):,} weekly observations"
        axes.plot(x, y, ".", color=INK, alpha=0.6, markersize=2 if name == "whole" else 4, label=label)
        axes.axvline(end, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set(xlabel="Year", ylabel="CO₂ in dry air (ppm)")
        axes.grid(alpha=0.25)
    whole, near, left = panels.values()
    whole.set_title(f"CO₂ at Mauna Loa, and a forecast of {times[-1] - end:.0f} years")
    whole.set_xlim(times[0] - 0.5, times[-1] + 0.5)
    handles, labels = whole.get_legend_handles_labels()
    whole.legend(handles[::-1], labels[::-1], loc="upper left", frameon=False, markerscale=4)
    low, high = whole.get_ylim()
    whole.text(end + 0.4, low + 0.04 * (high - low), "forecast", color=INK)
    near.set_title("Where the forecast begins")
    shown = (times > end - NEAR_YEARS) & (times < end + NEAR_YEARS)
    near.set_xlim(end - NEAR_YEARS, end + NEAR_YEARS)
    near.set_ylim((mean - 2 * deviation)[shown].min() - 1, (mean + 2 * deviation)[shown].max() + 1)
    near.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.plot(x, residual, ".", color=INK, markersize=1.5)
    left.axhline(0, color=FIT, linewidth=0.9)
    left.set_title(f"Residuals: standard deviation {residual.std():.2f} ppm")
    left.set(xlabel="Year", ylabel="Observed − regression (ppm)", xlim=(x[0] - 0.5, end + 0.5))
    left.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


def draw_matrix(path, dag):
    """Writes the pattern of I - L of a BlockDag: each nonzero in the colour of its row's primitive.

    Rows and columns are blocks, by sweep and then by level set; a framed square on the diagonal is one level
    set of one sweep. Blocks of the reverse sweep have the lighter shade of their primitive.
    """
    sweeps = np.array([block.sweep for block in dag.blocks])
    order = np.lexsort((dag.levels, sweeps))  # topological too: edges go to higher levels or later sweeps
    place = np.argsort(order)
    colours = block_colours(dag)
    picture = np.ones((len(dag), len(dag), 3))
    for source, target in (*dag.edges, *((b.index, b.index) for b in dag.blocks)):
        picture[place[target], place[source]] = colours[dag.blocks[target].label]

    figure = Figure(figsize=(9.6, 7.1), layout="constrained")
    axes = figure.subplots()
    axes.imshow(picture, interpolation="nearest", extent=(0, len(dag), len(dag), 0))
    sweep_of, level_of = sweeps[order], dag.levels[order]
    changes = np.flatnonzero((np.diff(level_of) != 0) | (np.diff(sweep_of) != 0)) + 1
    for first, last in pairwise((0, *changes.tolist(), len(dag))):
        side = last - first
        axes.add_patch(Rectangle((first, first), side, side, fill=False, edgecolor=INK, linewidth=0.7))
    for edge in changes:
        axes.axhline(edge, color=INK, alpha=0.13, linewidth=0.5)
        axes.axvline(edge, color=INK, alpha=0.13, linewidth=0.5)
    for edge in np.flatnonzero(np.diff(sweep_of)) + 1:
        axes.axhline(edge, color=INK, linewidth=1.2)
        axes.axvline(edge, color=INK, linewidth=1.2)
    _name_sweeps(axes, sweep_of)
    axes.set(xlabel="block that is read", ylabel="block that reads")
    axes.set_title(
        f"$I - L$ of one gradient: {len(dag)} blocks of {len(dag.graph):,} nodes, {len(dag.edges)} reads, "
        f"{dag.levels.max() + 1} level sets"
    )
    counts = {label: sum(b.label == label for b in dag.blocks) for label in colours}
    handles = [Patch(color=colours[label], label=f"{label}  {counts[label]}") for label in colours]
    frame = "level set: blocks that\ncan run side by side"
    handles.append(Patch(facecolor="white", edgecolor=INK, label=frame))
    figure.legend(handles=handles, loc="outside right center", frameon=False, title="Blocks, by primitive")
    figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.12)


def block_colours(dag):
    """RGB colour of each label, in the order in which the legend shows them."""
    labels = sorted({b.label for b in dag.blocks}, key=lambda label: (label.startswith(REVERSE), label))
    primitives = list(dict.fromkeys(label.removeprefix(REVERSE) for label in labels))
    colours = {}
    for label in labels:
        colour = np.array(to_rgb(PALETTE[primitives.index(label.removeprefix(REVERSE)) % len(PALETTE)]))
        colours[label] = 0.4 + 0.6 * colour if label.startswith(REVERSE) else colour
    return colours


def _name_sweeps(axes, sweep_of):
    names = ("forward sweep", "reverse sweep")
    for sweep in np.unique(sweep_of):
        rows = np.flatnonzero(sweep_of == sweep)
        name = names[sweep] if sweep < len(names) else f"sweep {sweep}"
        middle = (rows[0] + rows[-1] + 1) / 2
        axes.text(len(sweep_of) * 1.015, middle, name, rotation=-90, va="center", ha="left")
