"""Whether equal values weigh equally, and values of zero not at all: told beside a cotangent, not changed.

A function of eigenvalues has a derivative where some are equal only if those weigh the same: their
eigenvectors are open up to a rotation, and so would be V diag(w̄) Vᴴ. So it is with singular values; the
vectors of those that are zero are open one by one, hence these must not weigh at all.

    settled_rates     x as it is, the cotangents of the values w
    settled_zeros     w as it is, the singular values of a deep or wide matrix, where the cotangent X of their
                      vectors U has no part X - U K outside the vectors' space at a value of zero

A part beyond √ε, relative to the cotangent, is told as `dagsolve.kernels.choices` says. The derivatives of
both are identities.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices, gauge
from dagsolve.kernels.choices import ROUNDING
from dagsolve.kernels.gauge import DISTINCT
from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import handing_on
from dagsolve.sampling import random_array


def forward_rates(
    xp: Namespace,
    x: Array,
    w: Array,
    *,
    who: str = "eigh",
    zeros: bool = False,
    vectors: bool = True,
    policy: str = "ignore",
) -> Array:
    """x, the cotangents of w: equal where the values are, and zero for a value of zero whose sign is open.

    Values are equal up to ε^¾ where the vectors are differentiated too, else up to 8 √n ε.
    """
    if not w.shape[-1]:
        return x
    rounding = ROUNDING * math.sqrt(w.shape[-1]) * choices.power(xp, w, 1.0)
    limit = (choices.power(xp, w, DISTINCT) if vectors else rounding) * gauge.largest(xp, w)
    size = xp.max(xp.abs(x), axis=-1, keepdims=True)
    size = xp.where(size == 0, size + 1.0, size)
    if w.shape[-1] > 1:
        equal = xp.abs(w[..., 1:] - w[..., :-1]) <= limit
        if xp.any(equal):
            told = xp.where(equal, xp.abs(x[..., 1:] - x[..., :-1]) / size, 0.0 * size)
            _tell_rates(xp, told, w, who, policy)
    if zeros and xp.any(w <= limit):
        told = xp.where(w <= limit, xp.abs(x) / size, 0.0 * size)
        _tell_zero(xp, told, "its own cotangent is {:.1g} of the largest", who, policy)
    return x


def forward_zeros(
    xp: Namespace,
    w: Array,
    x: Array,
    u: Array,
    k: Array,
    *,
    rows: bool = False,
    who: str = "svd",
    policy: str = "ignore",
) -> Array:
    """w; X - U K, the part of a cotangent outside the columns of U, is zero where w is (X - K U of rows)."""
    zero = w <= choices.power(xp, w, DISTINCT) * gauge.largest(xp, w)
    if xp.any(zero):
        outside = x - (xp.matmul(k, u) if rows else xp.matmul(u, k))
        axis = -1 if rows else -2
        size = xp.sum(xp.abs(x) ** 2, axis=axis) ** 0.5
        part = xp.sum(xp.abs(outside) ** 2, axis=axis) ** 0.5
        size = xp.max(size, axis=-1, keepdims=True)
        told = xp.where(zero, part / xp.where(size == 0, size + 1.0, size), 0.0 * part)
        _tell_zero(xp, told, "{:.1g} of its vectors' cotangent is outside the others' space", who, policy)
    return w


def _tell_rates(xp: Namespace, told: Array, w: Array, who: str, policy: str) -> None:
    found = choices.largest(xp, told, policy)
    if found is None:
        return
    size, (*batch, i) = found
    at, which = choices.matrix_at(batch, w)
    values = choices.VALUES[who]
    choices.tell(
        policy,
        f"{who}: {values}{which} {i} and {i + 1} are equal to rounding, {float(w[(*at, i)]):.6g}, and have"
        f" derivatives only if they weigh the same, but their cotangents differ by {size:.1g} of the largest;"
        f" the vectors at hand are taken; let the function be symmetric in equal {values} (functions of a"
        " matrix have rules of their own, such as sqrtm and expm), or say ds.degenerate('ignore')",
    )


def _tell_zero(xp: Namespace, told: Array, what: str, who: str, policy: str) -> None:
    found = choices.largest(xp, told, policy)
    if found is not None:
        size, place = found
        choices.tell(
            policy,
            f"{who}: singular value {place[-1]} is zero to rounding, which leaves its vectors open, and the"
            f" function depends on them: {what.format(size)}; that part is taken at the vectors at hand, or"
            " as zero where it would be infinite; leave such values out, or say ds.degenerate('ignore')",
        )


def examples_rates(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch in ((), (3,)):
        w = np.cumsum(rng.uniform(0.7, 1.3, (*batch, 5)), axis=-1)
        yield random_array(rng, *batch, 5), w
        yield random_array(rng, *batch, 5), w[..., ::-1], {"who": "svd", "zeros": True, "policy": "raise"}


def examples_zeros(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    w = np.cumsum(rng.uniform(0.7, 1.3, 3))[::-1]
    x, u, k = random_array(rng, 5, 3), random_array(rng, 5, 3), random_array(rng, 3, 3)
    yield w, x, u, k, {"policy": "raise"}
    yield w, x.T, u.T, k.T, {"rows": True, "policy": "raise"}


settled_rates = handing_on("settled_rates", "x(...), w(...) -> y(...)", forward_rates, examples_rates)
settled_zeros = handing_on(
    "settled_zeros", "w(...), x(...), u(...), k(...) -> y(...)", forward_zeros, examples_zeros
)

PRIMITIVES = (settled_rates, settled_zeros)
