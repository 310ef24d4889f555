"""Principal square root of a square matrix: Y Y = A, the eigenvalues of Y in the right half plane.

Derivatives solve Sylvester's equation with Y:

    pushforward    Y Ẏ + Ẏ Y = Ȧ
    pullback       Yᴴ Ā + Ā Yᴴ = Ȳ

A real A has a real root. A that is singular, or has a negative eigenvalue, has no principal root that is
differentiable: FactorisationError. Made in host memory.
Reference: E. Deadman, N. J. Higham, R. Ralha, Lect. Notes Comput. Sci. 7782 (2013) 171-182.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from dagsolve.kernels import schur
from dagsolve.kernels.dense import adjoint
from dagsolve.kernels.stacks import on_host
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.sylvester import solve_sylvester
from dagsolve.sampling import random_array, random_spd


def forward(xp: Namespace, a: Array) -> Array:
    return on_host(xp, partial(schur.square_root, "sqrtm"), a)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    return solve_sylvester(saved.y, saved.y, a_dot)


def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    turned = adjoint(xp, saved.y)
    return (solve_sylvester(turned, turned, y_bar),)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[0].size) * results[0].shape[-1]
    return Cost(34 * flops, 60 * flops, 3 * results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (_rooted(rng, n=3),)
    yield (_rooted(rng, n=1),)
    yield (_rooted(rng, n=7),)
    yield (_rooted(rng, 2, 3, n=2),)
    yield (_rooted(rng, n=3, dtype=complex),)
    yield (random_spd(rng, n=5),)


def _rooted(rng: np.random.Generator, *batch: int, n: int, dtype: Any = float) -> Array:
    """Matrices far from the negative real axis."""
    return random_array(rng, *batch, n, n, dtype=dtype) / (2 * np.sqrt(n)) + 2 * np.eye(n)


sqrtm = Primitive(
    "sqrtm",
    "a(n,n) -> y(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("y",)},
    cost=cost,
    examples=examples,
)

PRIMITIVES = (sqrtm,)
