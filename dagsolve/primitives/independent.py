"""A triangle handed on if its pivots let it be divided by, and if they were no toss: Y = X, told by name.

    independent     X (k, k) of A = Q R or A = L Q, in one piece or a tile on the diagonal, beside the largest
                    magnitude C of each whole column of R (row of L). Column j depends on those before it, to
                    rounding, where |X_jj| ≤ cond · C_j, and then neither Q nor the rest of R has a derivative
    untied          R (k, n) of A[:, p] = Q R with pivots by size. Where a column was left behind whose rest
                    is as large as the pivot to ε^¾, either could be chosen, and the factors jump

The first raises FactorisationError, the second tells as `dagsolve.kernels.choices` says. Both are identities
with the derivatives of identities: they stand in the pullbacks, where a loss of rank or a tie does harm.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import choices
from dagsolve.kernels.dense import named
from dagsolve.kernels.gauge import DISTINCT
from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import handing_on
from dagsolve.sampling import random_triangular

TRIANGLE = "take the columns that count, or an SVD, whose spaces have derivatives"


def forward(
    xp: Namespace,
    x: Array,
    c: Array,
    *,
    who: str,
    shape: tuple[int, int],
    start: int = 0,
    cond: float | None = None,
    remedy: str = TRIANGLE,
) -> Array:
    """x; `start` is the index of its first pivot, `shape` that of A; cond=None stands for max(shape) ε."""
    pivots = xp.abs(xp.linalg.diagonal(x))
    if cond is None:
        cond = max(shape) * choices.power(xp, pivots, 1.0)
    bad = pivots <= cond * c
    if xp.any(bad):
        *batch, k = (int(found[0]) for found in xp.nonzero(bad))
        at = batch[len(batch) - (len(x.shape) - 2) :]
        largest = float(xp.broadcast_to(c, bad.shape)[(*batch, k)])
        beside = f" beside {largest:.3g} in its column" if largest else ""
        raise FactorisationError(
            f"{who}: {named(at)} {tuple(shape)} {x.dtype} must have pivots to divide by, without zeros, got"
            f" pivot {start + k} of size {float(pivots[(*at, k)]):.3g}{beside}; {remedy}"
        )
    return x


def forward_untied(xp: Namespace, r: Array, *, who: str = "pivoted_qr", policy: str = "ignore") -> Array:
    """r; the rest of column l before pivot j is (Σ_{i ≥ j} |r_il|²)^½."""
    k, n = r.shape[-2:]
    if not r.size or n < 2:
        return r
    top = xp.max(xp.abs(r), axis=(-2, -1), keepdims=True)
    squares = (xp.abs(r) / xp.where(top == 0, top + 1.0, top)) ** 2
    rest = xp.flip(xp.cumulative_sum(xp.flip(squares, axis=-2), axis=-2), axis=-2) ** 0.5
    later = xp.triu(rest, k=1)
    pivots = xp.linalg.diagonal(rest[..., :k, :k])
    rival = xp.max(later, axis=-1)
    tied = (rival >= pivots * (1.0 - choices.power(xp, rest, DISTINCT))) & (rival > 0)
    if policy != "ignore" and xp.any(tied):
        *batch, j = (int(found[0]) for found in xp.nonzero(tied))
        size = float(pivots[(*batch, j)]) * float(top[(*batch, 0, 0)])
        column = int(xp.argmax(later[(*batch, j)]))
        choices.tell(
            policy,
            f"{who}: {named(batch)} has no single pivot {j} of size {size:.3g}: the column in place {column}"
            " is as large to rounding, and the factors jump where it is chosen; the derivative is that of the"
            " choice made; scale a column a little, take qr without pivoting, or say"
            " ds.degenerate('ignore') where the order does not matter",
        )
    return r


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, dtype in (((), float), ((2,), float), ((), complex)):
        x = random_triangular(rng, *batch, n=3, lower=False, dtype=dtype)
        yield x, np.max(np.abs(x), axis=-2), {"who": "qr", "shape": (5, 3), "start": 2}


def examples_untied(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, dtype in (((), float), ((2,), complex)):
        r = random_triangular(rng, *batch, n=3, lower=False, dtype=dtype)
        yield 0.1 * np.triu(r, 1) + np.diag([4.0, 2.0, 1.0]), {"who": "pivoted_qr", "policy": "raise"}


independent = handing_on("independent", "x(k,k), c(k) -> y(k,k)", forward, examples)
untied = handing_on("untied", "r(k,n) -> y(k,n)", forward_untied, examples_untied)

PRIMITIVES = (independent, untied)
