"""R of A = Q R alone by tiles, for an A that is not wide, from the tiles of A and R: Q is never formed.

With Q = A R⁻¹ in the maps of `dagsolve.primitives.qr`, B = R⁻ᴴ (Aᴴ Ȧ) R⁻¹ and Ω = Φ(B) - Φ(B)ᴴ,

    pushforward    Ṙ = (B - Ω) R
    pullback       Ā = A (R⁻¹ copyltu(R R̄ᴴ) R⁻ᴴ)

Digits are lost as in normal equations; these maps serve second derivatives of least squares.
"""

from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.anchors import grid
from dagsolve.primitives.anchors.grid import Label, Tiles


def pushforward(xp: Namespace, values: Tiles, tangents: Tiles) -> dict[Label, Array]:
    a, r, a_dot = grid.part(values, "a"), grid.part(values, "r"), grid.part(tangents, "a")
    gram = grid.product(xp, grid.adjoint(xp, a), a_dot)
    b = grid.solved(xp, r, grid.divided(xp, gram, r, transposed=False), transposed=True)
    rate = grid.product(xp, grid.minus(b, grid.skew(xp, b)), r, lambda i, j: i <= j)
    return {("r", i, j): xp.triu(tile) if i == j else tile for (i, j), tile in rate.items()}


def pullback(xp: Namespace, values: Tiles, cotangents: Tiles) -> dict[Label, Array]:
    a, r, r_bar = grid.part(values, "a"), grid.part(values, "r"), grid.part(cotangents, "r")
    s = grid.copyltu(xp, grid.lower_product(xp, r, grid.adjoint(xp, r_bar)))
    middle = grid.solved(xp, r, grid.divided(xp, s, r, transposed=True), transposed=False)
    return grid.labelled("a", grid.product(xp, a, middle))
