"""Moore-Penrose inverse Y = A⁺ of an m × n matrix of full rank.

    pushforward    Ẏ = -Y Ȧ Y + Y Yᴴ Ȧᴴ (I - A Y) + (I - Y A) Ȧᴴ Yᴴ Y
    pullback       Ā = -Yᴴ Ȳ Yᴴ + (I - A Y) Ȳᴴ Y Yᴴ + Yᴴ Y Ȳᴴ (I - Y A)

of which the second term is zero for m ≤ n and the third for m ≥ n. Near a matrix of lower rank there are
matrices of full rank with inverses of any size: there is no derivative, and no value is given either.
FactorisationError where a singular value is at most atol + rtol σ₁.
Reference: G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import adjoint, factored, named
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.lu import well_posed


def forward(xp: Namespace, a: Array, *, atol: float = 0.0, rtol: float | None = None) -> Array:
    """rtol None: max(m, n) rounding units, as SciPy's."""
    if not a.shape[-1] * a.shape[-2]:
        return xp.matrix_transpose(a)
    u, s, vh = factored(xp, "pinv", a, lambda: xp.linalg.svd(a, full_matrices=False))
    if rtol is None:
        rtol = max(a.shape[-2:]) * float(xp.finfo(s.dtype).eps)
    low = s <= atol + rtol * s[..., :1]
    if xp.any(low):
        *batch, k = (int(found[0]) for found in xp.nonzero(low))
        raise FactorisationError(
            f"pinv: {named(batch)} {tuple(a.shape[-2:])} {a.dtype} must have full rank, singular value {k} "
            f"is {float(s[(*batch, k)]):.3g} beside {float(s[(*batch, 0)]):.3g}; remove dependent columns or "
            "rows, or add a small multiple of the identity to aᴴ a and solve"
        )
    return xp.matmul(adjoint(xp, vh) / s[..., None, :], adjoint(xp, u))


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, **params: float | None) -> Array:
    (a_dot,) = tangents
    a, y = saved.a, saved.y
    m, n = a.shape[-2:]
    ah, yh = adjoint(xp, a_dot), adjoint(xp, y)
    y_dot = -xp.matmul(y, xp.matmul(a_dot, y))
    if m > n:
        moved = xp.matmul(y, xp.matmul(yh, ah))
        y_dot = y_dot + moved - xp.matmul(xp.matmul(moved, a), y)
    if m < n:
        moved = xp.matmul(xp.matmul(ah, yh), y)
        y_dot = y_dot + moved - xp.matmul(y, xp.matmul(a, moved))
    return y_dot


def pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, **params: float | None
) -> Arrays:
    (y_bar,) = cotangents
    a, y = saved.a, saved.y
    m, n = a.shape[-2:]
    yh, turned = adjoint(xp, y), adjoint(xp, y_bar)
    a_bar = -xp.matmul(yh, xp.matmul(y_bar, yh))
    if m > n:
        moved = xp.matmul(xp.matmul(turned, y), yh)
        a_bar = a_bar + moved - xp.matmul(a, xp.matmul(y, moved))
    if m < n:
        moved = xp.matmul(yh, xp.matmul(y, turned))
        a_bar = a_bar + moved - xp.matmul(xp.matmul(moved, y), a)
    return (a_bar,)


def cost(operands: Specs, results: Specs, **params: float | None) -> Cost:
    m, n = operands[0].shape[-2:]
    k = min(m, n)
    flops = float(operands[0].size) * k
    forward_flops = 6 * flops + 20 * flops * k / max(m, n, 1) + 2 * flops
    return Cost(forward_flops, (4 if m == n else 12) * flops, 3 * operands[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((5, 5), (7, 3), (3, 7), (1, 3), (3, 1)):
        yield (well_posed(rng, m=m, n=n),)
    yield well_posed(rng, 2, 3, m=5, n=2), {"rtol": 1e-9}
    yield well_posed(rng, 2, m=2, n=5), {"atol": 1e-9}
    for m, n in ((5, 3), (3, 5)):
        yield (well_posed(rng, m=m, n=n, dtype=complex),)


pinv = Primitive(
    "pinv",
    "a(m,n) -> y(n,m)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a", "y")},
    cost=cost,
    examples=examples,
)

PRIMITIVES = (pinv,)
