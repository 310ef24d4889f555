"""A = Q R by tiles: the closed maps of `dagsolve.primitives.qr`, from the tiles of Q and R alone.

A deep or square A has the tiles of Q (m, k) and R = U (k, n); a wide one R = [U V] besides, its columns cut
at k. With P tiles in a column of Q and one tile in R (TSQR), the pullback is one sum over the P tiles, taken
in pairs, and then P independent products: 5ρP + 1 times n³ flops for tiles of ρn rows, less where only a
triangle is computed, and a critical path that does not depend on P but for the adds of n × n tiles.
References: as there; J. Demmel, L. Grigori, M. Hoemmen, J. Langou, SIAM J. Sci. Comput. 34 (2012) A206-A239.
"""

from dagsolve.namespace import Namespace
from dagsolve.primitives.anchors import grid
from dagsolve.primitives.anchors.grid import Grid, Label, Tiles
from dagsolve.primitives.independent import independent


def _factors(tiles: Tiles) -> tuple[Grid, Grid, Grid]:
    """Q, U and V."""
    q, r = grid.part(tiles, "q"), grid.part(tiles, "r")
    k = 1 + max(i for i, _ in r)
    u = {at: tile for at, tile in r.items() if at[1] < k}
    return q, u, {(i, j - k): tile for (i, j), tile in r.items() if j >= k}


def _checked(xp: Namespace, q: Grid, u: Grid, v: Grid) -> Grid:
    """U, if its columns are independent, to be divided by."""
    count = 1 + max(i for i, _ in u)
    widths = [u[j, j].shape[-1] for j in range(count)]
    rows = sum(tile.shape[-2] for (_, j), tile in q.items() if j == 0)
    columns = sum(widths) + sum(tile.shape[-1] for (i, _), tile in v.items() if i == 0)
    made, start = dict(u), 0
    for j, width in enumerate(widths):
        peaks = [xp.max(xp.abs(u[i, j]), axis=-2) for i in range(j + 1) if (i, j) in u]
        whole = peaks[0]
        for peak in peaks[1:]:
            whole = xp.maximum(whole, peak)
        made[j, j] = independent(u[j, j], whole, who="qr", shape=(rows, columns), start=start)
        start += width
    return made


def pushforward(xp: Namespace, values: Tiles, tangents: Tiles) -> dict[Label, object]:
    q, u, v = _factors(values)
    k = 1 + max(i for i, _ in u)
    a_dot = grid.part(tangents, "a")
    qh = grid.adjoint(xp, q)
    divisor = _checked(xp, q, u, v)
    c = grid.divided(xp, {at: tile for at, tile in a_dot.items() if at[1] < k}, divisor, transposed=False)
    b = grid.product(xp, qh, c)
    omega = grid.skew(xp, b)
    q_dot = grid.minus(c, grid.product(xp, q, grid.minus(b, omega)))
    turned = grid.product(xp, omega, grid.total(u, grid.shifted(v, k)), _upper)
    r_dot = grid.minus(grid.product(xp, qh, a_dot, _upper), turned)
    cut = {(i, j): xp.triu(tile) if i == j else tile for (i, j), tile in r_dot.items()}
    return {**grid.labelled("q", q_dot), **grid.labelled("r", cut)}


def pullback(xp: Namespace, values: Tiles, cotangents: Tiles) -> dict[Label, object]:
    q, u, v = _factors(values)
    k = 1 + max(i for i, _ in u)
    q_bar, r_bar = grid.part(cotangents, "q"), grid.part(cotangents, "r")
    u_bar = {at: tile for at, tile in r_bar.items() if at[1] < k}
    v_bar = {(i, j - k): tile for (i, j), tile in r_bar.items() if j >= k}
    middle = grid.minus(
        grid.lower_product(xp, u, grid.adjoint(xp, u_bar)),
        grid.lower_product(xp, grid.adjoint(xp, q_bar), q),
    )
    beside = grid.product(xp, v, grid.adjoint(xp, v_bar))  # V V̄ᴴ
    if beside:
        lower = {at: tile for at, tile in grid.adjoint(xp, beside).items() if at[0] >= at[1]}
        middle = grid.minus(middle, lower)
    s = grid.total(grid.copyltu(xp, middle), beside)
    x_bar = grid.divided(
        xp, grid.total(q_bar, grid.product(xp, q, s)), _checked(xp, q, u, v), transposed=True
    )
    y_bar = grid.shifted(grid.product(xp, q, v_bar), k)
    return grid.labelled("a", {**x_bar, **y_bar})


def _upper(i: int, j: int) -> bool:
    return i <= j
