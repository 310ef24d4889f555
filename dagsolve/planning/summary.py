"""What one looks at first in a Plan: what it takes, the terms of its projection, and what to beware of."""

from typing import TYPE_CHECKING

import numpy as np
from dask.utils import format_bytes

from dagsolve.blocks.summary import cost_table, notable_blocks
from dagsolve.graph import CONSTANT
from dagsolve.tables import Table, duration, facts_html, facts_text, list_html, title_html

if TYPE_CHECKING:
    from dagsolve.planning.actions import Plan

CONSTANT_BYTES = 2**20  # captured arrays of a line are named from here on

Facts = tuple[tuple[str, str], ...]


def facts(plan: "Plan") -> Facts:
    """Rows of (name, value) that say what the plan takes."""
    dag, blocks = plan.dag, plan.dag.blocks
    limit = "none" if plan.memory_limit is None else format_bytes(plan.memory_limit)
    store = (
        "all in memory"
        if plan.store_bytes is None
        else f"{format_bytes(plan.store_bytes)} in memory, then disk"
    )
    return (
        ("nodes", f"{len(dag.graph):,}"),
        ("blocks", f"{len(dag):,} in {int(dag.levels.max(initial=-1)) + 1:,} level sets"),
        ("tasks", f"{plan.tasks:,}"),
        ("arithmetic", f"{plan.flops:.3g} flops"),
        ("blocks read", format_bytes(sum(b.read_bytes for b in blocks))),
        ("blocks write", format_bytes(sum(b.write_bytes for b in blocks))),
        ("peak in this order", format_bytes(plan.peak_bytes)),
        (
            "peak per worker",
            f"{format_bytes(plan.projected_bytes)} with {plan.threads} threads, budget {limit}",
        ),
        ("waiting values", store),
        ("work", f"{duration(plan.seconds)}, critical path {duration(plan.critical_seconds)}"),
        *notable_blocks(dag),
    )


def projection(plan: "Plan") -> Table | None:
    """The terms of the projected peak of a worker, and their sum; None where the plan does not know them."""
    terms = plan.budget
    if terms is None:
        return None
    waiting = terms.projected_bytes - terms.floor_bytes
    rows = [
        ("held before the run", format_bytes(terms.base_bytes)),
        ("values on their way between workers", format_bytes(terms.transfer_bytes)),
        (
            f"{terms.threads} threads × {format_bytes(terms.working_set_bytes)} of the largest block",
            format_bytes(terms.threads * terms.working_set_bytes),
        ),
        ("values that wait between blocks", format_bytes(waiting)),
        ("peak in any order", format_bytes(terms.projected_bytes)),
    ]
    if terms.memory_limit is not None:
        rows.append(("budget", format_bytes(terms.memory_limit)))
        rows.append(("smallest feasible budget", format_bytes(terms.floor_bytes)))
    return Table(("memory of a worker", "bytes"), tuple(rows))


def warnings(plan: "Plan") -> tuple[str, ...]:
    """What to beware of: primitives that run in one chunk, and large captured arrays, with their lines."""
    return (*plan.gathered, *large_constants(plan))


def large_constants(plan: "Plan") -> tuple[str, ...]:
    """Captured arrays of more than 1 MiB, added up by the line that uses them, the largest first."""
    graph = plan.dag.graph
    c = graph.columns
    if CONSTANT not in c.names:
        return ()
    nodes = np.flatnonzero(c.primitive == c.names.index(CONSTANT))
    sizes = np.zeros(len(c.scope_table), dtype=np.int64)
    np.add.at(sizes, c.scope[nodes], graph.value_nbytes[c.first_value[nodes]])  # a leaf makes one value
    return tuple(
        f"{format_bytes(int(sizes[k]))} captured by {c.scope_table[k]}: part of every run, not differentiated"
        for k in np.argsort(-sizes, kind="stable").tolist()
        if sizes[k] > CONSTANT_BYTES
    )


def text_summary(plan: "Plan") -> str:
    """Facts and warnings as lines of text."""
    beware = (("beware", line) for line in warnings(plan))
    return f"Plan\n{facts_text((*facts(plan), *beware))}"


def html_summary(plan: "Plan") -> str:
    """Facts, terms of the projection, costs by sweep and label, and warnings as HTML."""
    terms = projection(plan)
    return "".join(
        (
            title_html(f"Plan of {plan.tasks:,} tasks"),
            facts_html(facts(plan)),
            "" if terms is None else terms.html(),
            cost_table(plan.dag).html(),
            list_html("Beware", warnings(plan)),
        )
    )
