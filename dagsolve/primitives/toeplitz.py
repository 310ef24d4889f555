"""Solution of T X = B with a Toeplitz matrix T of first column c and first row r (r₀ is not read).

The adjoint system has column conj r and row conj c. With B̄ its solution,

    pushforward    T Ẋ = Ḃ - Ṫ X
    pullback       Tᴴ B̄ = X̄,   c̄_k = -Σ_j B̄_{j+k} conj X_j,   r̄_k = -Σ_j B̄_j conj X_{j+k},   r̄₀ = 0

the correlations, summed over the right-hand sides, by fast Fourier transforms: T is never formed in the
pullback. Forward is Levinson's recursion in host memory; no leading minor may be zero.
Reference: N. Levinson, J. Math. Phys. 25 (1946) 261-278.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.fft
import scipy.linalg

from dagsolve.errors import FactorisationError
from dagsolve.kernels.choices import ROUNDING
from dagsolve.kernels.dense import conjugate, total
from dagsolve.kernels.stacks import on_host, one_by_one
from dagsolve.namespace import Array, Namespace, native_dtype
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, c: Array, r: Array, b: Array) -> Array:
    return on_host(xp, _levinson, c, r, b)


def _levinson(c: Array, r: Array, b: Array) -> Array:
    dtype = np.result_type(c, r, b)
    if not all(np.all(np.isfinite(x)) for x in (c, r, b)):
        raise FactorisationError("solve_toeplitz: an operand holds NaN or infinity")

    def single(column: Array, row: Array, right: Array) -> Array:
        if not right.size:
            return right
        head = column[:1]
        try:
            x = np.asarray(scipy.linalg.solve_toeplitz((column, np.concatenate((head, row[1:]))), right))
        except np.linalg.LinAlgError:
            raise FactorisationError(
                f"solve_toeplitz: a leading minor of the matrix of order {column.size} is zero. Solve with "
                "ds.linalg.toeplitz(c, r) by ds.linalg.solve instead."
            ) from None
        _refuse_garbage(column, row, right, x)
        return x

    return one_by_one(single, c, r, b, ndims=(1, 1, 2)).astype(dtype, copy=False)


def _refuse_garbage(c: Array, r: Array, b: Array, x: Array) -> None:
    """Raises FactorisationError for a solution so large that rounding of T x is as large as b."""
    eps, n = np.finfo(np.float64).eps, c.size  # that of Levinson's recursion, whatever the operands'
    with np.errstate(over="ignore", invalid="ignore"):
        norm = np.sum(np.abs(c)) + np.sum(np.abs(r[1:]))
        rounding = ROUNDING * np.sqrt(n) * eps * norm * np.max(np.abs(x), axis=0)
    if not np.all((rounding < np.max(np.abs(b), axis=0)) | np.all(b == 0, axis=0)):
        raise FactorisationError(
            f"solve_toeplitz: the matrix of order {n} is singular to rounding, or a leading minor of it is."
            " Solve with ds.linalg.toeplitz(c, r) by ds.linalg.solve or lstsq instead."
        )


def specs(c: Spec, r: Spec, b: Spec) -> Specs:
    (shape,) = solve_toeplitz.parsed.result_shapes((c.shape, r.shape, b.shape))
    kinds = (x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64) for x in (c, r, b))
    return (spec(shape, np.result_type(*kinds)),)


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...]) -> Array:
    c_dot, r_dot, b_dot = tangents
    moved = total(
        None if c_dot is None else _matrix(xp, c_dot, 0.0 * c_dot),
        None if r_dot is None else _matrix(xp, 0.0 * r_dot, r_dot),
    )
    return solve_toeplitz(
        saved.c, saved.r, total(b_dot, None if moved is None else -xp.matmul(moved, saved.x))
    )


def _matrix(xp: Namespace, c: Array, r: Array) -> Array:
    """T, (..., n, n)."""
    n = c.shape[-1]
    both = xp.concat((c, r[..., 1:]), axis=-1)
    index = xp.asarray(entries(n, n).ravel())
    return xp.reshape(xp.take(both, index, axis=-1), (*both.shape[:-1], n, n))


def entries(m: int, n: int) -> Array:
    """Where the entries of an m × n Toeplitz matrix stand in its column followed by its row from r₁ on."""
    below = np.arange(m)[:, None] - np.arange(n)
    return np.where(below >= 0, below, m - 1 - below)


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    (x_bar,) = cotangents
    column = xp.where(xp.arange(saved.c.shape[-1]) == 0, saved.c[..., :1], saved.r)
    b_bar = solve_toeplitz(conjugate(xp, column), conjugate(xp, saved.c), x_bar)
    found: dict[str, Maybe] = {"b": b_bar}
    if "c" in wanted or "r" in wanted:
        n, size = b_bar.shape[-2], _length(b_bar.shape[-2])
        kind = np.result_type(saved.specs["x"].dtype, np.complex64)
        xs, bs = (_transformed(xp, y, size, kind) for y in (saved.x, b_bar))
        if "c" in wanted:
            found["c"] = -_correlation(xp, bs, xs)[..., :n]
        if "r" in wanted:
            behind = xp.astype(xp.arange(n) > 0, native_dtype(xp, np.empty(0, kind).real.dtype))
            found["r"] = -xp.conj(_correlation(xp, xs, bs)[..., :n]) * behind
    return tuple(found[name] for name in wanted)


def _length(n: int) -> int:
    return int(scipy.fft.next_fast_len(max(2 * n - 1, 1)))


def _transformed(xp: Namespace, y: Array, size: int, kind: np.dtype[Any]) -> Array:
    """Spectrum of the columns of y (..., n, k) behind zeros up to `size`, (..., size, k)."""
    return xp.fft.fft(xp.astype(y, native_dtype(xp, kind)), n=size, axis=-2)


def _correlation(xp: Namespace, ys: Array, xs: Array) -> Array:
    """Σ_j y_{j+k} conj x_j over all columns, (..., size), from the spectra."""
    return xp.fft.ifft(xp.sum(ys * xp.conj(xs), axis=-1), axis=-1)


def cost(operands: Specs, results: Specs) -> Cost:
    n, k = results[0].shape[-2:]
    count = results[0].size / (n * k) if n * k else 0.0
    return Cost(count * n * n * (4.0 + 4 * k), count * n * n * (4.0 + 4 * k), 6 * results[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    def line(n: int, *batch: int, head: float = 0.0, dtype: Any = float) -> Array:
        drawn = random_array(rng, *batch, n, dtype=dtype) / n
        drawn[..., 0] += head
        return drawn

    yield line(3, head=2), line(3), random_array(rng, 3, 2)
    yield line(1, head=2), line(1), random_array(rng, 1, 1)
    yield line(7, head=2), line(7), random_array(rng, 7, 3)
    yield line(3, 2, head=2), line(3), random_array(rng, 5, 1, 3, 2)
    yield line(3, head=2, dtype=complex), line(3, dtype=complex), random_array(rng, 3, 2, dtype=complex)
    yield line(3, head=2), line(3), random_array(rng, 3, 1, dtype=complex)


solve_toeplitz = Primitive(
    "solve_toeplitz",
    "c(n), r(n), b(n,k) -> x(n,k)",
    forward,
    pushforward,
    pullback,
    saves={"c": ("c", "r", "x"), "r": ("c", "r", "x"), "b": ("c", "r")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (solve_toeplitz,)
