"""LU factorisation with row pivots A[p] = L U of an m × n matrix, k = min(m, n).

L (m, k) is unit lower, U (k, n) upper triangular; p is a permutation of the rows, without derivative. With
L = [L₁; L₂] and U = [U₁ U₂] cut after k rows and columns, U₁ without a zero on its diagonal for a derivative
to exist (FactorisationError otherwise), and stril the triangle strictly below the diagonal,

    pushforward    F = L₁⁻¹ Ȧ₁₁ U₁⁻¹;   L̇₁ = L₁ stril F,  U̇₁ = triu(F) U₁,
                   L̇₂ = Ȧ₂₁ U₁⁻¹ - L₂ triu F,  U̇₂ = L₁⁻¹ Ȧ₁₂ - stril(F) U₂
    pullback       C = stril(L₁ᴴ L̄₁ - Ū₂ U₂ᴴ) + triu(Ū₁ U₁ᴴ - L₂ᴴ L̄₂)
                   Ā₁₁ = L₁⁻ᴴ C U₁⁻ᴴ,  Ā₁₂ = L₁⁻ᴴ Ū₂,  Ā₂₁ = L̄₂ U₁⁻ᴴ

where Ȧ and Ā stand for Ȧ[p] and Ā[p]; a matrix is never both deep and wide. Of L̄ and Ū only the triangles
are seen. Where two pivots tie, the factors are those of one choice, and so is the derivative.
Reference: S. F. Walter, L. Lehmann, R. Lamour, Optim. Methods Softw. 27 (2012), for square matrices.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import blas, lapack
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.lu import lu_packed, lu_reverse
from dagsolve.kernels.packing import together, unpacked
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.permutation import permute_rows
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.sampling import random_array, random_triangular
from dagsolve.specs import Spec, broadcast_shapes, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array) -> Arrays:
    packed, p = lu_packed(xp, "lu", a)
    m, n = a.shape[-2:]
    k = min(m, n)
    l = xp.tril(packed[..., :k], k=-1) + xp.eye(m, k, dtype=a.dtype)
    return p, l, xp.triu(packed[..., :k, :])


def forward_kernel(xp: Namespace, a: Array) -> Arrays:
    """By LAPACK, one matrix; of a stack as above."""
    if a.ndim > 2 or not (xp is np and lapack.supports(a)):
        return forward(xp, a)
    packed, p = lu_packed(xp, "lu", a)
    return p, *unpacked(packed)


def specs(a: Spec) -> Specs:
    dims = lu.parsed.dims((a.shape,))
    lead, m, n = a.shape[:-2], dims["m"], dims["n"]
    k = min(m, n)
    return spec((*lead, m), np.int64), spec((*lead, m, k), a.dtype), spec((*lead, k, n), a.dtype)


def divided_left(f: Array, b: Array, *, transposed: bool = False) -> Array:
    """L⁻¹ B, or L⁻ᴴ B, with the unit lower triangle of f, of which the rest is not read."""
    return solve_triangular(f, b, lower=True, transposed=transposed, right=False, unit_diagonal=True)


def divided_right(f: Array, b: Array, *, transposed: bool = False) -> Array:
    """B U⁻¹, or B U⁻ᴴ, with the upper triangle of f."""
    return solve_triangular(f, b, lower=False, transposed=transposed, right=True, unit_diagonal=False)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> tuple[Maybe, ...]:
    (a_dot,) = tangents
    l, u = saved.l, saved.u
    m, k, n = l.shape[-2], l.shape[-1], u.shape[-1]
    a_dot = permute_rows(a_dot, saved.p, inverse=False)
    top, first = l[..., :k, :], u[..., :k]
    right = divided_right(first, a_dot[..., :, :k])  # [Ȧ₁₁; Ȧ₂₁] U₁⁻¹
    f = divided_left(top, right[..., :k, :])
    below, above = xp.tril(f, k=-1), xp.triu(f)
    l_dot, u_dot = xp.matmul(top, below), xp.matmul(above, first)
    if m > k:
        l_dot = xp.concat([l_dot, right[..., k:, :] - xp.matmul(l[..., k:, :], above)], axis=-2)
    if n > k:
        rest = divided_left(top, a_dot[..., :k, k:]) - xp.matmul(below, u[..., k:])
        u_dot = xp.concat([u_dot, rest], axis=-1)
    return None, l_dot, u_dot


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> Arrays:
    p_bar, l_bar, u_bar = cotangents
    if l_bar is None and u_bar is None:
        extra = tuple(p_bar.shape[: len(p_bar.shape) - saved.specs["p"].ndim]) if p_bar is not None else ()
        a = saved.specs["a"]
        return (xp.zeros((*extra, *a.shape), dtype=saved.u.dtype),)
    return (permute_rows(_permuted(xp, saved.l, saved.u, l_bar, u_bar), saved.p, inverse=True),)


def _permuted(xp: Namespace, l: Array, u: Array, l_bar: Maybe, u_bar: Maybe) -> Array:
    """Ā[p]."""
    m, k, n = l.shape[-2], l.shape[-1], u.shape[-1]
    deep, wide = m > k, n > k
    top, first = (l[..., :k, :] if deep else l), (u[..., :k] if wide else u)
    lower: list[Maybe] = []
    upper: list[Maybe] = []
    if l_bar is not None:
        lower.append(_lower(adjoint(xp, top), xp.tril(l_bar[..., :k, :] if deep else l_bar, k=-1)))
        if deep:
            upper.append(-_upper(adjoint(xp, l[..., k:, :]), l_bar[..., k:, :]))
    if u_bar is not None:
        upper.append(_upper(xp.triu(u_bar[..., :k] if wide else u_bar), adjoint(xp, first)))
        if wide:
            lower.append(-_lower(u_bar[..., k:], adjoint(xp, u[..., k:])))
    c = total(*lower, *upper)
    square = divided_right(first, divided_left(top, c, transposed=True), transposed=True)
    if deep:
        none = xp.zeros((*square.shape[:-2], m - k, n), dtype=square.dtype)
        rest = none if l_bar is None else divided_right(first, l_bar[..., k:, :], transposed=True)
        return xp.concat([square, rest], axis=-2)
    if wide:
        none = xp.zeros((*square.shape[:-1], n - k), dtype=square.dtype)
        rest = none if u_bar is None else divided_left(top, u_bar[..., k:], transposed=True)
        return xp.concat([square, rest], axis=-1)
    return square


def _lower(a: Array, b: Array) -> Array:
    return triangle_product(a, b, lower=True, strict=True)


def _upper(a: Array, b: Array) -> Array:
    return triangle_product(a, b, lower=False, strict=False)


def pullback_kernel(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> Arrays:
    """The blocked sweep, a matrix of the stack at a time."""
    _, l_bar, u_bar = cotangents
    given = [y_bar for y_bar in (l_bar, u_bar) if y_bar is not None]
    l, u = saved.l, saved.u
    m, k, n = l.shape[-2], l.shape[-1], u.shape[-1]
    if not given or not k or not (xp is np and blas.supports(l, u, *given)):
        return pullback(xp, saved, cotangents, wanted)
    singular = np.abs(np.linalg.diagonal(u[..., :k])) < np.finfo(u.dtype).smallest_normal
    if np.any(singular):
        return pullback(xp, saved, cotangents, wanted)  # which says so
    lead = broadcast_shapes(l.shape[:-2], *(y_bar.shape[:-2] for y_bar in given))
    if not lead:
        return (permute_rows(_swept(m, n, l, u, l_bar, u_bar), saved.p, inverse=True),)
    each = [None if x is None else np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (l, u, l_bar, u_bar)]
    a_bar = np.empty((*lead, m, n), l.dtype)
    for index in np.ndindex(*lead):
        a_bar[index] = _swept(m, n, *[None if x is None else x[index] for x in each])
    return (permute_rows(a_bar, saved.p, inverse=True),)


def _swept(m: int, n: int, l: Maybe, u: Maybe, l_bar: Maybe, u_bar: Maybe) -> Array:
    """Ā[p] of one matrix."""
    return lu_reverse(together(l, u, m, n), together(l_bar, u_bar, m, n))


def cost(operands: Specs, results: Specs) -> Cost:
    m, n = operands[0].shape[-2:]
    stack = operands[0].size / (m * n) if m * n else 0.0
    k = min(m, n)
    flops = stack * (2 * m * n * k - (m + n) * k * k + 2 * k**3 / 3)
    return Cost(flops, 2 * flops, 2 * operands[0].size)


def well_posed(rng: np.random.Generator, *batch: int, m: int, n: int, dtype: Any = np.float64) -> Array:
    """Matrices (*batch, m, n) with permuted rows, pivots well away from zero and from each other."""
    k = min(m, n)
    l = random_triangular(rng, *batch, n=k, dtype=dtype)
    l = 0.5 * np.tril(l, -1) + np.eye(k, dtype=dtype)
    l = np.concatenate([l, 0.4 * rng.uniform(-1, 1, (*batch, m - k, k)).astype(dtype)], axis=-2)
    u = random_triangular(rng, *batch, n=k, lower=False, dtype=dtype)
    u = np.concatenate([u, random_array(rng, *batch, k, n - k, dtype=dtype)], axis=-1)
    return np.asarray((l @ u)[..., rng.permutation(m), :])


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((5, 5), (1, 1), (7, 3), (3, 7), (1, 3), (3, 1)):
        yield (well_posed(rng, m=m, n=n),)
    yield (well_posed(rng, m=149, n=139),)  # two panels of the blocked sweep
    yield (well_posed(rng, 2, 3, m=5, n=2),)
    yield (well_posed(rng, 2, m=2, n=5),)
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (well_posed(rng, m=m, n=n, dtype=complex),)


lu = Primitive(
    "lu",
    "a(m,n) -> p(m), l(m,k), u(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("p", "l", "u")},
    specs=specs,
    forward_kernel=forward_kernel,
    pullback_kernel=pullback_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (lu,)
