"""Column-pivoted QR factorisation A[:, p] = Q R of an m × n matrix of full rank, k = min(m, n).

Every pivot is the largest that is left, so |R₀₀| ≥ |R₁₁| ≥ …; p is a permutation of the columns, without
derivative. The maps are those of `qr` between A[:, p] and Q, R; a wide matrix needs no independent first
columns here, since the pivots choose them. Where two pivots tie, the factors jump and have no
derivative: `dagsolve.primitives.independent` tells of it.

With `full_rank` a matrix is refused as rank deficient where a diagonal entry of R is at most max(m, n) ε
times the first, for then Q and the rest of R have no derivative.
Reference: D. Roberts, L. Roberts, arXiv:2009.10071 (2020).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices, lapack, reflectors
from dagsolve.kernels.dense import factored
from dagsolve.kernels.rank import refuse_deficient
from dagsolve.namespace import Array, Arrays, Namespace, to_host
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import qr as orthogonal
from dagsolve.primitives.independent import untied
from dagsolve.primitives.permutation import permute_rows
from dagsolve.sampling import random_array, random_orthogonal
from dagsolve.specs import Spec, spec

REMEDY = "take the columns that count, or ask for a plain array's factors outside the function"


def forward(xp: Namespace, a: Array, *, full_rank: bool = True) -> Arrays:
    host = to_host(a)
    if not lapack.supports(host):
        host = host.astype(np.result_type(host.dtype, np.float64))
    q, r, p = reflectors.on_stack(reflectors.pivoted_qr, host)
    q, r = factored(np, "pivoted_qr", a, lambda: (q, r))
    if full_rank:
        refuse_deficient(np, "pivoted_qr", host, r, None, REMEDY)
    return (q, r, p) if xp is np else (xp.asarray(q), xp.asarray(r), xp.asarray(p))


def specs(a: Spec, *, full_rank: bool = True) -> Specs:
    pivoted_qr.parsed.dims((a.shape,))
    return *orthogonal.specs(a), spec((*a.shape[:-2], a.shape[-1]), np.intp)


def _columns(xp: Namespace, x: Array, p: Array, *, inverse: bool) -> Array:
    """X[:, p], or the Y with Y[:, p] = X."""
    return xp.matrix_transpose(permute_rows(xp.matrix_transpose(x), p, inverse=inverse))


def pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, full_rank: bool = True
) -> tuple[Array | None, ...]:
    (a_dot,) = tangents
    permuted = _columns(xp, a_dot, saved.p, inverse=False)
    return *orthogonal.tangents(xp, saved.q, _untied(saved.r), permuted, "pivoted_qr"), None


def pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: tuple[Array | None, ...],
    wanted: Wanted,
    *,
    full_rank: bool = True,
) -> tuple[Array | None, ...]:
    q_bar, r_bar, _ = cotangents
    if q_bar is None and r_bar is None:
        return (None,)
    permuted = orthogonal.pulled(xp, saved.q, _untied(saved.r), q_bar, r_bar, who="pivoted_qr")
    return (_columns(xp, permuted, saved.p, inverse=True),)


def _untied(r: Array) -> Array:
    policy = choices.policy()
    made: Array = r if policy == "ignore" else untied(r, who="pivoted_qr", policy=policy)
    return made


def cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    return orthogonal.cost(operands, results[:2])


def well_pivoted(rng: np.random.Generator, *batch: int, m: int, n: int, dtype: Any = np.float64) -> Array:
    """Matrices (*batch, m, n) whose pivots are clear choices: each at most 0.7 of the one before."""
    k = min(m, n)
    sizes = 0.6 ** np.arange(k) * rng.uniform(1.0, 1.1, (*batch, k))
    steep = 0.3 * np.triu(random_array(rng, *batch, k, k, dtype=dtype), 1) / np.sqrt(k)
    triangle = sizes[..., :, None] * (np.eye(k) + steep)
    rest = sizes[..., :, None] * random_array(rng, *batch, k, n - k, dtype=dtype) * 0.4 / np.sqrt(k)
    q = random_orthogonal(rng, *batch, n=m, dtype=dtype)[..., :k]
    a = q @ np.concatenate([triangle, rest], axis=-1)
    return np.asarray(a[..., rng.permutation(n)], dtype=dtype)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((3, 5), (1, 1), (5, 5), (7, 3), (1, 3), (3, 1)):
        yield (well_pivoted(rng, m=m, n=n),)
    yield well_pivoted(rng, 2, 3, m=5, n=2), {"full_rank": False}
    yield (well_pivoted(rng, 2, m=2, n=5),)
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (well_pivoted(rng, m=m, n=n, dtype=complex),)


pivoted_qr = Primitive(
    "pivoted_qr",
    "a(m,n) -> q(m,k), r(k,n), p(n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("q", "r", "p")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (pivoted_qr,)
