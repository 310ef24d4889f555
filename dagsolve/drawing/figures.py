"""What the pictures share: a figure that shows itself in notebooks, the colours of labels, and a legend."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

INK = "#222222"
FAINT = "#9aa0a6"
PALETTE = (  # told apart also by colour-blind readers
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#8c564b", "#5f6a72", "#b5bd22", "#7b5ea7",
)  # fmt: skip
OTHER = "#c9c9c9"  # of primitives for which the palette has no colour left
NAMED = 18  # entries of a legend, at most

Colour = npt.NDArray[np.float64]


class Picture(Figure):
    """A matplotlib figure without pyplot: no window, no global state; notebooks show it as PNG."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


def primitive_of(label: str) -> str:
    """The primitive of a block's label: that of "reverse-cholesky" is cholesky."""
    return label.rpartition("reverse-")[2]


def is_reverse(label: str) -> bool:
    """Whether blocks of this label belong to a reverse sweep."""
    return "reverse-" in label


def label_colours(weights: Mapping[str, float]) -> dict[str, Colour]:
    """RGB of each label, forward labels first and the heaviest primitives first among them.

    A primitive has one colour, lighter in reverse sweeps; primitives beyond ten share grey.
    """
    by_primitive: dict[str, float] = {}
    for label, weight in weights.items():
        by_primitive[primitive_of(label)] = by_primitive.get(primitive_of(label), 0.0) + weight
    rank = {name: k for k, name in enumerate(sorted(by_primitive, key=lambda p: (-by_primitive[p], p)))}
    colours: dict[str, Colour] = {}
    for label in sorted(weights, key=lambda x: (is_reverse(x), rank[primitive_of(x)], x)):
        place = rank[primitive_of(label)]
        colour = np.array(to_rgb(PALETTE[place] if place < len(PALETTE) else OTHER))
        colours[label] = 0.4 + 0.6 * colour if is_reverse(label) else colour
    return colours


def label_patches(colours: Mapping[str, Colour], amounts: Mapping[str, str]) -> list[Artist]:
    """Entries of a legend, each a label with its amount; beyond eighteen only how many more there are."""
    labels = list(colours)
    shown = labels if len(labels) <= NAMED else labels[: NAMED - 1]
    patches: list[Artist] = [Patch(color=tuple(colours[x]), label=f"{x}  {amounts[x]}") for x in shown]
    if len(labels) > len(shown):
        patches.append(Patch(facecolor="none", edgecolor="none", label=f"{len(labels) - len(shown)} more"))
    return patches


def byte_unit(amounts: Iterable[float]) -> tuple[float, str]:
    """(bytes of a unit, its name) in which the largest amount is a number of one to four digits."""
    largest, unit = max(amounts, default=0.0), 1.0
    for name in ("B", "KiB", "MiB", "GiB"):
        if largest < 2048 * unit:
            return unit, name
        unit *= 1024
    return unit, "TiB"


def plain(axes: Any) -> None:
    """Takes away the frame's upper and right line."""
    axes.spines[["top", "right"]].set_visible(False)
