"""Inverses of square matrices.

    inv(a)              Y = A⁻¹
    lu_inverse(lu, p)   Y = A⁻¹ from packed factors A[:, p] = L U, whose derivatives are those in
                        `dagsolve.primitives.column_lu`

    pushforward    Ẏ = -Y Ȧ Y
    pullback       Ā = -Yᴴ Ȳ Yᴴ

A matrix with a pivot that is zero raises FactorisationError. A solution of a system by `solve` takes a third
of the flops of an inverse and is more accurate.
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import lapack
from dagsolve.kernels.column_lu import lu_by_columns
from dagsolve.kernels.dense import adjoint, factored
from dagsolve.kernels.lu import SMALL, refuse_infinite, refuse_singular
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.column_lu import column_solved, matrix_tangent, packed_cotangent
from dagsolve.primitives.lu import well_posed
from dagsolve.sampling import random_triangular
from dagsolve.specs import Spec, broadcast_shapes, spec


def forward(xp: Namespace, a: Array) -> Array:
    refuse_infinite(xp, "inv", a)
    try:
        (y,) = factored(xp, "inv", a, lambda: xp.linalg.inv(a), "cannot be inverted in its precision")
    except FactorisationError:
        refuse_singular(xp, "inv", *lu_by_columns(xp, "inv", a), of="column")  # says which pivot it was
        raise
    if a.size and _may_be_singular(xp, a, y):
        refuse_singular(xp, "inv", *lu_by_columns(xp, "inv", a), of="column")
    return y


def _may_be_singular(xp: Namespace, a: Array, y: Array) -> bool:
    """Whether a condition number in the 1-norm is so large that a pivot may be what rounding left of zero."""
    limit = 1e-3 / (a.shape[-1] * float(xp.finfo(y.dtype).eps))
    return bool(xp.any(_root_of_norm(xp, a) * _root_of_norm(xp, y) > limit**0.5))


def _root_of_norm(xp: Namespace, a: Array) -> Array:
    """‖A‖₁^½, of which a product does not overflow."""
    return xp.max(xp.sum(xp.abs(a), axis=-2), axis=-1) ** 0.5


def forward_kernel(xp: Namespace, a: Array) -> Array:
    """By LAPACK, a matrix of the stack at a time."""
    if a.shape[-1] <= SMALL or not (xp is np and lapack.supports(a)):
        return forward(xp, a)
    packed, p = lu_by_columns(xp, "inv", a)
    return lu_kernel(xp, packed, p, who="inv", of="column")


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    return -xp.matmul(saved.y, xp.matmul(a_dot, saved.y))


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    turned = adjoint(xp, saved.y)
    return (-xp.matmul(turned, xp.matmul(y_bar, turned)),)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = 2.0 * results[0].size * results[0].shape[-1]
    return Cost(flops, 2 * flops, results[0].size)


def lu_forward(xp: Namespace, lu: Array, p: Array, *, who: str = "lu_inverse", of: str = "row") -> Array:
    """`of` names what p permutes in the user's matrix: rows, where the factors are those of its adjoint."""
    refuse_singular(xp, who, lu, p, of)
    return column_solved(lu, p, xp.eye(lu.shape[-1], dtype=lu.dtype))


def lu_kernel(xp: Namespace, lu: Array, p: Array, *, who: str = "lu_inverse", of: str = "row") -> Array:
    """By LAPACK, a matrix of the stack at a time: two thirds of the flops of solving for the unit vectors."""
    if not (xp is np and lapack.supports(lu)):
        return lu_forward(xp, lu, p, who=who, of=of)
    refuse_singular(xp, who, lu, p, of)
    if lu.ndim == 2 and p.ndim == 1:
        return lapack.inverted(lu, p)
    lead = broadcast_shapes(lu.shape[:-2], p.shape[:-1])
    each, each_p = np.broadcast_to(lu, (*lead, *lu.shape[-2:])), np.broadcast_to(p, (*lead, p.shape[-1]))
    y = np.empty((*lead, *lu.shape[-2:]), lu.dtype)
    for index in np.ndindex(*lead):
        y[index] = lapack.inverted(each[index], each_p[index])
    return y


def lu_specs(lu: Spec, p: Spec) -> Specs:
    (shape,) = lu_inverse.parsed.result_shapes((lu.shape, p.shape))
    return (spec(shape, lu.dtype),)


def lu_pushforward(xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...]) -> Array | None:
    lu_dot, _ = tangents
    if lu_dot is None:
        return None
    a_dot = matrix_tangent(xp, saved.lu, saved.p, lu_dot)
    return -xp.matmul(saved.y, xp.matmul(a_dot, saved.y))


def lu_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    turned = adjoint(xp, saved.y)
    a_bar = -xp.matmul(turned, xp.matmul(y_bar, turned))
    return (packed_cotangent(xp, saved.lu, saved.p, a_bar),)


def lu_cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1]
    return Cost(4 / 3 * flops, 6 * flops, results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (well_posed(rng, m=5, n=5),)
    yield (well_posed(rng, m=1, n=1),)
    yield (well_posed(rng, m=67, n=67),)
    yield (well_posed(rng, 2, 3, m=3, n=3),)
    yield (well_posed(rng, m=3, n=3, dtype=complex),)


def lu_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, n, dtype in (((), 5, float), ((), 1, float), ((2,), 3, float), ((), 3, complex)):
        u = 0.5 * np.triu(random_triangular(rng, *batch, n=n, lower=False, dtype=dtype), 1)
        packed = u + random_triangular(rng, *batch, n=n, dtype=dtype)
        yield packed, rng.permutation(n)


inv = Primitive(
    "inv",
    "a(n,n) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("y",)},
    forward_kernel=forward_kernel,
    cost=cost,
    replaces=(np.linalg.inv,),
    examples=examples,
)
lu_inverse = Primitive(
    "lu_inverse",
    "lu(n,n), p(n) -> y(n,n)",
    lu_forward,
    lu_pushforward,
    lu_pullback,
    saves={"lu": ("lu", "p", "y")},
    specs=lu_specs,
    forward_kernel=lu_kernel,
    cost=lu_cost,
    examples=lu_examples,
)

PRIMITIVES = (inv, lu_inverse)
