"""Product of a triangular matrix with a general one, at half the flops of a full product.

    X = op(T) B, or X = B op(T) if `right`;    op(T) = T, or Tᴴ if `transposed`

Only the triangle that `lower` names is read, its diagonal taken as ones if `unit_diagonal`. With tri that
triangle (strict if `unit_diagonal`),

    pushforward    Ẋ = op(T) Ḃ + op(tri Ṫ) B
    pullback       B̄ = op(T)ᴴ X̄,   T̄ = tri(X̄ Bᴴ), or tri(B X̄ᴴ) if `transposed`

and with Ḃ op(T), B op(tri Ṫ), X̄ op(T)ᴴ, tri(Bᴴ X̄) or tri(X̄ᴴ B) if `right`.
Reference: M. Seeger et al., arXiv:1710.08717 (2017), `trmm`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.triangles import by_matrix, triangle
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Specs, Wanted
from dagsolve.primitives.solve_triangular import cost, result_shape
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.sampling import random_array, random_triangular
from dagsolve.specs import Spec, spec

SMALL = 32  # order below which a call per matrix of a stack costs more than its flops


def _multiplied(xp: Namespace, t: Array, b: Array, transposed: bool, right: bool) -> Array:
    t = adjoint(xp, t) if transposed else t
    return xp.matmul(b, t) if right else xp.matmul(t, b)


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
    masked = triangle(xp, t, lower, unit_diagonal)
    if unit_diagonal:
        masked = masked + xp.eye(t.shape[-1], dtype=t.dtype)
    return _multiplied(xp, masked, b, transposed, right)


def forward_kernel(xp: Namespace, t: Array, b: Array, *, overwrite: bool = False, **params: bool) -> Array:
    """By BLAS in place on b or a copy of it, a matrix of the stack at a time."""
    stacked_small = t.ndim > 2 and t.shape[-1] <= SMALL  # one call for the whole stack
    if stacked_small or not (xp is np and blas.supports(t, b)):
        return forward(xp, t, b, **params)
    return by_matrix(blas.trmm, t, b, overwrite, **params)


def specs(t: Spec, b: Spec, *, right: bool = False, **params: bool) -> Specs:
    return (spec(result_shape(triangular_product, t, b, right), np.result_type(t.dtype, b.dtype)),)


def pushforward(
    xp: Namespace,
    saved: Saved,
    tangents: tuple[Array | None, ...],
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
) -> Array | None:
    t_dot, b_dot = tangents
    options = {"lower": lower, "transposed": transposed, "right": right}
    moved = None
    if t_dot is not None and unit_diagonal:
        moved = _multiplied(xp, triangle(xp, t_dot, lower, True), saved.b, transposed, right)
    elif t_dot is not None:
        moved = triangular_product(t_dot, saved.b, **options, unit_diagonal=False)
    if b_dot is None:
        return moved
    return total(triangular_product(saved.t, b_dot, **options, unit_diagonal=unit_diagonal), moved)


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
    found = {}
    if "b" in wanted:
        options = {"lower": lower, "transposed": not transposed, "right": right}
        found["b"] = triangular_product(saved.t, x_bar, **options, unit_diagonal=unit_diagonal)
    if "t" in wanted:
        left, other = (saved.b, x_bar) if right is not transposed else (x_bar, saved.b)
        factors = (adjoint(xp, left), other) if right else (left, adjoint(xp, other))
        found["t"] = triangle_product(*factors, lower=lower, strict=unit_diagonal)
    return tuple(found[name] for name in wanted)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5, 5), random_array(rng, 5, 3)
    yield random_array(rng, 37, 37), random_array(rng, 2, 37), {"right": True, "lower": False}
    yield random_array(rng, 3, 3), random_array(rng, 3, 2), {"unit_diagonal": True}
    for transposed in (False, True):
        options = {
            "lower": transposed,
            "transposed": transposed,
            "right": True,
            "unit_diagonal": not transposed,
        }
        yield random_array(rng, 2, 3, 3), random_array(rng, 5, 1, 7, 3), options
    yield random_array(rng, 2, 1, 1), random_array(rng, 1, 2), {"transposed": True}
    for options in ({"transposed": True}, {"right": True}, {"transposed": True, "right": True}):
        yield random_triangular(rng, n=3, dtype=complex), random_array(rng, 3, 3, dtype=complex), options


triangular_product = Primitive(
    "triangular_product",
    "t(n,n), b(n,k) -> x(n,k)",
    forward,
    pushforward,
    pullback,
    saves={"t": ("b",), "b": ("t",)},
    specs=specs,
    forward_kernel=forward_kernel,
    inplace={"x": "b"},
    cost=cost,
    examples=examples,
)

PRIMITIVES = (triangular_product,)
