"""Whether the row pivots of A[p] = L U were a toss: told where L or U is differentiated, not changed.

    single_pivots(l, u)      L and U as they are, or one column of tiles of L and the tile of U on the
                             diagonal; `start` is the index of its first pivot
    told_of_ties(x, l, u)    X, a tangent or cotangent, after a look at the pivots

Row i behind pivot j ties with it where |l_ij u_jj| is as large as |u_jj| to ε^¾: either could be chosen, and
the factors jump. What depends on the product L U alone does not, but that cannot be seen from cotangents:
every cotangent of L and U belongs to some function of the product. So solutions, inverses and determinants
have rules of their own, and `lu_factor`, whose factors are for `lu_solve`, does not ask. Of a complex number
LAPACK compares |Re| + |Im|.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices
from dagsolve.kernels.dense import is_complex, named
from dagsolve.kernels.gauge import DISTINCT
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Specs, Wanted, handing_on
from dagsolve.primitives.lu import well_posed
from dagsolve.sampling import random_array
from dagsolve.specs import Spec

Maybe = Array | None


def forward(xp: Namespace, l: Array, u: Array, *, start: int = 0) -> Arrays:
    return l, u


def specs(l: Spec, u: Spec, *, start: int = 0) -> Specs:
    return l, u


def pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...], *, start: int = 0
) -> tuple[Maybe, ...]:
    return _told(saved, tangents, start)


def pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted, *, start: int = 0
) -> tuple[Maybe, ...]:
    given = dict(zip(("l", "u"), cotangents, strict=True))
    return _told(saved, tuple(given[name] for name in wanted), start)


def _told(saved: Saved, given: tuple[Maybe, ...], start: int) -> tuple[Maybe, ...]:
    """The directions, of which the first that there is tells."""
    policy, made = choices.policy(), []
    for x in given:
        if x is not None and policy != "ignore":
            x, policy = told_of_ties(x, saved.l, saved.u, start=start, policy=policy), "ignore"
        made.append(x)
    return tuple(made)


def told_forward(
    xp: Namespace, x: Array, l: Array, u: Array, *, start: int = 0, policy: str = "ignore"
) -> Array:
    m, k = l.shape[-2:]
    if m - start < 2 or not l.size or policy == "ignore":
        return x
    if not _may_tie(xp, l):
        return x
    pivots = xp.linalg.diagonal(u[..., :k, :k])[..., None, :]
    rivals = _size(xp, xp.tril(l, k=-1 - start) * pivots)
    sizes = _size(xp, pivots)
    tied = (rivals >= sizes * (1.0 - choices.power(xp, sizes, DISTINCT))) & (rivals > 0)
    if xp.any(tied):
        *batch, i, j = (int(found[0]) for found in xp.nonzero(tied))
        choices.tell(
            policy,
            f"lu: {named(batch)} has no single pivot {start + j} of size {float(sizes[(*batch, 0, j)]):.3g}:"
            f" row {i} of the permuted matrix is as large to rounding, and the factors jump where it is"
            " chosen; the derivative is that of the choice made; scale a row a little, take solve, inv, det"
            " or slogdet, which do not depend on the order, or say ds.degenerate('ignore')",
        )
    return x


def _may_tie(xp: Namespace, l: Array) -> bool:
    """False where no factor beside the units of the diagonal is near one in size: quicker than the rest."""
    if is_complex(l):
        return True
    units = l.size // l.shape[-2]
    return bool(xp.count_nonzero(xp.abs(l) >= 1.0 - 2 * choices.power(xp, l, DISTINCT)) > units)


def _size(xp: Namespace, x: Array) -> Array:
    """What LAPACK compares."""
    return xp.abs(xp.real(x)) + xp.abs(xp.imag(x)) if is_complex(x) else xp.abs(x)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, m, n, dtype in (((), 5, 3, float), ((2,), 3, 5, float), ((), 3, 3, complex)):
        k = min(m, n)
        l = np.tril(0.3 * random_array(rng, *batch, m, k, dtype=dtype), -1) + np.eye(m, k)
        yield l, np.triu(well_posed(rng, *batch, m=k, n=n, dtype=dtype))


def told_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for _, (l, u) in zip("ab", examples(rng), strict=False):
        yield random_array(rng, 2, 3), l, u, {"policy": "raise"}


single_pivots = Primitive(
    "single_pivots",
    "l(m,k), u(k,n) -> y(m,k), z(k,n)",
    forward,
    pushforward,
    pullback,
    saves={"l": ("l", "u"), "u": ("l", "u")},
    specs=specs,
    view=True,
    examples=examples,
)
told_of_ties = handing_on("told_of_ties", "x(...), l(...), u(...) -> y(...)", told_forward, told_examples)

PRIMITIVES = (single_pivots, told_of_ties)
