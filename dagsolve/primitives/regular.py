"""Packed square factors of A[p] = L U, handed on if they can be divided by: Y = LU.

The check of `dagsolve.kernels.lu` for factors that come from outside: a pivot that is zero, or what rounding
left of zero, is refused.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.lu import lu_packed, refuse_singular
from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import handing_on
from dagsolve.primitives.lu import well_posed


def forward(xp: Namespace, lu: Array, p: Array) -> Array:
    refuse_singular(xp, "lu_solve", lu, p)
    return lu


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, dtype in (((), float), ((2,), float), ((), complex)):
        yield lu_packed(np, "lu", well_posed(rng, *batch, m=5, n=5, dtype=dtype))


regular = handing_on("regular", "lu(n,n), p(n) -> y(n,n)", forward, examples)

PRIMITIVES = (regular,)
