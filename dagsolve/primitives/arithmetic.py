"""Arithmetic on items: sums, products, powers, complex parts and changes of dtype.

Operands broadcast; `Primitive.pull` sums cotangents over the axes along which an operand was broadcast.
With conj the complex conjugate (the identity on real arrays), the pullbacks are

    y = a + b      ā = ȳ                       b̄ = ȳ
    y = a b        ā = ȳ conj b                b̄ = ȳ conj a
    y = a / b      ā = ȳ / conj b              b̄ = -ȳ conj(y / b)
    y = xᵖ         x̄ = ȳ conj(p xᵖ⁻¹)          p̄ = ȳ conj(y log x), zero where log x is not real

under x̄ = ∂φ/∂Re x + i ∂φ/∂Im x. The sign and the roundings are constant between their jumps and carry no
derivative.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dagsolve.kernels.dense import conjugate as conj
from dagsolve.kernels.dense import is_complex, total
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array, random_nonzero, random_positive
from dagsolve.specs import spec

Tangents = tuple[Array | None, ...]  # None is zero
BOTH_FREE: dict[str, tuple[str, ...]] = {"a": (), "b": ()}


def add_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    return total(*tangents)


def add_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    return cotangents * len(wanted)


def subtract_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    if b_dot is None:
        return a_dot
    return -b_dot if a_dot is None else a_dot - b_dot


def subtract_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return tuple(y_bar if name == "a" else -y_bar for name in wanted)


def multiply_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    return total(
        None if a_dot is None else a_dot * saved.b,
        None if b_dot is None else saved.a * b_dot,
    )


def multiply_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return tuple(y_bar * conj(xp, saved.b if name == "a" else saved.a) for name in wanted)


def divide_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    a_dot, b_dot = tangents
    if b_dot is None:
        return None if a_dot is None else a_dot / saved.b
    carried = saved.y * b_dot
    return (-carried if a_dot is None else a_dot - carried) / saved.b


def divide_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    a_bar = y_bar / conj(xp, saved.b)
    return tuple(a_bar if name == "a" else -(a_bar * conj(xp, saved.y)) for name in wanted)


def _power_in_base(xp: Namespace, saved: Saved) -> Array:
    """p xᵖ⁻¹, zero where p is zero (x⁻¹ might be infinite there)."""
    x, p = saved.x, saved.p
    return p * x ** xp.where(p == 0, 1, p - 1)


def _power_in_exponent(xp: Namespace, saved: Saved) -> Array:
    """y log x, zero where log x is not finite or not real."""
    x = saved.x
    inside = x != 0 if is_complex(saved.y) else x > 0
    return xp.where(inside, saved.y * xp.log(xp.where(inside, x, 1)), 0)


def power_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    x_dot, p_dot = tangents
    return total(
        None if x_dot is None else x_dot * _power_in_base(xp, saved),
        None if p_dot is None else p_dot * _power_in_exponent(xp, saved),
    )


def power_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    factors = {"x": _power_in_base, "p": _power_in_exponent}
    return tuple(y_bar * conj(xp, factors[name](xp, saved)) for name in wanted)


def negative_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (x_dot,) = tangents
    return -x_dot


def negative_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return (-y_bar,)


def conjugate_forward(xp: Namespace, x: Array) -> Array:
    return conj(xp, x)


def conjugate_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (x_dot,) = tangents
    return conj(xp, x_dot)


def conjugate_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return (conj(xp, y_bar),)


def real_forward(xp: Namespace, x: Array) -> Array:
    return xp.real(x) if is_complex(x) else x


def real_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (x_dot,) = tangents
    return real_forward(xp, x_dot)


def real_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    return cotangents  # `Primitive.pull` makes it complex


def imag_forward(xp: Namespace, x: Array) -> Array:
    return xp.imag(x) if is_complex(x) else 0 * x


def imag_pushforward(xp: Namespace, saved: Saved, tangents: Tangents) -> Array | None:
    (x_dot,) = tangents
    return xp.imag(x_dot) if is_complex(x_dot) else None


def imag_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Tangents:
    (y_bar,) = cotangents
    return (1j * y_bar if saved.specs["x"].dtype.kind == "c" else None,)


def _direction(xp: Namespace, saved: Saved) -> Array:
    """x / |x|, and 0 at 0; of a complex x it turns with x, so it is written with what has derivatives."""
    if saved.specs["x"].dtype.kind != "c":
        return xp.sign(saved.x)
    size = xp.abs(saved.x)
    return saved.x / xp.where(size == 0, xp.ones_like(size), size)


def absolute_pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Array:
    (x_dot,) = tangents
    return real_forward(xp, x_dot * conj(xp, _direction(xp, saved)))


def absolute_pullback(xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted) -> Arrays:
    (y_bar,) = cotangents
    return (y_bar * _direction(xp, saved),)


def astype_forward(xp: Namespace, x: Array, *, dtype: str) -> Array:
    target = np.dtype(dtype)
    x = x if target.kind in "cb" else real_forward(xp, x)
    return xp.astype(x, getattr(xp, target.name))


def astype_specs(*operands: Any, dtype: str) -> Specs:
    return (spec(operands[0].shape, dtype),)


def astype_pushforward(xp: Namespace, saved: Saved, tangents: Tangents, *, dtype: str) -> Array | None:
    return tangents[0] if np.dtype(dtype).kind in "fc" else None


def astype_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, dtype: str
) -> tuple[Array | None, ...]:
    return cotangents if np.dtype(dtype).kind in "fc" else (None,)  # `Primitive.pull` changes the dtype back


def pairs(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_nonzero(rng, 5), random_nonzero(rng, 5)
    yield random_nonzero(rng, 3, 1), random_nonzero(rng, 2, 1, 7)  # both broadcast
    yield random_nonzero(rng), random_nonzero(rng, 1, 2)
    yield random_array(rng, 2, 3, dtype=complex), random_nonzero(rng, 3)  # a real operand, a complex result


def powers(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_positive(rng, 5), random_array(rng, 5)
    yield random_positive(rng, 3, 1), random_array(rng, 2, 1, 7)
    yield random_nonzero(rng, 5), np.array([2, 3, 0, 1, -2])  # integer exponents carry no derivative
    yield random_array(rng, 3, dtype=complex), random_array(rng, 2, 1)


def singles(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_nonzero(rng, 5),)
    yield (random_nonzero(rng),)
    yield (random_array(rng, 2, 1, 3, dtype=complex),)


def real_singles(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield (random_nonzero(rng, 5),)
    yield (random_nonzero(rng),)


def casts(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 2, 3), {"dtype": "float64"}
    yield random_array(rng, 2, 3), {"dtype": "complex128"}
    yield random_array(rng, 2, 3, dtype=complex), {"dtype": "float64"}


def _ufunc(name: str, signature: str, function: Callable[..., Any], **rules: Any) -> Primitive:
    """The record of a NumPy function of items that the array API standard has under the same name."""

    def forward(xp: Namespace, *operands: Array) -> Array:
        return getattr(xp, standard)(*operands)

    standard = {"power": "pow", "absolute": "abs", "conjugate": "conj", "rint": "round"}.get(name, name)
    rules.setdefault("forward", forward)
    return Primitive(name, signature, ufunc=name, replaces=(function,), **rules)


add = _ufunc(
    "add",
    "a, b -> y",
    np.add,
    pushforward=add_pushforward,
    pullback=add_pullback,
    saves=BOTH_FREE,
    examples=pairs,
)
subtract = _ufunc(
    "subtract",
    "a, b -> y",
    np.subtract,
    pushforward=subtract_pushforward,
    pullback=subtract_pullback,
    saves=BOTH_FREE,
    examples=pairs,
)
multiply = _ufunc(
    "multiply",
    "a, b -> y",
    np.multiply,
    pushforward=multiply_pushforward,
    pullback=multiply_pullback,
    saves={"a": ("b",), "b": ("a",)},
    examples=pairs,
)
divide = _ufunc(
    "divide",
    "a, b -> y",
    np.divide,
    pushforward=divide_pushforward,
    pullback=divide_pullback,
    saves={"a": ("b",), "b": ("b", "y")},
    examples=pairs,
)
power = _ufunc(
    "power",
    "x, p -> y",
    np.power,
    pushforward=power_pushforward,
    pullback=power_pullback,
    saves={"x": ("x", "p"), "p": ("x", "y")},
    examples=powers,
)
negative = _ufunc(
    "negative",
    "x -> y",
    np.negative,
    pushforward=negative_pushforward,
    pullback=negative_pullback,
    saves={"x": ()},
    examples=singles,
)
conjugate = _ufunc(
    "conjugate",
    "x -> y",
    np.conjugate,
    forward=conjugate_forward,
    pushforward=conjugate_pushforward,
    pullback=conjugate_pullback,
    saves={"x": ()},
    examples=singles,
)
absolute = _ufunc(
    "absolute",
    "x -> y",
    np.absolute,
    pushforward=absolute_pushforward,
    pullback=absolute_pullback,
    saves={"x": ("x",)},
    examples=singles,
)
sign = _ufunc("sign", "x -> y", np.sign, examples=singles)
floor = _ufunc("floor", "x -> y", np.floor, examples=real_singles)
ceil = _ufunc("ceil", "x -> y", np.ceil, examples=real_singles)
trunc = _ufunc("trunc", "x -> y", np.trunc, examples=real_singles)
rint = _ufunc("rint", "x -> y", np.rint, examples=real_singles)
real = Primitive(
    "real",
    "x -> y",
    real_forward,
    real_pushforward,
    real_pullback,
    saves={"x": ()},
    view=True,
    replaces=(np.real,),
    examples=singles,
)
imag = Primitive(
    "imag",
    "x -> y",
    imag_forward,
    imag_pushforward,
    imag_pullback,
    saves={"x": ()},
    replaces=(np.imag,),
    examples=singles,
)
astype = Primitive(
    "astype",
    "x -> y",
    astype_forward,
    astype_pushforward,
    astype_pullback,
    saves={"x": ()},
    specs=astype_specs,
    examples=casts,
)

PRIMITIVES = (
    add,
    subtract,
    multiply,
    divide,
    power,
    negative,
    conjugate,
    absolute,
    sign,
    floor,
    ceil,
    trunc,
    rint,
    real,
    imag,
    astype,
)
