"""Inverse of a Hermitian positive definite matrix from its Cholesky factor.

    Y = (L Lᴴ)⁻¹ of a lower triangular L, or (Rᴴ R)⁻¹ of an upper triangular R if not `lower`

Only the triangle that `lower` names is read. With tri that triangle and sym(M) = (M + Mᴴ) / 2,

    pushforward    Ẏ = -(W + Wᴴ),   W = Y tri(L̇) L⁻¹,          or W = Y tri(Ṙ)ᴴ R⁻ᴴ
    pullback       L̄ = -2 tri(Y sym(Ȳ) L⁻ᴴ),                   or R̄ = -2 tri(R⁻ᴴ sym(Ȳ) Y)

Y is Hermitian and given whole.
Reference: M. Seeger et al., arXiv:1710.08717 (2017), `potri`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import lapack
from dagsolve.kernels.dense import adjoint, hermitian
from dagsolve.kernels.layouts import in_rows
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.solve_triangular import SMALL, refuse_singular, solve_triangular
from dagsolve.sampling import random_triangular


def _triangle(xp: Namespace, m: Array, lower: bool) -> Array:
    return xp.tril(m) if lower else xp.triu(m)


def forward(xp: Namespace, l: Array, *, lower: bool = True) -> Array:
    unit = xp.eye(l.shape[-1], dtype=l.dtype)
    half = solve_triangular(l, unit, lower=lower, transposed=not lower, right=False, unit_diagonal=False)
    return xp.matmul(adjoint(xp, half), half)  # half: L⁻¹ or R⁻ᴴ


def forward_kernel(xp: Namespace, l: Array, *, lower: bool = True) -> Array:
    """By LAPACK, a matrix of the stack at a time, where the diagonal is real: of others it drops a part."""
    stacked_small = l.ndim > 2 and l.shape[-1] <= SMALL  # one call for the whole stack
    if stacked_small or not (xp is np and lapack.supports(l)) or np.any(np.linalg.diagonal(l).imag):
        return forward(xp, l, lower=lower)
    refuse_singular(xp, l, who="cholesky_inverse", name="l")
    y = in_rows(l)
    for index in np.ndindex(*l.shape[:-2]):
        lapack.positive_inverse(y[index], lower=lower)
    return y


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, lower: bool = True) -> Array:
    (l_dot,) = tangents
    moved = _triangle(xp, l_dot, lower)
    moved = moved if lower else adjoint(xp, moved)
    w = _divided(saved.l, xp.matmul(saved.y, moved), lower=lower, transposed=not lower)
    return -(w + adjoint(xp, w))


def pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, lower: bool = True
) -> Arrays:
    (y_bar,) = cotangents
    product = xp.matmul(saved.y, hermitian(xp, y_bar))
    half = _divided(saved.l, product, lower=lower, transposed=lower)  # Y sym(Ȳ) L⁻ᴴ, or the adjoint of R's
    return (-2 * (xp.tril(half) if lower else xp.triu(adjoint(xp, half))),)


def _divided(l: Array, b: Array, *, lower: bool, transposed: bool) -> Array:
    """B L⁻¹, or B L⁻ᴴ."""
    return solve_triangular(l, b, lower=lower, transposed=transposed, right=True, unit_diagonal=False)


def cost(operands: Specs, results: Specs, *, lower: bool = True) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1]
    return Cost(2 / 3 * flops, 3 * flops, results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for lower in (True, False):
        yield random_triangular(rng, n=5, lower=lower), {"lower": lower}
        yield random_triangular(rng, n=37, lower=lower), {"lower": lower}
        yield random_triangular(rng, 2, 3, n=3, lower=lower), {"lower": lower}
        yield random_triangular(rng, n=3, lower=lower, dtype=complex), {"lower": lower}
        turned = random_triangular(rng, n=5, lower=lower, dtype=complex) * np.exp(1j * np.arange(5))
        yield turned, {"lower": lower}
    yield (random_triangular(rng, n=1),)


cholesky_inverse = Primitive(
    "cholesky_inverse",
    "l(n,n) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"l": ("l", "y")},
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (cholesky_inverse,)
