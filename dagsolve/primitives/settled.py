"""The part of a cotangent that turns vectors of equal values into each other: measured, told, and left out.

Vectors of eigenvalues or singular values that are equal, up to rounding, are fixed up to a rotation Ω only.
A function of w and V has a derivative there if it changes with no Ω: sk(Vᴴ V̄) vanishes between the equal
ones, and their values weigh equally in w̄. In the pullback of a factorisation these nodes stand between the
numerator and the division by gaps, which would turn what rounding leaves of zero into any number:

    settled_skew      Y = sk(X) = (X - Xᴴ) / 2, zero between values that are equal to ε^¾, and where it is
                      rounding between values that are equal to ε^¼; `tangent`: he(X) = (X + Xᴴ) / 2, what a
                      pushforward divides, told because it cannot know what becomes of the vectors
    settled_tile      the same for one tile of sk(X), from the tiles (i, j) and (j, i) of X

Each tells of a part beyond √ε, relative to the cotangent, as `dagsolve.kernels.choices` says; whether the
values weigh equally is seen by `dagsolve.primitives.weighed`. sk and he are their own adjoints, so
derivatives of a settled part are settled parts; they tell nothing, as the first ones did.

Rounding is what is at most 8 √n ε of the cotangents of the two vectors: dividing it by a gap g would leave an
error of that size over g, so zero is never worse.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import choices, gauge
from dagsolve.kernels.choices import ROUNDING
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.gauge import DISTINCT
from dagsolve.kernels.skew import close_windows, column_peaks, skew_part
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array

Tangents = tuple[Array | None, ...]
CLOSE = 0.25  # power of ε: relative gaps below count as close
SMALL = 128  # order of matrices that are judged as a whole
COTANGENT = "{:.1g} of the cotangent of these vectors turns one into the other"
TANGENT = (
    "{:.1g} of the tangent would turn them at an unknown rate, which does harm unless only their space counts"
)
REMEDY = (
    "the part is taken as zero; let the function depend on the space of these vectors alone (functions of a"
    " matrix have rules of their own, such as sqrtm and expm), or say ds.degenerate('ignore')"
)


def forward_skew(
    xp: Namespace,
    x: Array,
    r: Array,
    t: Array,
    w: Array,
    *,
    who: str = "eigh",
    sums: bool = False,
    tangent: bool = False,
    policy: str = "ignore",
) -> Array:
    """sk(X); r and t are what X was added from, whose columns tell what is rounding."""
    y = 0.5 * (x + adjoint(xp, x) if tangent else x - adjoint(xp, x))
    top = gauge.largest(xp, w)
    nearest = xp.abs(w) if sums else xp.abs(w[..., 1:] - w[..., :-1])
    if not nearest.size or not xp.any(nearest <= choices.power(xp, w, CLOSE) * top):
        return y
    sign = 1.0 if sums else -1.0
    gaps = xp.abs(w[..., None, :] + sign * w[..., :, None])
    sizes = xp.maximum(_peaks(xp, r), _peaks(xp, t))
    equal, told = _judged(xp, y, gaps, top[..., None], sizes, sizes, w.shape[-1])
    if not sums:
        told = told * (1.0 - xp.eye(w.shape[-1], dtype=told.dtype))
    _tell(choices.largest(xp, told, policy), w, w, who, policy, TANGENT if tangent else COTANGENT)
    return xp.where(equal, 0.0 * y, y)


def kernel_skew(
    xp: Namespace,
    x: Array,
    r: Array,
    t: Array,
    w: Array,
    *,
    who: str = "eigh",
    sums: bool = False,
    tangent: bool = False,
    policy: str = "ignore",
) -> Array:
    """The same, judging only where values are close: in one large NumPy matrix these are few."""
    if not (xp is np and x.ndim == 2 and w.ndim == 1 and w.size >= SMALL):
        return forward_skew(xp, x, r, t, w, who=who, sums=sums, tangent=tangent, policy=policy)
    y = skew_part(x, hermitian=tangent)
    top = gauge.largest(np, w)
    limit = choices.power(np, w, CLOSE) * top
    if not np.any((w if sums else np.abs(w[1:] - w[:-1])) <= limit):
        return y
    peaks = column_peaks(r)
    peaks = peaks if t is r else np.maximum(peaks, column_peaks(t))
    worst: tuple[float, tuple[int, ...]] | None = None
    for rows, columns in close_windows(w, float(limit[0]), sums=sums):
        part, left, right = y[rows, columns], w[rows, None], w[None, columns]
        gaps = np.abs(right + left if sums else right - left)
        equal, told = _judged(np, part, gaps, top, peaks[rows], peaks[columns], w.size)
        if not sums:
            own = np.arange(told.shape[0])
            told[own, own + (rows.start - columns.start)] *= 0.0
        found = choices.largest(np, told, policy)
        if found is not None and (worst is None or not found[0] <= worst[0]):  # NaN is worse
            i, j = found[1]
            worst = found[0], (rows.start + i, columns.start + j)
        part[equal] *= 0.0
    _tell(worst, w, w, who, policy, TANGENT if tangent else COTANGENT)
    return y


def forward_tile(
    xp: Namespace,
    x: Array,
    y: Array,
    v: Array,
    w: Array,
    c: Array,
    d: Array,
    t: Array,
    *,
    who: str = "eigh",
    order: int = 1,
    diagonal: bool = False,
    policy: str = "ignore",
) -> Array:
    """(X - Yᴴ) / 2 between the values v and w; c and d are the peaks of both's columns, t the largest |w|."""
    made = 0.5 * (x - adjoint(xp, y))
    gaps = xp.abs(w[..., None, :] - v[..., :, None])
    apart = gaps
    if diagonal:
        eye = xp.eye(w.shape[-1], dtype=w.dtype)
        made, apart = made * (1.0 - eye), gaps + eye * t[..., None]
    if not xp.any(apart <= choices.power(xp, w, CLOSE) * t[..., None]):
        return made
    equal, told = _judged(xp, made, gaps, t[..., None], c, d, order)
    _tell(choices.largest(xp, told, policy), v, w, who, policy, COTANGENT)
    return xp.where(equal, 0.0 * made, made)


def _peaks(xp: Namespace, x: Array) -> Array:
    """max |x| of each column."""
    return xp.max(xp.abs(x), axis=-2)


def _judged(
    xp: Namespace, y: Array, gaps: Array, top: Array, rows: Array, columns: Array, order: int
) -> tuple[Array, Array]:
    """Where y counts as zero, and the relative sizes of what is left out beyond rounding."""
    pairs = 0.5 * (rows[..., :, None] + columns[..., None, :])
    part = xp.abs(y)
    eps = float(xp.finfo(part.dtype).eps)
    rounding = part <= ROUNDING * math.sqrt(order) * eps * pairs
    equal = gaps <= eps**DISTINCT * top
    told = xp.where(equal & ~rounding, part / xp.where(pairs == 0, pairs + 1.0, pairs), 0.0 * part)
    return equal | (rounding & (gaps <= eps**CLOSE * top)), told


def _tell(
    found: tuple[float, tuple[int, ...]] | None, v: Array, w: Array, who: str, policy: str, part: str
) -> None:
    if found is None:
        return
    size, (*batch, i, j) = found
    at, which = choices.matrix_at(batch, w)
    first, second = float(v[(*at, i)]), float(w[(*at, j)])
    choices.tell(
        policy,
        f"{who}: {choices.VALUES[who]}{which} {first:.6g} and {second:.6g} (numbers {i} and {j}) are equal to"
        f" rounding, which leaves their vectors open, and {part.format(size)}; {REMEDY}",
    )


# Derivatives: sk is its own adjoint


def push_skew(
    xp: Namespace, saved: Saved, tangents: Tangents, *, policy: str = "ignore", **params: Any
) -> Array | None:
    x_dot = tangents[0]
    return None if x_dot is None else settled_skew(x_dot, x_dot, x_dot, saved.w, **params)


def pull_skew(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, policy: str = "ignore", **params: Any
) -> Tangents:
    (y_bar,) = cotangents
    return (settled_skew(y_bar, y_bar, y_bar, saved.w, **params),)


def _apart(xp: Namespace, saved: Saved) -> Array:
    """One between distinct values, zero between equal ones."""
    gaps = xp.abs(saved.w[..., None, :] - saved.v[..., :, None])
    one = xp.ones_like(gaps)
    return xp.where(gaps <= choices.power(xp, gaps, DISTINCT) * saved.t[..., None], 0.0 * one, one)


def push_tile(xp: Namespace, saved: Saved, tangents: Tangents, **params: Any) -> Array | None:
    x_dot, y_dot = tangents[:2]
    moved = total(x_dot, None if y_dot is None else -adjoint(xp, y_dot))
    return None if moved is None else 0.5 * _apart(xp, saved) * moved


def pull_tile(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, **params: Any) -> Tangents:
    half = 0.5 * _apart(xp, saved) * cotangents[0]
    return tuple(half if name == "x" else -adjoint(xp, half) for name in wanted)


def cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    size = float(results[0].size)
    return Cost(2 * size, 2 * size)


def examples_skew(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, dtype in (((), float), ((2,), float), ((), complex)):
        w = np.cumsum(rng.uniform(0.7, 1.3, (*batch, 3)), axis=-1)
        x = random_array(rng, *batch, 3, 3, dtype=dtype)
        yield x, x, x, w
        yield x, x, x, w, {"who": "svd", "sums": True, "policy": "raise"}
        yield x, x, x, w, {"tangent": True, "policy": "raise"}


def examples_tile(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for m, n, dtype in ((2, 3, float), (3, 3, complex)):
        w = np.cumsum(rng.uniform(0.7, 1.3, m + n))
        x, y = random_array(rng, m, n, dtype=dtype), random_array(rng, n, m, dtype=dtype)
        yield x, y, w[:m], w[m:], np.ones(m), np.ones(n), w[-1:], {"policy": "raise"}
    x = random_array(rng, 3, 3)
    yield x, x, w[:3], w[:3], np.ones(3), np.ones(3), w[-1:], {"diagonal": True, "order": 6}


settled_skew = Primitive(
    "settled_skew",
    "x(n,n), r(n,n), t(n,n), w(n) -> y(n,n)",
    forward_skew,
    push_skew,
    pull_skew,
    saves={"x": ("w",)},
    forward_kernel=kernel_skew,
    cost=cost,
    examples=examples_skew,
)

settled_tile = Primitive(
    "settled_tile",
    "x(m,n), y(n,m), v(m), w(n), c(m), d(n), t(o) -> z(m,n)",
    forward_tile,
    push_tile,
    pull_tile,
    saves={"x": ("v", "w", "t"), "y": ("v", "w", "t")},
    cost=cost,
    examples=examples_tile,
)

PRIMITIVES = (settled_skew, settled_tile)
