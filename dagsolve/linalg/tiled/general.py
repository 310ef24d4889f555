"""LU factors, solutions, inverses and determinants of general Dask matrices by elimination in tall tiles.

The names, params and results are those of the primitives `lu`, `solve`, `inv` and `slogdet`.
"""

from functools import partial
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.kernels.dense import adjoint
from dagsolve.linalg.tiled import elimination
from dagsolve.linalg.tiled.anchors import anchored, labelled, part
from dagsolve.linalg.tiled.elimination import Factors, factorised, tall_columns, updated
from dagsolve.linalg.tiled.runs import less_products, traced
from dagsolve.linalg.tiled.tiles import Grid, Tile, TileLoop
from dagsolve.namespace import Array, namespace_of
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.anchors.grid import Label
from dagsolve.specs import spec

_P = PRIMITIVES
SINGULAR = "remove dependent rows, add a small multiple of the identity, or use lstsq"


def lu(a: Any) -> tuple[Any, Any, Any]:
    """(p, L, U) with A[p] = L U for a Dask matrix (m, n), k = min(m, n).

    L (m, k) has chunks of whole columns, U (k, n) the chunks of A's columns, cut at k. Raises ShapeError
    unless a is a matrix; FactorisationError at run time where it holds NaN or infinity.
    """
    factors = factorised("lu", a)
    return factors.array, _lower(factors, a.shape[0]), _upper(factors)


def solve(a: Any, b: Any, transposed: bool = False) -> tuple[Any, Any, Any]:
    """(X, LUᴴ, p) with A X = B, or Aᴴ X = B if transposed, for Dask matrices (n, n) and (n, k).

    X has the chunks of A's columns and B's columns; LUᴴ is the adjoint of what holds L below U's diagonal.
    Raises ShapeError for shapes that do not fit; FactorisationError at run time where A is singular or holds
    NaN.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != a.shape[1] or a.shape[0] != b.shape[0]:
        raise ShapeError(f"solve: a must have shape (n, n) and b (n, k), got {a.shape} and {b.shape}")
    a = _square(a)
    factors, cuts = factorised("solve", a), a.chunks[1]
    if b.chunks[0] != cuts:
        b = b.rechunk((cuts, b.chunks[1]))
    loop = TileLoop("solve", factors.array, b, transposed=transposed)
    if transposed:
        x = _solved_transposed(loop, factors, loop.tiles(b))
    else:
        x = _solved(loop, factors, tall_columns(loop, b))
    x = _anchored(loop, factors, a, x, loop.tiles(b), "solve_adjoint" if transposed else "solve")
    dtype = np.result_type(factors.l[0].dtype, b.dtype)
    return loop.array(x, (cuts, b.chunks[1]), dtype), _packed(factors), factors.array


def _square(a: Any) -> Any:
    """The matrix of floating numbers in square tiles, cut as its columns are."""
    a = a if a.dtype.kind in "fc" else a.astype(np.float64)
    return a if a.chunks[0] == a.chunks[1] else a.rechunk((a.chunks[1], a.chunks[1]))


def _anchored(loop: TileLoop, factors: Factors, a: Any, x: Grid, b: Grid, rule: str) -> Grid:
    """The solution, whose derivative solves with the factors again instead of passing through them."""
    read: dict[Label, Tile] = {("p", k, 0): tile for k, tile in enumerate(factors.p)}
    read.update({("l", k, 0): tile for k, tile in enumerate(factors.l)})
    read.update(labelled("u", factors.u))
    carrying = {**labelled("a", loop.tiles(a)), **labelled("b", b)}
    return part(anchored(loop, rule, carrying, labelled("x", x), read), "x")


def inv(a: Any) -> Any:
    """Inverse of a Dask matrix (n, n) in the chunks of its columns; errors as for `solve`."""
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"inv: a must have shape (n, n), got {a.shape}")
    a = _square(a)
    factors = factorised("inv", a)
    loop, dtype = TileLoop("inv", factors.array), factors.l[0].dtype
    eye = {"rows": a.shape[0], "dtype": dtype.str}
    identity = [
        loop.record(_P["eye"], (), {**eye, "columns": n, "offset": -start})
        for start, n in zip(factors.starts, factors.cuts, strict=False)
    ]
    made = _anchored(loop, factors, a, _solved(loop, factors, identity), {}, "solve")
    return loop.array(made, (factors.cuts, factors.cuts), dtype)


def slogdet(a: Any) -> tuple[Any, Any, Any, Any]:
    """(sign, log |det A|, LUᴴ, p) of a Dask matrix (n, n); a singular one has sign 0, logarithm -∞."""
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"slogdet: a must have shape (n, n), got {a.shape}")
    factors = factorised("slogdet", a)
    loop, dtype = TileLoop("slogdet", factors.array), factors.l[0].dtype
    sign_spec, log_spec = spec((), dtype), spec((), np.empty(0, dtype).real.dtype)
    signs, logs = [], []
    for k, p in enumerate(factors.p):
        sign, log = loop.tasks_of_tuple("factor", _sign_and_log, (factors.u[k, k], p), (sign_spec, log_spec))
        signs.append(sign)
        logs.append(log)
    total: dict[tuple[int, ...], Tile] = {(): loop.task("sign", _product, signs, sign_spec)}
    added: dict[tuple[int, ...], Tile] = {(): loop.task("log", _sum, logs, log_spec)}
    made = loop.arrays_of((total, (), dtype), (added, (), log_spec.dtype))
    return made[0], made[1], _packed(factors), factors.array


def det(a: Any) -> Any:
    """Determinant of a Dask matrix (n, n), shape (); errors as for `slogdet`."""
    sign, log, *_ = slogdet(a)
    return sign * np.exp(log)


def permute_rows(b: Any, p: Any, inverse: bool = False) -> Any:
    """b[p], or y with y[p] = b if inverse, for a Dask matrix b (m, n) and permutation p; the chunks of b.

    A task reads one column of tiles. Raises ShapeError where p has another length than b has rows.
    """
    if p.shape != b.shape[:1]:
        raise ShapeError(f"permute_rows: p must have shape ({b.shape[0]},), got {p.shape}")
    p = p.rechunk(-1)
    loop = TileLoop("permute_rows", b, p, inverse=inverse)
    (order,) = loop.vector_tiles(p)
    moved: Grid = {}
    for j, tall in enumerate(tall_columns(loop, b)):
        moved[0, j] = loop.task("permuted", partial(_permuted, inverse=inverse), (tall, order), tall.spec)
    made = loop.array(moved, (b.shape[:1], b.chunks[1]), b.dtype)
    return made if made.chunks == b.chunks else made.rechunk(b.chunks)


def _permuted(b: Array, p: Array, *, inverse: bool) -> Array:
    return _P["permute_rows"](b, p, inverse=inverse)


def _solved(loop: TileLoop, factors: Factors, columns: list[Tile]) -> Grid:
    """U⁻¹ L⁻¹ P of each tall column, tile by tile of the steps."""
    steps = range(len(factors.cuts))
    made: Grid = {}
    for c, column in enumerate(columns):
        y, tall = [], (column, 0)
        for k in steps:
            top, tall = updated(loop, factors.p[k], factors.l[k], *tall)
            y.append(top)
        for i in reversed(steps):
            later = [x for j in range(i + 1, len(steps)) for x in (factors.u[i, j], made[j, c])]
            function = partial(_step, start=factors.starts[i], order=factors.starts[-1], transposed=False)
            made[i, c] = loop.task("trsm", function, (factors.u[i, i], y[i], *later), y[i].spec)
    return made


def _solved_transposed(loop: TileLoop, factors: Factors, tiles: Grid) -> Grid:
    """Pᴴ L⁻ᴴ U⁻ᴴ of the tiles, a column at a time."""
    steps = range(len(factors.cuts))
    made: Grid = {}
    for c in range(1 + max(at[1] for at in tiles)):
        w: list[Tile] = []
        for i in steps:
            earlier = [x for j in range(i) for x in (factors.u[j, i], w[j])]
            function = partial(_step, start=factors.starts[i], order=factors.starts[-1], transposed=True)
            of = spec(tiles[i, c].shape, np.result_type(tiles[i, c].dtype, factors.l[0].dtype))
            w.append(loop.task("trsm", function, (factors.u[i, i], tiles[i, c], *earlier), of))
        below: list[Tile] = []
        for k in reversed(steps):
            of = spec((factors.l[k].shape[0], w[k].shape[1]), w[k].dtype)
            below = [loop.task("back", elimination.back, (factors.p[k], factors.l[k], w[k], *below), of)]
        for i in steps:
            taken = partial(elimination.taken_rows, start=factors.starts[i], stop=factors.starts[i + 1])
            made[i, c] = loop.task("cut", taken, below, w[i].spec)
    return made


def _step(u: Array, b: Array, *pairs: Array, start: int, order: int, transposed: bool) -> Array:
    """U_ii⁻¹ (B - Σ U_ij X_j), or U_ii⁻ᴴ (B - Σ U_jiᴴ X_j) if transposed."""
    less = less_products(b, *pairs, adjoint_left=transposed)
    if traced(u, b):
        zeros = np.zeros(u.shape[-1], u.dtype.char.lower())
        options = {"who": "solve", "shape": (order, order), "cond": 0.0, "remedy": SINGULAR}
        u = _P["independent"](u, zeros, start=start, **options)
    else:
        _refuse_singular(u, start)
    return _P["solve_triangular"](
        u, less, lower=False, transposed=transposed, right=False, unit_diagonal=False
    )


def _refuse_singular(u: Array, start: int) -> None:
    xp = namespace_of(u)
    zero = xp.linalg.diagonal(u) == 0
    if xp.any(zero):
        raise FactorisationError(
            f"solve: a is singular: pivot {start + int(xp.argmax(xp.astype(zero, xp.int8)))} has size 0; "
            f"{SINGULAR}"
        )


def _lower(factors: Factors, m: int) -> Any:
    loop, dtype = TileLoop("lu_lower", factors.array), factors.l[0].dtype
    made: Grid = {}
    for k, (start, n) in enumerate(zip(factors.starts, factors.cuts, strict=False)):
        function = partial(elimination.lower_column, above=start)
        made[0, k] = loop.task("column", function, (factors.l[k], *factors.p[k + 1 :]), spec((m, n), dtype))
    return loop.array(made, ((m,), factors.cuts), dtype)


def _upper(factors: Factors) -> Any:
    loop = TileLoop("lu_upper", factors.array)
    return loop.array(factors.u, (factors.cuts, factors.columns), factors.l[0].dtype)


def _packed(factors: Factors) -> Any:
    """Adjoint of L below U's diagonal, of a square matrix; chunks of whole rows."""
    n, dtype = sum(factors.cuts), factors.l[0].dtype
    loop = TileLoop("lu_packed", factors.array)
    made: Grid = {}
    for k, width in enumerate(factors.cuts):
        function = partial(_packed_row, step=k)
        upper = [factors.u[i, k] for i in range(k + 1)]
        made[k, 0] = loop.task(
            "row", function, (*upper, factors.l[k], *factors.p[k + 1 :]), spec((width, n), dtype)
        )
    return loop.array(made, (factors.cuts, (n,)), dtype)


def _packed_row(*reads: Array, step: int) -> Array:
    upper, (l, *later) = reads[: step + 1], reads[step + 1 :]
    xp = namespace_of(*reads)
    l = xp.tril(elimination.lower_column(l, *later, above=0), k=-1)
    width = l.shape[1]
    own = l[:width] + upper[-1]
    column = xp.concat([*upper[:-1], own, *([l[width:]] if l.shape[0] > width else [])], axis=0)
    return adjoint(xp, column)


def _sign_and_log(u: Array, p: Array) -> tuple[Array, Array]:
    """Sign and logarithm of one step's part of the determinant."""
    xp = namespace_of(u, p)
    sign, log, _, _ = _P["slogdet"](u)
    count = p.shape[0]
    moved = xp.sum(xp.astype(_P["swaps_of_permutation"](p, count=count) != np.arange(count), xp.float64))
    return sign * xp.astype(1.0 - 2.0 * (moved % 2.0), u.dtype), log


def _product(*factors: Array) -> Array:
    made = factors[0]
    for x in factors[1:]:
        made = made * x
    return made


def _sum(*terms: Array) -> Array:
    made = terms[0]
    for x in terms[1:]:
        made = made + x
    return made
