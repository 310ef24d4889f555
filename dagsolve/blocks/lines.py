"""What each line of the user's code costs: flops, seconds and bytes, and what it keeps for the reverse sweep.

A reverse node counts for the line whose forward node it differentiates: that is the line to change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.work import NodeWork, node_work
from dagsolve.errors import ArgumentError
from dagsolve.graph import Graph, Scope

Ints = npt.NDArray[np.int64]

ORDERS = ("flops", "seconds", "made_bytes", "residual_bytes", "nodes")
_SHOWN = 20  # lines that are printed, at most


@dataclass(frozen=True)
class LineCost:
    """What the nodes of one line take, over all sweeps."""

    scope: Scope
    nodes: int
    flops: float
    seconds: float  # projected, one worker thread
    made_bytes: int  # of results that own memory
    residual_bytes: int  # of its results that a later sweep reads; each once, views at what they view


@dataclass(frozen=True)
class LineCosts:
    """Lines by falling cost; prints as a table."""

    lines: tuple[LineCost, ...]
    order: str  # which cost falls

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[LineCost]:
        return iter(self.lines)

    def __getitem__(self, position: int) -> LineCost:
        return self.lines[position]

    def by(self, order: str) -> "LineCosts":
        """The same lines by another cost, the largest first.

        Raises ArgumentError for a name that is none of "flops", "seconds", "made_bytes", "residual_bytes"
        and "nodes".
        """
        if order not in ORDERS:
            raise ArgumentError(f"by: order must be one of {', '.join(ORDERS)}, got {order!r}")
        ranked = sorted(self.lines, key=lambda line: (-getattr(line, order), line.scope))
        return LineCosts(tuple(ranked), order)

    def _table(self) -> list[tuple[str, ...]]:
        total = sum(getattr(line, self.order) for line in self.lines)
        rows: list[tuple[str, ...]] = [("line", "share", "nodes", "flops", "seconds", "made", "residuals")]
        for line in self.lines[:_SHOWN]:
            share = getattr(line, self.order) / total if total else 0.0
            rows.append(
                (
                    str(line.scope),
                    f"{share:.1%}",
                    f"{line.nodes:,}",
                    f"{line.flops:.3g}",
                    f"{line.seconds:.2g}",
                    _bytes(line.made_bytes),
                    _bytes(line.residual_bytes),
                )
            )
        return rows

    def __repr__(self) -> str:
        rows = self._table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        shown = (
            "  ".join(
                (row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)))
            )
            for row in rows
        )
        rest = len(self.lines) - _SHOWN
        return "\n".join((*shown, *((f"… {rest:,} more lines",) if rest > 0 else ())))

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        titles = "".join(f"<th>{title}</th>" for title in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def costs_by_line(graph: Graph, work: NodeWork | None = None) -> LineCosts:
    """Costs of the lines that recorded a graph's nodes, by falling flops; lines of leaves alone are left out.

    graph   from `ds.grad(f).trace(...)` for both sweeps, or from `ds.trace`: then nothing is a residual

    Raises GraphError for a graph with primitives that have no rule here.
    """
    work = node_work(graph) if work is None else work
    c = graph.columns
    count = len(c.scope_table)
    made = np.where(work.view[graph.value_node] | graph.is_leaf[graph.value_node], 0, graph.value_nbytes)
    kept = _residuals(graph, _owners(graph, work))
    inner = c.scope[~graph.is_leaf]
    nodes = np.bincount(inner, minlength=count)
    flops = np.bincount(c.scope, weights=work.flops, minlength=count)
    seconds = np.bincount(c.scope, weights=work.seconds, minlength=count)
    value_scope = c.scope[graph.value_node]
    made_bytes = _sums(value_scope, made, count)
    residual_bytes = _sums(value_scope[kept], graph.value_nbytes[kept], count)
    lines = tuple(
        LineCost(
            c.scope_table[k], int(nodes[k]), float(flops[k]), float(seconds[k]),
            int(made_bytes[k]), int(residual_bytes[k]),
        )
        for k in np.flatnonzero(nodes).tolist()
    )  # fmt: skip
    return LineCosts(lines, "flops").by("flops")


def _owners(graph: Graph, work: NodeWork) -> Ints:
    """The value whose memory each value lies in: its own, or that of what it is a view of; shape (V,)."""
    c = graph.columns
    owner = np.arange(graph.value_count)
    for n in np.flatnonzero(work.view & (np.diff(c.indptr) > 0)).tolist():
        owner[c.first_value[n] : c.first_value[n + 1]] = owner[c.operands[c.indptr[n]]]
    return owner


def _residuals(graph: Graph, owner: Ints) -> Ints:
    """Values that a later sweep than their own reads, also through views, ascending; no leaves."""
    c = graph.columns
    reader = np.repeat(np.arange(len(graph)), np.diff(c.indptr))
    read = owner[c.operands]
    later = c.sweep[reader] > c.sweep[graph.value_node[read]]
    kept = np.unique(read[later])
    return kept[~graph.is_leaf[graph.value_node[kept]]]


def _sums(index: Ints, amounts: Ints, count: int) -> Ints:
    """Sums of whole numbers by index, exact."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, index, amounts)
    return sums


def _bytes(amount: int) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    value, units = float(amount), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
