"""Elementwise programs: ufuncs, comparisons and choices."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.dask_programs.program import Chunks, Program

COARSE: tuple[Chunks, Chunks] = (((11,), (2, 5)), ((2, 5),))  # for single ufuncs, of which there are many
CAPTURED = np.linspace(-1.0, 1.0, 7)

# ufunc -> (where it is defined, from a real number; the same written for autograd where it lacks it)
UNARY: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any] | None]] = {
    "abs": (lambda x: x, None),
    "absolute": (lambda x: x, None),
    "fabs": (lambda x: x, None),
    "negative": (lambda x: x, None),
    "positive": (lambda x: x, lambda np, x: x),
    "square": (lambda x: x, None),
    "reciprocal": (lambda x: x * x + 1, None),
    "sqrt": (lambda x: x * x + 1, None),
    "cbrt": (lambda x: x * x + 1, lambda np, x: x ** (1 / 3)),
    "exp": (lambda x: x, None),
    "exp2": (lambda x: x, None),
    "expm1": (lambda x: x, None),
    "log": (lambda x: x * x + 1, None),
    "log2": (lambda x: x * x + 1, None),
    "log10": (lambda x: x * x + 1, None),
    "log1p": (lambda x: x * x, None),
    "sin": (lambda x: x, None),
    "cos": (lambda x: x, None),
    "tan": (lambda x: x / 4, None),
    "arcsin": (lambda x: x / 8, None),
    "arccos": (lambda x: x / 8, None),
    "arctan": (lambda x: x, None),
    "sinh": (lambda x: x, None),
    "cosh": (lambda x: x, None),
    "tanh": (lambda x: x, None),
    "arcsinh": (lambda x: x, None),
    "arccosh": (lambda x: x * x + 2, None),
    "arctanh": (lambda x: x / 8, None),
    "deg2rad": (lambda x: x, None),
    "rad2deg": (lambda x: x, None),
    "degrees": (lambda x: x, None),
    "radians": (lambda x: x, None),
    "sinc": (lambda x: x, None),
    "nan_to_num": (lambda x: x, None),
    "i0": (lambda x: x, lambda np, x: bessel(np, x)),
    "real": (lambda x: x, None),
    "conj": (lambda x: x, lambda np, x: x),
}


def bessel(np: Any, x: Any) -> Any:
    """I₀ by its power series, which converges everywhere."""
    total = term = 1.0 + 0 * x
    for k in range(1, 40):
        term = term * (x / 2) ** 2 / k**2
        total = total + term
    return total


BINARY: dict[str, Callable[[Any, Any, Any], Any] | None] = {
    "add": None,
    "subtract": None,
    "multiply": None,
    "divide": None,
    "true_divide": None,
    "maximum": None,
    "minimum": None,
    "fmax": None,
    "fmin": None,
    "arctan2": None,
    "hypot": lambda np, a, b: np.sqrt(a * a + b * b),
    "logaddexp": None,
    "logaddexp2": None,
    "mod": None,
    "remainder": None,
    "fmod": lambda np, a, b: a - b * np.trunc(a / b),
    "copysign": lambda np, a, b: np.abs(a) * np.sign(b),
}


def unary(name: str, domain: Callable[[Any], Any], other: Callable[[Any, Any], Any] | None) -> Program:
    return Program(
        lambda np, x, y: np.sum(getattr(np, name)(domain(x)) * y),
        None if other is None else lambda np, x, y: np.sum(other(np, domain(x)) * y),
        chunks=COARSE,
        free=name in ("exp", "sqrt"),
    )


def binary(name: str, other: Callable[[Any, Any, Any], Any] | None) -> Program:
    return Program(
        lambda np, x, y: np.sum(getattr(np, name)(x, y) * x),
        None if other is None else lambda np, x, y: np.sum(other(np, x, y) * x),
        chunks=COARSE,
        free=name in ("multiply", "maximum"),
    )


def whole(np: Any, x: Any, y: Any) -> Any:
    """Functions that are constant between their jumps."""
    steps = np.floor(x) + np.ceil(2 * y) + np.rint(3 * x) + np.trunc(x) + np.sign(y) + np.fix(2 * x)
    return np.sum(steps * x * y + (x // 0.5) * y)


def compared(np: Any, x: Any, y: Any) -> Any:
    """Truth values choose; they carry no derivative."""
    both = np.logical_and(np.greater(x, y), np.logical_not(np.less(x, 0.1)))
    one = np.logical_or(np.greater_equal(x, 1.0), np.less_equal(y, -0.5))
    other = np.logical_xor(np.equal(x, y), np.not_equal(x, 0.3))
    finite = np.isfinite(x) & ~np.isnan(x) & ~np.isinf(y)
    return np.sum(np.where(both & finite, x * x, np.where(one | ~other, np.sin(x), y**3)))


def bitwise(np: Any, x: Any, y: Any) -> Any:
    truth = np.bitwise_or(np.bitwise_and(x > 0, y > 0), np.bitwise_xor(x > 1, np.bitwise_not(y > 0)))
    return np.sum(np.where(np.invert(truth), x, x * y))


def fan_out(np: Any, x: Any, y: Any) -> Any:
    for _ in range(3):
        z = np.sin(x)
        x = z * x + np.mean(z * z) - z
    return np.sum(x * y)


def spectrum(np: Any, x: Any, y: Any) -> Any:
    """Complex values between real ends."""
    z = np.exp(1j * x) * (x + 2j * y)
    return np.sum(
        np.real(z) * np.imag(z) + np.abs(z) ** 2 * np.cos(np.angle(z)) + np.real(np.conj(z) * z * z)
    )


UFUNCS = {
    **{name: unary(name, *of) for name, of in UNARY.items()},
    **{name: binary(name, other) for name, other in BINARY.items()},
}
PROGRAMS = {
    "operators": Program(
        lambda np, x, y: np.sum(-x + 2 * x - x / 3 + (x * x + 1) ** y + 2.0 ** (x / 3) + abs(x) % 0.7),
        free=True,
    ),
    "power": Program(
        lambda np, x, y: np.sum(np.power(x * x + 1, y) + np.float_power(x * x + 2, 1.5)),
        lambda np, x, y: np.sum((x * x + 1) ** y + (x * x + 2) ** 1.5),
    ),
    "whole numbers": Program(
        whole,
        lambda np, x, y: np.sum(
            (
                np.floor(x)
                + np.ceil(2 * y)
                + np.rint(3 * x)
                + np.trunc(x)
                + np.sign(y)
                + np.trunc(2 * x)
                + 0 * x
            )
            * x
            * y
            + np.floor(x / 0.5) * y
        ),
        covers=("floor_divide",),
    ),
    "round": Program(
        lambda np, x, y: np.sum(np.round(x, 1) * x + np.around(y, 2) * y),
        lambda np, x, y: np.sum(np.round(x, 1) * x) + 11 * np.sum(np.round(y, 2) * y),
    ),
    "comparisons": Program(compared, free=True),
    "bitwise operations on truths": Program(
        bitwise,
        lambda np, x, y: np.sum(np.where(((x > 0) & (y > 0)) | ((x > 1) ^ ~(y > 0)), x * y, x)),
    ),
    "where": Program(lambda np, x, y: np.sum(np.where(x > 0.2, x * x, np.sin(y) + 0 * x)), free=True),
    "clip": Program(lambda np, x, y: np.sum(np.clip(x, -0.5, 0.75) * y), free=True),
    "choose": Program(
        lambda np, x, y: np.sum(np.choose((x > 0).astype(int), [x * x, np.sin(x) + 0 * y])),
        lambda np, x, y: np.sum(np.where(x > 0, np.sin(x), x * x)) + 0 * np.sum(y),
    ),
    "select": Program(
        lambda np, x, y: np.sum(np.select([x > 0.5, x > -0.5], [x * y, np.sin(x)], default=2.0)),
        lambda np, x, y: np.sum(np.where(x > 0.5, x * y, np.where(x > -0.5, np.sin(x), 2.0))),
    ),
    "isclose": Program(
        lambda np, x, y: np.sum(np.where(np.isclose(x, y, atol=0.3), x * y, x)),
        lambda np, x, y: np.sum(np.where(np.abs(x - y) <= 0.3 + 1e-5 * np.abs(y), x * y, x)),
    ),
    "isnull, isin, iscomplex": Program(
        lambda np, x, y: (
            np.sum(np.where(np.isnull(x) | np.isin(np.round(x), [0.0, 2.0]), x * y, x))
            + np.sum(np.where(np.notnull(x) & ~np.iscomplex(x), x * x, y))
        ),
        lambda np, x, y: np.sum(np.where((np.round(x) == 0) | (np.round(x) == 2), x * y, x)) + np.sum(x * x),
    ),
    "allclose": Program(
        lambda np, x, y: (
            np.sum(x * y) * np.where(np.allclose(x, x + 1e-12), 2.0, 3.0) * np.where(np.allclose(x, y), 1, 5)
        ),
        lambda np, x, y: np.sum(x * y) * 10.0,
    ),
    "modf": Program(
        lambda np, x, y: np.sum(np.modf(3 * x)[0] * y),
        lambda np, x, y: np.sum((3 * x - np.trunc(3 * x)) * y),
    ),
    "divmod": Program(
        lambda np, x, y: np.sum(np.divmod(x, 0.3)[1] * y + np.divmod(x, 0.3)[0] * y),
        lambda np, x, y: np.sum((x - 0.3 * np.floor(x / 0.3)) * y + np.floor(x / 0.3) * y),
    ),
    "ldexp": Program(lambda np, x, y: np.sum(np.ldexp(x, 3) * y), lambda np, x, y: np.sum(8.0 * x * y)),
    "captured data": Program(lambda np, x, y: np.sum((x - CAPTURED) ** 2 * y)),
    "complex values": Program(spectrum, covers=("imag",)),
    "signs and special numbers": Program(
        lambda np, x, y: np.sum(
            np.where(np.signbit(x) | np.isneginf(x) | np.isposinf(y), x * y, x) * np.isreal(x)
        ),
        lambda np, x, y: np.sum(np.where(x < 0, x * y, x)),
    ),
    "astype": Program(
        lambda np, x, y: np.sum((x.astype("float32").astype(float) - x).astype(float) * y * 0 + x * y),
        lambda np, x, y: np.sum(x * y),
    ),
    "fan-out": Program(fan_out, free=True),
    "logistic regression": Program(
        lambda np, x, y: np.mean(np.log1p(np.exp(x @ y)) - 0.3 * (x @ y)) + math.pi * np.sum(y * y),
        free=True,
    ),
}
