"""Permutations of the rows of matrices, by the index arrays that pivoted factorisations make.

    permute_rows(b, p)                 y = b[p], or y[p] = b if `inverse`; their adjoints are each other
    swaps_of_permutation(p, count)     the first `count` of LAPACK's row swaps that lead to p
    permutation_of_swaps(s, length)    and back

p (..., m) belongs to the matrices of a stack one by one and carries no derivative.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.permutations import from_swaps, to_swaps
from dagsolve.namespace import Array, Arrays, Namespace, to_host
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, broadcast_shapes, spec


def forward(xp: Namespace, b: Array, p: Array, *, inverse: bool = False) -> Array:
    if inverse:
        p = xp.argsort(p, axis=-1)
    if len(p.shape) == 1:
        return xp.take(b, p, axis=len(b.shape) - 2)
    lead = broadcast_shapes(tuple(b.shape[:-2]), tuple(p.shape[:-1]))
    shape = (*lead, *b.shape[-2:])
    return xp.take_along_axis(
        xp.broadcast_to(b, shape), xp.broadcast_to(p[..., None], shape), axis=len(shape) - 2
    )


def specs(b: Spec, p: Spec, *, inverse: bool = False) -> Specs:
    (shape,) = permute_rows.parsed.result_shapes((b.shape, p.shape))
    return (spec(shape, b.dtype),)


def pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], *, inverse: bool = False
) -> Array | None:
    b_dot, _ = tangents
    return None if b_dot is None else permute_rows(b_dot, saved.p, inverse=inverse)


def pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, inverse: bool = False
) -> Arrays:
    (y_bar,) = cotangents
    return (permute_rows(y_bar, saved.p, inverse=not inverse),)


def cost(operands: Specs, results: Specs, *, inverse: bool = False) -> Cost:
    return Cost(0, 0)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5, 3), rng.permutation(5)
    yield random_array(rng, 2, 5, 3), rng.permutation(5), {"inverse": True}
    stacked = np.stack([rng.permutation(3) for _ in range(2)])
    yield random_array(rng, 2, 3, 7), stacked
    yield random_array(rng, 3, 2, dtype=complex), stacked, {"inverse": True}


def _each(xp: Namespace, operand: Array, shape: tuple[int, ...], dtype: Any, rule: Any) -> Array:
    """A rule on host vectors for every vector of a stack."""
    host = to_host(operand)
    made = np.empty(shape, dtype)
    for index in np.ndindex(*shape[:-1]):
        made[index] = rule(host[index])
    return made if xp is np else xp.asarray(made)


def swaps_forward(xp: Namespace, p: Array, *, count: int) -> Array:
    return _each(xp, p, (*p.shape[:-1], count), np.int32, lambda one: to_swaps(one, count))


def permutation_forward(xp: Namespace, s: Array, *, length: int) -> Array:
    return _each(xp, s, (*s.shape[:-1], length), np.int64, lambda one: from_swaps(one, length))


def swaps_specs(p: Spec, *, count: int) -> Specs:
    return (spec((*p.shape[:-1], count), np.int32),)  # as LAPACK's


def permutation_specs(s: Spec, *, length: int) -> Specs:
    return (spec((*s.shape[:-1], length), np.int64),)


def swaps_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield rng.permutation(7), {"count": 7}
    yield np.stack([rng.permutation(5) for _ in range(2)]), {"count": 3}


def permutation_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield np.array([3, 1, 4, 3, 4]), {"length": 5}
    yield np.array([[2, 1], [6, 5]]), {"length": 7}


permute_rows = Primitive(
    "permute_rows",
    "b(m,n), p(m) -> y(m,n)",
    forward,
    pushforward,
    pullback,
    saves={"b": ("p",)},
    specs=specs,
    cost=cost,
    examples=examples,
)
swaps_of_permutation = Primitive(
    "swaps_of_permutation", "p(m) -> s(k)", swaps_forward, specs=swaps_specs, examples=swaps_examples
)
permutation_of_swaps = Primitive(
    "permutation_of_swaps",
    "s(k) -> p(m)",
    permutation_forward,
    specs=permutation_specs,
    examples=permutation_examples,
)

PRIMITIVES = (permute_rows, swaps_of_permutation, permutation_of_swaps)
