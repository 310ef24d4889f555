"""Solution of least norm X = Aᴴ (A Aᴴ)⁻¹ B of A X = B, for a square or wide A (m × n) of full row rank.

The factors of A = L Q are results as well, so that the linear maps need neither A nor a factorisation. With
V = L⁻ᴴ Q X, for which X = Aᴴ V,

    pushforward    G = Ȧᴴ V;    Ẋ = G - Qᴴ Q G + Qᴴ L⁻¹ (Ḃ - Ȧ X)
    pullback       Y = L⁻ᴴ Q X̄;    B̄ = Y,   Ā = V (X̄ - Qᴴ Q X̄)ᴴ - Y Xᴴ

beside what L̄ and Q̄ give by the maps of `lq`; they come with second derivatives only.

A is refused as rank deficient where a diagonal entry of L is at most `cond` (max(m, n) ε if None) times the
largest. Reference: G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.kernels.dense import adjoint, outer, total
from dagsolve.kernels.rank import refuse_deficient
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import lq as orthogonal
from dagsolve.primitives.qr import well_posed
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, broadcast_shapes, spec

Tangents = tuple[Array | None, ...]
REMEDY = "take the rows that count, or use the pseudo-inverse"


def forward(xp: Namespace, a: Array, b: Array, *, cond: float | None = None) -> Arrays:
    l, q = orthogonal.factors(xp, "minimum_norm", a)
    refuse_deficient(xp, "minimum_norm", a, l, cond, REMEDY)
    x = xp.matmul(adjoint(xp, q), _solved(l, b))
    lead = broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    l, q = (y if y.shape[:-2] == lead else xp.broadcast_to(y, (*lead, *y.shape[-2:])) for y in (l, q))
    return x, l, q


def specs(a: Spec, b: Spec, *, cond: float | None = None) -> Specs:
    x, l, q = minimum_norm.parsed.result_shapes((a.shape, b.shape))
    if a.shape[-2] > a.shape[-1]:
        raise ShapeError(
            f"minimum_norm: a must have at least as many columns as rows, got {a.shape}; else use `lstsq`"
        )
    factor = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    return spec(x, np.result_type(factor, b.dtype)), spec(l, factor), spec(q, factor)


def pushforward(xp: Namespace, saved: Saved, tangents: Tangents, *, cond: float | None = None) -> Tangents:
    a_dot, b_dot = tangents
    l, q = saved.l, saved.q
    qh = adjoint(xp, q)
    d = total(b_dot, None if a_dot is None else -xp.matmul(a_dot, saved.x))
    x_dot = xp.matmul(qh, _solved(l, d))
    if a_dot is None:
        return x_dot, None, None
    g = xp.matmul(adjoint(xp, a_dot), _solved(l, xp.matmul(q, saved.x), transposed=True))
    return x_dot + g - xp.matmul(qh, xp.matmul(q, g)), *orthogonal.tangents(xp, l, q, a_dot)


def pullback(
    xp: Namespace, saved: Saved, cotangents: Tangents, wanted: Wanted, *, cond: float | None = None
) -> tuple[Array | None, ...]:
    x_bar, l_bar, q_bar = cotangents
    l, q = saved.l, saved.q
    inside = y = None
    if x_bar is not None:
        inside = xp.matmul(q, x_bar)
        y = _solved(l, inside, transposed=True)
    made: list[Array | None] = []
    for name in wanted:
        if name == "b":
            made.append(y)
            continue
        direct = None
        if x_bar is not None:
            v = _solved(l, xp.matmul(q, saved.x), transposed=True)
            outside = x_bar - xp.matmul(adjoint(xp, q), inside)
            direct = outer(xp, v, outside) - outer(xp, y, saved.x)
        factors = l_bar is not None or q_bar is not None
        made.append(total(direct, orthogonal.pulled(xp, l, q, l_bar, q_bar) if factors else None))
    return tuple(made)


def _solved(l: Array, b: Array, *, transposed: bool = False) -> Array:
    """L⁻¹ B, or L⁻ᴴ B."""
    return solve_triangular(l, b, lower=True, transposed=transposed, right=False, unit_diagonal=False)


def cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    a, b = operands
    (m, n), k = a.shape[-2:], b.shape[-1]
    factors = orthogonal.cost((a,), orthogonal.specs(a)).forward_flops
    stack = results[0].size / (n * k) if n * k else 0.0
    columns = 2 * m * n * k + m * m * k
    return Cost(factors + stack * columns, stack * (2 * columns + 6 * m * n * k), a.size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n, k in ((2, 3, 1), (3, 7, 2), (5, 5, 1), (1, 1, 1)):
        yield adjoint(np, well_posed(rng, m=n, n=m)), random_array(rng, m, k)
    yield adjoint(np, well_posed(rng, 2, m=5, n=2)), random_array(rng, 3, 2, 2, 1), {"cond": 1e-10}
    yield adjoint(np, well_posed(rng, 2, m=3, n=2)), random_array(rng, 2, 2)
    yield adjoint(np, well_posed(rng, m=5, n=3, dtype=complex)), random_array(rng, 3, 2, dtype=complex)


minimum_norm = Primitive(
    "minimum_norm",
    "a(m,n), b(m,k) -> x(n,k), l(m,m), q(m,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("x", "l", "q"), "b": ("l", "q")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (minimum_norm,)
