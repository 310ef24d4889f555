"""Runs of tile products that are worth one Dask task: C - Σ_k op(A_k) op(B_k) without a task per product.

A function here is called on tiles: on real NumPy arrays it works in place on its own copy of C, a gemm per
product and no lock held; on tracers and other arrays it is the same sum out of primitives, a node per
product. Tiles that Dask owns are never written.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint
from dagsolve.linalg.tiled.tiles import Tile, TileLoop
from dagsolve.namespace import Array, Arrays, namespace_of
from dagsolve.specs import Spec

TASK_FLOPS = 1e9  # 30 to 50 ms on one core: a scheduler's 2 ms per task are little beside it


def calls_per_task(count: int, flops: float) -> int:
    """Calls of so many flops each that are worth one task, where the longest run has `count` of them.

    At most a quarter of the run: its first calls must not wait for what its last ones read.
    """
    return max(1, min(count // 4, round(TASK_FLOPS / max(flops, 1.0))))


def runs(count: int, width: int) -> Iterator[range]:
    """The numbers below count in order, `width` to a run; the last run may be shorter."""
    for start in range(0, count, width):
        yield range(start, min(start + width, count))


def traced(*tiles: Array) -> bool:
    """Whether calls on one of the tiles are recorded."""
    return any(hasattr(x, "__dagsolve_recorder__") for x in tiles)


def less_products(
    c: Array, *factors: Array, adjoint_left: bool = False, adjoint_right: bool = False
) -> Array:
    """C - Σ op(A) op(B) over factors A₀, B₀, A₁, B₁, …, with op the adjoint where told."""
    return _with_products(c, factors, -1.0, adjoint_left, adjoint_right)


def plus_products(
    c: Array, *factors: Array, adjoint_left: bool = False, adjoint_right: bool = False
) -> Array:
    """C + Σ op(A) op(B) over factors A₀, B₀, A₁, B₁, …, with op the adjoint where told."""
    return _with_products(c, factors, 1.0, adjoint_left, adjoint_right)


def sum_of_products(*factors: Array, adjoint_left: bool = False, adjoint_right: bool = False) -> Array:
    """Σ op(A) op(B) over factors A₀, B₀, A₁, B₁, …, with op the adjoint where told."""
    return _with_products(None, factors, 1.0, adjoint_left, adjoint_right)


def _with_products(
    c: Array | None, factors: Arrays, sign: float, adjoint_left: bool, adjoint_right: bool
) -> Array:
    """C itself where there are no factors, else a new array."""
    pairs = list(zip(factors[::2], factors[1::2], strict=True))
    tiles = factors if c is None else (c, *factors)
    if pairs and not traced(*tiles) and blas.supports(*tiles):
        flipped = [(a.T if adjoint_left else a, b.T if adjoint_right else b) for a, b in pairs]
        if c is None:
            out = np.zeros((flipped[0][0].shape[0], flipped[0][1].shape[1]), factors[0].dtype)
        else:
            out = np.array(c, order="C")
        for a, b in flipped:
            blas.gemm(a, b, out, alpha=sign)
        return out
    xp = namespace_of(*tiles)
    for a, b in pairs:
        term = xp.matmul(adjoint(xp, a) if adjoint_left else a, adjoint(xp, b) if adjoint_right else b)
        c = term if c is None else c + term if sign > 0 else c - term
    return c


def product_sum(loop: TileLoop, pairs: Sequence[Tile], width: int, of: Spec, **adjoints: bool) -> Tile:
    """The tile Σ op(A) op(B) over tiles A₀, B₀, A₁, B₁, …, at most `width` products to a task."""
    first, *rest = runs(len(pairs) // 2, width)
    total = loop.task("gemm", partial(sum_of_products, **adjoints), pairs[: 2 * first.stop], of)
    for run in rest:
        read = pairs[2 * run.start : 2 * run.stop]
        total = loop.task("gemm", partial(plus_products, **adjoints), (total, *read), of)
    return total


@contextmanager
def rows_named(who: str, matrix: str, start: int, stop: int) -> Iterator[None]:
    """Failures inside say which rows of the whole matrix the tile holds."""
    try:
        yield
    except FactorisationError as fault:
        raise FactorisationError(
            f"{who}: rows {start} to {stop - 1} of {matrix}, those above eliminated: {fault}"
        ) from None
