"""Blocks over time: a bar for each, one lane for each thread of each worker."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.collections import PolyCollection

from dagsolve.drawing.figures import Colour

_TICKS = 24  # names of lanes that are written, at most
_HEIGHT = 0.8
_APART = 400  # from so many bars on, white between them would be most of what is seen


class Bar(NamedTuple):
    """One block on one lane, in seconds since the start."""

    lane: int
    start: float
    seconds: float
    label: str


def draw_lanes(axes: Any, bars: Sequence[Bar], names: Sequence[str], colours: Mapping[str, Colour]) -> None:
    """Draws the bars, lane 0 on top; one collection for each label."""
    for label, colour in colours.items():
        found = [bar for bar in bars if bar.label == label]
        if found:
            axes.add_collection(_rectangles(found, colour, label, apart=len(bars) < _APART))
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_xlim(0, max((bar.start + bar.seconds for bar in bars), default=1.0) or 1.0)
    step = max(-(-len(names) // _TICKS), 1)
    axes.set_yticks(range(0, len(names), step), labels=names[::step])
    axes.tick_params(axis="y", length=0)


def _rectangles(bars: Sequence[Bar], colour: Colour, label: str, *, apart: bool) -> Any:
    half = _HEIGHT / 2
    corners = [
        [
            (bar.start, bar.lane - half),
            (bar.start + bar.seconds, bar.lane - half),
            (bar.start + bar.seconds, bar.lane + half),
            (bar.start, bar.lane + half),
        ]
        for bar in bars
    ]
    edge = "white" if apart else "none"
    return PolyCollection(corners, facecolors=[tuple(colour)], edgecolors=edge, linewidths=0.4, label=label)


def packed(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """A lane for each interval (start, end), in ascending order of starts, so that none overlap on a lane."""
    ends: list[float] = []
    lanes = []
    for start, end in intervals:
        lane = next((k for k, last in enumerate(ends) if last <= start), len(ends))
        if lane == len(ends):
            ends.append(end)
        else:
            ends[lane] = end
        lanes.append(lane)
    return lanes
