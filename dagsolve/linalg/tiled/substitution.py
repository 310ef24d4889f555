"""Tiled triangular solve: the textbook substitution, a row (or, from the right, a column) of tiles of X at a
time.

Forward:  X_i = T_ii⁻¹ (B_i - Σ_{k<i} T_ik X_k), backward for an upper (or transposed lower) triangle; from
the right X_i = (B_i - Σ_{k<i} X_k T_ki) T_ii⁻¹. For p × p tiles of T and q of B across: p q solves and
q p(p-1)/2 products, p² q times b³ flops; the critical path has 2p - 1 calls. Large tiles take a task per
call; of smaller ones several calls on one tile share a task.
Reference: A. Buttari et al., Parallel Computing 35 (2009) 38-53.
"""

from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.linalg.tiled.runs import calls_per_task, less_products, rows_named, runs
from dagsolve.linalg.tiled.tiles import Tile, TileLoop
from dagsolve.namespace import Array
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec

_trsm = PRIMITIVES["solve_triangular"]


def solve_triangular(
    t: Any,
    b: Any,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
    calls: int | None = None,
) -> Any:
    """X with op(T) X = B, or X op(T) = B if right, for Dask matrices; op(T) is T, or Tᴴ if transposed.

    calls   most calls on one tile that make a task (None: what suits the tiles' size)

    Raises ShapeError for shapes that do not fit; FactorisationError at run time for a zero on the diagonal.
    """
    length = b.shape[-1] if right else b.shape[0]
    if t.ndim != 2 or b.ndim != 2 or t.shape[0] != t.shape[1] or t.shape[1] != length:
        raise ShapeError(
            f"solve_triangular: t must have shape (n, n) and b {'(k, n)' if right else '(n, k)'}, "
            f"got {t.shape} and {b.shape}"
        )
    t, b = _cut_alike(t, b, right)
    rows, across = t.chunks[0], b.chunks[0 if right else 1]
    options = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit_diagonal}
    loop = TileLoop("solve_triangular", t, b, calls=calls, **options)
    tile, given = loop.tiles(t), loop.tiles(b)
    dtype = np.result_type(t.dtype, b.dtype, np.float32)
    p, starts = len(rows), list(accumulate(rows, initial=0))
    width = calls or calls_per_task(p, 2.0 * max(rows) ** 2 * max(across))
    forward = (lower is not transposed) is not right
    order = list(range(p)) if forward else list(range(p - 1, -1, -1))
    x: dict[tuple[int, ...], Tile] = {}
    for c in range(len(across)):
        for at, i in enumerate(order):
            place = (c, i) if right else (i, c)
            made = given[place]
            for run in runs(at + 1, width):
                ends = run.stop == at + 1
                reads = [tile[i, i]] if ends else []
                for k in (order[m] for m in run[: len(run) - ends]):
                    of_t = tile[k, i] if transposed is not right else tile[i, k]
                    reads += [x[c, k], of_t] if right else [of_t, x[k, c]]
                function = partial(step, ends=ends, start=starts[i], **options)
                name = "trsm" if ends else "gemm"
                made = loop.task(name, function, (made, *reads), spec(made.shape, dtype))
            x[place] = made
    return loop.array(x, b.chunks, dtype)


def step(
    b: Array,
    *reads: Array,
    ends: bool,
    start: int,
    lower: bool,
    transposed: bool,
    right: bool,
    unit_diagonal: bool,
) -> Array:
    """B - Σ op(T_ik) X_k, or B - Σ X_k op(T_ki) if right; solved with the tile of T read first if it ends."""
    factors = reads[1:] if ends else reads
    made = less_products(
        b,
        *factors,
        adjoint_left=transposed and not right,
        adjoint_right=transposed and right,
    )
    if not ends:
        return made
    with rows_named("solve_triangular", "t", start, start + reads[0].shape[0]):
        return _trsm(
            reads[0], made, lower=lower, transposed=transposed, right=right, unit_diagonal=unit_diagonal
        )


def _cut_alike(t: Any, b: Any, right: bool) -> tuple[Any, Any]:
    """T in square tiles, and B in tiles that fit."""
    rows = t.chunks[0]
    if t.chunks[1] != rows:
        t = t.rechunk((rows, rows))
    wanted = (b.chunks[0], rows) if right else (rows, b.chunks[1])
    return t, (b if b.chunks == wanted else b.rechunk(wanted))
