"""Eigenvalues and right eigenvectors of a square matrix, A V = V diag(w); both complex.

The order is LAPACK's. Vectors have norm one, and of each the first entry whose magnitude is within a
hundredth of the largest is real and positive. With E_ij = 1 / (w_j - w_i), B = V⁻¹ Ȧ V and
N(Z) = Z - V Re diag(Vᴴ Z), which keeps the norms,

    pushforward    ẇ = diag B,   V̇ = N(V (E ∘ B))
    pullback       Ā = V⁻ᴴ (diag w̄ + conj(E) ∘ Vᴴ N(V̄)) Vᴴ

both with a term more, which keeps the first large entries real, as for `eigh`.

E_ij is zero where |w_j - w_i| ≤ ε^¾ max |w|, ε the rounding unit: there the vectors are not defined, only the
space that they span, and first derivatives of functions of such spaces are exact. The eigenvectors of a
matrix that is defective, or nearly, are dependent: nothing here has a derivative there. The pullback solves
with V, and raises FactorisationError where it is singular to the last digit; near it, derivatives are as
large as they truly are, and inexact.
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008); C. Boeddeker et al., arXiv:1701.00392
(2017).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.kernels import gauge
from dagsolve.kernels.dense import adjoint, factored
from dagsolve.kernels.stacks import floating
from dagsolve.namespace import Array, Arrays, Namespace, to_host
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.solve import solve
from dagsolve.sampling import random_array, random_orthogonal
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array) -> Arrays:
    host = floating(to_host(a))  # not every library has it
    w, v = factored(np, "eig", host, lambda: tuple(np.linalg.eig(host)))
    dtype = np.result_type(host.dtype, np.complex64)  # real where all eigenvalues happen to be
    w, v = w.astype(dtype, copy=False), v.astype(dtype, copy=False)
    if v.size:
        v = v * gauge.phase(np, v)
    return (w, v) if xp is np else (xp.asarray(w), xp.asarray(v))


def specs(a: Spec) -> Specs:
    eig.parsed.dims((a.shape,))
    dtype = np.result_type(a.dtype if a.dtype.kind in "fc" else np.float64, np.complex64)
    return spec(a.shape[:-1], dtype), spec(a.shape, dtype)


def _gaps(xp: Namespace, w: Array) -> Array:
    """E."""
    differences = w[..., None, :] - w[..., :, None]
    return gauge.reciprocals(xp, differences, xp.max(xp.abs(w), axis=-1)[..., None, None])


def _of_same_norm(xp: Namespace, v: Array, z: Array) -> Array:
    """N(Z), its own adjoint."""
    return z - v * xp.sum(xp.real(xp.conj(v) * z), axis=-2, keepdims=True)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Arrays:
    (a_dot,) = tangents
    w, v = saved.w, saved.v
    b = solve(v, xp.matmul(a_dot, v))[0]
    if not v.size:
        return w, v
    v_dot = _of_same_norm(xp, v, xp.matmul(v, _gaps(xp, w) * b))
    return xp.linalg.diagonal(b), v_dot - v * gauge.turning(xp, v, v_dot)


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    w_bar, v_bar = cotangents
    w, v = saved.w, saved.v
    v_adjoint = adjoint(xp, v)
    if v_bar is None or not v.size:
        scaled = v_adjoint if w_bar is None else w_bar[..., :, None] * v_adjoint
        return (solve(v, scaled, transposed=True)[0],)
    v_bar = v_bar - gauge.turning_cotangent(xp, v, gauge.phase_part(xp, v, v_bar))
    middle = xp.conj(_gaps(xp, w)) * xp.matmul(v_adjoint, _of_same_norm(xp, v, v_bar))
    if w_bar is not None:
        middle = middle + xp.eye(w.shape[-1], dtype=w.dtype) * w_bar[..., None, :]
    return (solve(v, xp.matmul(middle, v_adjoint), transposed=True)[0],)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[1].size) * results[1].shape[-1]
    return Cost(25 * flops, 4 * 7 * flops, 6 * results[1].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (_separated(rng, n=3),)
    yield (_separated(rng, n=1),)
    yield (_separated(rng, n=7),)
    yield (_separated(rng, 2, 3, n=2),)
    yield (_separated(rng, n=3, dtype=complex),)
    yield (np.array([[1.0, -2.0, 0.3], [2.0, 1.5, 0.2], [0.1, -0.4, 3.0]]),)  # a conjugate pair


def _separated(rng: np.random.Generator, *batch: int, n: int, dtype: Any = float) -> Array:
    """Diagonalisable matrices whose eigenvalues are at least 0.7 apart, with vectors far from dependent."""
    w = np.cumsum(rng.uniform(0.7, 1.3, (*batch, n)), axis=-1)
    if np.dtype(dtype).kind == "c":
        w = w * np.exp(1j * rng.uniform(0, 2, (*batch, n)))
    v = random_orthogonal(rng, *batch, n=n, dtype=dtype)
    v = v + 0.2 * random_array(rng, *batch, n, n, dtype=dtype) / np.sqrt(n)
    return np.asarray((v * w[..., None, :]) @ np.linalg.inv(v))


eig = Primitive(
    "eig",
    "a(n,n) -> w(n), v(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("w", "v")},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (eig,)
