"""Functions of decompositions that `benchmarks.decompositions` differentiates, in each library's words.

A function ends in products with vectors, so that each factor gets a full cotangent for n² flops, and is free
of the signs that a library gives eigenvectors and singular vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import dagsolve as ds

Draw = Callable[[np.random.Generator, int], tuple[Any, ...]]
COLUMNS = 8  # right-hand sides of systems, where few are meant
DEEP = 4  # rows per column of deep matrices


@dataclass(frozen=True)
class Case:
    """One function φ(a, …), differentiated by its first argument."""

    name: str
    draw: Draw
    ours: Callable[..., Any]
    jax: Callable[..., Any]  # (jnp, jax.scipy.linalg) and the operands
    torch: Callable[..., Any]  # torch and the operands
    forward: Callable[..., Any] | None = None  # on NumPy arrays, if it is not `ours`
    tiles: bool = False  # whether it is also run in tiles on threads
    heavy: bool = False  # more than ten times a Cholesky factorisation


def positive(rng, n):
    factor = rng.normal(size=(n, n))
    return factor @ factor.T / n + np.eye(n), rng.normal(size=n)


def square(rng, n):
    return rng.normal(size=(n, n)), rng.normal(size=n)


def deep(rng, n):
    return rng.normal(size=(DEEP * n, n)), rng.normal(size=DEEP * n), rng.normal(size=n)


def wide(rng, n):
    return rng.normal(size=(n, DEEP * n)), rng.normal(size=n), rng.normal(size=DEEP * n)


def symmetric(rng, n):
    a = rng.normal(size=(n, n))
    return (a + a.T) / 2, rng.normal(size=n)


def triangular(rng, n):
    return (
        np.tril(rng.normal(size=(n, n)) / np.sqrt(n), -1) + 2 * np.eye(n),
        rng.normal(size=(n, n)),
        rng.normal(size=n),
    )


def system(rng, n):
    return rng.normal(size=(n, n)) + np.sqrt(n) * np.eye(n), rng.normal(size=(n, COLUMNS))


def observed(rng, n):
    return rng.normal(size=(2 * n, n)), rng.normal(size=(2 * n, COLUMNS))


def with_vector(rng, n):
    return rng.normal(size=(n, n)) + np.sqrt(n) * np.eye(n), rng.normal(size=n)


def of_factors(v, *factors):
    """vᵀ F v, summed over square factors."""
    return sum(v @ (f @ v) for f in factors)


def of_spectrum(v, w, *vectors):
    """Of eigenvalues or singular values, and of vectors (in columns) up to their signs."""
    return v @ w + sum(v @ (v @ x) ** 2 for x in vectors)


CASES = (
    Case(
        "Cholesky",
        positive,
        lambda a, v: of_factors(v, np.linalg.cholesky(a)),
        lambda jnp, jsl, a, v: of_factors(v, jnp.linalg.cholesky(a)),
        lambda t, a, v: of_factors(v, t.linalg.cholesky(a)),
        tiles=True,
    ),
    Case(
        "log-determinant, positive definite",
        positive,
        lambda a, v: ds.linalg.logdet(a),
        lambda jnp, jsl, a, v: 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(a)))),
        lambda t, a, v: 2 * t.sum(t.log(t.diagonal(t.linalg.cholesky(a)))),
        tiles=True,
    ),
    Case(
        "log-determinant, general",
        with_vector,
        lambda a, v: np.linalg.slogdet(a)[1],
        lambda jnp, jsl, a, v: jnp.linalg.slogdet(a)[1],
        lambda t, a, v: t.linalg.slogdet(a)[1],
    ),
    Case(
        "triangular solve, n sides",
        triangular,
        lambda t, b, v: of_factors(v, ds.linalg.solve_triangular(t, b, lower=True)),
        lambda jnp, jsl, t, b, v: of_factors(v, jsl.solve_triangular(t, b, lower=True)),
        lambda torch, t, b, v: of_factors(v, torch.linalg.solve_triangular(t, b, upper=False)),
    ),
    Case(
        f"solve, {COLUMNS} sides",
        system,
        lambda a, b: np.sum(np.linalg.solve(a, b) ** 2),
        lambda jnp, jsl, a, b: jnp.sum(jnp.linalg.solve(a, b) ** 2),
        lambda t, a, b: t.sum(t.linalg.solve(a, b) ** 2),
    ),
    Case(
        "LU",
        with_vector,
        lambda a, v: of_factors(v, *ds.linalg.lu(a, p_indices=True)[1:]),
        lambda jnp, jsl, a, v: of_factors(v, *jsl.lu(a)[1:]),
        lambda t, a, v: of_factors(v, *t.linalg.lu(a)[1:]),
    ),
    Case(
        "inverse",
        with_vector,
        lambda a, v: of_factors(v, np.linalg.inv(a)),
        lambda jnp, jsl, a, v: of_factors(v, jnp.linalg.inv(a)),
        lambda t, a, v: of_factors(v, t.linalg.inv(a)),
    ),
    Case(
        f"least squares, 2n × n, {COLUMNS} sides",
        observed,
        lambda a, b: np.sum(ds.linalg.lstsq(a, b)[0] ** 2),
        lambda jnp, jsl, a, b: jnp.sum(jnp.linalg.lstsq(a, b)[0] ** 2),
        lambda t, a, b: t.sum(t.linalg.lstsq(a, b).solution ** 2),
    ),
    Case(
        "QR, square",
        square,
        lambda a, v: of_factors(v, *np.linalg.qr(a)),
        lambda jnp, jsl, a, v: of_factors(v, *jnp.linalg.qr(a)),
        lambda t, a, v: of_factors(v, *t.linalg.qr(a)),
    ),
    Case(
        f"QR, {DEEP}n × n",
        deep,
        lambda a, u, v: _of_deep(u, v, *np.linalg.qr(a)),
        lambda jnp, jsl, a, u, v: _of_deep(u, v, *jnp.linalg.qr(a)),
        lambda t, a, u, v: _of_deep(u, v, *t.linalg.qr(a)),
        heavy=True,
    ),
    Case(
        f"QR, n × {DEEP}n",
        wide,
        lambda a, u, v: _of_wide(u, v, *np.linalg.qr(a)),
        lambda jnp, jsl, a, u, v: _of_wide(u, v, *jnp.linalg.qr(a)),
        lambda t, a, u, v: _of_wide(u, v, *t.linalg.qr(a)),
        heavy=True,
    ),
    Case(
        "LQ, square",
        square,
        lambda a, v: of_factors(v, *ds.linalg.lq(a)),
        lambda jnp, jsl, a, v: of_factors(v, *jnp.linalg.qr(a.T)),
        lambda t, a, v: of_factors(v, *t.linalg.qr(a.T)),
    ),
    Case(
        "eigh",
        symmetric,
        lambda a, v: of_spectrum(v, *np.linalg.eigh(a)),
        lambda jnp, jsl, a, v: of_spectrum(v, *jnp.linalg.eigh(a)),
        lambda t, a, v: of_spectrum(v, *t.linalg.eigh(a)),
        heavy=True,
    ),
    Case(
        "SVD",
        square,
        lambda a, v: _of_svd(v, *np.linalg.svd(a, full_matrices=False)),
        lambda jnp, jsl, a, v: _of_svd(v, *jnp.linalg.svd(a, full_matrices=False)),
        lambda t, a, v: _of_svd(v, *t.linalg.svd(a, full_matrices=False)),
        heavy=True,
    ),
)  # fmt: skip


def _of_deep(u, v, q, r):
    return u @ (q @ v) + v @ (r @ v)


def _of_wide(u, v, q, r):
    return u @ (q @ u) + u @ (r @ v)


def _of_svd(v, u, s, vh):
    return of_spectrum(v, s, u) + v @ (vh @ v) ** 2
