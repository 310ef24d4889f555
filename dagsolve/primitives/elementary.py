"""Elementary functions of one number, applied to every item.

Each is holomorphic where it is defined, so one rule, v ↦ v f'(x), is its pushforward and, between two
conjugations, its pullback x̄ = ȳ conj f'(x). Where f' is cheaper from the result, the result is saved.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.dense import conjugate
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array, random_positive

Rule = Callable[[Namespace, Saved, Array], Array]  # v f'(x)
Examples = Callable[[np.random.Generator], Iterator[tuple[Any, ...]]]
TRANSCENDENTAL_FLOPS = 20  # per item, in units of a multiplication


def exp_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * saved.y


def expm1_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (saved.y + 1)


def log_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / saved.x


def log1p_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (1 + saved.x)


def sqrt_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (2 * saved.y)


def square_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (2 * saved.x)


def reciprocal_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return -(v * (saved.y * saved.y))


def sin_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * xp.cos(saved.x)


def cos_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return -(v * xp.sin(saved.x))


def arctan_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (1 + saved.x * saved.x)


def tanh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (1 - saved.y * saved.y)


def exp2_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (math.log(2) * saved.y)


def log2_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (math.log(2) * saved.x)


def log10_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (math.log(10) * saved.x)


def cbrt_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (3 * (saved.y * saved.y))


def tan_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * (1 + saved.y * saved.y)


def sinh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * xp.cosh(saved.x)


def cosh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v * xp.sinh(saved.x)


def arcsin_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / xp.sqrt(1 - saved.x * saved.x)


def arccos_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return -(v / xp.sqrt(1 - saved.x * saved.x))


def arcsinh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / xp.sqrt(saved.x * saved.x + 1)


def arccosh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (xp.sqrt(saved.x - 1) * xp.sqrt(saved.x + 1))  # the root of the product has another cut


def arctanh_rule(xp: Namespace, saved: Saved, v: Array) -> Array:
    return v / (1 - saved.x * saved.x)


def transcendental_cost(operands: Specs, results: Specs) -> Cost:
    flops = TRANSCENDENTAL_FLOPS * results[0].size
    return Cost(flops, flops)


def anywhere(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_array(rng, 5),)
    yield (random_array(rng),)
    yield (random_array(rng, 2, 1, 3),)
    yield (random_array(rng, 3, dtype=complex) / 2,)


def positive(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_positive(rng, 5),)
    yield (random_positive(rng),)
    yield (random_positive(rng, 2, 1, 3),)
    yield (random_positive(rng, 3) + 1j * random_array(rng, 3),)  # away from the cuts


def inside(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """Numbers inside the unit interval or disc."""
    yield (rng.uniform(-0.8, 0.8, 5),)
    yield (rng.uniform(-0.8, 0.8, (2, 1, 3)),)
    yield (rng.uniform(-0.5, 0.5, 3) + 1j * rng.uniform(-0.5, 0.5, 3),)


def above_one(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (1 + random_positive(rng, 5),)
    yield (random_positive(rng, 3) + 1j * random_positive(rng, 3),)


def real_positive(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_positive(rng, 5),)
    yield (random_positive(rng, 2, 1, 3),)


def elementary(
    function: np.ufunc, rule: Rule, save: str, examples: Examples, *, standard: str = "", cheap: bool = False
) -> Primitive:
    """The record of a NumPy function from its rule; `standard` is its name in the array API standard."""
    name = function.__name__

    def forward(xp: Namespace, x: Array) -> Array:
        return getattr(xp, standard or name)(x)

    def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
        (x_dot,) = tangents
        return rule(xp, saved, x_dot)

    def pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
        (y_bar,) = cotangents
        return (conjugate(xp, rule(xp, saved, conjugate(xp, y_bar))),)

    return Primitive(
        name,
        "x -> y",
        forward,
        pushforward,
        pullback,
        saves={"x": (save,)},
        ufunc=name,
        cost=None if cheap else transcendental_cost,
        replaces=(function,),
        examples=examples,
    )


exp = elementary(np.exp, exp_rule, "y", anywhere)
expm1 = elementary(np.expm1, expm1_rule, "y", anywhere)
log = elementary(np.log, log_rule, "x", positive)
log1p = elementary(np.log1p, log1p_rule, "x", positive)
sqrt = elementary(np.sqrt, sqrt_rule, "y", positive)
square = elementary(np.square, square_rule, "x", anywhere, cheap=True)
reciprocal = elementary(np.reciprocal, reciprocal_rule, "y", positive, cheap=True)
sin = elementary(np.sin, sin_rule, "x", anywhere)
cos = elementary(np.cos, cos_rule, "x", anywhere)
arctan = elementary(np.arctan, arctan_rule, "x", positive, standard="atan")
tanh = elementary(np.tanh, tanh_rule, "y", anywhere)
exp2 = elementary(np.exp2, exp2_rule, "y", anywhere)
log2 = elementary(np.log2, log2_rule, "x", positive)
log10 = elementary(np.log10, log10_rule, "x", positive)
cbrt = elementary(np.cbrt, cbrt_rule, "y", real_positive)
tan = elementary(np.tan, tan_rule, "y", inside)
sinh = elementary(np.sinh, sinh_rule, "x", anywhere)
cosh = elementary(np.cosh, cosh_rule, "x", anywhere)
arcsin = elementary(np.arcsin, arcsin_rule, "x", inside, standard="asin")
arccos = elementary(np.arccos, arccos_rule, "x", inside, standard="acos")
arcsinh = elementary(np.arcsinh, arcsinh_rule, "x", positive, standard="asinh")
arccosh = elementary(np.arccosh, arccosh_rule, "x", above_one, standard="acosh")
arctanh = elementary(np.arctanh, arctanh_rule, "x", inside, standard="atanh")

PRIMITIVES = (
    exp,
    expm1,
    exp2,
    log,
    log1p,
    log2,
    log10,
    sqrt,
    cbrt,
    square,
    reciprocal,
    sin,
    cos,
    tan,
    sinh,
    cosh,
    tanh,
    arcsin,
    arccos,
    arctan,
    arcsinh,
    arccosh,
    arctanh,
)
