"""Tiled product with a triangular matrix: X = op(T) B, or X = B op(T), half the products of a full one.

X_i = op(T)_ii B_i + Σ op(T)_ik B_k over the tiles k on the triangle's side of i. For p × p tiles of T and q
of B across: p q triangular products and q p(p-1)/2 others, p² q times b³ flops; no tile waits for another.
"""

from functools import partial
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled.runs import calls_per_task, plus_products, runs
from dagsolve.linalg.tiled.tiles import Tile, TileLoop
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec


def triangular_product(
    t: Any,
    b: Any,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
    calls: int | None = None,
) -> Any:
    """op(T) B, or B op(T) if right, for Dask matrices; op(T) is T, or Tᴴ if transposed.

    calls   most products that make a task (None: what suits the tiles' size)

    Raises ShapeError for shapes that do not fit.
    """
    along = 1 if right else 0
    if t.ndim != 2 or b.ndim != 2 or t.shape[0] != t.shape[1] or t.shape[1] != b.shape[along]:
        raise ShapeError(
            f"triangular_product: t must have shape (n, n) and b {'(k, n)' if right else '(n, k)'}, "
            f"got {t.shape} and {b.shape}"
        )
    rows, across = t.chunks[0], b.chunks[1 - along]
    t, b = t.rechunk((rows, rows)), b.rechunk((across, rows) if right else (rows, across))
    options = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit_diagonal}
    loop = TileLoop("triangular_product", t, b, calls=calls, **options)
    tile, given = loop.tiles(t), loop.tiles(b)
    dtype = np.result_type(t.dtype, b.dtype)
    width = calls or calls_per_task(len(rows), 2.0 * max(rows) ** 2 * max(across))
    own = partial(PRIMITIVES["triangular_product"], **options)
    add = partial(plus_products, **{"adjoint_right" if right else "adjoint_left": transposed})
    earlier = (lower is not transposed) is not right
    out: dict[tuple[int, ...], Tile] = {}
    for c in range(len(across)):
        for i in range(len(rows)):
            at = (c, i) if right else (i, c)
            of = spec(b.blocks[at].shape, dtype)
            total = loop.task("trmm", own, (tile[i, i], given[at]), of)
            others = list(range(i)) if earlier else list(range(i + 1, len(rows)))
            for run in runs(len(others), width):
                read: list[Tile] = []
                for k in others[run.start : run.stop]:
                    factor = tile[(i, k) if transposed is right else (k, i)]
                    read += [given[c, k], factor] if right else [factor, given[k, c]]
                total = loop.task("gemm", add, (total, *read), of)
            out[at] = total
    return loop.array(out, b.chunks, dtype)
