"""What one looks at first in a BlockDag: its costs by sweep and label, and the blocks that need the most."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from dask.utils import format_bytes

from dagsolve.tables import Table, duration, facts_html, title_html

if TYPE_CHECKING:
    from dagsolve.blocks.structure import Block, BlockDag


class LabelCost(NamedTuple):
    """Sums over the blocks of one label in one sweep."""

    sweep: int
    label: str
    blocks: int
    nodes: int
    flops: float
    seconds: float  # projected
    read_bytes: int
    write_bytes: int
    working_set_bytes: int  # of the largest of them


def sweep_name(sweep: int) -> str:
    """The sweep in words, as labels of blocks have it; derivatives of derivatives have more than two."""
    names = ("forward", "reverse", "second reverse", "third reverse")
    return names[sweep] if sweep < len(names) else f"{sweep}th reverse"


def label_costs(dag: "BlockDag") -> tuple[LabelCost, ...]:
    """Costs by sweep, and within a sweep by falling seconds."""
    groups: dict[tuple[int, str], list[Block]] = {}
    for block in dag.blocks:
        groups.setdefault((block.sweep, block.label), []).append(block)
    made = [
        LabelCost(
            sweep,
            label,
            len(blocks),
            sum(len(b.nodes) for b in blocks),
            sum(b.flops for b in blocks),
            sum(b.seconds for b in blocks),
            sum(b.read_bytes for b in blocks),
            sum(b.write_bytes for b in blocks),
            max(b.working_set_bytes for b in blocks),
        )
        for (sweep, label), blocks in groups.items()
    ]
    return tuple(sorted(made, key=lambda c: (c.sweep, -c.seconds, c.label)))


def cost_table(dag: "BlockDag") -> Table:
    """`label_costs` as a table, with a last row of sums."""
    costs = label_costs(dag)
    titles = ("blocks", "sweep", "count", "nodes", "flops", "seconds", "read", "written", "largest block")
    rows = [_cost_row(c, c.label, sweep_name(c.sweep)) for c in costs]
    if len(costs) > 1:
        total = LabelCost(
            0,
            "",
            sum(c.blocks for c in costs),
            sum(c.nodes for c in costs),
            sum(c.flops for c in costs),
            sum(c.seconds for c in costs),
            sum(c.read_bytes for c in costs),
            sum(c.write_bytes for c in costs),
            max(c.working_set_bytes for c in costs),
        )
        rows.append(_cost_row(total, "all", ""))
    return Table(titles, tuple(rows))


def notable_blocks(dag: "BlockDag") -> tuple[tuple[str, str], ...]:
    """(what, words) about the block that needs the most memory and the one that takes longest."""
    if not dag.blocks:
        return ()
    largest = max(dag.blocks, key=lambda b: b.working_set_bytes)
    longest = max(dag.blocks, key=lambda b: b.seconds)
    parts = (
        f"reads {format_bytes(largest.read_bytes)}, writes {format_bytes(largest.write_bytes)}, "
        f"{format_bytes(largest.workspace_bytes)} beside"
    )
    return (
        ("largest block", f"{format_bytes(largest.working_set_bytes)} ({parts}): {_place(dag, largest)}"),
        ("longest block", f"{duration(longest.seconds)}: {_place(dag, longest)}"),
    )


def html_summary(dag: "BlockDag") -> str:
    """Size, costs and notable blocks as HTML."""
    counts = np.bincount([b.sweep for b in dag.blocks])
    sweeps = ", ".join(f"{n:,} {sweep_name(k)}" for k, n in enumerate(counts.tolist()) if n)
    levels = int(dag.levels.max(initial=-1)) + 1
    title = f"BlockDag of {len(dag):,} blocks" + (f" ({sweeps})" if sweeps else "")
    size = f"{len(dag.graph):,} nodes, {len(dag.edges):,} edges between blocks, {levels:,} level sets"
    return title_html(title) + facts_html((("size", size), *notable_blocks(dag))) + cost_table(dag).html()


def _cost_row(c: LabelCost, name: str, sweep: str) -> tuple[str, ...]:
    counts = (f"{c.blocks:,}", f"{c.nodes:,}", f"{c.flops:.3g}", f"{c.seconds:.3g}")
    amounts = (c.read_bytes, c.write_bytes, c.working_set_bytes)
    return (name, sweep, *counts, *map(format_bytes, amounts))


def _place(dag: "BlockDag", block: "Block") -> str:
    return f"block {block.index} ({block.label}), {dag.source_line(block)}"
