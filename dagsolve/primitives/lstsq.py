"""Least squares: X = argmin ‖B - A X‖ of a square or deep A (m × n) of full column rank; S = B - A X.

The factors of A = Q R are results as well, so that the linear maps need neither A nor a factorisation: they
take products with B's few columns only, no term of m n². With Ȧ X + A Ẋ + Ṡ = Ḃ and Aᴴ S = 0,

    pushforward    D = Ḃ - Ȧ X, F = R⁻ᴴ Ȧᴴ S;    Ẋ = R⁻¹ (Qᴴ D + F),   Ṡ = D - Q (Qᴴ D + F)
    pullback       W = R⁻ᴴ X̄ - Qᴴ S̄, Y = Q W + S̄, Z = R⁻¹ W;    B̄ = Y,   Ā = S Zᴴ - Y Xᴴ

beside what Q̄ and R̄ give by the maps of `qr`; they come with second derivatives only.

A is refused as rank deficient where a diagonal entry of R is at most `cond` (max(m, n) ε if None) times the
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
from dagsolve.primitives import qr as orthogonal
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, broadcast_shapes, spec

Tangents = tuple[Array | None, ...]
REMEDY = "take the columns that count, add a ridge below A, or use the pseudo-inverse"


def forward(xp: Namespace, a: Array, b: Array, *, cond: float | None = None) -> Arrays:
    q, r = orthogonal.factors(xp, "lstsq", a)
    refuse_deficient(xp, "lstsq", a, r, cond, REMEDY)
    x = _solved(r, xp.matmul(adjoint(xp, q), b))
    lead = broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    q, r = (y if y.shape[:-2] == lead else xp.broadcast_to(y, (*lead, *y.shape[-2:])) for y in (q, r))
    return x, b - xp.matmul(a, x), q, r


def specs(a: Spec, b: Spec, *, cond: float | None = None) -> Specs:
    x, s, q, r = lstsq.parsed.result_shapes((a.shape, b.shape))
    if a.shape[-2] < a.shape[-1]:
        raise ShapeError(
            f"lstsq: a must have at least as many rows as columns, got {a.shape}; else use `minimum_norm`"
        )
    factor = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    solution = np.result_type(factor, b.dtype)
    return spec(x, solution), spec(s, solution), spec(q, factor), spec(r, factor)


def pushforward(xp: Namespace, saved: Saved, tangents: Tangents, *, cond: float | None = None) -> Tangents:
    a_dot, b_dot = tangents
    q, r = saved.q, saved.r
    d = total(b_dot, None if a_dot is None else -xp.matmul(a_dot, saved.x))
    along = xp.matmul(adjoint(xp, q), d)
    q_dot = r_dot = None
    if a_dot is not None:
        along = along + _solved(r, xp.matmul(adjoint(xp, a_dot), saved.s), transposed=True)
        q_dot, r_dot = orthogonal.tangents(xp, q, r, a_dot)
    return _solved(r, along), d - xp.matmul(q, along), q_dot, r_dot


def pullback(
    xp: Namespace, saved: Saved, cotangents: Tangents, wanted: Wanted, *, cond: float | None = None
) -> tuple[Array | None, ...]:
    x_bar, s_bar, q_bar, r_bar = cotangents
    q, r = saved.q, saved.r
    w = total(
        None if x_bar is None else _solved(r, x_bar, transposed=True),
        None if s_bar is None else -xp.matmul(adjoint(xp, q), s_bar),
    )
    y = None if w is None else total(xp.matmul(q, w), s_bar)
    made: list[Array | None] = []
    for name in wanted:
        if name == "b":
            made.append(y)
            continue
        direct = None if y is None else outer(xp, saved.s, _solved(r, w)) - outer(xp, y, saved.x)
        factors = q_bar is not None or r_bar is not None
        made.append(total(direct, orthogonal.pulled(xp, q, r, q_bar, r_bar) if factors else None))
    return tuple(made)


def _solved(r: Array, b: Array, *, transposed: bool = False) -> Array:
    """R⁻¹ B, or R⁻ᴴ B."""
    return solve_triangular(r, b, lower=False, transposed=transposed, right=False, unit_diagonal=False)


def cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    a, b = operands
    (m, n), k = a.shape[-2:], b.shape[-1]
    factors = orthogonal.cost((a,), orthogonal.specs(a)).forward_flops
    stack = results[0].size / (n * k) if n * k else 0.0
    columns = 2 * m * n * k + n * n * k
    return Cost(factors + stack * (columns + 2 * m * n * k), stack * (2 * columns + 4 * m * n * k), a.size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n, k in ((3, 2, 1), (7, 3, 2), (5, 5, 1), (1, 1, 1)):
        yield orthogonal.well_posed(rng, m=m, n=n), random_array(rng, m, k)
    yield orthogonal.well_posed(rng, 2, m=5, n=2), random_array(rng, 3, 2, 5, 1), {"cond": 1e-10}
    yield orthogonal.well_posed(rng, 2, m=3, n=2), random_array(rng, 3, 2)
    yield orthogonal.well_posed(rng, m=5, n=3, dtype=complex), random_array(rng, 5, 2, dtype=complex)


lstsq = Primitive(
    "lstsq",
    "a(m,n), b(m,k) -> x(n,k), s(m,k), q(m,n), r(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("x", "s", "q", "r"), "b": ("q", "r")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (lstsq,)
