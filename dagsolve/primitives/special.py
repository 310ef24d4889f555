"""Special functions of one number, applied to every item; real only.

    d/dx gammaln(x) = digamma(x)              d/dx polygamma(x; n) = polygamma(x; n + 1)
    d/dx digamma(x) = polygamma(x; 1)         d/dx expit(x) = y (1 - y)
    d/dx erf(x) = 2 exp(-x²) / √π             d/dx log_ndtr(x) = exp(-x²/2 - y) / √(2π)
    d/dx ndtr(x) = exp(-x²/2) / √(2π)

Real maps of items are their own adjoints: one rule, v ↦ v f'(x), serves both directions.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special

from dagsolve.namespace import Array, Arrays, Namespace, special_functions
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array, random_positive
from dagsolve.specs import Spec, spec

Rule = Callable[..., Array]  # (xp, saved, v, **params) -> v f'(x)
Examples = Callable[[np.random.Generator], Iterator[tuple[Any, ...]]]
FLOPS = 100  # per item, in units of a multiplication


def gammaln_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * digamma(saved.x)


def digamma_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * polygamma(saved.x, n=1)


def polygamma_rule(xp: Namespace, saved: Saved, v: Array, *, n: int) -> Array:
    return v * polygamma(saved.x, n=n + 1)


def expit_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (saved.y * (1 - saved.y))


def erf_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (2 / math.sqrt(math.pi) * xp.exp(-(saved.x * saved.x)))


def ndtr_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (1 / math.sqrt(2 * math.pi) * xp.exp(-0.5 * (saved.x * saved.x)))


def log_ndtr_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    # The exponent stays moderate far in the left tail, where the density and ndtr both underflow.
    return v * (1 / math.sqrt(2 * math.pi) * xp.exp(-0.5 * (saved.x * saved.x) - saved.y))


def i0_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * i1(saved.x)


def i1_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    # I₁(x) / x is 1/2 at the origin.
    zero = saved.x == 0
    return v * (i0(saved.x) - xp.where(zero, 0.5, saved.y / xp.where(zero, 1, saved.x)))


def polygamma_forward(xp: Namespace, x: Array, *, n: int) -> Array:
    """The n-th derivative of digamma."""
    made = special_functions(xp).polygamma(n, x)  # always double
    return xp.astype(xp.asarray(made), x.dtype) if xp.isdtype(x.dtype, "real floating") else made


def polygamma_specs(x: Spec, *, n: int) -> Specs:
    return (spec(x.shape, x.dtype if x.dtype.kind == "f" else np.float64),)


def special_cost(operands: Specs, results: Specs, **params: Any) -> Cost:
    flops = FLOPS * results[0].size
    return Cost(flops, flops)


def anywhere(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5),)
    yield (random_array(rng),)
    yield (random_array(rng, 2, 1, 3),)


def positive(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_positive(rng, 5),)
    yield (random_positive(rng),)
    yield (random_positive(rng, 2, 1, 3),)


def orders(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_positive(rng, 5), {"n": 1}
    yield random_positive(rng, 2, 3), {"n": 2}


def special(name: str, rule: Rule, save: tuple[str, ...], examples: Examples, **rest: Any) -> Primitive:
    """The record of a function of scipy.special from its rule."""

    def forward(xp: Namespace, x: Array) -> Array:
        return getattr(special_functions(xp), name)(x)

    def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, **params: Any) -> Array:
        (x_dot,) = tangents
        return rule(xp, saved, x_dot, **params)

    def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, **params: Any) -> Arrays:
        (y_bar,) = cotangents
        return (rule(xp, saved, y_bar, **params),)

    rest.setdefault("forward", forward)
    rest.setdefault("replaces", (getattr(scipy.special, name),))
    return Primitive(
        name,
        "x -> y",
        pushforward=pushforward,
        pullback=pullback,
        saves={"x": save},
        cost=special_cost,
        examples=examples,
        **rest,
    )


gammaln = special("gammaln", gammaln_rule, ("x",), positive)
digamma = special("digamma", digamma_rule, ("x",), positive)
polygamma = special(
    "polygamma", polygamma_rule, ("x",), orders, forward=polygamma_forward, specs=polygamma_specs, replaces=()
)
expit = special("expit", expit_rule, ("y",), anywhere)
erf = special("erf", erf_rule, ("x",), anywhere)
ndtr = special("ndtr", ndtr_rule, ("x",), anywhere)
i0 = special("i0", i0_rule, ("x",), anywhere, replaces=(scipy.special.i0, np.i0))
i1 = special("i1", i1_rule, ("x", "y"), anywhere)
log_ndtr = special("log_ndtr", log_ndtr_rule, ("x", "y"), anywhere)

PRIMITIVES = (gammaln, digamma, polygamma, expit, erf, i0, i1, ndtr, log_ndtr)
