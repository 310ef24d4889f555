"""Random well-posed arrays: matrices with a bounded condition number, numbers away from kinks and ties.

Every function takes the generator first, then the leading (batch) axes, then sizes by keyword.
"""

from typing import Any

import numpy as np

from dagsolve.namespace import Array

Generator = np.random.Generator


def random_array(rng: Generator, *shape: int, dtype: Any = np.float64) -> Array:
    """Standard normal numbers; real and imaginary parts for a complex dtype."""
    drawn = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * rng.standard_normal(shape)
    return np.asarray(drawn, dtype=dtype)


def random_positive(rng: Generator, *shape: int, low: float = 0.5, high: float = 2.0) -> Array:
    """Uniform numbers in [low, high)."""
    return np.asarray(rng.uniform(low, high, shape))


def random_nonzero(rng: Generator, *shape: int) -> Array:
    """Numbers of either sign whose magnitude lies in [0.5, 2)."""
    return random_positive(rng, *shape) * np.where(rng.random(shape) < 0.5, -1.0, 1.0)


def random_distinct(rng: Generator, *shape: int, gap: float = 0.25) -> Array:
    """Numbers in random order, any two at least 0.4 `gap` apart: no ties, also under differences."""
    size = int(np.prod(shape))
    ladder = gap * (rng.permutation(size) - size / 2)
    return np.reshape(ladder + gap * rng.uniform(-0.3, 0.3, size), shape)


def random_orthogonal(rng: Generator, *batch: int, n: int, dtype: Any = np.float64) -> Array:
    """Orthogonal (unitary) matrices (*batch, n, n)."""
    return np.linalg.qr(random_array(rng, *batch, n, n, dtype=dtype))[0]


def random_spd(
    rng: Generator, *batch: int, n: int, condition: float = 10.0, dtype: Any = np.float64
) -> Array:
    """Hermitian positive definite matrices (*batch, n, n), eigenvalues in [1, condition]."""
    q = random_orthogonal(rng, *batch, n=n, dtype=dtype)
    w = rng.uniform(1.0, condition, (*batch, 1, n)).astype(q.real.dtype)
    a = (q * w) @ np.conj(np.swapaxes(q, -1, -2))
    return 0.5 * (a + np.conj(np.swapaxes(a, -1, -2)))


def random_symmetric(rng: Generator, *batch: int, n: int, dtype: Any = np.float64) -> Array:
    """Hermitian matrices (*batch, n, n)."""
    a = random_array(rng, *batch, n, n, dtype=dtype)
    return 0.5 * (a + np.conj(np.swapaxes(a, -1, -2)))


def random_separated(rng: Generator, *batch: int, n: int, gap: float = 1.0, dtype: Any = np.float64) -> Array:
    """Hermitian matrices (*batch, n, n), eigenvalues of both signs at least 0.7 `gap` apart."""
    q = random_orthogonal(rng, *batch, n=n, dtype=dtype)
    steps = gap * rng.uniform(0.7, 1.3, (*batch, 1, n)).astype(q.real.dtype)
    w = np.cumsum(steps, axis=-1) - gap * n / 2
    a = (q * w) @ np.conj(np.swapaxes(q, -1, -2))
    return 0.5 * (a + np.conj(np.swapaxes(a, -1, -2)))


def random_triangular(
    rng: Generator, *batch: int, n: int, lower: bool = True, dtype: Any = np.float64
) -> Array:
    """Well-conditioned triangular matrices (*batch, n, n): diagonal in [1, 2), the rest of size 1/√n."""
    a = random_array(rng, *batch, n, n, dtype=dtype) / np.sqrt(n)
    diagonal = np.eye(n) * rng.uniform(1.0, 2.0, (*batch, 1, n))
    return np.asarray((np.tril(a, -1) if lower else np.triu(a, 1)) + diagonal, dtype=dtype)
