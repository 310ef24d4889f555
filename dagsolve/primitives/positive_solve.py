"""Solution of a Hermitian positive definite system, X = A⁻¹ B; the Cholesky factor comes with it.

A is given by its lower triangle, as for `cholesky`, and its cotangent is that of the stored triangle. With
B̄ the solution of the same system, which the stored factor A = L Lᴴ makes, and Φ as in `cholesky`,

    pushforward    Ẋ = A⁻¹ (Ḃ - copyltu(Ȧ) X)
    pullback       B̄ = A⁻¹ X̄,   Ā_stored = -Φ(B̄ Xᴴ + X B̄ᴴ)

in 2 n² k flops each: the adjoint of the factorisation is not needed. The factor is a result with a
derivative, that of `cholesky`: a second derivative goes through it.
Reference: S. F. Walter, thesis, Humboldt-Universität zu Berlin (2012).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import adjoint, copyltu, phi, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted, fit
from dagsolve.primitives import cholesky
from dagsolve.primitives.solve import extra_axes, zeros_behind
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_array, random_spd
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array, b: Array) -> Arrays:
    try:
        l = cholesky.cholesky(a)
    except FactorisationError as fault:
        raise FactorisationError(str(fault).replace("cholesky:", "positive_solve:", 1)) from None
    return _solved(l, b), l


def _solved(l: Array, b: Array) -> Array:
    """(L Lᴴ)⁻¹ B."""
    half = solve_triangular(l, b, lower=True, transposed=False, right=False, unit_diagonal=False)
    return solve_triangular(l, half, lower=True, transposed=True, right=False, unit_diagonal=False)


def specs(a: Spec, b: Spec) -> Specs:
    shape, _ = positive_solve.parsed.result_shapes((a.shape, b.shape))
    factor = a.dtype if a.dtype.kind in "fc" else np.float64
    return spec(shape, np.result_type(factor, b.dtype)), spec(a.shape, factor)


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...]) -> tuple[Maybe, ...]:
    a_dot, b_dot = tangents
    moved = None if a_dot is None else -xp.matmul(copyltu(xp, a_dot), saved.x)
    x_dot = _solved(saved.l, total(b_dot, moved))
    return x_dot, None if a_dot is None else cholesky.pushforward(xp, saved, (a_dot,))


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> Arrays:
    x_bar, l_bar = cotangents
    extra = extra_axes(saved, ("x", "l"), cotangents)
    found: dict[str, Maybe] = {"a": None, "b": None}
    if x_bar is not None:
        b_bar = found["b"] = _solved(saved.l, x_bar)
        if "a" in wanted:
            product = xp.matmul(b_bar, adjoint(xp, saved.x))
            stored = -phi(xp, product + adjoint(xp, product))
            found["a"] = fit(xp, stored, len(extra), saved.specs["a"])
    if l_bar is not None and "a" in wanted:
        (a_bar,) = cholesky.pullback(xp, saved, (l_bar,), ("a",))
        found["a"] = total(found["a"], a_bar)
    return tuple(
        zeros_behind(xp, extra, saved.specs[name]) if found[name] is None else found[name] for name in wanted
    )


def cost(operands: Specs, results: Specs) -> Cost:
    n = operands[0].shape[-1]
    factors, solves = operands[0].size * n / 3, 2.0 * results[0].size * n
    return Cost(factors + solves, 2 * solves, operands[0].size)


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_spd(rng, n=5), random_array(rng, 5, 3)
    yield random_spd(rng, n=1), random_array(rng, 1, 1)
    yield random_spd(rng, 2, n=3), random_array(rng, 5, 1, 3, 2)
    yield random_spd(rng, n=3), random_array(rng, 2, 3, 1)
    yield random_spd(rng, n=3, dtype=complex), random_array(rng, 3, 2, dtype=complex)


positive_solve = Primitive(
    "positive_solve",
    "a(n,n), b(n,k) -> x(n,k), l(n,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("x", "l"), "b": ("l",)},
    specs=specs,
    cost=cost,
    examples=examples,
)

PRIMITIVES = (positive_solve,)
