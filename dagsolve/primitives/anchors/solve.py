"""A X = B and Aᴴ X = B by tiles, from X and the factors that solved it.

The factors are those of an elimination in tall tiles (`dagsolve.linalg.tiled.elimination`): p_k and L_k of
each step k without the rows above, and the tiles of U. With them,

    A X = B:     Ẋ = A⁻¹ (Ḃ - Ȧ X);     B̄ = A⁻ᴴ X̄,  Ā = -B̄ Xᴴ
    Aᴴ X = B:    Ẋ = A⁻ᴴ (Ḃ - Ȧᴴ X);    B̄ = A⁻¹ X̄,  Ā = -X B̄ᴴ

so the reverse sweep takes 4 n² flops a column of X and factors nothing. The factors are operands that are
only read; second derivatives pass through the elimination that made them.
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008).
"""

from dagsolve.kernels.dense import adjoint
from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.anchors import grid
from dagsolve.primitives.anchors.grid import Grid, Label, Tiles
from dagsolve.primitives.permutation import permute_rows
from dagsolve.primitives.solve_triangular import solve_triangular


def pushforward(xp: Namespace, values: Tiles, tangents: Tiles, *, transposed: bool) -> dict[Label, Array]:
    a_dot = grid.part(tangents, "a")
    turned = grid.adjoint(xp, a_dot) if transposed else a_dot
    moved = grid.minus(grid.part(tangents, "b"), grid.product(xp, turned, grid.part(values, "x")))
    return dict(grid.labelled("x", solved(xp, values, moved, transposed=transposed)))


def pullback(xp: Namespace, values: Tiles, cotangents: Tiles, *, transposed: bool) -> dict[Label, Array]:
    x = grid.part(values, "x")
    b_bar = solved(xp, values, grid.part(cotangents, "x"), transposed=not transposed)
    left, right = (x, b_bar) if transposed else (b_bar, x)
    a_bar = {at: -tile for at, tile in grid.product(xp, left, grid.adjoint(xp, right)).items()}
    return {**grid.labelled("a", a_bar), **grid.labelled("b", b_bar)}


def solved(xp: Namespace, factors: Tiles, b: Grid, *, transposed: bool) -> Grid:
    """A⁻¹ B, or A⁻ᴴ B, tile by tile."""
    p, l, u = (grid.part(factors, name) for name in ("p", "l", "u"))
    made: Grid = {}
    for c in sorted({c for _, c in b}):
        right = _column(xp, b, c, [l[k, 0].shape[-1] for k in range(len(l))])
        column = _backward(xp, p, l, u, right) if transposed else _forward(xp, p, l, u, right)
        made.update({(i, c): tile for i, tile in enumerate(column)})
    return made


def _column(xp: Namespace, b: Grid, c: int, rows: list[int]) -> list[Array]:
    """A column of tiles, zeros where they are absent."""
    some = next(tile for (_, j), tile in b.items() if j == c)
    lead, n = some.shape[:-2], some.shape[-1]
    return [b[i, c] if (i, c) in b else xp.zeros((*lead, m, n), dtype=some.dtype) for i, m in enumerate(rows)]


def _forward(xp: Namespace, p: Grid, l: Grid, u: Grid, b: list[Array]) -> list[Array]:
    tall: Array | None = _stacked(xp, *b)
    y: list[Array] = []
    for k in range(len(b)):
        top, tall = step(xp, p[k, 0], l[k, 0], tall)
        y.append(top)
    x = list(y)
    for i in reversed(range(len(x))):
        for j in range(i + 1, len(x)):
            x[i] = x[i] - xp.matmul(u[i, j], x[j])
        x[i] = _solved_with(u[i, i], x[i], lower=False, transposed=False)
    return x


def _backward(xp: Namespace, p: Grid, l: Grid, u: Grid, b: list[Array]) -> list[Array]:
    w = list(b)
    for i in range(len(w)):
        for j in range(i):
            w[i] = w[i] - xp.matmul(adjoint(xp, u[j, i]), w[j])
        w[i] = _solved_with(u[i, i], w[i], lower=False, transposed=True)
    last = len(w) - 1
    tall = step_back(xp, p[last, 0], l[last, 0], w[last], None)
    for k in reversed(range(last)):
        tall = step_back(xp, p[k, 0], l[k, 0], w[k], tall)
    made, start = [], 0
    for tile in w:
        made.append(tall[..., start : start + tile.shape[-2], :])
        start += tile.shape[-2]
    return made


def step(xp: Namespace, p: Array, l: Array, tall: Array) -> tuple[Array, Array | None]:
    """One step of the elimination on a column: its finished rows, and those that are left, if any are."""
    width = l.shape[-1]
    moved = permute_rows(tall, p, inverse=False)
    if l.shape[-2] == width:
        return _solved_with(l, moved, lower=True, transposed=False), None
    top = _solved_with(l[:width], moved[..., :width, :], lower=True, transposed=False)
    return top, moved[..., width:, :] - xp.matmul(l[width:], top)


def step_back(xp: Namespace, p: Array, l: Array, top: Array, below: Array | None) -> Array:
    """[Z; below] with its rows where they were before the step, Z = L_kk⁻ᴴ (top - L_kᴴ below)."""
    width = l.shape[-1]
    if below is not None:
        top = top - xp.matmul(adjoint(xp, l[width:]), below)
    top = _solved_with(l[:width] if below is not None else l, top, lower=True, transposed=True)
    return permute_rows(top if below is None else _stacked(xp, top, below), p, inverse=True)


def _solved_with(t: Array, b: Array, *, lower: bool, transposed: bool) -> Array:
    """By the unit lower triangle, or by the upper one."""
    return solve_triangular(t, b, lower=lower, transposed=transposed, right=False, unit_diagonal=lower)


def _stacked(xp: Namespace, *tiles: Array) -> Array:
    return tiles[0] if len(tiles) == 1 else xp.concat(list(tiles), axis=-2)
