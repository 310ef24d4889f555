"""X = argmin ‖B - A X‖ by tiles, for a deep A, from the tiles of A, B, X and the triangle R of A.

With S = B - A X, and Q = A R⁻¹ in the maps of `dagsolve.primitives.lstsq`, so that nothing costs m n²,

    pushforward    Ẋ = R⁻¹ R⁻ᴴ (Aᴴ (Ḃ - Ȧ X) + Ȧᴴ S)
    pullback       W = R⁻ᴴ X̄, Z = R⁻¹ W, Y = A Z;    B̄ = Y,   Ā = S Zᴴ - Y Xᴴ

R is an operand that is only read: where it is anchored itself, second derivatives pass through it.
"""

from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.anchors import grid
from dagsolve.primitives.anchors.grid import Grid, Label, Tiles


def pushforward(xp: Namespace, values: Tiles, tangents: Tiles) -> dict[Label, Array]:
    a, b, x, r = _values(values)
    a_dot, b_dot = grid.part(tangents, "a"), grid.part(tangents, "b")
    moved = grid.minus(b_dot, grid.product(xp, a_dot, x))
    right = grid.product(xp, grid.adjoint(xp, a), moved)
    if a_dot:
        residual = grid.minus(b, grid.product(xp, a, x))
        right = grid.total(right, grid.product(xp, grid.adjoint(xp, a_dot), residual))
    half = grid.solved(xp, r, right, transposed=True)
    return dict(grid.labelled("x", grid.solved(xp, r, half, transposed=False)))


def pullback(xp: Namespace, values: Tiles, cotangents: Tiles) -> dict[Label, Array]:
    a, b, x, r = _values(values)
    w = grid.solved(xp, r, grid.part(cotangents, "x"), transposed=True)
    z = grid.solved(xp, r, w, transposed=False)
    y = grid.product(xp, a, z)
    residual = grid.minus(b, grid.product(xp, a, x))
    a_bar = grid.minus(
        grid.product(xp, residual, grid.adjoint(xp, z)), grid.product(xp, y, grid.adjoint(xp, x))
    )
    return {**grid.labelled("a", a_bar), **grid.labelled("b", y)}


def _values(values: Tiles) -> tuple[Grid, Grid, Grid, Grid]:
    return grid.part(values, "a"), grid.part(values, "b"), grid.part(values, "x"), grid.part(values, "r")
