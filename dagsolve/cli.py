"""The command `dagsolve`: looks at stored graphs and plans them.

Errors are one line on stderr, without a traceback; the exit code is then 2.
"""

from pathlib import Path
from typing import Any

import click

from dagsolve.blocks.lines import costs_by_line
from dagsolve.blocks.summary import cost_table
from dagsolve.errors import DagsolveError, GraphError
from dagsolve.executor import Capacity
from dagsolve.graph import Graph, open_graph
from dagsolve.graph.picture import svg
from dagsolve.graph.summary import text_summary
from dagsolve.pipeline import plan_for
from dagsolve.planning.budget import bytes_of, resident_bytes
from dagsolve.reporting import plot as draw
from dagsolve.scheduler.worker import TRANSFER_BYTES


class _OneLineErrors(click.Group):
    """A group whose commands end in one line where dagsolve or the system refuses."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has seen enough: click ends quietly
            raise
        except (DagsolveError, OSError, MemoryError) as fault:
            click.echo(f"dagsolve: {' '.join(str(fault).split()) or type(fault).__name__}", err=True)
            ctx.exit(2)


@click.group(cls=_OneLineErrors)
@click.version_option(package_name="dagsolve")
def main() -> None:
    """Reverse-mode differentiation as a sparse block-triangular solve."""


@main.group()
def graph() -> None:
    """Stored graphs: directories written by Graph.save."""


_path = click.argument("path", type=click.Path())
_no_verify = click.option("--no-verify", is_flag=True, help="Do not compare checksums (huge graphs).")


@graph.command()
@_path
@_no_verify
def info(path: str, no_verify: bool) -> None:
    """Size, primitives, inputs and outputs of a graph, and what each line of code costs."""
    found = open_graph(path, verify=not no_verify)
    _print(text_summary(found))
    try:
        costs = costs_by_line(found)
    except GraphError:
        return  # its primitives have no rules here: nobody knows what they cost
    if len(costs):
        _print(f"\n{costs!r}")


@graph.command()
@_path
@click.option("--lines", default=40, show_default=True, help="Nodes to print, at most.")
@_no_verify
def path(path: str, lines: int, no_verify: bool) -> None:
    """The critical path: a longest chain of nodes that wait for each other."""
    found = open_graph(path, verify=not no_verify)
    nodes, length = found.critical_path()
    click.echo(f"critical path of {len(nodes):,} nodes, length {length:g}")
    for n in nodes[: max(lines, 0)].tolist():
        node = found.node(n)
        _print(f"{_name(found, n):>10}  {node.primitive}  {node.scope}")
    if len(nodes) > lines:
        click.echo(f"… {len(nodes) - max(lines, 0):,} more")


@graph.command()
@_path
@click.option("--output", "-o", default="graph.svg", show_default=True, type=click.Path(dir_okay=False))
@_no_verify
def plot(path: str, output: str, no_verify: bool) -> None:
    """Draws a graph as SVG: nodes by level, or nodes per level for a large one."""
    drawing = svg(open_graph(path, verify=not no_verify))
    Path(output).write_text(drawing, encoding="utf-8")
    click.echo(output)


def _print(text: str) -> None:
    """Prints text that may hold names of files which are no UTF-8."""
    click.echo(text.encode("utf-8", "replace").decode())


@main.command()
@_path
@click.option("--memory-limit", help='Bytes of a worker, or a text such as "4 GiB"; without it, no limit.')
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Of each worker.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Also draws the plan into this file.")
@_no_verify
def plan(
    path: str, memory_limit: str | None, workers: int, threads: int, output: str | None, no_verify: bool
) -> None:
    """What running a stored graph would take: blocks, projected seconds and memory.

    A worker is taken to hold before the run what this process holds. Nothing is computed.
    """
    found = open_graph(path, verify=not no_verify)
    many = workers > 1
    capacity = Capacity(workers, threads, TRANSFER_BYTES if many else 0, distributed=many)
    made = plan_for(found, bytes_of(memory_limit), capacity, resident_bytes())
    click.echo(repr(made))
    click.echo(f"\n{cost_table(made.dag).text(indent='')}")
    if output is not None:
        draw(made).savefig(output)
        click.echo(output)


def _name(found: Graph, n: int) -> int:
    """What the caller called a node."""
    return n if found.labels is None else int(found.labels[n])
