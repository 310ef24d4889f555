"""Signs, phases and gaps: what eigenvectors and singular vectors leave open, and how it is settled.

Of each vector, the first entry whose magnitude is within a hundredth of the largest is made real and
positive, so that a factor is the same whichever library computed it. Values so close that their vectors are
not defined, only the space that they span, count as equal, and what would be divided by their gap is zero.
"""

import numpy as np

from dagsolve.kernels.dense import is_complex
from dagsolve.namespace import Array, Namespace

NEARLY_LARGEST = 0.99  # entries this close to the largest count as equal: rounding must not choose the sign
COLUMNS = 32  # of a matrix whose signs are chosen at a time, so that they stay in the cache
DISTINCT = 0.75  # power of the rounding unit: relative gaps up to this count as none


def phase(xp: Namespace, v: Array) -> Array:
    """Numbers of magnitude one that turn the columns of v (..., m, n) into the convention, (..., 1, n)."""
    if type(v) is np.ndarray and v.ndim == 2 and v.size and not is_complex(v):
        return signs(v)[None]
    chosen = pivot(xp, v)
    if is_complex(v):
        return xp.conj(chosen) / xp.abs(chosen)
    one = xp.ones_like(chosen)
    return xp.where(chosen < 0, -one, one)


def signs(v: Array) -> Array:
    """The phases of the columns of a real NumPy matrix (m, n), m ≥ 1: 1 or -1, (n,)."""
    made = np.ones(v.shape[1], v.dtype)
    for start in range(0, v.shape[1], COLUMNS):
        rows = v[:, start : start + COLUMNS].T
        size = np.abs(rows)
        first = np.argmax(size >= NEARLY_LARGEST * size.max(axis=1, keepdims=True), axis=1)
        made[start : start + COLUMNS][rows[np.arange(first.size), first] < 0] = -1
    return made


def choice(xp: Namespace, v: Array) -> Array:
    """True at one entry of each column, the first that is nearly the largest."""
    size = xp.abs(v)
    places = xp.arange(v.shape[-2], 0, -1, dtype=size.dtype)[:, None]
    large = size >= NEARLY_LARGEST * xp.max(size, axis=-2, keepdims=True)
    rank = xp.where(large, places, 0.0 * places)
    return rank == xp.max(rank, axis=-2, keepdims=True)


def pivot(xp: Namespace, v: Array) -> Array:
    """The chosen entry of each column, (..., 1, n)."""
    return xp.sum(xp.where(choice(xp, v), v, 0.0 * v), axis=-2, keepdims=True)


def turning(xp: Namespace, v: Array, v_dot: Array) -> Array:
    """Rates at which the phases must turn back to keep the chosen entries real, (..., 1, n).

    Columns that move by v_dot stay in the convention if v times these imaginary numbers is taken off.
    """
    moved = xp.sum(xp.where(choice(xp, v), v_dot, 0.0 * v_dot), axis=-2, keepdims=True)
    return 1j * (xp.imag(moved) / xp.real(pivot(xp, v)))


def turning_cotangent(xp: Namespace, v: Array, turned: Array) -> Array:
    """What to take off the cotangent of v for `turning`, whose numbers have the real cotangents `turned`.

    `turned` is what the cotangents have in the directions that only turn the phases, (..., 1, n).
    """
    return xp.where(choice(xp, v), 1j * (turned / xp.real(pivot(xp, v))), 0.0 * v)


def phase_part(xp: Namespace, v: Array, v_bar: Array) -> Array:
    """Σ Im(v̄ᵢ conj vᵢ) of each column: the cotangent along the turning of its phase, (..., 1, n)."""
    return xp.sum(xp.imag(v_bar * xp.conj(v)), axis=-2, keepdims=True)


def reciprocal_gaps(xp: Namespace, w: Array) -> Array:
    """1 / (w_j - w_i) for monotone w (..., n), zero on the diagonal and where the two count as equal."""
    return reciprocals(xp, w[..., None, :] - w[..., :, None], largest(xp, w)[..., None])


def reciprocal_sums(xp: Namespace, w: Array) -> Array:
    """1 / (w_j + w_i) for monotone w (..., n) ≥ 0, zero where both count as zero."""
    return reciprocals(xp, w[..., None, :] + w[..., :, None], largest(xp, w)[..., None])


def reciprocal_values(xp: Namespace, w: Array) -> Array:
    """1 / w for monotone w (..., n), zero where it counts as zero."""
    return reciprocals(xp, w, largest(xp, w))


def reciprocals(xp: Namespace, x: Array, top: Array) -> Array:
    """1 / x, zero where |x| ≤ ε^¾ top, ε the rounding unit."""
    negligible = xp.abs(x) <= float(xp.finfo(x.dtype).eps) ** DISTINCT * top
    one = xp.ones_like(x)
    return xp.where(negligible, 0.0 * one, one / xp.where(negligible, one, x))


def largest(xp: Namespace, w: Array) -> Array:
    """max |w| of monotone w (..., n), (..., 1)."""
    return xp.maximum(xp.abs(w[..., :1]), xp.abs(w[..., -1:]))
