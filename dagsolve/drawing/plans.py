"""The picture of a Plan: its projected memory in the plan's order, and its blocks on the workers' threads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from dask.utils import format_bytes

from dagsolve.drawing.figures import (
    FAINT,
    INK,
    NAMED,
    PALETTE,
    Picture,
    byte_unit,
    label_colours,
    label_patches,
    plain,
)
from dagsolve.drawing.lanes import Bar, draw_lanes
from dagsolve.planning.actions import Plan
from dagsolve.planning.cost import DISTRIBUTED, THREADS
from dagsolve.planning.replay import Moment, memory_profile
from dagsolve.scheduler.placement import timetable, urgency
from dagsolve.tables import duration

VALUES, BESIDE = PALETTE[0], PALETTE[4]
_FAR = 2.5  # a limit above so many times the peak is named, not drawn


def plan_picture(plan: Plan, workers: int) -> Picture:
    """Memory over time when the blocks run one after the other, and when each runs on which thread."""
    seconds: dict[str, float] = {}
    for block in plan.dag.blocks:
        seconds[block.label] = seconds.get(block.label, 0.0) + block.seconds
    colours = label_colours(seconds)
    lanes = 0.45 + 0.3 * min(workers * plan.threads, 24)
    entries = 9 + min(len(colours), NAMED)  # lines of both legends, one above the other
    figure = Picture(figsize=(11.5, max(4.6 + lanes, 0.24 * entries)), layout="constrained")
    panels = figure.subplot_mosaic(
        [["memory", "legends"], ["lanes", "legends"]], width_ratios=(3.2, 1), height_ratios=(3.2, lanes)
    )
    draw_memory(panels["memory"], plan)
    _draw_timetable(panels["lanes"], plan, workers, colours)
    legends = panels["legends"]
    legends.set_axis_off()
    above, named = panels["memory"].get_legend_handles_labels()
    legends.add_artist(legends.legend(above, named, loc="upper left", frameon=False))
    handles = label_patches(colours, {label: duration(s) for label, s in seconds.items()})
    title = "Projected seconds, by primitive"
    legends.legend(handles=handles, loc="lower left", frameon=False, title=title, alignment="left")
    return figure


def draw_memory(axes: Any, plan: Plan) -> None:
    """Values in memory, the running block above them, what lies on disk, and the limits; no legend."""
    moments = memory_profile(plan.dag, plan.actions, store_bytes=plan.store_bytes)
    blocks = plan.dag.blocks
    edges = np.cumsum([0.0, *(blocks[m.block].seconds for m in moments)])
    values = np.array([m.values_bytes for m in moments], dtype=float)
    whole = values + np.array([m.beside_bytes for m in moments], dtype=float)
    disk = np.array([m.disk_bytes for m in moments], dtype=float)
    limits = [line for line in _limits(plan) if line[0] <= _FAR * max(whole.max(initial=0.0), 1.0)]
    unit, name = byte_unit((*whole, *disk, *(height for height, *_ in limits)))
    axes.stairs(values / unit, edges, fill=True, color=VALUES, label="values in memory")
    beside = "made and needed by the\nrunning block beside them"
    axes.stairs(whole / unit, edges, baseline=values / unit, fill=True, color=BESIDE, label=beside)
    if disk.any():
        axes.stairs(disk / unit, edges, baseline=None, color=INK, linestyle="--", label="values on disk")
    for height, words, style in limits:
        axes.axhline(height / unit, color=INK, linewidth=1.1, linestyle=style, label=words)
    for _, words, _ in [line for line in _limits(plan) if line not in limits]:
        axes.plot([], [], " ", label=f"{words}\n(above the picture)")
    held = "" if plan.budget is None else f" above the {format_bytes(plan.budget.base_bytes)} held before"
    axes.set_title(f"Memory of one worker in the plan's order{_peak(plan, moments)}")
    axes.set(xlabel="projected seconds, one block after the other", ylabel=f"{name}{held}")
    axes.set_xlim(0, edges[-1] or 1.0)
    axes.set_ylim(bottom=0)
    plain(axes)


def _peak(plan: Plan, moments: Sequence[Moment]) -> str:
    if not moments:
        return ""
    worst = max(moments, key=lambda m: m.values_bytes + m.beside_bytes)
    label = plan.dag.blocks[worst.block].label
    return (
        f": at most {format_bytes(worst.values_bytes + worst.beside_bytes)}, in block {worst.block} ({label})"
    )


def _limits(plan: Plan) -> list[tuple[float, str, str]]:
    """(height above what was held, words, style) of the projection for any order, and of the budget."""
    terms = plan.budget
    if terms is None:
        return []
    projected = terms.projected_bytes - terms.base_bytes
    lines = [(float(projected), f"peak in any order: {format_bytes(terms.projected_bytes)}", ":")]
    if terms.memory_limit is not None:
        budget = terms.memory_limit - terms.base_bytes
        lines.append((float(budget), f"budget: {format_bytes(terms.memory_limit)}", "-"))
    return lines


def _draw_timetable(axes: Any, plan: Plan, workers: int, colours: Any) -> None:
    rates = DISTRIBUTED if workers > 1 else THREADS
    slots = timetable(plan.dag, [plan.threads] * workers, rates, urgency(plan))
    bars = [
        Bar(slot.worker * plan.threads + slot.thread, slot.start, block.seconds, block.label)
        for slot, block in zip(slots, plan.dag.blocks, strict=True)
    ]
    threads = [f"thread {t}" for t in range(plan.threads)]
    names = [
        f"worker {w}" + (f", {thread}" if plan.threads > 1 else "") if workers > 1 else thread
        for w in range(workers)
        for thread in threads
    ]
    draw_lanes(axes, bars, names, colours)
    finish = max((slot.finish for slot in slots), default=0.0)
    axes.axvline(plan.critical_seconds, color=FAINT, linewidth=1.1, linestyle="--")
    share = plan.seconds / (finish * len(names)) if finish else 0.0
    axes.set_title(
        f"Projected: {duration(finish)} on {len(names)} threads, {share:.0%} busy; "
        f"critical path (dashed) {duration(plan.critical_seconds)}"
    )
    axes.set_xlabel("projected seconds")
    plain(axes)
