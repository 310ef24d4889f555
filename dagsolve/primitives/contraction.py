"""Products of matrices and contractions of two arrays.

    y = a b (stacks of matrices)     ā = ȳ bᴴ        b̄ = aᴴ ȳ
    y = einsum(subscripts, a, b)     each cotangent is the einsum of ȳ with the other operand's conjugate

Vectors are the tracer's business: `matmul` takes operands with at least two axes. An einsum has explicit
output letters and none twice within one operand; letters that occur in one operand only and not in the
result are summed, and broadcast back in the pullback.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.kernels.dense import adjoint, conjugate, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec

Tangents = tuple[Array | None, ...]


def matmul_forward(xp: Namespace, a: Array, b: Array) -> Array:
    return xp.matmul(a, b)


def matmul_kernel(xp: Namespace, a: Array, b: Array) -> Array:
    """A column times a row item by item: BLAS takes more than twice as long for it."""
    return xp.multiply(a, b) if a.shape[-1] == 1 else xp.matmul(a, b)


def matmul_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else xp.matmul(a_dot, saved.b),
        None if b_dot is None else xp.matmul(saved.a, b_dot),
    )


def matmul_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    made = []
    for name in wanted:
        if name == "a":
            made.append(xp.matmul(y_bar, adjoint(xp, saved.b)))
        elif _one_right_factor(saved, y_bar):
            made.append(xp.matmul(adjoint(xp, _rows(xp, saved.a)), _rows(xp, y_bar)))
        else:
            made.append(xp.matmul(adjoint(xp, saved.a), y_bar))
    return tuple(made)


def _one_right_factor(saved: Saved, y_bar: Array) -> bool:
    """Whether one b met a whole stack a: then b̄ is one product of long matrices, without a stack of them."""
    a, b = saved.specs["a"], saved.specs["b"]
    return a.ndim > 2 and b.ndim == 2 and len(y_bar.shape) == a.ndim


def _rows(xp: Namespace, a: Array) -> Array:
    """A stack of matrices as one matrix with all their rows."""
    return xp.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))


def matmul_cost(operands: Specs, results: Specs) -> Cost:
    flops = 2.0 * results[0].size * operands[0].shape[-1]
    return Cost(flops, 2 * flops)


@lru_cache(maxsize=1024)
def _letters(subscripts: str) -> tuple[str, str, str]:
    """Letters of the operands and of the result.

    Raises ArgumentError for anything but two operands, an explicit result and distinct letters.
    """
    left, arrow, y = subscripts.replace(" ", "").partition("->")
    operands = left.split(",")
    terms = (*operands, y)
    known = set(left)
    if not arrow or len(operands) != 2 or any(len(set(t)) != len(t) for t in terms) or not set(y) <= known:
        raise ArgumentError(
            'einsum: subscripts must read like "ij,jk->ik", no letter twice in a term and each letter of the '
            f"result in an operand, got {subscripts!r}"
        )
    return operands[0], operands[1], y


def einsum_specs(a: Spec, b: Spec, *, subscripts: str) -> Specs:
    in_a, in_b, in_y = _letters(subscripts)
    lengths: dict[str, int] = {}
    for name, letters, operand in (("a", in_a, a), ("b", in_b, b)):
        fits = len(letters) == operand.ndim and all(
            lengths.setdefault(letter, n) == n for letter, n in zip(letters, operand.shape, strict=True)
        )
        if not fits:
            raise ShapeError(f"einsum: {name} {operand.shape} does not fit {letters!r} of {subscripts!r}")
    return (spec(tuple(lengths[letter] for letter in in_y), np.result_type(a.dtype, b.dtype)),)


def einsum_forward(xp: Namespace, a: Array, b: Array, *, subscripts: str) -> Array:
    """By one stacked matrix product: shared letters lead, contracted ones stand in the middle."""
    in_a, in_b, in_y = _letters(subscripts)
    a, in_a = _sum_lonely(xp, a, in_a, in_b + in_y)
    b, in_b = _sum_lonely(xp, b, in_b, in_a + in_y)
    lengths = dict(zip(in_a + in_b, (*a.shape, *b.shape), strict=True))
    batch = [letter for letter in in_y if letter in in_a and letter in in_b]
    rows = [letter for letter in in_a if letter in in_y and letter not in in_b]
    columns = [letter for letter in in_b if letter in in_y and letter not in in_a]
    inner = [letter for letter in in_a if letter in in_b and letter not in in_y]

    def stacked(x: Array, letters: str, *groups: list[str]) -> Array:
        ordered = [letter for group in groups for letter in group]
        x = xp.permute_dims(x, tuple(letters.index(letter) for letter in ordered))
        sizes = (math.prod(lengths[letter] for letter in group) for group in groups[1:])
        return xp.reshape(x, (*(lengths[letter] for letter in groups[0]), *sizes))

    left, right = stacked(a, in_a, batch, rows, inner), stacked(b, in_b, batch, inner, columns)
    y = xp.matmul(left, right) if inner else left * right
    y = xp.reshape(y, tuple(lengths[letter] for letter in (*batch, *rows, *columns)))
    made = (*batch, *rows, *columns)
    return xp.permute_dims(y, tuple(made.index(letter) for letter in in_y))


def _sum_lonely(xp: Namespace, x: Array, letters: str, elsewhere: str) -> tuple[Array, str]:
    """The operand summed over the letters that occur nowhere else."""
    lonely = tuple(k for k, letter in enumerate(letters) if letter not in elsewhere)
    if not lonely:
        return x, letters
    return xp.sum(x, axis=lonely), "".join(letter for letter in letters if letter in elsewhere)


def einsum_pushforward(xp: Namespace, saved: Saved, tangents: Tangents, *, subscripts: str) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else einsum(a_dot, saved.b, subscripts=subscripts),
        None if b_dot is None else einsum(saved.a, b_dot, subscripts=subscripts),
    )


def einsum_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, subscripts: str
) -> Arrays:
    (y_bar,) = cotangents
    in_a, in_b, in_y = _letters(subscripts)
    extra = len(y_bar.shape) - len(in_y)
    lead = "".join([letter for letter in ascii_letters if letter not in subscripts][:extra])
    made = []
    for name in wanted:
        own, other, factor = (in_a, in_b, saved.b) if name == "a" else (in_b, in_a, saved.a)
        reached = "".join(letter for letter in own if letter in other + in_y)
        factor = conjugate(xp, factor)
        x_bar = einsum(y_bar, factor, subscripts=f"{lead}{in_y},{other}->{lead}{reached}")
        if reached != own:
            x = saved.specs[name]
            kept = (n if letter in reached else 1 for letter, n in zip(own, x.shape, strict=True))
            x_bar = xp.reshape(x_bar, (*y_bar.shape[:extra], *kept))
        made.append(x_bar)
    return tuple(made)


def einsum_cost(operands: Specs, results: Specs, *, subscripts: str) -> Cost:
    in_a, in_b, _ = _letters(subscripts)
    lengths = dict(zip(in_a + in_b, operands[0].shape + operands[1].shape, strict=True))
    flops = 2.0 * math.prod(lengths.values())
    return Cost(flops, 2 * flops, operands[0].size + operands[1].size)


def matmul_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 3), random_array(rng, 3, 5)
    yield random_array(rng, 1, 7), random_array(rng, 7, 1)
    yield random_array(rng, 2, 5, 1), random_array(rng, 1, 3)  # a column times a row
    yield random_array(rng, 5, 2, 3), random_array(rng, 3, 7)  # one right factor
    yield random_array(rng, 2, 3), random_array(rng, 5, 3, 7)
    yield random_array(rng, 2, 1, 2, 3), random_array(rng, 5, 3, 7)
    yield random_array(rng, 2, 3, dtype=complex), random_array(rng, 3, 5)
    yield random_array(rng, 5, 2, 3, dtype=complex), random_array(rng, 3, 7, dtype=complex)


def einsum_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 3), random_array(rng, 3, 5), {"subscripts": "ij,jk->ki"}
    yield random_array(rng, 2, 3, 5), random_array(rng, 5, 2, 7), {"subscripts": "bij,jbk->bik"}
    yield random_array(rng, 2, 3), random_array(rng, 5), {"subscripts": "ij,k->kji"}
    yield random_array(rng, 2, 3), random_array(rng, 3, 2), {"subscripts": "ij,ji->"}
    yield random_array(rng, 2, 3), random_array(rng, 2, 3), {"subscripts": "ij,ij->i"}
    yield random_array(rng, 2, 3, 5), random_array(rng, 3, 7), {"subscripts": "ijk,jl->i"}  # k, l only once
    yield random_array(rng, 2, 3, dtype=complex), random_array(rng, 3), {"subscripts": "ij,j->ij"}
    a, b = random_array(rng, 2, dtype=complex), random_array(rng, 2, 3, dtype=complex)
    yield a, b, {"subscripts": "i,ij->j"}


matmul = Primitive(
    "matmul",
    "a(m,k), b(k,n) -> y(m,n)",
    matmul_forward,
    matmul_pushforward,
    matmul_pullback,
    saves={"a": ("b",), "b": ("a",)},
    forward_kernel=matmul_kernel,
    ufunc="matmul",
    cost=matmul_cost,
    examples=matmul_examples,
)
einsum = Primitive(
    "einsum",
    "a(...), b(...) -> y(...)",
    einsum_forward,
    einsum_pushforward,
    einsum_pullback,
    saves={"a": ("b",), "b": ("a",)},
    specs=einsum_specs,
    cost=einsum_cost,
    examples=einsum_examples,
)

PRIMITIVES = (matmul, einsum)
