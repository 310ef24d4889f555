"""Cholesky factorisation A = L Lᴴ of a Hermitian positive definite A, given by its lower triangle.

L is lower triangular with a positive diagonal. What stands above the diagonal of A is never read, so the
cotangent is that of the stored triangle: lower triangular, 2 tril(Ā) - diag(Ā) = Φ(2 Ā) with Ā the Hermitian
gradient. With Φ(M) the lower triangle of M, its diagonal halved, and copyltu(M) = Φ(M) + Φ(M)ᴴ,

    pushforward    L̇ = L Φ(L⁻¹ copyltu(Ȧ) L⁻ᴴ)
    pullback       Ā_stored = Φ(L⁻ᴴ copyltu(Lᴴ L̄) L⁻¹)

A may be a tile of a matrix of order `whole` from row `start` on: then errors name minors of that matrix.
References: S. F. Walter, thesis, Humboldt-Universität zu Berlin (2012); I. Murray, arXiv:1602.07527 (2016).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import blas
from dagsolve.kernels.cholesky import cholesky_reverse
from dagsolve.kernels.dense import adjoint, copyltu, factored, named, phi
from dagsolve.kernels.triangles import clear_above, lower_copy
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_spd
from dagsolve.specs import broadcast_shapes

SMALL = 64  # order below which a call per matrix costs more than its flops


def forward(xp: Namespace, a: Array, *, start: int = 0, whole: int | None = None) -> Array:
    try:
        (l,) = factored(
            xp, "cholesky", a, lambda: xp.linalg.cholesky(copyltu(xp, a)), "is not positive definite"
        )
    except FactorisationError:
        if xp is np:
            _refuse_indefinite(a, start, whole or a.shape[-1])
        raise
    return l


def _refuse_indefinite(a: Array, start: int, whole: int) -> None:
    """Raises FactorisationError with the leading minor that is not positive, found by halving."""
    for index in np.ndindex(*a.shape[:-2]):
        if _positive(a[index]):
            continue
        low, order = 0, a.shape[-1]
        while order - low > 1:
            middle = (low + order) // 2
            low, order = (middle, order) if _positive(a[index][:middle, :middle]) else (low, middle)
        finite = bool(np.all(np.isfinite(np.tril(a[index][:order, :order]))))
        why = "is not positive" if finite else "holds NaN or infinity"
        remedy = "add a small multiple of the identity" if finite else "look for NaN in the data"
        raise FactorisationError(
            f"cholesky: {named(index)} {(whole, whole)} {a.dtype} is not positive definite: its leading minor"
            f" of order {start + order} {why}; {remedy}"
        )


def _positive(a: Array) -> bool:
    try:
        return bool(np.all(np.isfinite(np.linalg.cholesky(a))))  # which reads the lower triangle
    except np.linalg.LinAlgError:
        return False


def forward_kernel(
    xp: Namespace, a: Array, *, start: int = 0, whole: int | None = None, overwrite: bool = False
) -> Array:
    """By LAPACK in place on a copy of the triangle, or on a itself, a matrix of the stack at a time."""
    if not (xp is np and blas.supports(a)):
        return forward(xp, a, start=start, whole=whole)
    if a.ndim > 2 and a.shape[-1] <= SMALL:
        try:
            return forward(xp, a)  # one call for the whole stack
        except FactorisationError:
            pass  # the loop below finds out which matrix it was
    l = a if overwrite else lower_copy(a) if a.ndim == 2 else np.tril(a)
    for index in np.ndindex(*a.shape[:-2]):
        blas.potrf(l[index], name=f"cholesky: {named(index)}", start=start, whole=whole)
        if overwrite:
            clear_above(l[index])
    return l


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, **tile: int | None) -> Array:
    (a_dot,) = tangents
    half = solve_triangular(saved.l, copyltu(xp, a_dot))
    return xp.matmul(saved.l, phi(xp, solve_triangular(saved.l, half, transposed=True, right=True)))


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, **tile: int | None) -> Arrays:
    (l_bar,) = cotangents
    middle = copyltu(xp, xp.matmul(adjoint(xp, saved.l), l_bar))  # does not see L̄ above its diagonal
    half = solve_triangular(saved.l, middle, transposed=True)
    return (phi(xp, solve_triangular(saved.l, half, right=True)),)


def pullback_kernel(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    overwrite: bool = False,
    **tile: int | None,
) -> Arrays:
    """The blocked sweep, a matrix of the stack at a time, in place on a copy of L̄ or on L̄ itself."""
    (l_bar,) = cotangents
    if not (xp is np and blas.supports(saved.l, l_bar)):
        return pullback(xp, saved, cotangents, wanted)
    shape = broadcast_shapes(saved.l.shape, l_bar.shape)
    if len(shape) == 2:
        return (cholesky_reverse(saved.l, l_bar, overwrite=overwrite),)
    l, l_bar = np.broadcast_to(saved.l, shape), np.broadcast_to(l_bar, shape)
    a_bar = np.empty(shape, l.dtype)
    for index in np.ndindex(*shape[:-2]):
        a_bar[index] = cholesky_reverse(l[index], l_bar[index])
    return (a_bar,)


def cost(operands: Specs, results: Specs, **tile: int | None) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1] / 3
    return Cost(flops, 2 * flops, results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_spd(rng, n=1),)
    yield (random_spd(rng, n=5),)
    yield (random_spd(rng, n=67),)  # halves of the blocked sweep
    yield (random_spd(rng, 2, 3, n=3),)
    yield random_spd(rng, n=3, dtype=complex), {"start": 2, "whole": 7}


cholesky = Primitive(
    "cholesky",
    "a(n,n) -> l(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("l",)},
    forward_kernel=forward_kernel,
    inplace={"l": "a"},
    pullback_kernel=pullback_kernel,
    pullback_inplace={"a": "l"},
    cost=cost,
    examples=examples,
)

PRIMITIVES = (cholesky,)
