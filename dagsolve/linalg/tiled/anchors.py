"""Results of a loop over tiles that is not to be differentiated, tied to a closed pullback.

    frozen(loop, grid)      the tiles of A as the loop shall read them: no derivative passes
    anchored(loop, …)       the loop's results as they shall be handed on

Run by Dask, an anchored tile is the tile itself: its task hands it on, and depends on nothing else.
Interpreted on tracers (`dagsolve.tracing.dask_graph`), all anchored tiles of a group become one node of the
rule in `dagsolve.primitives.anchors`, whose operands are named by key in the task's function. The graph must
therefore hold them: optimise and cull a Dask graph after its gradients were asked for, not before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagsolve.errors import UnsupportedError
from dagsolve.linalg.tiled.tiles import Grid, Tile, TileLoop
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.anchors import Labels
from dagsolve.primitives.anchors.grid import Label

Key = Any


@dataclass(frozen=True, eq=False)
class Group:
    """The call of an anchor: its rule, and the keys and names of its operands."""

    rule: str
    carrying: tuple[Key, ...]  # of the operands that carry the derivative
    read: tuple[Key, ...]  # of those that the rule only reads
    results: tuple[Key, ...]  # of the computed tiles
    labels: Labels  # of all of them, in this order

    @property
    def keys(self) -> tuple[Key, ...]:
        return (*self.carrying, *self.read, *self.results)


class Anchored:
    """The function of a task that hands on result k of a group."""

    __slots__ = ("group", "k")

    def __init__(self, group: Group, k: int) -> None:
        self.group, self.k = group, k

    def __call__(self, tile: Any) -> Any:
        return handed_on(tile)

    def __reduce__(self) -> Any:  # a worker needs no group
        return handed_on_function, ()


def handed_on(tile: Any) -> Any:
    """The tile itself. Raises UnsupportedError for a tracer: the derivative is the group's."""
    if hasattr(tile, "__dagsolve_recorder__"):
        raise UnsupportedError(
            "tiles of a factorisation cannot be differentiated one by one, and this Dask graph was optimised "
            "or pickled, so that they are. Ask for the gradients of the arrays as they were built."
        )
    return tile


def handed_on_function() -> Any:
    """The function `handed_on`: what is left of `Anchored` after pickling."""
    return handed_on


def frozen(grid: Grid) -> Grid:
    """The tiles with no derivative passing; no copies."""
    return {at: PRIMITIVES["stop_gradient"](tile) for at, tile in grid.items()}


def labelled(name: str, grid: Grid) -> dict[Label, Tile]:
    """The tiles of a matrix by label."""
    return {(name, at[0], at[1]): tile for at, tile in grid.items()}


def part(tiles: Mapping[Label, Tile], name: str) -> Grid:
    """The tiles of one matrix by row and column."""
    return {(i, j): tile for (matrix, i, j), tile in tiles.items() if matrix == name}


def anchored(
    loop: TileLoop,
    rule: str,
    carrying: Mapping[Label, Tile],
    results: Mapping[Label, Tile],
    read: Mapping[Label, Tile] | None = None,
) -> dict[Label, Tile]:
    """The results by label, as tiles whose derivative is that of a rule.

    carrying   tiles by label that carry the derivative: not `frozen`
    results    the tiles that the loop made of them
    read       tiles that the rule reads besides; where they are anchored themselves, derivatives of
               derivatives pass through them
    """
    read = read or {}
    group = Group(
        rule,
        tuple(tile.key for tile in carrying.values()),
        tuple(tile.key for tile in read.values()),
        tuple(tile.key for tile in results.values()),
        (*carrying, *read, *results),
    )
    return {
        label: loop.task("anchored", Anchored(group, k), (tile,), tile.spec)
        for k, (label, tile) in enumerate(results.items())
    }
