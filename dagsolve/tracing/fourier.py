"""np.fft for tracers: transforms of several axes and other lengths by those of one axis."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.fourier import OTHER_NORM
from dagsolve.tracing.composed import one_axis
from dagsolve.tracing.indexing import getitem
from dagsolve.tracing.scope import source_scope

_P = PRIMITIVES
Axes = Sequence[int] | None


def _resized(a: Any, n: int | None, axis: int) -> tuple[Any, int]:
    """The array cut or filled with zeros to n items along the axis, and the axis counted from the end."""
    at = one_axis(a, axis)
    length = a.shape[at]
    n = length if n is None else int(n)
    if n < 1:
        raise ShapeError(f"np.fft: {n} points along axis {axis} of {a.shape} (at {source_scope()})")
    whole = (slice(None),) * at
    if n < length:
        a = getitem(a, (*whole, slice(n)))
    elif n > length:
        shape = (*a.shape[:at], n, *a.shape[at + 1 :])
        index = ((0, length, 1), *((0, m, 1) for m in shape[at + 1 :]))
        a = _P["place"](a, index=index, shape=shape[at:])
    return a, at - a.ndim


def _line(inverse: bool) -> Callable[..., Any]:
    def transform(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
    ) -> Any:
        a, axis = _resized(a, n, axis)
        return _P["fft"](a, axis=axis, norm=norm or "backward", inverse=inverse)

    return transform


fft, ifft = _line(False), _line(True)


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None) -> Any:
    a, axis = _resized(a, n, axis)
    return _P["rfft"](a, axis=axis, norm=norm or "backward")


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None) -> Any:
    n = 2 * (a.shape[one_axis(a, axis)] - 1) if n is None else int(n)
    a, axis = _resized(a, n // 2 + 1, axis)
    return _P["irfft"](a, axis=axis, length=n, norm=norm or "backward")


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None) -> Any:
    return irfft(_P["conjugate"](a), n, axis, OTHER_NORM[norm or "backward"])


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None) -> Any:
    return _P["conjugate"](rfft(a, n, axis, OTHER_NORM[norm or "backward"]))


def _plan(a: Any, s: Sequence[int] | None, axes: Axes) -> list[tuple[int | None, int]]:
    """(length or None, axis) of every transform."""
    if axes is None:
        axes = range(a.ndim) if s is None else range(a.ndim - len(s), a.ndim)
    lengths = [None] * len(axes) if s is None else [None if n == -1 else n for n in s]
    return list(zip(lengths, axes, strict=True))


def _several(one: Callable[..., Any], pair: bool) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Axes = (-2, -1) if pair else None, norm: Any = None, out: None = None
    ) -> Any:
        for n, axis in reversed(_plan(a, s, axes)):
            a = one(a, n, axis, norm)
        return a

    return transform


def _real(pair: bool) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Axes = (-2, -1) if pair else None, norm: Any = None, out: None = None
    ) -> Any:
        *others, (n, last) = _plan(a, s, axes)
        a = rfft(a, n, last, norm)
        for n, axis in reversed(others):
            a = fft(a, n, axis, norm)
        return a

    return transform


def _to_real(pair: bool) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Axes = (-2, -1) if pair else None, norm: Any = None, out: None = None
    ) -> Any:
        *others, (n, last) = _plan(a, s, axes)
        for m, axis in others:
            a = ifft(a, m, axis, norm)
        return irfft(a, n, last, norm)

    return transform


def _shift(sign: int) -> Callable[..., Any]:
    def shift(x: Any, axes: Any = None) -> Any:
        along = range(x.ndim) if axes is None else [one_axis(x, k) for k in np.atleast_1d(axes)]
        return np.roll(x, [sign * (x.shape[k] // 2) for k in along], list(along))

    return shift


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.fft.fft: fft, np.fft.ifft: ifft, np.fft.rfft: rfft, np.fft.irfft: irfft,
    np.fft.hfft: hfft, np.fft.ihfft: ihfft,
    np.fft.fft2: _several(fft, True), np.fft.ifft2: _several(ifft, True),
    np.fft.fftn: _several(fft, False), np.fft.ifftn: _several(ifft, False),
    np.fft.rfft2: _real(True), np.fft.rfftn: _real(False),
    np.fft.irfft2: _to_real(True), np.fft.irfftn: _to_real(False),
    np.fft.fftshift: _shift(1), np.fft.ifftshift: _shift(-1),
}  # fmt: skip
