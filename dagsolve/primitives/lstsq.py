"""Least squares: X = argmin ‖B - A X‖ of a square or deep A (m × n) of full column rank; S = B - A X.

With A = Q R, Ȧ X + A Ẋ + Ṡ = Ḃ and Aᴴ S = 0,

    pushforward    D = Ḃ - Ȧ X, F = R⁻ᴴ Ȧᴴ S;    Ẋ = R⁻¹ (Qᴴ D + F),   Ṡ = D - Q (Qᴴ D + F)
    pullback       W = R⁻ᴴ X̄ - Qᴴ S̄, Y = Q W + S̄, Z = R⁻¹ W;    B̄ = Y,   Ā = S Zᴴ - Y Xᴴ

The factors are kept beside X and S for the kernel of the pullback, which takes products with B's few columns
only, no term of m n². Large real matrices keep Q as reflectors, V below the diagonal in `q` and T in `t`
(`dagsolve.kernels.wy`), and never form it. Products with them have the digits of products with Q; the
semi-normal equations, A R⁻¹ in place of Q, would square the condition number in Z where S̄ ≠ 0. The traceable
maps, for forward mode and second derivatives, factor A again; so A is kept as well.

A is refused as rank deficient where a diagonal entry of R is at most `cond` (max(m, n) ε if None) times the
largest. Reference: G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.kernels import reflectors, wy
from dagsolve.kernels.dense import adjoint, factored, outer, total
from dagsolve.kernels.rank import refuse_deficient
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import qr as orthogonal
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, broadcast_shapes, spec

Tangents = tuple[Array | None, ...]
Product = Callable[[Array], Array]
REMEDY = "take the columns that count, add a ridge below A, or use the pseudo-inverse"


def forward(xp: Namespace, a: Array, b: Array, *, cond: float | None = None) -> Arrays:
    if _by_reflectors(xp, a, b):
        y, r, q, t = reflectors.least_squares(a, b)
        factored(xp, "lstsq", a, lambda: r)
        refuse_deficient(xp, "lstsq", a, r, cond, REMEDY)
        x = _solved(r, y)
        return x, b - xp.matmul(a, x), r, q, t
    q, r = orthogonal.factors(xp, "lstsq", a)
    refuse_deficient(xp, "lstsq", a, r, cond, REMEDY)
    x = _solved(r, xp.matmul(adjoint(xp, q), b))
    lead = broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    q, r = (y if y.shape[:-2] == lead else xp.broadcast_to(y, (*lead, *y.shape[-2:])) for y in (q, r))
    t = xp.zeros((*lead, _rows_of_t(a, b), a.shape[-1]), dtype=r.dtype)
    return x, b - xp.matmul(a, x), r, q, t


def _by_reflectors(xp: Namespace, a: Array | Spec, b: Array | Spec) -> bool:
    """Whether Q is kept as reflectors, from the operands or their specs."""
    return xp is np and _rows_of_t(a, b) > 0 and reflectors.in_panels(a.shape, a.dtype) and a.dtype == b.dtype


def _rows_of_t(a: Array | Spec, b: Array | Spec) -> int:
    """Rows of T, the same in every array library; none where no library has reflectors."""
    return wy.WIDTH if reflectors.are_large(a.shape) and len(b.shape) == 2 else 0


def specs(a: Spec, b: Spec, *, cond: float | None = None) -> Specs:
    lstsq.parsed.dims((a.shape, b.shape))
    if a.shape[-2] < a.shape[-1]:
        raise ShapeError(
            f"lstsq: a must have at least as many rows as columns, got {a.shape}; else use `minimum_norm`"
        )
    factor = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    solution = np.result_type(factor, b.dtype)
    lead, (m, n), k = broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2:], b.shape[-1]
    kept = (n, n), (m, n), (_rows_of_t(a, b), n)
    return (
        spec((*lead, n, k), solution),
        spec((*lead, m, k), solution),
        *(spec((*lead, *shape), factor) for shape in kept),
    )


def pushforward(
    xp: Namespace, saved: Saved, tangents: Tangents, *, cond: float | None = None
) -> tuple[Array | None, ...]:
    a_dot, b_dot = tangents
    q, r = orthogonal.qr(saved.a)
    d = total(b_dot, None if a_dot is None else -xp.matmul(a_dot, saved.x))
    along = xp.matmul(adjoint(xp, q), d)
    if a_dot is not None:
        along = along + _solved(r, xp.matmul(adjoint(xp, a_dot), saved.s), transposed=True)
    return _solved(r, along), d - xp.matmul(q, along), None, None, None


def pullback(
    xp: Namespace, saved: Saved, cotangents: Tangents, wanted: Wanted, *, cond: float | None = None
) -> tuple[Array | None, ...]:
    q, r = orthogonal.qr(saved.a)
    return _pulled(xp, saved, cotangents, wanted, r, *_products(xp, q))


def pullback_kernel(
    xp: Namespace, saved: Saved, cotangents: Tangents, wanted: Wanted, *, cond: float | None = None
) -> tuple[Array | None, ...]:
    """By the factors that forward left, Q as it left it."""
    if not _by_reflectors(xp, saved.specs["a"], saved.specs["b"]):
        return _pulled(xp, saved, cotangents, wanted, saved.r, *_products(xp, saved.q))
    times = partial(_on_columns, partial(reflectors.product, saved.q, saved.t))
    adjoint_times = partial(_on_columns, partial(reflectors.adjoint_product, saved.q, saved.t))
    return _pulled(xp, saved, cotangents, wanted, saved.r, times, adjoint_times)


def _products(xp: Namespace, q: Array) -> tuple[Product, Product]:
    """Products of Q and of Qᴴ with others."""
    return partial(xp.matmul, q), partial(xp.matmul, adjoint(xp, q))


def _on_columns(product: Product, c: Array) -> Array:
    """A product with every matrix of a stack, by one with all their columns."""
    if c.ndim == 2:
        return product(c)
    rows = np.moveaxis(c, -2, 0)
    made = product(rows.reshape(len(rows), -1))
    return np.moveaxis(made.reshape(len(made), *rows.shape[1:]), 0, -2)


def _pulled(
    xp: Namespace,
    saved: Saved,
    cotangents: Tangents,
    wanted: Wanted,
    r: Array,
    times: Product,
    adjoint_times: Product,
) -> tuple[Array | None, ...]:
    x_bar, s_bar, *_ = cotangents
    w = total(
        None if x_bar is None else _solved(r, x_bar, transposed=True),
        None if s_bar is None else -adjoint_times(s_bar),
    )
    if w is None:
        return tuple(None for _ in wanted)
    y = total(times(w), s_bar)
    made = {"b": y}
    if "a" in wanted:
        made["a"] = _difference(xp, saved.s, _solved(r, w), y, saved.x)
    return tuple(made[name] for name in wanted)


def _difference(xp: Namespace, s: Array, z: Array, y: Array, x: Array) -> Array:
    """S Zᴴ - Y Xᴴ, in one product where no cotangent has axes that X and S have not."""
    if s.shape != y.shape or x.shape != z.shape:
        return outer(xp, s, z) - outer(xp, y, x)
    return outer(xp, xp.concat([s, -y], axis=-1), xp.concat([z, x], axis=-1))


def _solved(r: Array, b: Array, *, transposed: bool = False) -> Array:
    """R⁻¹ B, or R⁻ᴴ B."""
    return solve_triangular(r, b, lower=False, transposed=transposed, right=False, unit_diagonal=False)


def cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    a, b = operands
    (m, n), k = a.shape[-2:], b.shape[-1]
    factors = orthogonal.cost((a,), orthogonal.specs(a)).forward_flops / 2  # without Q
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
    "a(m,n), b(m,k) -> x(n,k), s(m,k), r(n,n), q(m,n), t(w,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a", "x", "s", "r", "q", "t"), "b": ("a", "r", "q", "t")},
    auxiliary=("r", "q", "t"),
    specs=specs,
    pullback_kernel=pullback_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (lstsq,)
