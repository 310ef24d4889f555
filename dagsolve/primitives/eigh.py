"""Eigenvalues and eigenvectors of a Hermitian A = V diag(w) Vᴴ, given by its lower triangle.

w is ascending, V unitary. Of each vector, the first entry whose magnitude is within a hundredth of the
largest is real and positive, so that V is the same whichever library computed it. What stands above the
diagonal of A is never read and the cotangent is that of the stored triangle, as for `cholesky`. With
F_ij = 1 / (w_j - w_i), K = Vᴴ copyltu(Ȧ) V in the pushforward and K = Vᴴ V̄ in the pullback,

    pushforward    ẇ = Re diag K,   V̇ = V (F ∘ K)
    pullback       Ā = V (diag w̄ + F ∘ (K - Kᴴ) / 2) Vᴴ,   Ā_stored = tril(Ā) + tril(Ā, -1)

where a complex V has a term more, which keeps the first large entry of each vector real.

F_ij is zero where |w_j - w_i| ≤ ε^¾ max |w|, ε the rounding unit: there the vectors are not defined, only the
space that they span. Of a function of such spaces first derivatives are exact with this rule (the numerator
vanishes with the gap, and what rounding leaves of it is not divided), nothing is ever infinite. A function
in which equal eigenvalues weigh the vectors, such as V diag(w) Vᴴ, is not one of the spaces, nor is a second
derivative in general: the part of a cotangent that depends on the choice of vectors is measured by
`dagsolve.primitives.settled` and `weighed`, and told as `dagsolve.kernels.choices` says.
Reference: M. Seeger et al., arXiv:1710.08717 (2017).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices, gauge, symmetric
from dagsolve.kernels.dense import adjoint, copyltu, factored, is_complex, total
from dagsolve.kernels.reflectors import on_stack
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.settled import settled_skew
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.primitives.weighed import settled_rates
from dagsolve.sampling import random_separated


def forward(xp: Namespace, a: Array) -> Arrays:
    whole = a if xp is np else copyltu(xp, a)  # NumPy reads the lower triangle only
    w, v = factored(xp, "eigh", a, lambda: xp.linalg.eigh(whole))
    if not v.size:
        return w, v
    return w, v * gauge.phase(xp, v)


def forward_kernel(xp: Namespace, a: Array) -> Arrays:
    """Large real matrices by reflectors a panel at a time; V of one matrix is Fortran-contiguous."""
    if not (xp is np and symmetric.serves(a)):
        return forward(xp, a)
    return factored(xp, "eigh", a, lambda: on_stack(_vectors, a))


def _vectors(a: Array) -> Arrays:
    w, v = symmetric.eigh(a)
    v *= gauge.signs(v)
    return w, v


def forward_needed(xp: Namespace, needed: tuple[str, ...], a: Array) -> tuple[Array | None, ...]:
    """The eigenvalues alone where the vectors are not needed."""
    if "v" in needed:
        return forward_kernel(xp, a)
    whole = a if xp is np else copyltu(xp, a)
    return *factored(xp, "eigh", a, lambda: xp.linalg.eigvalsh(whole)), None


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Arrays:
    (a_dot,) = tangents
    v = saved.v
    k = xp.matmul(adjoint(xp, v), xp.matmul(copyltu(xp, a_dot), v))
    w_dot = xp.real(xp.linalg.diagonal(k)) if is_complex(k) else xp.linalg.diagonal(k)
    moving = settled_skew(k, k, k, saved.w, who="eigh", sums=False, tangent=True, policy=choices.policy())
    v_dot = xp.matmul(v, gauge.reciprocal_gaps(xp, saved.w) * moving)
    if is_complex(v) and v.size:
        v_dot = v_dot - v * gauge.turning(xp, v, v_dot)
    return w_dot, v_dot


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Array | None, ...], wanted: Wanted
) -> tuple[Array | None, ...]:
    w_bar, v_bar = cotangents
    v, policy = saved.v, choices.policy()
    middle = None
    if v_bar is not None:
        if is_complex(v) and v.size:
            v_bar = v_bar - gauge.turning_cotangent(xp, v, gauge.phase_part(xp, v, v_bar))
        k = xp.matmul(adjoint(xp, v), v_bar)
        skew = settled_skew(k, k, k, saved.w, who="eigh", sums=False, policy=policy)
        middle = xp.matmul(v, gauge.reciprocal_gaps(xp, saved.w) * skew)
    if w_bar is not None and policy != "ignore":
        vectors = v_bar is not None
        w_bar = settled_rates(w_bar, saved.w, who="eigh", zeros=False, vectors=vectors, policy=policy)
    scaled = None if w_bar is None else v * w_bar[..., None, :]
    stored = triangle_product(total(scaled, middle), adjoint(xp, v))
    return (stored + xp.tril(stored, k=-1),)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[1].size) * results[1].shape[-1]
    return Cost(9 * flops, 5 * flops, 3 * results[1].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_separated(rng, n=1),)
    yield (random_separated(rng, n=2),)
    yield (random_separated(rng, n=7),)
    yield (random_separated(rng, 2, 3, n=3),)
    yield (random_separated(rng, n=5, dtype=complex),)
    yield (random_separated(rng, 2, n=3, dtype=complex),)


eigh = Primitive(
    "eigh",
    "a(n,n) -> w(n), v(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("w", "v")},
    forward_needed=forward_needed,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (eigh,)
