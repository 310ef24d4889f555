"""Reduced singular value decomposition A = U diag(s) Vᴴ of an m × n matrix, k = min(m, n).

s is descending, U and V have orthonormal columns. Of each column of U, the first entry whose magnitude is
within a hundredth of the largest is real and positive, and V follows, so that the factors are the same
whichever library computed them. With E_ij = 1 / (s_j - s_i), G_ij = 1 / (s_j + s_i), P = Uᴴ Ȧ V, and
he(X) = (X + Xᴴ) / 2, sk(X) = (X - Xᴴ) / 2,

    pushforward    ṡ = Re diag P
                   U̇ = U (E ∘ he(P) + G ∘ sk(P)) + (I - U Uᴴ) Ȧ V diag(1/s)
                   V̇ = V (E ∘ he(P) - G ∘ sk(P)) + (I - V Vᴴ) Ȧᴴ U diag(1/s)
    pullback       K = Uᴴ Ū, N = Vᴴ V̄, M = E ∘ sk(K + N) + G ∘ sk(K - N) + diag s̄
                   Ā = U M Vᴴ + (Ū - U K) diag(1/s) Vᴴ + U diag(1/s) (V̄ - V N)ᴴ

where complex factors have a term more, which keeps the first large entry of each column of U real. The last
two terms of Ā are there for deep and for wide matrices.

What is divided by a difference, sum or value of at most ε^¾ max s, ε the rounding unit, is zero: there the
columns are not defined, only the spaces that they span. Of functions of such spaces first derivatives are
exact with this rule, nothing is ever infinite. A function in which equal singular values weigh the vectors,
such as U diag(s) Vᴴ, is not one of the spaces, nor is a second derivative in general: the part of a cotangent
that depends on the choice of vectors is measured by `dagsolve.primitives.settled` and `weighed`, and told as
`dagsolve.kernels.choices` says. The factors U Vᴴ of a polar decomposition have a rule of their own.
Reference: M. Seeger et al., arXiv:1710.08717 (2017); J. Townsend, Differentiating the singular value
decomposition (2016).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices, gauge, singular
from dagsolve.kernels.dense import adjoint, factored, is_complex, total
from dagsolve.kernels.reflectors import on_stack
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.settled import settled_skew
from dagsolve.primitives.weighed import settled_rates, settled_zeros
from dagsolve.sampling import random_orthogonal
from dagsolve.specs import Spec, spec


def forward(xp: Namespace, a: Array) -> Arrays:
    u, s, vh = factored(xp, "svd", a, lambda: xp.linalg.svd(a, full_matrices=False))
    if not u.size or not vh.size:
        return u, s, vh
    turn = gauge.phase(xp, u)
    back = xp.conj(turn) if is_complex(turn) else turn
    return u * turn, s, xp.matrix_transpose(back) * vh


def forward_kernel(xp: Namespace, a: Array) -> Arrays:
    """Large real matrices by reflectors a panel at a time."""
    if not (xp is np and singular.serves(a)):
        return forward(xp, a)
    return factored(xp, "svd", a, lambda: on_stack(_vectors, a))


def _vectors(a: Array) -> Arrays:
    u, s, vh = singular.svd(a)
    turn = gauge.signs(u)
    u *= turn
    vh *= turn[:, None]
    return u, s, vh


def forward_needed(xp: Namespace, needed: tuple[str, ...], a: Array) -> tuple[Array | None, ...]:
    """The singular values alone where no vectors are needed."""
    if needed != ("s",):
        return forward_kernel(xp, a)
    return None, *factored(xp, "svd", a, lambda: xp.linalg.svdvals(a)), None


def specs(a: Spec) -> Specs:
    dims = svd.parsed.dims((a.shape,))
    lead, m, n = a.shape[:-2], dims["m"], dims["n"]
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    k, real = min(m, n), dtype.char.lower()
    return spec((*lead, m, k), dtype), spec((*lead, k), real), spec((*lead, k, n), dtype)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Arrays:
    (a_dot,) = tangents
    u, s, v = saved.u, saved.s, adjoint(xp, saved.vh)
    m, k, n = u.shape[-2], s.shape[-1], v.shape[-2]
    right = xp.matmul(a_dot, v)
    p = xp.matmul(adjoint(xp, u), right)
    rates = xp.linalg.diagonal(p)
    moving = settled_skew(p, p, p, s, who="svd", sums=False, tangent=True, policy=choices.policy())
    symmetric = gauge.reciprocal_gaps(xp, s) * moving
    skew = gauge.reciprocal_sums(xp, s) * _skew(xp, p)
    u_dot, v_dot = xp.matmul(u, symmetric + skew), xp.matmul(v, symmetric - skew)
    if m != n:
        inverse = gauge.reciprocal_values(xp, s)[..., None, :]
        if m > k:
            u_dot = u_dot + (right - xp.matmul(u, p)) * inverse
        else:
            left = xp.matmul(adjoint(xp, a_dot), u)
            v_dot = v_dot + (left - xp.matmul(v, adjoint(xp, p))) * inverse
    if not is_complex(u):
        return u_dot, rates, adjoint(xp, v_dot)
    if u.size and v.size:
        turning = gauge.turning(xp, u, u_dot)
        u_dot, v_dot = u_dot - u * turning, v_dot - v * turning
    return u_dot, xp.real(rates), adjoint(xp, v_dot)


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Array | None, ...], wanted: Wanted
) -> tuple[Array | None, ...]:
    u_bar, s_bar, vh_bar = cotangents
    u, s, vh = saved.u, saved.s, saved.vh
    policy = choices.policy()
    if s_bar is not None and policy != "ignore":
        vectors = u_bar is not None or vh_bar is not None
        s_bar = settled_rates(s_bar, s, who="svd", zeros=True, vectors=vectors, policy=policy)
    if u_bar is None and vh_bar is None and s_bar is not None:
        return (xp.matmul(u * s_bar[..., None, :], vh),)
    if is_complex(u) and u.size and vh.size:
        turned = total(
            None if u_bar is None else gauge.phase_part(xp, u, u_bar),
            None if vh_bar is None else -_row_phase_part(xp, vh, vh_bar),
        )
        u_bar = total(u_bar, -gauge.turning_cotangent(xp, u, turned))
    k = None if u_bar is None else xp.matmul(adjoint(xp, u), u_bar)
    n = None if vh_bar is None else xp.matmul(vh, adjoint(xp, vh_bar))
    middle = _middle(xp, s, s_bar, k, n)
    deep, wide = u.shape[-2] > s.shape[-1], vh.shape[-1] > s.shape[-1]
    if deep and u_bar is not None:
        if policy != "ignore":
            s = settled_zeros(s, u_bar, u, k, rows=False, who="svd", policy=policy)
        inverse = gauge.reciprocal_values(xp, s)[..., None, :]
        return (xp.matmul(xp.matmul(u, middle - k * inverse) + u_bar * inverse, vh),)
    if wide and vh_bar is not None:
        along = adjoint(xp, n)
        if policy != "ignore":
            s = settled_zeros(s, vh_bar, vh, along, rows=True, who="svd", policy=policy)
        inverse = gauge.reciprocal_values(xp, s)[..., :, None]
        return (xp.matmul(u, xp.matmul(middle - inverse * along, vh) + inverse * vh_bar),)
    if deep:  # the smaller product first
        return (xp.matmul(u, xp.matmul(middle, vh)),)
    return (xp.matmul(xp.matmul(u, middle), vh),)


def _middle(xp: Namespace, s: Array, s_bar: Array | None, k: Array | None, n: Array | None) -> Array:
    """M."""
    first, second = (n if k is None else k), (k if n is None else n)
    m: Array | None = None
    if first is not None:
        policy = choices.policy()
        together, against = total(k, n), total(k, None if n is None else -n)
        m = gauge.reciprocal_gaps(xp, s) * settled_skew(
            together, first, second, s, who="svd", sums=False, policy=policy
        ) + gauge.reciprocal_sums(xp, s) * settled_skew(
            against, first, second, s, who="svd", sums=True, policy=policy
        )
    if s_bar is None:
        return m
    values = xp.eye(s.shape[-1], dtype=s.dtype) * s_bar[..., None, :]
    return total(m, values)


def _row_phase_part(xp: Namespace, vh: Array, vh_bar: Array) -> Array:
    """`gauge.phase_part` of the rows of Vᴴ, (..., 1, k); the columns of V turn the other way."""
    return xp.sum(xp.imag(vh_bar * xp.conj(vh)), axis=-1)[..., None, :]


def _skew(xp: Namespace, x: Array) -> Array:
    return 0.5 * (x - adjoint(xp, x))


def cost(operands: Specs, results: Specs) -> Cost:
    m, n = operands[0].shape[-2:]
    stack = operands[0].size / (m * n) if m * n else 0.0
    long, k = max(m, n), min(m, n)
    forward_flops = 6 * long * k * k + 20 * k**3
    pullback_flops = 6 * long * k * k + 2 * k**3
    return Cost(stack * forward_flops, stack * pullback_flops, stack * (long + 3 * k) * k)


def random_of_spectrum(
    rng: np.random.Generator, *batch: int, m: int, n: int, s: Any = None, dtype: Any = np.float64
) -> Array:
    """Matrices (*batch, m, n) with these singular values, or with some at least 0.7 apart."""
    k = min(m, n)
    if s is None:
        s = np.cumsum(rng.uniform(0.7, 1.3, (*batch, k)), axis=-1)
    u = random_orthogonal(rng, *batch, n=m, dtype=dtype)[..., :k]
    v = random_orthogonal(rng, *batch, n=n, dtype=dtype)[..., :k, :]
    return (u * np.asarray(s, u.real.dtype)[..., None, :]) @ v


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((2, 2), (1, 1), (5, 5), (7, 3), (3, 7), (1, 3), (3, 1)):
        yield (random_of_spectrum(rng, m=m, n=n),)
    yield (random_of_spectrum(rng, 2, 3, m=5, n=2),)
    yield (random_of_spectrum(rng, 2, m=2, n=5),)
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (random_of_spectrum(rng, m=m, n=n, dtype=complex),)
    yield (random_of_spectrum(rng, 2, m=3, n=2, dtype=complex),)


svd = Primitive(
    "svd",
    "a(m,n) -> u(m,k), s(k), vh(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("u", "s", "vh")},
    specs=specs,
    forward_needed=forward_needed,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (svd,)
