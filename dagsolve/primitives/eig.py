"""Eigenvalues and right eigenvectors of a square matrix, A V = V diag(w); both complex.

The order is LAPACK's. Vectors have norm one, and of each the first entry whose magnitude is within a
hundredth of the largest is real and positive. With E_ij = 1 / (w_j - w_i), B = V⁻¹ Ȧ V and
N(Z) = Z - V Re diag(Vᴴ Z), which keeps the norms,

    pushforward    ẇ = diag B,   V̇ = N(V (E ∘ B))
    pullback       Ā = V⁻ᴴ (diag w̄ + conj(E) ∘ Vᴴ N(V̄)) Vᴴ

both with a term more, which keeps the first large entries real, as for `eigh`.

E_ij is zero where |w_j - w_i| ≤ ε^¾ max |w|, ε the rounding unit: there the vectors are not defined, only the
space that they span, and first derivatives of functions of such spaces are exact. Whether a cotangent asks
for more is seen by `settled_eig`, which hands on the numerator X, Vᴴ N(V̄) with w̄ as its diagonal. It tells,
as `dagsolve.kernels.choices` says, where equal values have parts X_ij or weigh unequally.

The vectors of a defective matrix are dependent, and nothing has a derivative there. Where the smallest
singular value of V is at most √ε of the largest, no digit of a derivative would be right: FactorisationError.
Reference: M. B. Giles, Numerical Analysis report 08/01, Oxford (2008); C. Boeddeker et al., arXiv:1701.00392
(2017).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels import choices, gauge
from dagsolve.kernels.dense import adjoint, factored, total
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
    return gauge.reciprocals(xp, w[..., None, :] - w[..., :, None], _largest(xp, w)[..., None])


def _largest(xp: Namespace, w: Array) -> Array:
    return xp.max(xp.abs(w), axis=-1, keepdims=True)


def _of_same_norm(xp: Namespace, v: Array, z: Array) -> Array:
    """N(Z), its own adjoint."""
    return z - v * xp.sum(xp.real(xp.conj(v) * z), axis=-2, keepdims=True)


def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Arrays:
    (a_dot,) = tangents
    w, v = saved.w, saved.v
    if not v.size:
        return w, v
    b = settled_eig(solve(v, xp.matmul(a_dot, v))[0], w, v)
    v_dot = _of_same_norm(xp, v, xp.matmul(v, _gaps(xp, w) * b))
    return xp.linalg.diagonal(b), v_dot - v * gauge.turning(xp, v, v_dot)


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    w_bar, v_bar = cotangents
    w, v = saved.w, saved.v
    v_adjoint, one = adjoint(xp, v), xp.eye(w.shape[-1], dtype=w.dtype)
    numerator = None if w_bar is None else one * w_bar[..., None, :]
    weights = one
    if v_bar is not None and v.size:
        v_bar = v_bar - gauge.turning_cotangent(xp, v, gauge.phase_part(xp, v, v_bar))
        numerator = total(numerator, (1 - one) * xp.matmul(v_adjoint, _of_same_norm(xp, v, v_bar)))
        weights = one + xp.conj(_gaps(xp, w))
    if numerator is None:
        return (v_bar,)  # of no items
    middle = weights * settled_eig(numerator, w, v, policy=choices.policy())
    return (solve(v, xp.matmul(middle, v_adjoint), transposed=True)[0],)


def settled_forward(xp: Namespace, x: Array, w: Array, v: Array, *, policy: str = "ignore") -> Array:
    if not v.size:
        return x
    s = xp.linalg.svdvals(v)
    if xp.any(s[..., -1] <= float(xp.finfo(s.dtype).eps) ** 0.5 * s[..., 0]):
        raise FactorisationError(
            f"eig: the eigenvectors of a {tuple(v.shape)} {v.dtype} are dependent to half the digits: the"
            " matrix is defective or nearly, and no digit of a derivative of its eigenvalues would be right"
        )
    if policy != "ignore":
        one = xp.eye(w.shape[-1], dtype=s.dtype)
        gaps = xp.abs(w[..., None, :] - w[..., :, None])
        equal = (gaps <= choices.power(xp, gaps, gauge.DISTINCT) * _largest(xp, w)[..., None]) & (one == 0)
        rates = xp.linalg.diagonal(x)
        parts = xp.abs(x) + xp.abs(rates[..., None, :] - rates[..., :, None])
        size = xp.max(xp.max(xp.abs(x), axis=-1, keepdims=True), axis=-2, keepdims=True)
        told = xp.where(equal, parts / xp.where(size == 0, size + 1.0, size), 0.0 * parts)
        found = choices.largest(xp, told, policy)
        if found is not None:
            i, j = found[1][-2:]
            choices.tell(
                policy,
                f"eig: eigenvalues {i} and {j} are equal to rounding, which leaves their vectors open, and"
                f" the function depends on them: {found[0]:.1g} of the cotangent turns one into the other, or"
                " weighs one more; the part is taken as zero, or at the vectors at hand; let the function"
                " depend on the space of these vectors alone, or say ds.degenerate('ignore')",
            )
    return x


def settled_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...], *, policy: str = "ignore"
) -> Maybe:
    return tangents[0]


def settled_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, policy: str = "ignore"
) -> Arrays:
    return cotangents


def settled_cost(operands: Specs, results: Specs, *, policy: str = "ignore") -> Cost:
    return Cost(4.0 * operands[2].size * operands[2].shape[-1], 0, 3 * operands[2].size)


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


def settled_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for batch in ((), (2,)):
        x = random_array(rng, *batch, 3, 3, dtype=complex)
        yield x, *forward(np, _separated(rng, *batch, n=3)), {"policy": "raise"}


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

settled_eig = Primitive(
    "settled_eig",
    "x(n,n), w(n), v(n,n) -> y(n,n)",
    settled_forward,
    settled_pushforward,
    settled_pullback,
    saves={"x": ()},
    cost=settled_cost,
    examples=settled_examples,
)

PRIMITIVES = (eig, settled_eig)
