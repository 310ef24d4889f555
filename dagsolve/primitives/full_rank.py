"""A triangle or a tile of one, handed on if the pivots of the whole triangle tell of full rank: Y = X.

The check of `dagsolve.kernels.rank` for factors in tiles, whose pivots P come as a vector.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.rank import refuse_pivots
from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import handing_on
from dagsolve.sampling import random_array


def forward(
    xp: Namespace,
    p: Array,
    x: Array,
    *,
    who: str,
    shape: tuple[int, int],
    cond: float | None,
    remedy: str,
) -> Array:
    refuse_pivots(xp, who, shape, p, cond, remedy)
    return x


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    options = {"who": "lstsq", "shape": (5, 3), "cond": None, "remedy": "take other columns"}
    yield 1.0 + rng.random(3), random_array(rng, 2, 3), options


full_rank = handing_on("full_rank", "p(k), x(m,n) -> y(m,n)", forward, examples, position=1)

PRIMITIVES = (full_rank,)
