"""The factors of `dagsolve.linalg.tiled.general.lu`, whose derivatives tell of ties among row pivots."""

from itertools import accumulate
from typing import Any

from dagsolve.linalg.tiled.tiles import Grid, TileLoop
from dagsolve.primitives import PRIMITIVES


def single_pivots(l: Any, u: Any) -> tuple[Any, Any]:
    """L (m, k) and U (k, n) as they are: each column of tiles of L is looked at beside its pivots in U."""
    cuts = l.chunks[1]
    l = l.rechunk((l.shape[:1], cuts))
    u = u if u.chunks[0] == cuts and u.chunks[1][: len(cuts)] == cuts else u.rechunk((cuts, _ends(cuts, u)))
    loop = TileLoop("single_pivots", l, u)
    lower, upper = loop.tiles(l), loop.tiles(u)
    made: Grid = dict(upper)
    looked: Grid = {}
    for k, start in enumerate((0, *accumulate(cuts[:-1]))):
        looked[0, k], made[k, k] = loop.record(
            PRIMITIVES["single_pivots"], (lower[0, k], upper[k, k]), {"start": start}
        )
    return loop.arrays_of((looked, l.chunks, l.dtype), (made, u.chunks, u.dtype))


def _ends(cuts: tuple[int, ...], u: Any) -> tuple[int, ...]:
    """The columns of U, cut as those of L and what is behind them in one."""
    rest = u.shape[1] - sum(cuts)
    return (*cuts, rest) if rest else cuts
