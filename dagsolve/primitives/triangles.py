"""Triangles and diagonals of matrices: masks, and their adjoints.

    y = tril(a, k)             ā = tril(ȳ, k), and the same for triu
    d = diagonal(a)            ā = diagonal_matrix(d̄)
    a = diagonal_matrix(d)     d̄ = diagonal(ā)

All maps are linear and their own pushforwards.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array


def tril_forward(xp: Namespace, a: Array, *, k: int = 0) -> Array:
    return xp.tril(a, k=k)


def tril_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, k: int = 0) -> Array:
    (a_dot,) = tangents
    return xp.tril(a_dot, k=k)


def tril_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, k: int = 0) -> Arrays:
    (y_bar,) = cotangents
    return (xp.tril(y_bar, k=k),)


def triu_forward(xp: Namespace, a: Array, *, k: int = 0) -> Array:
    return xp.triu(a, k=k)


def triu_pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, k: int = 0) -> Array:
    (a_dot,) = tangents
    return xp.triu(a_dot, k=k)


def triu_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, k: int = 0) -> Arrays:
    (y_bar,) = cotangents
    return (xp.triu(y_bar, k=k),)


def diagonal_forward(xp: Namespace, a: Array) -> Array:
    return xp.linalg.diagonal(a)


def diagonal_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (a_dot,) = tangents
    return diagonal(a_dot)


def diagonal_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (d_bar,) = cotangents
    return (diagonal_matrix(d_bar),)


def diagonal_matrix_forward(xp: Namespace, d: Array) -> Array:
    """In memory of its own, which a later kernel may overwrite."""
    n = d.shape[-1]
    made = xp.zeros((*d.shape, n), dtype=d.dtype)
    if n:
        flat = xp.reshape(made, (*d.shape[:-1], n * n))  # a view, by the standard
        flat[..., :: n + 1] = d
    return made


def diagonal_matrix_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (d_dot,) = tangents
    return diagonal_matrix(d_dot)


def diagonal_matrix_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (a_bar,) = cotangents
    return (diagonal(a_bar),)


def triangle_cost(operands: Specs, results: Specs, *, k: int = 0) -> Cost:
    return Cost(results[0].size, results[0].size)


def diagonal_matrix_cost(operands: Specs, results: Specs) -> Cost:
    return Cost(results[0].size, operands[0].size)


def triangle_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5, 5),)
    yield random_array(rng, 2, 3, 5), {"k": 1}
    yield random_array(rng, 5, 3, dtype=complex), {"k": -2}


def diagonal_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5, 5),)
    yield (random_array(rng, 2, 1, 1),)
    yield (random_array(rng, 2, 3, 3, dtype=complex),)


def diagonal_matrix_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5),)
    yield (random_array(rng, 2, 1),)
    yield (random_array(rng, 2, 3, dtype=complex),)


tril = Primitive(
    "tril",
    "a(m,n) -> y(m,n)",
    tril_forward,
    tril_pushforward,
    tril_pullback,
    saves={"a": ()},
    cost=triangle_cost,
    examples=triangle_examples,
)
triu = Primitive(
    "triu",
    "a(m,n) -> y(m,n)",
    triu_forward,
    triu_pushforward,
    triu_pullback,
    saves={"a": ()},
    cost=triangle_cost,
    examples=triangle_examples,
)
diagonal = Primitive(
    "diagonal",
    "a(n,n) -> d(n)",
    diagonal_forward,
    diagonal_pushforward,
    diagonal_pullback,
    saves={"a": ()},
    view=True,
    examples=diagonal_examples,
)
diagonal_matrix = Primitive(
    "diagonal_matrix",
    "d(n) -> a(n,n)",
    diagonal_matrix_forward,
    diagonal_matrix_pushforward,
    diagonal_matrix_pullback,
    saves={"d": ()},
    cost=diagonal_matrix_cost,
    examples=diagonal_matrix_examples,
)

PRIMITIVES = (tril, triu, diagonal, diagonal_matrix)
