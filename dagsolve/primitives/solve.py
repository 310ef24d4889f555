"""Solution of a square system, X = A⁻¹ B, or X = A⁻ᴴ B if `transposed`; the LU factors come with it.

The factors A[p] = L U (packed, their adjoint; see `dagsolve.kernels.column_lu`) are what the adjoint solves
with: A is factored once for a value and its gradient. With B̄ the solution of the adjoint system,

    pushforward    Ẋ = A⁻¹ (Ḃ - Ȧ X),        or A⁻ᴴ (Ḃ - Ȧᴴ X)
    pullback       B̄ = A⁻ᴴ X̄,  Ā = -B̄ Xᴴ,    or B̄ = A⁻¹ X̄,  Ā = -X B̄ᴴ

The factors are results with a derivative of their own: a second derivative goes through it.
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import lapack
from dagsolve.kernels.column_lu import lu_of_adjoint
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.lu import SMALL, refuse_singular
from dagsolve.namespace import Array, Arrays, Namespace, native_dtype
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted, fit
from dagsolve.primitives.column_lu import column_solved, matrix_cotangent, packed_tangent
from dagsolve.primitives.lu import well_posed
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, broadcast_shapes, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array, b: Array, *, transposed: bool = False) -> Arrays:
    packed, p = lu_of_adjoint(xp, "solve", a)
    refuse_singular(xp, "solve", packed, p)
    return column_solved(packed, p, b, transposed=not transposed), packed, p


def forward_kernel(xp: Namespace, a: Array, b: Array, *, transposed: bool = False) -> Arrays:
    """By LAPACK, a matrix of the stack at a time."""
    stacked_small = a.ndim > 2 and a.shape[-1] <= SMALL  # one call for the whole stack
    if stacked_small or not (xp is np and lapack.supports(a, b)):
        return forward(xp, a, b, transposed=transposed)
    packed, p = lu_of_adjoint(xp, "solve", a)
    refuse_singular(xp, "solve", packed, p)
    if a.ndim == b.ndim == 2:
        return lapack.solved(packed, p, b, transposed=not transposed), packed, p
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.empty((*lead, *b.shape[-2:]), b.dtype)
    each_b = np.broadcast_to(b, x.shape)
    each, each_p = np.broadcast_to(packed, (*lead, *a.shape[-2:])), np.broadcast_to(p, (*lead, a.shape[-1]))
    for index in np.ndindex(*lead):
        x[index] = lapack.solved(each[index], each_p[index], each_b[index], transposed=not transposed)
    return x, packed, p


def specs(a: Spec, b: Spec, *, transposed: bool = False) -> Specs:
    shape, _, _ = solve.parsed.result_shapes((a.shape, b.shape))
    factors = a.dtype if a.dtype.kind in "fc" else np.float64
    return (
        spec(shape, np.result_type(factors, b.dtype)),
        spec(a.shape, factors),
        spec(a.shape[:-1], np.int64),
    )


def pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...], *, transposed: bool = False
) -> tuple[Maybe, ...]:
    a_dot, b_dot = tangents
    moved = None
    if a_dot is not None:
        moved = -xp.matmul(adjoint(xp, a_dot) if transposed else a_dot, saved.x)
    x_dot = column_solved(saved.luh, saved.p, total(b_dot, moved), transposed=not transposed)
    if a_dot is None:
        return x_dot, None, None
    return x_dot, packed_tangent(xp, saved.luh, saved.p, adjoint(xp, a_dot)), None


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted, *, transposed: bool = False
) -> Arrays:
    x_bar, luh_bar, _ = cotangents
    extra = extra_axes(saved, ("x", "luh", "p"), cotangents)
    found: dict[str, Maybe] = {"a": None, "b": None}
    if x_bar is not None:
        b_bar = found["b"] = column_solved(saved.luh, saved.p, x_bar, transposed=transposed)
        if "a" in wanted:
            left, right = (saved.x, b_bar) if transposed else (b_bar, saved.x)
            product = xp.matmul(-left, adjoint(xp, right))
            found["a"] = fit(xp, product, len(extra), saved.specs["a"])
    if luh_bar is not None and "a" in wanted:
        of_factors = adjoint(xp, matrix_cotangent(xp, saved.luh, saved.p, luh_bar))
        found["a"] = total(found["a"], of_factors)
    return tuple(
        zeros_behind(xp, extra, saved.specs[name]) if found[name] is None else found[name] for name in wanted
    )


def extra_axes(saved: Saved, results: tuple[str, ...], cotangents: tuple[Maybe, ...]) -> tuple[int, ...]:
    """The axes that cotangents have in front of their results' own."""
    for name, y_bar in zip(results, cotangents, strict=True):
        if y_bar is not None:
            return tuple(y_bar.shape[: len(y_bar.shape) - saved.specs[name].ndim])
    return ()


def zeros_behind(xp: Namespace, extra: tuple[int, ...], of: Spec) -> Array:
    """A cotangent that is zero, behind extra axes."""
    return xp.zeros((*extra, *of.shape), dtype=native_dtype(xp, of.dtype))


def cost(operands: Specs, results: Specs, *, transposed: bool = False) -> Cost:
    n = operands[0].shape[-1]
    factors, solves = 2 / 3 * operands[0].size * n, 2.0 * results[0].size * n
    return Cost(factors + solves, 2 * solves)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield well_posed(rng, m=5, n=5), random_array(rng, 5, 3)
    yield well_posed(rng, m=5, n=5), random_array(rng, 5, 2), {"transposed": True}
    yield well_posed(rng, m=1, n=1), random_array(rng, 1, 1)
    yield well_posed(rng, m=67, n=67), random_array(rng, 67, 1)
    yield well_posed(rng, 2, m=3, n=3), random_array(rng, 5, 1, 3, 2)
    yield well_posed(rng, m=3, n=3), random_array(rng, 2, 3, 1), {"transposed": True}
    yield well_posed(rng, 2, m=19, n=19), random_array(rng, 19, 3)  # a call per matrix
    for transposed in (False, True):
        a, b = well_posed(rng, m=3, n=3, dtype=complex), random_array(rng, 3, 2, dtype=complex)
        yield a, b, {"transposed": transposed}
    yield well_posed(rng, m=3, n=3), random_array(rng, 3, 2, dtype=complex)


solve = Primitive(
    "solve",
    "a(n,n), b(n,k) -> x(n,k), luh(n,n), p(n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("x", "luh", "p"), "b": ("luh", "p")},
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (solve,)
