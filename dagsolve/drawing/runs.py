"""The picture of a RunReport: when each block ran where, measured beside projected seconds, peaks."""

from typing import Any

import numpy as np
from dask.utils import format_bytes

from dagsolve.drawing.figures import (
    FAINT,
    INK,
    PALETTE,
    Picture,
    byte_unit,
    label_colours,
    label_patches,
    plain,
)
from dagsolve.drawing.lanes import Bar, draw_lanes, packed
from dagsolve.reports import RunReport
from dagsolve.tables import duration

_LABELS = 14  # rows of the comparison, at most


def run_picture(report: RunReport) -> Picture:
    """Blocks on the threads of the workers as they ran; seconds by label and peaks beside the projections."""
    colours = label_colours(report.seconds)
    bars, names = measured_lanes(report)
    height = 0.8 + 0.3 * min(len(names), 24)
    figure = Picture(figsize=(11, 4.6 + height), layout="constrained")
    panels = figure.subplot_mosaic([["lanes", "lanes"], ["seconds", "memory"]], height_ratios=(height, 3.4))
    lanes = panels["lanes"]
    draw_lanes(lanes, bars, names, colours)
    busy = report.busy_seconds / (report.elapsed_seconds * report.threads) if report.elapsed_seconds else 0.0
    lanes.set_title(f"Run of {duration(report.elapsed_seconds)}, {busy:.0%} of the threads' time in blocks")
    lanes.set_xlabel("seconds since the first block began")
    plain(lanes)
    _draw_seconds(panels["seconds"], report, colours)
    _draw_peaks(panels["memory"], report)
    handles = label_patches(colours, {label: f"{n:,}" for label, n in report.blocks.items()})
    figure.legend(handles=handles, loc="outside right upper", frameon=False, title="Blocks, by primitive")
    return figure


def measured_lanes(report: RunReport) -> tuple[list[Bar], list[str]]:
    """Every block as a bar, and the names of the lanes: as many for a worker as blocks ran side by side."""
    done = sorted(report.done, key=lambda entry: entry.start)
    zero = done[0].start if done else 0.0
    bars: list[Bar] = []
    names: list[str] = []
    for number, worker in enumerate(sorted({entry.worker for entry in done})):
        own = [entry for entry in done if entry.worker == worker]
        lanes = packed([(entry.start, entry.start + entry.seconds) for entry in own])
        bars += [
            Bar(len(names) + lane, entry.start - zero, entry.seconds, entry.label)
            for lane, entry in zip(lanes, own, strict=True)
        ]
        prefix = f"worker {number}" if worker.partition("://")[1] else worker
        count = max(lanes) + 1
        names += [prefix if count == 1 else f"{prefix}, thread {k}" for k in range(count)]
    return bars, names


def _draw_seconds(axes: Any, report: RunReport, colours: Any) -> None:
    """Bars of measured seconds by label, each with a mark where the plan projected it."""
    rows = report.by_label()[:_LABELS]
    y = np.arange(len(rows))
    axes.barh(y, [row.seconds for row in rows], color=[tuple(colours[row.label]) for row in rows], height=0.7)
    if report.plan is not None:
        axes.plot(
            [row.projected_seconds for row in rows], y, "|", color=INK, markersize=13, label="projected"
        )
        axes.legend(loc="lower right", frameon=False)
    axes.set_yticks(y, labels=[row.label for row in rows])
    axes.invert_yaxis()
    rest = len(report.blocks) - len(rows)
    axes.set_title("Seconds in blocks" + (f" (without {rest} quicker labels)" if rest else ""))
    axes.set_xlabel("seconds of all threads together")
    plain(axes)


def _draw_peaks(axes: Any, report: RunReport) -> None:
    """Bars of the measured peaks of the workers, with the projection for any order."""
    peaks = report.peak_bytes
    projected = report.projected_growth_bytes
    unit, name = byte_unit((*peaks.values(), projected or 0))
    y = np.arange(len(peaks))
    axes.barh(y, [peak / unit for peak in peaks.values()], color=PALETTE[0], height=0.6)
    names = [f"worker {k}" if "://" in worker else worker for k, worker in enumerate(sorted(peaks))]
    axes.set_yticks(y, labels=names)
    axes.set_ylim(max(len(peaks), 3) - 0.5, -0.5)
    if projected is not None:
        words = f"projected for any order: {format_bytes(projected)}"
        axes.axvline(projected / unit, color=INK, linewidth=1.1, linestyle=":", label=words)
    if report.plan is not None and report.plan.peak_bytes:
        words = f"in the plan's order: {format_bytes(report.plan.peak_bytes)}"
        axes.axvline(report.plan.peak_bytes / unit, color=FAINT, linewidth=1.1, linestyle="--", label=words)
    axes.set_title("Peak of memory above the start")
    axes.set_xlabel(name)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    plain(axes)
