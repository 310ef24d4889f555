"""One triangle of a matrix product: Y = tri(A B), at half the flops of the product.

The cotangent of a triangular matrix is such a triangle (Seeger et al., arXiv:1710.08717). With S = tri(Ȳ),

    pushforward    Ẏ = tri(Ȧ B + A Ḃ)
    pullback       Ā = S Bᴴ,   B̄ = Aᴴ S
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import blas
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.triangles import triangle
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import broadcast_shapes

LEAF_ROWS = 128  # diagonal parts up to this size are whole products


def forward(xp: Namespace, a: Array, b: Array, *, lower: bool = True, strict: bool = False) -> Array:
    return triangle(xp, xp.matmul(a, b), lower, strict)


def forward_kernel(xp: Namespace, a: Array, b: Array, *, lower: bool = True, strict: bool = False) -> Array:
    """By halves: the square off the diagonal is one product, the two diagonal parts are triangles again."""
    if not (xp is np and blas.supports(a, b)) or a.shape[-2] <= LEAF_ROWS:
        return forward(xp, a, b, lower=lower, strict=strict)
    n, k = a.shape[-2:]
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = np.zeros((*lead, n, n), a.dtype)
    a, b = np.broadcast_to(a, (*lead, n, k)), np.broadcast_to(b, (*lead, k, n))
    for index in np.ndindex(*lead):
        _halves(a[index], b[index], y[index], lower, strict)
    return y


def _halves(a: Array, b: Array, y: Array, lower: bool, strict: bool) -> None:
    """The triangle of y := a b; what is beyond it in y must be zero."""
    n = a.shape[0]
    if n <= LEAF_ROWS:
        blas.gemm(a, b, y, beta=0.0)
        y[...] = triangle(np, y, lower, strict)
        return
    h = n // 2
    if lower:
        blas.gemm(a[h:], b[:, :h], y[h:, :h], beta=0.0)
    else:
        blas.gemm(a[:h], b[:, h:], y[:h, h:], beta=0.0)
    _halves(a[:h], b[:, :h], y[:h, :h], lower, strict)
    _halves(a[h:], b[:, h:], y[h:, h:], lower, strict)


def pushforward(
    xp: Namespace,
    saved: Saved,
    tangents: tuple[Array | None, ...],
    *,
    lower: bool = True,
    strict: bool = False,
) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else triangle_product(a_dot, saved.b, lower=lower, strict=strict),
        None if b_dot is None else triangle_product(saved.a, b_dot, lower=lower, strict=strict),
    )


def pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    lower: bool = True,
    strict: bool = False,
) -> Arrays:
    (y_bar,) = cotangents
    s = triangle(xp, y_bar, lower, strict)
    return tuple(
        xp.matmul(s, adjoint(xp, saved.b)) if name == "a" else xp.matmul(adjoint(xp, saved.a), s)
        for name in wanted
    )


def cost(operands: Specs, results: Specs, **params: bool) -> Cost:
    n, k = operands[0].shape[-2:]
    flops = float(results[0].size) * k
    return Cost(flops, 4 * flops, n * n)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5, 3), random_array(rng, 3, 5)
    yield random_array(rng, 5, 2), random_array(rng, 2, 5), {"lower": False, "strict": True}
    yield random_array(rng, 2, 3, 7), random_array(rng, 7, 3), {"strict": True}
    yield random_array(rng, 131, 2), random_array(rng, 2, 131), {"lower": False}  # past a leaf
    yield random_array(rng, 3, 3, dtype=complex), random_array(rng, 3, 3, dtype=complex)


triangle_product = Primitive(
    "triangle_product",
    "a(n,k), b(k,n) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("b",), "b": ("a",)},
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (triangle_product,)
