"""`scipy.special` functions that do not dispatch on foreign arrays, for arrays and traced arrays.

Its ufuncs (gammaln, expit, …) work on traced values as they are; they stand here too, for one place to look.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import digamma as digamma
from scipy.special import erf as erf
from scipy.special import expit as expit
from scipy.special import gammaln as gammaln
from scipy.special import log_ndtr as log_ndtr
from scipy.special import ndtr as ndtr

from dagsolve.namespace import Array

Axis = int | Sequence[int] | None


def logsumexp(a: Array, axis: Axis = None, b: Array | None = None, keepdims: bool = False) -> Array:
    """log Σ b exp(a) over the axes, without overflow; b defaults to ones.

    a has any shape and is finite. The gradient by a is the softmax.
    """
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    largest = np.max(a, axis=axes, keepdims=True)
    powers = np.exp(a - largest)
    total = np.log(np.sum(powers if b is None else b * powers, axis=axes, keepdims=True)) + largest
    return total if keepdims else np.sum(total, axis=axes)


def softmax(x: Array, axis: Axis = None) -> Array:
    """exp(x) / Σ exp(x) over the axes, without overflow."""
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    powers = np.exp(x - np.max(x, axis=axes, keepdims=True))
    return powers / np.sum(powers, axis=axes, keepdims=True)


def log_softmax(x: Array, axis: Axis = None) -> Array:
    """log(softmax(x)) over the axes, without overflow or cancellation."""
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    shifted = x - np.max(x, axis=axes, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axes, keepdims=True))
