"""Hermitian matrix with the eigenvectors of A and other eigenvalues, Y = V diag(f) Vᴴ; w, V with it.

    spectral(a, f, d)     Y, w, V
    spectrum(a)           w, V: `eigh`, for f = f(w) that goes into spectral
    finite_slopes(d)      d; FactorisationError where it is not finite: there Y has no derivative

A = V diag(w) Vᴴ is given by its lower triangle, as for `eigh`. With D_ij the divided differences
(f_i - f_j) / (w_i - w_j), D_ii = 0 and K = Vᴴ Ȳ V,

    pushforward    Ẏ = V (D ∘ Vᴴ copyltu(Ȧ) V + diag ḟ) Vᴴ
    pullback       f̄ = diag K,   Ā = V (conj(D) ∘ K + its adjoint) Vᴴ / 2,   Ā_stored = tril(Ā) + tril(Ā, -1)

For a function of a matrix, f = f(w) and d = f'(w): where w_i and w_j, and d_i and d_j, agree to the cube root
of the rounding unit, D_ij is (d_i + d_j) / 2, which is right for nothing else. So the first derivative of a
matrix function is exact to ε^⅔ however close eigenvalues are. Second derivatives go through those of w and V,
which are `eigh`'s, and leave out what repeated eigenvalues would add.

The diagonal part of the derivative comes through f, hence w. Where eigenvalues repeat, neither part is a
derivative by itself, their sum is: so `spectrum`'s rule for w̄ does not look whether equal values weigh
equally, as `eigh`'s does.
Reference: N. J. Higham, Functions of Matrices, SIAM (2008), theorem 3.11 (Daleckii and Krein).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import adjoint, conjugate, copyltu, factored, named, phi, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted, fit, handing_on
from dagsolve.primitives import eigh
from dagsolve.primitives.solve import extra_axes, zeros_behind
from dagsolve.primitives.triangle_product import triangle_product
from dagsolve.sampling import random_array, random_separated
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array, f: Array, d: Array) -> Arrays:
    w, v = eigh.forward(xp, a)
    failure = "is not in the function's domain: f is not finite at an eigenvalue"
    (y,) = factored(xp, "spectral", a, lambda: xp.matmul(v * f[..., None, :], adjoint(xp, v)), failure)
    return y, w, v


def specs(a: Spec, f: Spec, d: Spec) -> Specs:
    shape, values, _ = spectral.parsed.result_shapes((a.shape, f.shape, d.shape))
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    y = spec(shape, np.result_type(dtype, f.dtype))
    return y, spec(a.shape[:-1], np.empty(0, dtype).real.dtype), spec(a.shape, dtype)


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...]) -> tuple[Maybe, ...]:
    a_dot, f_dot, _ = tangents
    v, v_adjoint = saved.v, adjoint(xp, saved.v)
    along_f = None if f_dot is None else xp.matmul(v * f_dot[..., None, :], v_adjoint)
    if a_dot is None:
        return along_f, None, None
    inner = xp.matmul(v_adjoint, xp.matmul(copyltu(xp, a_dot), v))
    along_a = xp.matmul(v, xp.matmul(_differences(xp, saved) * inner, v_adjoint))
    return total(along_f, along_a), *eigh.pushforward(xp, saved, (a_dot,))


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    y_bar, w_bar, v_bar = cotangents
    v, v_adjoint = saved.v, adjoint(xp, saved.v)
    k = None if y_bar is None else xp.matmul(v_adjoint, xp.matmul(y_bar, v))
    extra = extra_axes(saved, ("y", "w", "v"), cotangents)
    found: dict[str, Maybe] = {"a": None, "f": None if k is None else xp.linalg.diagonal(k)}
    if "a" in wanted:
        if k is not None:
            middle = conjugate(xp, _differences(xp, saved)) * k
            stored = triangle_product(xp.matmul(v, 0.5 * (middle + adjoint(xp, middle))), v_adjoint)
            found["a"] = fit(xp, 2 * phi(xp, stored), len(extra), saved.specs["a"])
        if w_bar is not None or v_bar is not None:
            (a_bar,) = eigh.pullback(xp, saved, (w_bar, v_bar), ("a",))
            found["a"] = total(found["a"], a_bar)
    return tuple(
        zeros_behind(xp, extra, saved.specs[name]) if found[name] is None else found[name] for name in wanted
    )


def _differences(xp: Namespace, saved: Saved) -> Array:
    """D, by slopes that are finite."""
    w, f, d = saved.w, saved.f, finite_slopes(saved.d)
    near = float(xp.finfo(w.dtype).eps) ** (1 / 3)
    gaps, slopes = w[..., :, None] - w[..., None, :], xp.abs(d)
    largest = xp.maximum(xp.abs(w[..., :1]), xp.abs(w[..., -1:]))[..., None]
    turns = xp.abs(d[..., :, None] - d[..., None, :])
    steepest = xp.maximum(slopes[..., :, None], slopes[..., None, :])
    close = (xp.abs(gaps) <= near * largest) & (turns <= near * steepest)
    close = close | (gaps == 0)
    quotients = (f[..., :, None] - f[..., None, :]) / xp.where(close, xp.ones_like(gaps), gaps)
    means = 0.5 * (d[..., :, None] + d[..., None, :])
    off = 1 - xp.eye(w.shape[-1], dtype=w.dtype)
    return off * xp.where(close, means, quotients)


def slopes_forward(xp: Namespace, d: Array) -> Array:
    if not xp.all(xp.isfinite(d)):
        *batch, k = (int(found[0]) for found in xp.nonzero(~xp.isfinite(d)))
        raise FactorisationError(
            f"spectral: the derivative of f must be finite at the eigenvalues of {named(batch)}, got"
            f" {d[(*batch, k)]} at eigenvalue {k}; keep eigenvalues off the border of f's domain, for"
            " instance by a small multiple of the identity"
        )
    return d


def slopes_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 2, 3),)


def spectrum_forward(xp: Namespace, a: Array) -> Arrays:
    return eigh.forward(xp, a)


def spectrum_pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted
) -> tuple[Maybe, ...]:
    w_bar, v_bar = cotangents
    parts = [] if v_bar is None else [eigh.pullback(xp, saved, (None, v_bar), wanted)[0]]
    if w_bar is not None:
        stored = triangle_product(saved.v * w_bar[..., None, :], adjoint(xp, saved.v))
        parts.append(2 * phi(xp, stored))
    return (total(*parts),)


def cost(operands: Specs, results: Specs) -> Cost:
    flops = float(results[2].size) * results[2].shape[-1]
    return Cost(11 * flops, 7 * flops, 4 * results[2].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    def vectors(*shape: int, dtype: Any = float) -> tuple[Array, Array]:
        return random_array(rng, *shape, dtype=dtype), random_array(rng, *shape, dtype=dtype)

    yield random_separated(rng, n=3), *vectors(3)
    yield random_separated(rng, n=1), *vectors(1)
    yield random_separated(rng, n=7), *vectors(7)
    yield random_separated(rng, 2, n=3), *vectors(5, 1, 3)
    yield random_separated(rng, n=3, dtype=complex), *vectors(3)
    yield random_separated(rng, n=3), *vectors(3, dtype=complex)


spectral = Primitive(
    "spectral",
    "a(n,n), f(n), d(n) -> y(n,n), w(n), v(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("w", "v", "f", "d"), "f": ("v",)},
    specs=specs,
    cost=cost,
    examples=examples,
)
spectrum = Primitive(
    "spectrum",
    "a(n,n) -> w(n), v(n,n)",
    spectrum_forward,
    eigh.pushforward,
    spectrum_pullback,
    saves={"a": ("w", "v")},
    cost=eigh.cost,
    examples=eigh.examples,
)

finite_slopes = handing_on("finite_slopes", "d(n) -> y(n)", slopes_forward, slopes_examples)

PRIMITIVES = (spectral, spectrum, finite_slopes)
