"""Pictures of runs, real or simulated: when each block ran where, seconds beside projected ones, peaks."""

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
from dagsolve.scheduler.simulation import Simulation
from dagsolve.tables import duration

_LABELS = 14  # rows of the comparison, at most
_LANES, _BARS = 64, 20_000  # above either, the number of blocks at a time is drawn instead
_WORKERS = 16  # names of workers beside their peaks, at most


def run_picture(report: RunReport) -> Picture:
    """Blocks on the threads of the workers as they ran; seconds by label and peaks beside the projections."""
    busy = report.busy_seconds / (report.elapsed_seconds * report.threads) if report.elapsed_seconds else 0.0
    title = f"Run of {duration(report.elapsed_seconds)}, {busy:.0%} of the threads' time in blocks"
    return _picture(report, title, "seconds since the first block began")


def simulation_picture(simulation: Simulation) -> Picture:
    """The same of a run that did not happen; of many workers, how many slots work at a time."""
    of = simulation.cluster
    slots = of.workers * of.slots
    title = (
        f"Simulated: {duration(simulation.seconds)} on {slots:,} {'GPUs' if of.gpus else 'cores'}, "
        f"{simulation.efficiency:.0%} of their time in blocks"
    )
    report = simulation.report()
    if slots <= _LANES and len(report.done) <= _BARS:
        return _picture(report, title, "seconds since the first block began")
    return _picture(report, title, "seconds", at_work=True)


def _picture(report: RunReport, title: str, below: str, *, at_work: bool = False) -> Picture:
    colours = label_colours(report.seconds)
    bars, names = ([], ["worker"] * 10) if at_work else measured_lanes(report)
    height = 0.8 + 0.3 * min(len(names), 24)
    figure = Picture(figsize=(11, 4.6 + height), layout="constrained")
    panels = figure.subplot_mosaic([["lanes", "lanes"], ["seconds", "memory"]], height_ratios=(height, 3.4))
    lanes = panels["lanes"]
    if at_work:
        _draw_at_work(lanes, report)
    else:
        draw_lanes(lanes, bars, names, colours)
    lanes.set_title(title)
    lanes.set_xlabel(below)
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


def _draw_at_work(axes: Any, report: RunReport) -> None:
    """How many blocks run at a time, below the number that could."""
    start = np.array([done.start for done in report.done])
    end = start + np.array([done.seconds for done in report.done])
    times, inverse = np.unique(np.concatenate((start, end)), return_inverse=True)
    steps = np.bincount(inverse[: len(start)], minlength=len(times)) - np.bincount(
        inverse[len(start) :], minlength=len(times)
    )
    axes.stairs(np.cumsum(steps)[:-1], times, fill=True, color=PALETTE[0])
    axes.axhline(report.threads, color=INK, linewidth=1.1, linestyle="-")
    axes.set_ylabel("blocks at a time")
    axes.set_xlim(0, times[-1] if len(times) else 1.0)
    axes.set_ylim(0, 1.05 * report.threads)


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
    step = max(-(-len(names) // _WORKERS), 1)
    axes.set_yticks(y[::step], labels=names[::step])
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
