"""Solution of a triangular system with many right-hand sides.

    X = op(T)⁻¹ B, or X = B op(T)⁻¹ if `right`;    op(T) = T, or Tᴴ if `transposed`

Only the triangle that `lower` names is read, without its diagonal if `unit_diagonal`. With tri that triangle,

    pushforward    Ẋ = op(T)⁻¹ (Ḃ - op(tri Ṫ) X)
    pullback       B̄ = op(T)⁻ᴴ X̄,   T̄ = tri(-B̄ Xᴴ), or tri(-X B̄ᴴ) if `transposed`

and with X op(tri Ṫ), X̄ op(T)⁻ᴴ, tri(-Xᴴ B̄) or tri(-B̄ᴴ X) if `right`.
Reference: M. Seeger et al., arXiv:1710.08717 (2017).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint, named, total
from dagsolve.kernels.triangles import by_matrix, triangle
from dagsolve.namespace import Array, Arrays, Namespace, triangular_solver
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.sampling import random_array, random_triangular
from dagsolve.specs import Spec, broadcast_shapes, spec

SMALL = 32  # order below which a call per matrix costs more than the flops of a general solve


def refuse_singular(xp: Namespace, t: Array, who: str = "solve_triangular", name: str = "t") -> None:
    """Raises FactorisationError, beginning with `who`, unless the diagonal is finite and without zeros.

    Numbers that are not normal count as zeros: quotients by them overflow, of which LAPACK does not tell.
    """
    diagonal = xp.linalg.diagonal(t)
    bad = (xp.abs(diagonal) < float(xp.finfo(t.dtype).smallest_normal)) | ~xp.isfinite(diagonal)
    if xp.any(bad):
        *batch, k = (int(found[0]) for found in xp.nonzero(bad))
        raise FactorisationError(
            f"{who}: {named(batch, name)} {tuple(t.shape[-2:])} {t.dtype} must have a finite diagonal "
            f"without zeros, got {diagonal[(*batch, k)]} at index {k}"
        )


def forward(
    xp: Namespace,
    t: Array,
    b: Array,
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """By a general solve with the masked triangle: for array libraries without a triangular one."""
    masked = triangle(xp, t, lower, unit_diagonal)
    if unit_diagonal:
        masked = masked + xp.eye(t.shape[-1], dtype=t.dtype)
    else:
        refuse_singular(xp, t)
    if transposed:
        masked = adjoint(xp, masked)
    if right:
        return xp.matrix_transpose(xp.linalg.solve(xp.matrix_transpose(masked), xp.matrix_transpose(b)))
    return xp.linalg.solve(masked, b)


def forward_kernel(
    xp: Namespace,
    t: Array,
    b: Array,
    *,
    unit_diagonal: bool = False,
    overwrite: bool = False,
    **params: bool,
) -> Array:
    """By BLAS in place on b or a copy of it, a matrix of the stack at a time; on a device by its library."""
    solver = triangular_solver(xp)
    if solver is not None:
        return by_library(solver, xp, t, b, unit_diagonal=unit_diagonal, **params)
    stacked_small = t.ndim > 2 and t.shape[-1] <= SMALL  # one call for the whole stack
    if stacked_small or not (xp is np and blas.supports(t, b)):
        return forward(xp, t, b, unit_diagonal=unit_diagonal, **params)
    if not unit_diagonal:
        refuse_singular(np, t)
    return by_matrix(blas.trsm, t, b, overwrite, unit_diagonal=unit_diagonal, **params)


def by_library(
    solver: Callable[..., Array],
    xp: Namespace,
    t: Array,
    b: Array,
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """By a solver in SciPy's signature. X = B op(T)⁻¹ is solved as op(T)ᴴ Xᴴ = Bᴴ."""
    if not unit_diagonal:
        refuse_singular(xp, t)
    dtype = xp.result_type(t, b)
    lead = broadcast_shapes(tuple(t.shape[:-2]), tuple(b.shape[:-2]))
    t = xp.broadcast_to(t, (*lead, *t.shape[-2:])).astype(dtype, copy=False)
    b = xp.broadcast_to(b, (*lead, *b.shape[-2:])).astype(dtype, copy=False)
    if not b.size:
        return b.copy()
    trans = "C" if transposed != right else "N"
    columns = adjoint(xp, b) if right else b
    x = solver(t, columns, trans=trans, lower=lower, unit_diagonal=unit_diagonal)
    return adjoint(xp, x) if right else x


def specs(t: Spec, b: Spec, *, right: bool = False, **params: bool) -> Specs:
    shape = result_shape(solve_triangular, t, b, right)
    return (spec(shape, np.result_type(t.dtype, b.dtype, np.float32)),)


def result_shape(primitive: Primitive, t: Spec, b: Spec, right: bool) -> tuple[int, ...]:
    """Shape of the result, that of b; with the triangle at its right, the signature holds for transposes."""
    shape = b.shape[:-2] + b.shape[:-3:-1] if right else b.shape
    (found,) = primitive.parsed.result_shapes((t.shape, shape))
    return found[:-2] + found[:-3:-1] if right else found


def pushforward(
    xp: Namespace,
    saved: Saved,
    tangents: tuple[Array | None, ...],
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    t_dot, b_dot = tangents
    if t_dot is not None:
        t_dot = triangle(xp, t_dot, lower, unit_diagonal)
        t_dot = adjoint(xp, t_dot) if transposed else t_dot
        t_dot = -(xp.matmul(saved.x, t_dot) if right else xp.matmul(t_dot, saved.x))
    options = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit_diagonal}
    return solve_triangular(saved.t, total(b_dot, t_dot), **options)


def pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Arrays:
    (x_bar,) = cotangents
    options = {"lower": lower, "transposed": not transposed, "right": right, "unit_diagonal": unit_diagonal}
    b_bar = solve_triangular(saved.t, x_bar, **options)
    if "t" not in wanted:
        return (b_bar,)
    left, other = (saved.x, b_bar) if right is not transposed else (b_bar, saved.x)
    factors = (adjoint(xp, left), other) if right else (left, adjoint(xp, other))
    t_bar = -triangle_product(*factors, lower=lower, strict=unit_diagonal)
    return tuple(b_bar if name == "b" else t_bar for name in wanted)


def cost(operands: Specs, results: Specs, **params: bool) -> Cost:
    n, flops = operands[0].shape[-1], float(results[0].size) * operands[0].shape[-1]
    return Cost(flops, 2 * flops, n * n)  # a solve, and one triangle of a product


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_triangular(rng, n=5), random_array(rng, 5, 3)
    yield random_triangular(rng, n=5, lower=False), random_array(rng, 5, 1), {"lower": False}
    yield random_triangular(rng, n=5), random_array(rng, 5, 7), {"transposed": True}
    yield random_array(rng, 3, 3) / 3 + 2 * np.eye(3), random_array(rng, 3, 2), {"unit_diagonal": True}
    yield random_triangular(rng, n=3), random_array(rng, 5, 3), {"right": True}
    for lower in (True, False):
        options = {"lower": lower, "transposed": True, "right": True, "unit_diagonal": not lower}
        yield random_triangular(rng, 2, n=3, lower=lower), random_array(rng, 5, 1, 7, 3), options
    yield random_triangular(rng, 2, n=1), random_array(rng, 1, 2)
    for options in ({"transposed": True}, {"right": True}, {"transposed": True, "right": True}):
        yield random_triangular(rng, n=3, dtype=complex), random_array(rng, 3, 3, dtype=complex), options


solve_triangular = Primitive(
    "solve_triangular",
    "t(n,n), b(n,k) -> x(n,k)",
    forward,
    pushforward,
    pullback,
    saves={"t": ("t", "x"), "b": ("t",)},
    specs=specs,
    forward_kernel=forward_kernel,
    inplace={"x": "b"},
    cost=cost,
    examples=examples,
)

PRIMITIVES = (solve_triangular,)
