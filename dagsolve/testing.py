"""check_grads: derivatives of a function held against differences and against each other.

    fwd   Re⟨ȳ, J ẋ⟩ by `jvp` against central differences of fourth order
    rev   Re⟨Jᵀ• ȳ, ẋ⟩ by `vjp` against Re⟨ȳ, J ẋ⟩

for random directions ẋ, one argument at a time, and random cotangents ȳ. Order 2 says the same of the
function's derivatives: of x ↦ J ẋ in forward mode and of x ↦ Jᵀ• ȳ in reverse mode; and so on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.api import jvp, vjp
from dagsolve.errors import ArgumentError, GradientMismatch
from dagsolve.namespace import Array
from dagsolve.sampling import random_array
from dagsolve.specs import spec_of
from dagsolve.tracing.trace import is_traceable
from dagsolve.tree import flatten, paths, unflatten

MODES = ("fwd", "rev")
_DOUBLE, _SINGLE = 1e-6, 2e-2  # tolerances; differences of single numbers keep two to three digits


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = MODES,
    hermitian: bool = False,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    **options: Any,
) -> None:
    """Nothing, when all derivatives of f at these arguments up to this order agree.

    f          of arrays and numbers in nested containers, with results of the same kind; smooth at args
    args       its arguments; floating and complex leaves are moved, others passed as they are
    modes      "fwd" checks `jvp` against differences, "rev" checks `vjp` against `jvp` (against differences
               where "fwd" is not among the modes, so f needs no forward mode then)
    hermitian  directions of square matrices are Hermitian: for functions that read one triangle only
    rtol, atol of two numbers; None: 1e-6, or 2e-2 where a leaf is of single precision
    options    of `jvp` and `vjp`, e.g. chunks and scheduler

    Raises GradientMismatch with mode, order, argument and both numbers.
    """
    if isinstance(args, np.ndarray) or not isinstance(args, Sequence):
        raise ArgumentError(f"check_grads: args must be a tuple of arguments, got {type(args).__name__}")
    if order < 1 or not modes or not set(modes) <= set(MODES):
        raise ArgumentError(
            f"check_grads: order must be at least 1 and modes of {MODES}, got {order}, {modes!r}"
        )
    leaves, structure = flatten(tuple(args))
    moved = [k for k, leaf in enumerate(leaves) if is_traceable(leaf)]
    if not moved:
        raise ArgumentError("check_grads: args must hold a floating or complex array or number")
    where = [f"argument {path[1:].replace(']', '', 1)}" for path in paths(tuple(args))]

    def flat(*values: Any) -> list[Any]:
        full = list(leaves)
        for k, value in zip(moved, values, strict=True):
            full[k] = value
        return flatten(f(*unflatten(structure, full)))[0]

    arrays = [np.asarray(leaves[k]) for k in moved]
    single = any(x.dtype.char in "fF" for x in arrays)
    tolerance = _SINGLE if single else _DOUBLE
    check = _Check(
        np.random.default_rng(seed),
        [where[k] for k in moved],
        tuple(modes),
        hermitian,
        tolerance if rtol is None else rtol,
        tolerance if atol is None else atol,
        float(np.finfo(np.float32 if single else np.float64).eps) ** 0.2,
        options,
    )
    check.run(flat, arrays, order, "")


class _Check:
    """What all orders share."""

    def __init__(
        self,
        rng: np.random.Generator,
        names: list[str],
        modes: tuple[str, ...],
        hermitian: bool,
        rtol: float,
        atol: float,
        step: float,
        options: dict[str, Any],
    ) -> None:
        self.rng, self.names, self.modes, self.hermitian = rng, names, modes, hermitian
        self.rtol, self.atol, self.step, self.options = rtol, atol, step, options
        self.orders = 0

    def run(self, f: Callable[..., list[Any]], xs: list[Array], order: int, of: str) -> None:
        """Compares the first derivatives of f, then goes on to f's derivative; `of` says what f is."""
        self.orders += 1
        y_bars = [random_array(self.rng, *np.shape(y), dtype=spec_of(y).dtype) for y in f(*xs)]
        x_dots = [self._direction(x) for x in xs]
        x_bars = vjp(f, *xs, **self.options)[1](y_bars) if "rev" in self.modes else ()
        for k, name in enumerate(self.names):
            alone = [x_dot if j == k else np.zeros_like(x_dot) for j, x_dot in enumerate(x_dots)]
            by_difference = _inner(y_bars, self._difference(f, xs, alone))
            expected = by_difference
            if "fwd" in self.modes:
                expected = _inner(y_bars, jvp(f, xs, alone, **self.options)[1])
                self._compare("fwd", of, name, "jvp", expected, "differences", by_difference)
            if "rev" in self.modes:
                found = _inner([x_bars[k]], [x_dots[k]])
                against = "jvp" if "fwd" in self.modes else "differences"
                self._compare("rev", of, name, "vjp", found, against, expected)
        if order > 1:
            for mode in self.modes:
                self.run(_derivative(mode, f, x_dots, y_bars), xs, order - 1, f"{mode} of " + of)
        self.orders -= 1

    def _direction(self, x: Array) -> Array:
        drawn = random_array(self.rng, *x.shape, dtype=x.dtype)
        if self.hermitian and x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
            drawn = (drawn + np.conj(np.swapaxes(drawn, -1, -2))) / 2
        return drawn

    def _difference(self, f: Callable[..., list[Any]], xs: list[Array], x_dots: list[Array]) -> list[Array]:
        def at(t: float) -> list[Array]:
            moved = [np.asarray(x + t * x_dot, x.dtype) for x, x_dot in zip(xs, x_dots, strict=True)]
            return [np.asarray(y) for y in f(*moved)]

        h = self.step
        near, far = zip(at(h), at(-h), strict=True), zip(at(2 * h), at(-2 * h), strict=True)
        return [(8 * (a - b) - (c - d)) / (12 * h) for (a, b), (c, d) in zip(near, far, strict=True)]

    def _compare(
        self, mode: str, of: str, name: str, first: str, found: float, second: str, expected: float
    ) -> None:
        if not abs(found - expected) <= self.atol + self.rtol * abs(expected):  # also for NaN
            raise GradientMismatch(
                f"check_grads: mode {mode}, order {self.orders}, {name}: {first} gives {found!r} and "
                f"{second} {expected!r} for the derivative of {of}f; they must agree to rtol {self.rtol:g}, "
                f"atol {self.atol:g}. Look at the rules of f's primitives, or move args off a kink."
            )


def _derivative(
    mode: str, f: Callable[..., list[Any]], x_dots: list[Array], y_bars: list[Array]
) -> Callable[..., list[Any]]:
    def pushed(*xs: Any) -> list[Any]:
        return list(jvp(f, xs, x_dots)[1])

    def pulled(*xs: Any) -> list[Any]:
        return list(vjp(f, *xs)[1](y_bars))

    return pushed if mode == "fwd" else pulled


def _inner(a: Sequence[Array], b: Sequence[Array]) -> float:
    """Re⟨a, b⟩ summed over pairs."""
    return float(sum(np.real(np.vdot(x, y)) for x, y in zip(a, b, strict=True)))
