"""NumPy's functions of items, order, products, lines and spectra: NumPy's value, spec and derivative."""

from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.sampling import random_distinct
from dagsolve.tracing import fourier, lines, order, pointwise, products
from tests.tracing.values import value

RNG = np.random.default_rng(20261121)
A, B = random_distinct(RNG, 2, 3, 5)
V = random_distinct(RNG, 5)
T = random_distinct(RNG, 2, 3, 5)
Z = random_distinct(RNG, 3, 5) + 1j * random_distinct(RNG, 3, 5)
ZERO = np.where(np.arange(15).reshape(3, 5) % 4 == 1, 0.0, A)
SPECIAL = np.where(np.arange(15).reshape(3, 5) % 4 == 1, np.nan, A)
UNKNOWN: Any = "long"
EDGES = np.array([-1.0, 0.1, 0.7])

# function -> (call, arguments): at least one call of every entry of the tables
CALLS: dict[Any, list[Any]] = {
    np.sign: [(np.sign, A), (np.sign, Z)],
    np.positive: [(np.positive, A)],
    np.fabs: [(np.fabs, A)],
    **{f: [(f, A)] for f in (np.deg2rad, np.radians, np.rad2deg, np.degrees)},
    **{f: [(f, A, B), (f, A, V)] for f in (np.fmax, np.fmin, np.logaddexp2, np.copysign)},
    np.fmod: [(lambda x, y: np.fmod(x - 0.03, y * y + 0.61), A, V)],
    np.modf: [(lambda x: np.modf(3 * x)[0] + np.modf(x)[1], A)],
    np.divmod: [(lambda x: np.divmod(x, 0.7)[0] * x + np.divmod(x, 0.7)[1], A)],
    np.ldexp: [(lambda x: np.ldexp(x, 3), A), (lambda x: np.ldexp(x, np.argmax(x, axis=1)[:, None]), A)],
    np.heaviside: [(lambda x: np.heaviside(x, 0.5) * x, A)],
    np.invert: [(lambda x: x * ~(x > 0), A)],
    np.bitwise_and: [(lambda x: x * np.bitwise_and(x > 0, B > 0), A)],
    np.bitwise_or: [(lambda x: x * np.bitwise_or(x > 0, B > 0), A)],
    np.bitwise_xor: [(lambda x: x * ((x > 0) ^ (B > 0)), A)],
    np.sinc: [(np.sinc, A), (np.sinc, ZERO)],
    np.nan_to_num: [(lambda x: np.nan_to_num(np.where(B > 0, x, np.nan)), A), (np.nan_to_num, A)],
    np.isposinf: [(lambda x: x * np.isposinf(x), A)],
    np.isneginf: [(lambda x: x * ~np.isneginf(x), A)],
    np.isreal: [(lambda x: x * np.isreal(x), A), (lambda x: x * np.isreal(x), Z)],
    np.iscomplex: [(lambda x: x * np.iscomplex(x), Z)],
    np.isclose: [(lambda x: x * np.isclose(x, B, atol=0.5), A)],
    np.isin: [
        (lambda x: x * np.isin(np.rint(x), [0, 1]), A), (lambda x: x * np.isin(x, [2], invert=True), A),
    ],
    np.angle: [(np.angle, Z), (lambda x: x * np.angle(x, deg=True), A)],
    np.around: [(lambda x: np.around(x, 1) * x, A)],
    np.round: [(lambda x: np.round(x) * x, A), (lambda x: np.round(100 * x, -1) * x, A)],
    np.fix: [(lambda x: np.fix(3 * x) * x, A)],
    np.choose: [(lambda x: np.choose((x > 0).astype(int), [x * x, B]), A)],
    np.select: [(lambda x: np.select([x > 0.5, x > 0], [x * x, B * x], 2.0), A)],
    np.prod: [
        (np.prod, A), (lambda x: np.prod(x, axis=0), T),
        (lambda x: np.prod(x, axis=(0, 2), keepdims=True), T),
        (lambda x: np.prod(x, axis=1), ZERO), (lambda x: x.prod(axis=-1, dtype=complex), A), (np.prod, V),
    ],
    np.cumprod: [(np.cumprod, V), (lambda x: np.cumprod(x, axis=1), T), (lambda x: x.cumprod(axis=1), ZERO)],
    np.all: [(lambda x: x * np.all(x > -1, axis=0), A), (lambda x: x * (x > -9).all(), A)],
    np.any: [(lambda x: x * np.any(x > 1, axis=1, keepdims=True), A), (lambda x: x * (x > 9).any(), A)],
    np.count_nonzero: [(lambda x: x * np.count_nonzero(x > 0, axis=0), A)],
    np.nansum: [(lambda x: np.nansum(x, axis=0), SPECIAL), (np.nansum, A)],
    np.nanprod: [(lambda x: np.nanprod(x, axis=0), SPECIAL)],
    np.nanmean: [(lambda x: np.nanmean(x, axis=0), SPECIAL)],
    np.nanvar: [(lambda x: np.nanvar(x, axis=0, ddof=1, keepdims=True), SPECIAL), (np.nanvar, Z)],
    np.nanstd: [(np.nanstd, SPECIAL)],
    np.nanmax: [(lambda x: np.nanmax(x, axis=0), SPECIAL)],
    np.nanmin: [(np.nanmin, SPECIAL)],
    np.nanargmax: [(lambda x: np.nanargmax(x, axis=0) * np.nansum(x, axis=0), SPECIAL)],
    np.nanargmin: [(lambda x: np.nanargmin(x) * np.nansum(x), SPECIAL)],
    np.nancumsum: [(lambda x: np.nancumsum(x, axis=1), SPECIAL)],
    np.nancumprod: [(lambda x: np.nancumprod(x, axis=0), SPECIAL)],
    np.sort: [(np.sort, T), (lambda x: np.sort(x, axis=0), A), (lambda x: np.sort(x, axis=None), A)],
    np.argsort: [(lambda x: x * np.argsort(x), A), (lambda x: x[np.argsort(x)], V)],
    np.partition: [(lambda x: np.partition(x, -1)[:, -1], A)],
    np.argpartition: [(lambda x: x[:, 0] * np.argpartition(x, 0)[:, 0], A)],
    np.take_along_axis: [
        (lambda x: np.take_along_axis(x, np.argsort(B, axis=0), 0), A),
        (lambda x: np.take_along_axis(x, np.array([[4, 0, 0]]), 1), A),
    ],
    np.argmax: [(lambda x: x[0] * np.argmax(x, axis=0), A), (lambda x: V * np.argmax(x) + 0 * x, A),
        (lambda x: x * np.argmax(x, keepdims=True), A)],
    np.argmin: [(lambda x: x * np.argmin(x, axis=1, keepdims=True), A)],
    np.quantile: [
        (lambda x: np.quantile(x, 0.3), A), (lambda x: np.quantile(x, [0.0, 0.4, 1.0], axis=1), A),
        (lambda x: np.quantile(x, 0.4, axis=(0, 2), keepdims=True), T),
    ],
    np.percentile: [(lambda x: np.percentile(x, 45, axis=0), A)],
    np.median: [(np.median, V), (lambda x: np.median(x, axis=0), T), (np.median, V[:1])],
    np.searchsorted: [(lambda x: x * np.searchsorted(EDGES, x), A)],
    np.digitize: [
        (lambda x: x * np.digitize(x, EDGES), A), (lambda x: x * np.digitize(x, EDGES[::-1], True), A),
    ],
    np.flip: [(np.flip, A), (lambda x: np.flip(x, 1), T)],
    np.fliplr: [(np.fliplr, A)],
    np.flipud: [(np.flipud, A)],
    np.roll: [(lambda x: np.roll(x, 2), A), (lambda x: np.roll(x, (1, -7), (0, 1)), A)],
    np.rot90: [(lambda x, k=k: np.rot90(x, k), A) for k in (-1, 0, 1, 2)],
    np.repeat: [(lambda x: np.repeat(x, 2), A), (lambda x: np.repeat(x, [1, 0, 3], axis=0), A)],
    np.tile: [
        (lambda x: np.tile(x, 3), A), (lambda x: np.tile(x, (2, 1, 3)), A), (lambda x: np.tile(x, 2), T),
    ],
    np.diff: [
        (np.diff, A), (lambda x: np.diff(x, 2, axis=1), T),
        (lambda x: np.diff(x, prepend=0.5 * x[:, :1]), A),
    ],
    np.ediff1d: [(np.ediff1d, A), (lambda x: np.ediff1d(x, to_begin=1.0, to_end=x[:2]), V)],
    np.gradient: [
        (np.gradient, V), (lambda x: np.gradient(x, 0.5, axis=1), T),
        (lambda x: np.gradient(x, edge_order=2), V),
        (lambda x: np.gradient(x, np.array([0.0, 1.0, 4.0]), axis=0), A),
        (lambda x: np.gradient(x)[1] * np.gradient(x, 2.0, 0.3)[0], A),
    ],
    np.apply_along_axis: [
        (lambda x: np.apply_along_axis(lambda v: np.sum(v * v), 1, x), T),
        (lambda x: np.apply_along_axis(lambda v, k: np.outer(v, v[:k]), 0, x, 2), A),
    ],
    np.fft.fft: [
        (np.fft.fft, Z), (lambda x: np.fft.fft(x, 4, 0, "ortho"), A), (lambda x: np.fft.fft(x, 3), Z),
    ],
    np.fft.ifft: [(np.fft.ifft, A), (lambda x: np.fft.ifft(x, norm="forward"), Z)],
    np.fft.rfft: [(np.fft.rfft, A), (lambda x: np.fft.rfft(x, 6, 0), A)],
    np.fft.irfft: [(np.fft.irfft, Z), (lambda x: np.fft.irfft(x, 7, norm="ortho"), Z)],
    np.fft.hfft: [(np.fft.hfft, Z)],
    np.fft.ihfft: [(lambda x: np.fft.ihfft(x, norm="ortho"), A)],
    **{f: [(f, Z), (lambda x, f=f: f(x, norm="ortho"), T)] for f in (np.fft.fft2, np.fft.ifft2, np.fft.fftn)},
    np.fft.ifftn: [(np.fft.ifftn, Z), (lambda x: np.fft.ifftn(x, (4, 3), (1, 0)), A)],
    np.fft.rfft2: [(np.fft.rfft2, A)],
    np.fft.rfftn: [(np.fft.rfftn, T)],
    np.fft.irfft2: [(np.fft.irfft2, Z)],
    np.fft.irfftn: [(lambda x: np.fft.irfftn(x, (4, 7), (0, 1)), Z)],
    np.fft.fftshift: [(np.fft.fftshift, A), (lambda x: np.fft.fftshift(x, 1), T)],
    np.fft.ifftshift: [(np.fft.ifftshift, A)],
}  # fmt: skip
TABLE = [
    pytest.param(call, args, id=f"{f.__name__}-{k}")
    for f, calls in CALLS.items()
    for k, (call, *args) in enumerate(calls)
]


def test_every_entry_of_the_tables_is_tested() -> None:
    tables = (pointwise.UFUNCS, *(m.FUNCTIONS for m in (pointwise, products, order, lines, fourier)))
    assert set(CALLS) == set().union(*tables)


@pytest.mark.parametrize(("call", "args"), TABLE)
def test_value_and_derivative(call, args):
    expected = call(*args)
    found = value(call, *args)
    assert (found.shape, found.dtype) == (np.shape(expected), np.asarray(expected).dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    if any(np.isnan(x).any() for x in args):
        masked = lambda x: call(np.where(np.isnan(SPECIAL), np.nan, x))  # noqa: E731  # differences see no NaN
        ds.testing.check_grads(masked, (A,), order=1, scheduler="sync")
    else:
        ds.testing.check_grads(call, args, order=1, scheduler="sync")


def test_products_of_zeros_have_their_derivative() -> None:
    x = np.array([2.0, 0.0, 3.0])
    np.testing.assert_array_equal(ds.grad(np.prod, scheduler="sync")(x), [0.0, 6.0, 0.0])
    np.testing.assert_array_equal(
        ds.grad(lambda x: np.sum(np.cumprod(x)), scheduler="sync")(x), [1.0, 2.0 + 6.0, 0.0]
    )


def test_a_column_of_nan_has_nan_for_its_largest_item() -> None:
    """As NumPy has, which warns of it."""
    assert np.isnan(value(lambda x: np.nanmax(x), np.array([np.nan, np.nan])))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.quantile(x, 0.5, method="lower"), UnsupportedError, "method='lower'"),
        (lambda x: np.gradient(x, 1.0, 2.0, 3.0), ArgumentError, "3 spacings for 2 axes"),
        (lambda x: np.gradient(x[:1], axis=0), UnsupportedError, "edge_order=1"),
        (lambda x: np.fft.fft(x, 0), ShapeError, "0 points"),
        (lambda x: np.fft.fft(x, norm=UNKNOWN), ArgumentError, "norm must be one of"),
        (lambda x: np.fft.rfft(x * 1j), ArgumentError, "must be real"),
        (lambda x: np.argmax(x, axis=0) & np.argmin(x, axis=0), UnsupportedError, "traced integers"),
        (lambda x: x[x > 0], UnsupportedError, "np.where"),
    ],
)
def test_what_is_not_supported_is_said(call, error, message):
    with pytest.raises(error, match=message):
        value(call, A)
