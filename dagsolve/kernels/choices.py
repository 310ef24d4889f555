"""What is said where a derivative depends on a choice that a factorisation leaves open.

The vectors of equal eigenvalues are fixed up to a rotation, pivots of equal size up to their order. A
function that does not depend on the choice has a derivative there, and the rules give it; of one that does,
the part along the choice is taken as zero, which is told, refused or passed over as the user says:

    with ds.degenerate("raise"):      # "warn" where nothing is said, "ignore"
        gradient = ds.grad(f)(x)

The word is read while derivatives are recorded and stands in the graph, so it holds on every worker.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from dagsolve.errors import ArgumentError, GaugeError, GaugeWarning
from dagsolve.namespace import Array, Namespace

POLICIES = ("warn", "raise", "ignore")
SEEN = 0.5  # power of ε: what is smaller than this, relatively, is not told
ROUNDING = 8.0  # times √n ε: what is smaller than this, relatively, is rounding
VALUES = {"eigh": "eigenvalues", "svd": "singular values"}

_policy: ContextVar[str] = ContextVar("dagsolve_degenerate", default="warn")
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("dagsolve_degenerate_listener", default=None)


@contextmanager
def degenerate(policy: str) -> Iterator[None]:
    """A context in which derivatives that depend on an open choice "warn", "raise" or are let pass: "ignore".

    The choices are the vectors of repeated eigenvalues and singular values, the sign of what belongs to a
    singular value of zero, and the order of equal pivots. "warn": GaugeWarning at the line of the
    factorisation, with the size of the part of the derivative that depends on the choice; "raise":
    GaugeError. Of a function without such a part the derivative is exact and nothing is said.

    Holds for derivatives recorded inside: by a call of what `grad` and others return, by `gradients`.
    Raises ArgumentError for another word.
    """
    if policy not in POLICIES:
        raise ArgumentError(f"degenerate: policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    token = _policy.set(policy)
    try:
        yield
    finally:
        _policy.reset(token)


def policy() -> str:
    """The word of the innermost `degenerate`, "warn" outside of all."""
    return _policy.get()


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Inside, warnings go to the listener, who knows the line of the user."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(policy: str, text: str) -> None:
    """The text as a GaugeWarning, or as a GaugeError, or as nothing."""
    if policy == "ignore":
        return
    if policy == "raise":
        raise GaugeError(text)
    listener = _listener.get()
    if listener is None:
        warnings.warn(text, GaugeWarning, stacklevel=2)
    else:
        listener(text)


def matrix_at(batch: Sequence[int], w: Array) -> tuple[tuple[int, ...], str]:
    """Place in the stack of values w (…, n), after the leading axes of cotangents, and words that name it."""
    at = tuple(batch[len(batch) - (w.ndim - 1) :])
    return at, f" of a{list(at)}" if at else ""


def power(xp: Namespace, x: Array, exponent: float) -> float:
    """A power of the rounding unit ε of x."""
    eps = float(xp.finfo(x.dtype).eps)
    return float(eps**exponent)


def largest(xp: Namespace, told: Array, policy: str) -> tuple[float, tuple[int, ...]] | None:
    """The largest of some relative sizes and its place; None where it is too small to be told."""
    if policy == "ignore" or not told.size:
        return None
    size = float(xp.max(told))
    if size <= power(xp, told, SEEN):
        return None
    flat = int(xp.argmax(xp.reshape(told, (-1,))))
    return size, tuple(int(k) for k in np.unravel_index(flat, told.shape))
