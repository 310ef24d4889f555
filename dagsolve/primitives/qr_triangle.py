"""The triangle R of the reduced QR factorisation A = Q R alone; Q is not formed forward.

Rᴴ R = Aᴴ A, and the signs are those of `qr`. The maps are those of `qr` with Q̄ = 0, for a matrix that is not
wide Ā = Q copyltu(R R̄ᴴ) R⁻ᴴ. They factor A again: Q = A R⁻¹ would lose as many digits of orthogonality as
the condition number of A has. So A is kept instead of Q, and nothing where A is an input or read elsewhere.
Reference: D. Roberts, L. Roberts, arXiv:2009.10071 (2020).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import reflectors
from dagsolve.kernels.dense import factored
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import qr as orthogonal
from dagsolve.specs import Spec


def forward(xp: Namespace, a: Array) -> Array:
    (r,) = factored(xp, "qr_triangle", a, lambda: _triangle(xp, a))
    return r


def _triangle(xp: Namespace, a: Array) -> Array:
    return np.linalg.qr(a, mode="r") if xp is np else xp.linalg.qr(a)[1]


def forward_kernel(xp: Namespace, a: Array) -> Array:
    """By LAPACK without NumPy's copies."""
    if not (xp is np and reflectors.serves(a)):
        return forward(xp, a)
    (r,) = factored(xp, "qr_triangle", a, lambda: reflectors.on_stack(reflectors.triangle, a))
    return r


def specs(a: Spec) -> Specs:
    qr_triangle.parsed.dims((a.shape,))
    return orthogonal.specs(a)[1:]


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    q, r = orthogonal.qr(saved.a)
    return orthogonal.turned(xp, q, r, a_dot)[2]


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (r_bar,) = cotangents
    q, r = orthogonal.qr(saved.a)
    return (orthogonal.pulled(xp, q, r, None, r_bar),)


def cost(operands: Specs, results: Specs) -> Cost:
    (a,) = operands
    both = orthogonal.cost(operands, orthogonal.specs(a))
    return Cost(both.forward_flops / 2, both.forward_flops + both.pullback_flops, a.size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n in ((1, 1), (5, 5), (7, 3), (3, 7)):
        yield (orthogonal.well_posed(rng, m=m, n=n),)
    yield (orthogonal.well_posed(rng, 2, 3, m=5, n=2),)
    for m, n in ((3, 3), (5, 3), (3, 5)):
        yield (orthogonal.well_posed(rng, m=m, n=n, dtype=complex),)


qr_triangle = Primitive(
    "qr_triangle",
    "a(m,n) -> r(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a",)},
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (qr_triangle,)
