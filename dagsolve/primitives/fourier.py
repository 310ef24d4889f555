"""Discrete Fourier transforms along one axis.

    y = fft(a)      yₖ = s Σⱼ aⱼ exp(∓2πi jk/n)           ā = the transform of ȳ with the other sign
    y = rfft(a)     the first n//2 + 1 of them, a real    ā = irfft(w ⊙ ȳ)
    y = irfft(a)    real, from half of its spectrum       ā = rfft(ȳ) / w

with the other scale (`norm`): the adjoint of a transform with s = 1 is the inverse with s = 1, that of 1/√n
the inverse with 1/√n. w is ½ for an entry of the half that stands for a pair, 1 for the others: the first
and, where n is even, the last. All maps are linear and their own pushforwards. `axis` is negative.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.kernels.dense import is_complex
from dagsolve.namespace import Array, Arrays, Namespace, native_dtype
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.sampling import random_array
from dagsolve.specs import Spec, spec

OTHER_NORM = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def fft_forward(
    xp: Namespace, a: Array, *, axis: int, norm: str = "backward", inverse: bool = False
) -> Array:
    run = xp.fft.ifft if inverse else xp.fft.fft
    return run(_complex(xp, a), axis=axis, norm=norm)


def rfft_forward(xp: Namespace, a: Array, *, axis: int, norm: str = "backward") -> Array:
    return xp.fft.rfft(a, axis=axis, norm=norm)


def irfft_forward(xp: Namespace, a: Array, *, axis: int, length: int, norm: str = "backward") -> Array:
    return xp.fft.irfft(_complex(xp, a), n=length, axis=axis, norm=norm)


def _complex(xp: Namespace, a: Array) -> Array:
    """The standard takes complex numbers only."""
    if is_complex(a):
        return a
    return xp.astype(a, native_dtype(xp, _complex_dtype(np.dtype(str(a.dtype).rpartition(".")[2]))))


def _complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(dtype if dtype.kind in "fc" else np.float64, np.complex64)


def _transformed(who: str, a: Spec, axis: int, norm: str, length: int) -> tuple[int, ...]:
    """The operand's shape with another length along the axis."""
    if norm not in OTHER_NORM:
        raise ArgumentError(f"{who}: norm must be one of {', '.join(OTHER_NORM)}, got {norm!r}")
    if not -a.ndim <= axis < 0:
        raise ShapeError(f"{who}: axis must be from {-a.ndim} to -1 for a {a.shape}, got {axis}")
    if a.shape[axis] < 1 or length < 1:
        raise ShapeError(f"{who}: a {a.shape} has nothing to transform along axis {axis}")
    at = a.ndim + axis
    return (*a.shape[:at], length, *a.shape[at + 1 :])


def fft_specs(a: Spec, *, axis: int, norm: str = "backward", inverse: bool = False) -> Specs:
    shape = _transformed("fft", a, axis, norm, a.shape[axis] if a.ndim else 0)
    return (spec(shape, _complex_dtype(a.dtype)),)


def rfft_specs(a: Spec, *, axis: int, norm: str = "backward") -> Specs:
    if a.dtype.kind == "c":
        raise ArgumentError("rfft: a must be real, got complex numbers; use fft")
    length = a.shape[axis] // 2 + 1 if a.ndim else 0
    return (spec(_transformed("rfft", a, axis, norm, length), _complex_dtype(a.dtype)),)


def irfft_specs(a: Spec, *, axis: int, length: int, norm: str = "backward") -> Specs:
    shape = _transformed("irfft", a, axis, norm, length)
    if a.shape[axis] != length // 2 + 1:
        raise ShapeError(
            f"irfft: {length} numbers come from {length // 2 + 1} of their spectrum, "
            f"a {a.shape} has {a.shape[axis]}"
        )
    return (spec(shape, np.empty(0, _complex_dtype(a.dtype)).real.dtype),)


def fft_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: int, norm: str = "backward", inverse: bool = False
) -> Array:
    (a_dot,) = tangents
    return fft(a_dot, axis=axis, norm=norm, inverse=inverse)


def fft_pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    axis: int,
    norm: str = "backward",
    inverse: bool = False,
) -> Arrays:
    (y_bar,) = cotangents
    return (fft(y_bar, axis=axis, norm=OTHER_NORM[norm], inverse=not inverse),)


def rfft_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: int, norm: str = "backward"
) -> Array:
    (a_dot,) = tangents
    return rfft(a_dot, axis=axis, norm=norm)


def rfft_pullback(
    xp: Namespace, saved: Saved, cotangents: Arrays, wanted: Wanted, *, axis: int, norm: str = "backward"
) -> Arrays:
    (y_bar,) = cotangents
    n = saved.specs["a"].shape[axis]
    halved = y_bar * _counts(xp, saved.specs["a"], n, axis, 0.5)
    return (irfft(halved, axis=axis, length=n, norm=OTHER_NORM[norm]),)


def irfft_pushforward(
    xp: Namespace, saved: Saved, tangents: Arrays, *, axis: int, length: int, norm: str = "backward"
) -> Array:
    (a_dot,) = tangents
    return irfft(a_dot, axis=axis, length=length, norm=norm)


def irfft_pullback(
    xp: Namespace,
    saved: Saved,
    cotangents: Arrays,
    wanted: Wanted,
    *,
    axis: int,
    length: int,
    norm: str = "backward",
) -> Arrays:
    (y_bar,) = cotangents
    spectrum = rfft(y_bar, axis=axis, norm=OTHER_NORM[norm])
    return (spectrum * _counts(xp, saved.specs["y"], length, axis, 2.0),)


def _counts(xp: Namespace, real: Spec, n: int, axis: int, pair: float) -> Array:
    """`pair` for an entry of half a spectrum of n that stands for two, 1 for the others."""
    dtype = native_dtype(xp, real.dtype)
    twice = (n - 1) // 2
    parts = [xp.ones((1,), dtype=dtype), xp.full((twice,), pair, dtype=dtype)]
    if n % 2 == 0:
        parts.append(xp.ones((1,), dtype=dtype))
    return xp.reshape(xp.concat(parts), (-1, *(1,) * (-axis - 1)))


def fourier_cost(operands: Specs, results: Specs, *, axis: int, **params: Any) -> Cost:
    """5 n log₂ n for each transform, half of it between real numbers and half a spectrum."""
    n = params.get("length") or operands[0].shape[axis]
    long = max(operands[0].size // operands[0].shape[axis], 1) * n
    flops = 5.0 * long * max(math.log2(n), 1.0)
    flops = flops if operands[0].dtype.kind == results[0].dtype.kind == "c" else flops / 2
    return Cost(flops, flops)


def fft_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 5, dtype=complex), {"axis": -1}
    yield random_array(rng, 2, 6, 3, dtype=complex), {"axis": -2, "norm": "ortho"}
    yield random_array(rng, 3, 7, dtype=complex), {"axis": -1, "norm": "forward", "inverse": True}
    yield random_array(rng, 1, dtype=complex), {"axis": -1, "inverse": True}
    yield random_array(rng, 2, 5), {"axis": -1}


def rfft_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 7), {"axis": -1}
    yield random_array(rng, 2, 6, 3), {"axis": -2, "norm": "ortho"}
    yield random_array(rng, 3, 1), {"axis": -1, "norm": "forward"}
    yield random_array(rng, 2), {"axis": -1}


def irfft_examples(rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield random_array(rng, 4, dtype=complex), {"axis": -1, "length": 7}
    yield random_array(rng, 2, 4, 3, dtype=complex), {"axis": -2, "length": 6, "norm": "ortho"}
    yield random_array(rng, 3, 1, dtype=complex), {"axis": -1, "length": 1, "norm": "forward"}
    yield random_array(rng, 2, dtype=complex), {"axis": -1, "length": 2}


fft = Primitive(
    "fft",
    "a(...) -> y(...)",
    fft_forward,
    fft_pushforward,
    fft_pullback,
    saves={"a": ()},
    specs=fft_specs,
    cost=fourier_cost,
    examples=fft_examples,
)
rfft = Primitive(
    "rfft",
    "a(...) -> y(...)",
    rfft_forward,
    rfft_pushforward,
    rfft_pullback,
    saves={"a": ()},
    specs=rfft_specs,
    cost=fourier_cost,
    examples=rfft_examples,
)
irfft = Primitive(
    "irfft",
    "a(...) -> y(...)",
    irfft_forward,
    irfft_pushforward,
    irfft_pullback,
    saves={"a": ()},
    specs=irfft_specs,
    cost=fourier_cost,
    examples=irfft_examples,
)

PRIMITIVES = (fft, rfft, irfft)
