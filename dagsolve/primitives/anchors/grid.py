"""Matrices of tiles in the formulas of anchors: products, triangles and solves, tile by tile.

A grid maps (i, j) to a tile; a tile that is absent is zero, and no operation is recorded for it. Tiles may
have extra leading axes, as cotangents do.
"""

from collections.abc import Callable, Mapping, Sequence

from dagsolve.kernels.dense import adjoint as adjoint_of_tile
from dagsolve.kernels.dense import copyltu as copyltu_of_tile
from dagsolve.kernels.dense import phi
from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.primitives.triangle_product import triangle_product

Label = tuple[str, int, int]  # the matrix, and the tile's row and column in it
Tiles = Mapping[Label, Array]
Grid = dict[tuple[int, int], Array]


def part(tiles: Tiles, name: str, columns: range | None = None) -> Grid:
    """The grid of one matrix, or of a range of its columns, counted from the first of them."""
    start = 0 if columns is None else columns.start
    return {
        (i, j - start): tile
        for (matrix, i, j), tile in tiles.items()
        if matrix == name and (columns is None or j in columns)
    }


def labelled(name: str, grid: Grid) -> dict[Label, Array]:
    """The tiles of a grid by label."""
    return {(name, i, j): tile for (i, j), tile in grid.items()}


def shifted(grid: Grid, columns: int) -> Grid:
    """The grid behind so many columns."""
    return {(i, j + columns): tile for (i, j), tile in grid.items()}


def tree_sum(terms: Sequence[Array]) -> Array:
    """Sum of the terms in pairs, pairs of pairs, …: no term waits for all before it."""
    while len(terms) > 1:
        pairs = [terms[k] + terms[k + 1] for k in range(0, len(terms) - 1, 2)]
        terms = [*pairs, terms[-1]] if len(terms) % 2 else pairs
    return terms[0]


def total(*grids: Grid) -> Grid:
    """Sum of grids."""
    made: Grid = {}
    for grid in grids:
        for at, tile in grid.items():
            made[at] = made[at] + tile if at in made else tile
    return made


def minus(a: Grid, b: Grid) -> Grid:
    """A - B."""
    made = dict(a)
    for at, tile in b.items():
        made[at] = made[at] - tile if at in made else -tile
    return made


def adjoint(xp: Namespace, a: Grid) -> Grid:
    """Aᴴ."""
    return {(j, i): adjoint_of_tile(xp, tile) for (i, j), tile in a.items()}


def product(xp: Namespace, a: Grid, b: Grid, keep: Callable[[int, int], bool] = lambda i, j: True) -> Grid:
    """A B, or those of its tiles that `keep(i, j)` names."""
    return _sums(a, b, keep, lambda i, j, x, y: xp.matmul(x, y))


def lower_product(xp: Namespace, a: Grid, b: Grid) -> Grid:
    """The lower triangle of A B, at half the flops."""

    def one(i: int, j: int, x: Array, y: Array) -> Array:
        made: Array = triangle_product(x, y) if i == j else xp.matmul(x, y)
        return made

    return _sums(a, b, lambda i, j: i >= j, one)


def _sums(
    a: Grid,
    b: Grid,
    keep: Callable[[int, int], bool],
    one: Callable[[int, int, Array, Array], Array],
) -> Grid:
    rows: dict[int, list[int]] = {}
    for k, j in sorted(b):
        rows.setdefault(k, []).append(j)
    terms: dict[tuple[int, int], list[Array]] = {}
    for i, k in sorted(a):
        for j in rows.get(k, ()):
            if keep(i, j):
                terms.setdefault((i, j), []).append(one(i, j, a[i, k], b[k, j]))
    return {at: tree_sum(found) for at, found in terms.items()}


def copyltu(xp: Namespace, m: Grid) -> Grid:
    """The Hermitian matrix whose lower triangle is M's, its diagonal real."""
    made: Grid = {}
    for (i, j), tile in m.items():
        if i == j:
            made[i, i] = copyltu_of_tile(xp, tile)
        elif i > j:
            made[i, j], made[j, i] = tile, adjoint_of_tile(xp, tile)
    return made


def skew(xp: Namespace, m: Grid) -> Grid:
    """Φ(M) - Φ(M)ᴴ, the skew-Hermitian matrix with the strict lower triangle of M."""
    made: Grid = {}
    for (i, j), tile in m.items():
        if i == j:
            low = phi(xp, tile)
            made[i, i] = low - adjoint_of_tile(xp, low)
        elif i > j:
            made[i, j], made[j, i] = tile, -adjoint_of_tile(xp, tile)
    return made


def solved(xp: Namespace, u: Grid, b: Grid, *, transposed: bool) -> Grid:
    """U⁻¹ B, or U⁻ᴴ B, for an upper triangular U."""
    return adjoint(xp, divided(xp, adjoint(xp, b), u, transposed=not transposed))


def divided(xp: Namespace, b: Grid, u: Grid, *, transposed: bool) -> Grid:
    """B U⁻¹, or B U⁻ᴴ, for an upper triangular U: a column of tiles after the other."""
    count = 1 + max((j for _, j in u), default=-1)
    made: Grid = {}
    for i in sorted({i for i, _ in b}):
        for j in reversed(range(count)) if transposed else range(count):
            found = b.get((i, j))
            for l in range(j + 1, count) if transposed else range(j):
                x, t = made.get((i, l)), u.get((j, l) if transposed else (l, j))
                if x is not None and t is not None:
                    term = xp.matmul(x, adjoint_of_tile(xp, t) if transposed else t)
                    found = -term if found is None else found - term
            if found is not None:
                made[i, j] = solve_triangular(
                    u[j, j], found, lower=False, transposed=transposed, right=True, unit_diagonal=False
                )
    return made
