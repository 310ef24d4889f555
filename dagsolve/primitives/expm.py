"""Matrix exponential Y = exp A, and its Fréchet derivative Y = L(A, E) at A along E.

L is linear in E, and its adjoint is L at Aᴴ:

    expm              pushforward  Ẏ = L(A, Ȧ)
                      pullback     Ā = L(Aᴴ, Ȳ)

L(A, E) is the upper right block of exp [[A, E], [0, A]]. Its derivatives are blocks of L at that matrix:

    expm_frechet      pushforward  Ẏ = upper right block of L([[A, E], [0, A]], [[Ȧ, Ė], [0, Ȧ]])
                      pullback     W = L([[A, E], [0, A]]ᴴ, [[0, Ȳ], [0, 0]]),  Ā = W₁₁ + W₂₂,  Ē = W₁₂

so that every order of derivative is exact. Forward is the Padé approximant of degree 13 with scaling and
squaring in any array library; NumPy's arrays take SciPy's routines, which choose the degree.
Reference: N. J. Higham, SIAM J. Matrix Anal. Appl. 26 (2005) 1179-1193; A. H. Al-Mohy, N. J. Higham, SIAM J.
Matrix Anal. Appl. 30 (2009) 1639-1657.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg

from dagsolve.kernels.dense import adjoint, factored, total
from dagsolve.kernels.stacks import floating, one_by_one
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec

Maybe = Array | None
FAILURE = "is too large: its exponential, or the derivative of that, is not finite"
REACH = 4.25  # largest norm at which the approximant is exact in double precision
PADE = [
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
]  # fmt: skip


def forward(xp: Namespace, a: Array) -> Array:
    (y,) = factored(xp, "expm", a, lambda: _pade(xp, a), FAILURE)
    return y


def _pade(xp: Namespace, a: Array) -> Array:
    if not a.size:
        return a
    norms = xp.max(xp.sum(xp.abs(a), axis=-2), axis=-1)[..., None, None]
    ratio = xp.where(xp.isfinite(norms), norms / REACH, 0.0 * xp.ones_like(norms))
    floor = xp.where(ratio < 1, xp.ones_like(ratio), ratio)
    squarings = xp.ceil(xp.log2(floor))  # one number per matrix
    rounds = int(xp.max(squarings))
    for k in range(rounds):
        a = xp.where(squarings > k, 0.5 * a, a)
    one = xp.eye(a.shape[-1], dtype=a.dtype)
    a2 = xp.matmul(a, a)
    a4 = xp.matmul(a2, a2)
    a6 = xp.matmul(a4, a2)
    b = [float(c) for c in PADE]
    odd = xp.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    odd = xp.matmul(a, odd)
    even = xp.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    y = xp.linalg.solve(even - odd, even + odd)
    for k in range(rounds):
        y = xp.where(squarings > k, xp.matmul(y, y), y)
    return y


def forward_kernel(xp: Namespace, a: Array) -> Array:
    """By SciPy on NumPy arrays."""
    if xp is not np or not a.size:
        return forward(xp, a)
    a = floating(a)
    with np.errstate(all="ignore"):  # what is not finite raises
        (y,) = factored(xp, "expm", a, lambda: scipy.linalg.expm(a) if np.all(np.isfinite(a)) else a, FAILURE)
    return np.asarray(y, a.dtype)


def specs(a: Spec) -> Specs:
    expm.parsed.dims((a.shape,))
    return (spec(a.shape, a.dtype if a.dtype.kind in "fc" else np.float64),)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    return expm_frechet(saved.a, a_dot)


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return (expm_frechet(adjoint(xp, saved.a), y_bar),)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1]
    return Cost(20 * flops, 60 * flops, 6 * results[0].size)


def frechet_forward(xp: Namespace, a: Array, e: Array) -> Array:
    y = expm.forward(xp, _above(xp, a, e))
    n = a.shape[-1]
    return y[..., :n, n:]


def frechet_kernel(xp: Namespace, a: Array, e: Array) -> Array:
    """By SciPy on NumPy arrays, a matrix of the stack at a time: three exponentials' flops, not eight."""
    if xp is not np or not a.size:
        return frechet_forward(xp, a, e)
    dtype = np.result_type(floating(a), floating(e))

    def single(x: Array, direction: Array) -> Array:
        finite = np.all(np.isfinite(x)) and np.all(np.isfinite(direction))

        def made() -> Array:
            return (
                scipy.linalg.expm_frechet(x, direction, compute_expm=False) if finite else direction * np.nan
            )

        with np.errstate(all="ignore"):
            return np.asarray(factored(np, "expm_frechet", x, made, FAILURE)[0])

    return one_by_one(single, floating(a), floating(e), ndims=(2, 2)).astype(dtype, copy=False)


def _above(xp: Namespace, a: Array, e: Array) -> Array:
    """[[A, E], [0, A]], of the two arrays' common shape and dtype."""
    a, e = a + 0.0 * e, e + 0.0 * a
    return xp.concat((xp.concat((a, e), axis=-1), xp.concat((0.0 * a, a), axis=-1)), axis=-2)


def frechet_specs(a: Spec, e: Spec) -> Specs:
    (shape,) = expm_frechet.parsed.result_shapes((a.shape, e.shape))
    kinds = (x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64) for x in (a, e))
    return (spec(shape, np.result_type(*kinds)),)


def frechet_pushforward(xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...]) -> Maybe:
    a_dot, e_dot = tangents
    along_e = None if e_dot is None else expm_frechet(saved.a, e_dot)
    if a_dot is None:
        return along_e
    n = a_dot.shape[-1]
    moved = expm_frechet(_above(xp, saved.a, saved.e), _above(xp, a_dot, 0.0 * a_dot))
    return total(along_e, moved[..., :n, n:])


def frechet_pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted
) -> tuple[Maybe, ...]:
    (y_bar,) = cotangents
    found: dict[str, Maybe] = {}
    if "e" in wanted:
        found["e"] = expm_frechet(adjoint(xp, saved.a), y_bar)
    if "a" in wanted and y_bar is not None:
        n = y_bar.shape[-1]
        seed = _above(xp, 0.0 * y_bar, y_bar)
        w = expm_frechet(adjoint(xp, _above(xp, saved.a, saved.e)), seed)
        found["a"] = w[..., :n, :n] + w[..., n:, n:]
    return tuple(found[name] for name in wanted)


def frechet_cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1]
    return Cost(60 * flops, 8 * 60 * flops, 12 * results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 3, 3) / 2,)
    yield (random_array(rng, 1, 1),)
    yield (random_array(rng, 7, 7),)  # squared
    yield (random_array(rng, 2, 3, 2, 2),)
    yield (random_array(rng, 3, 3, dtype=complex),)


def frechet_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 2), random_array(rng, 2, 2)
    yield random_array(rng, 5, 5), random_array(rng, 5, 5)
    yield random_array(rng, 3, 3), random_array(rng, 2, 3, 3)
    yield random_array(rng, 2, 2, dtype=complex), random_array(rng, 2, 2, dtype=complex)
    yield random_array(rng, 2, 2), random_array(rng, 2, 2, dtype=complex)


expm = Primitive(
    "expm",
    "a(n,n) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a",)},
    specs=specs,
    forward_kernel=forward_kernel,
    cost=cost,
    examples=examples,
)
expm_frechet = Primitive(
    "expm_frechet",
    "a(n,n), e(n,n) -> y(n,n)",
    frechet_forward,
    frechet_pushforward,
    frechet_pullback,
    saves={"a": ("a", "e"), "e": ("a",)},
    specs=frechet_specs,
    forward_kernel=frechet_kernel,
    cost=frechet_cost,
    examples=frechet_examples,
)

PRIMITIVES = (expm, expm_frechet)
