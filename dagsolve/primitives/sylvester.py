"""Solution X of A X + X B = Q, and of X - A X Aᴴ = Q (the discrete Lyapunov equation).

The adjoint of either equation is one of the same kind, with adjoint matrices:

    A X + X B = Q     pushforward    A Ẋ + Ẋ B = Q̇ - Ȧ X - X Ḃ
                      pullback       Aᴴ Q̄ + Q̄ Bᴴ = X̄,   Ā = -Q̄ Xᴴ,   B̄ = -Xᴴ Q̄
    X - A X Aᴴ = Q    pushforward    Ẋ - A Ẋ Aᴴ = Q̇ + Ȧ X Aᴴ + A X Ȧᴴ
                      pullback       Q̄ - Aᴴ Q̄ A = X̄,     Ā = Q̄ A Xᴴ + Q̄ᴴ A X

A continuous Lyapunov equation, A X + X Aᴴ = Q, is the first with B = Aᴴ. Both are solved in host memory by
Schur factors (`dagsolve.kernels.schur`), small discrete ones by one system of n² unknowns.
Reference: R. H. Bartels, G. W. Stewart, Commun. ACM 15 (1972) 820-826; T. Kao, G. Hennequin,
arXiv:2011.11430 (2020).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from dagsolve.kernels import schur
from dagsolve.kernels.dense import adjoint, total
from dagsolve.kernels.stacks import on_host
from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec

Maybe = Array | None


def forward(xp: Namespace, a: Array, b: Array, q: Array) -> Array:
    return on_host(xp, partial(schur.sylvester, "solve_sylvester"), a, b, q)


def specs(a: Spec, b: Spec, q: Spec) -> Specs:
    (shape,) = solve_sylvester.parsed.result_shapes((a.shape, b.shape, q.shape))
    return (spec(shape, np.result_type(*map(_floating, (a, b, q)))),)


def _floating(of: Spec) -> np.dtype[Any]:
    return of.dtype if of.dtype.kind in "fc" else np.dtype(np.float64)


def pushforward(xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...]) -> Array:
    a_dot, b_dot, q_dot = tangents
    moved = total(
        q_dot,
        None if a_dot is None else -xp.matmul(a_dot, saved.x),
        None if b_dot is None else -xp.matmul(saved.x, b_dot),
    )
    return solve_sylvester(saved.a, saved.b, moved)


def pullback(xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted) -> tuple[Maybe, ...]:
    (x_bar,) = cotangents
    q_bar = solve_sylvester(adjoint(xp, saved.a), adjoint(xp, saved.b), x_bar)
    found: dict[str, Maybe] = {"q": q_bar}
    if "a" in wanted:
        found["a"] = -xp.matmul(q_bar, adjoint(xp, saved.x))
    if "b" in wanted:
        found["b"] = -xp.matmul(adjoint(xp, saved.x), q_bar)
    return tuple(found[name] for name in wanted)


def cost(operands: Specs, results: Specs) -> Cost:
    m, n = results[0].shape[-2:]
    count = results[0].size / (m * n) if m * n else 0.0
    flops = 25.0 * (m**3 + n**3) + 5 * m * n * (m + n)
    return Cost(count * flops, count * (flops + 2 * m * n * (m + n)), 2 * count * (m * m + n * n))


def discrete_forward(xp: Namespace, a: Array, q: Array, *, direct: bool = False) -> Array:
    return on_host(xp, partial(schur.discrete_lyapunov, "solve_discrete_lyapunov", direct=direct), a, q)


def discrete_specs(a: Spec, q: Spec, *, direct: bool = False) -> Specs:
    (shape,) = solve_discrete_lyapunov.parsed.result_shapes((a.shape, q.shape))
    return (spec(shape, np.result_type(_floating(a), _floating(q))),)


def discrete_pushforward(
    xp: Namespace, saved: Saved, tangents: tuple[Maybe, ...], *, direct: bool = False
) -> Array:
    a_dot, q_dot = tangents
    moved = q_dot
    if a_dot is not None:
        left = xp.matmul(a_dot, xp.matmul(saved.x, adjoint(xp, saved.a)))
        right = xp.matmul(saved.a, xp.matmul(saved.x, adjoint(xp, a_dot)))
        moved = total(q_dot, left + right)
    return solve_discrete_lyapunov(saved.a, moved, direct=direct)


def discrete_pullback(
    xp: Namespace, saved: Saved, cotangents: tuple[Maybe, ...], wanted: Wanted, *, direct: bool = False
) -> tuple[Maybe, ...]:
    (x_bar,) = cotangents
    q_bar = solve_discrete_lyapunov(adjoint(xp, saved.a), x_bar, direct=direct)
    found: dict[str, Maybe] = {"q": q_bar}
    if "a" in wanted:
        x, a = saved.x, saved.a
        left = xp.matmul(q_bar, xp.matmul(a, adjoint(xp, x)))
        found["a"] = left + xp.matmul(adjoint(xp, q_bar), xp.matmul(a, x))
    return tuple(found[name] for name in wanted)


def discrete_cost(operands: Specs, results: Specs, *, direct: bool = False) -> Cost:
    n = results[0].shape[-1]
    count = results[0].size / (n * n) if n else 0.0
    flops = 2 / 3 * n**6 if direct else 67.0 * n**3
    return Cost(count * flops, count * (flops + 8 * n**3), count * (n**4 if direct else 6 * n * n))


def examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    def stable(n: int, *batch: int, dtype: Any = float) -> Array:
        return _shifted(rng, n, *batch, dtype=dtype)

    yield stable(3), stable(2), random_array(rng, 3, 2)
    yield stable(1), stable(1), random_array(rng, 1, 1)
    yield stable(7), stable(5), random_array(rng, 7, 5)
    yield stable(3, 2), stable(2), random_array(rng, 5, 1, 3, 2)
    yield stable(3, dtype=complex), stable(2, dtype=complex), random_array(rng, 3, 2, dtype=complex)
    yield stable(2), stable(3), random_array(rng, 2, 3, dtype=complex)


def _shifted(rng: np.random.Generator, n: int, *batch: int, dtype: Any = float) -> Array:
    """Matrices whose eigenvalues have positive real parts."""
    return 0.5 * random_array(rng, *batch, n, n, dtype=dtype) / np.sqrt(n) + 2 * np.eye(n)


def _contraction(rng: np.random.Generator, n: int, *batch: int, dtype: Any = float) -> Array:
    """Matrices whose eigenvalues have products far from one: the largest is 0.7 in size."""
    a = random_array(rng, *batch, n, n, dtype=dtype)
    return 0.7 * a / np.max(np.abs(np.linalg.eigvals(a)), axis=-1)[..., None, None]


def discrete_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for direct in (True, False):
        params = {"direct": direct}
        yield _contraction(rng, 3), random_array(rng, 3, 3), params
        yield _contraction(rng, 1), random_array(rng, 1, 1), params
        yield _contraction(rng, 3, 2), random_array(rng, 3, 3), params
        yield _contraction(rng, 3, dtype=complex), random_array(rng, 2, 3, 3, dtype=complex), params


solve_sylvester = Primitive(
    "solve_sylvester",
    "a(m,m), b(n,n), q(m,n) -> x(m,n)",
    forward,
    pushforward,
    pullback,
    saves={"a": ("a", "b", "x"), "b": ("a", "b", "x"), "q": ("a", "b")},
    specs=specs,
    cost=cost,
    examples=examples,
)
solve_discrete_lyapunov = Primitive(
    "solve_discrete_lyapunov",
    "a(n,n), q(n,n) -> x(n,n)",
    discrete_forward,
    discrete_pushforward,
    discrete_pullback,
    saves={"a": ("a", "x"), "q": ("a",)},
    specs=discrete_specs,
    cost=discrete_cost,
    examples=discrete_examples,
)

PRIMITIVES = (solve_sylvester, solve_discrete_lyapunov)
