"""Powers of two that bring matrices of tiny or huge numbers to where their squares are numbers too."""

import math

import numpy as np

from dagsolve.namespace import Array


def largest(a: Array) -> Array:
    """max |a| of a real NumPy matrix; NaN where an item is; zero of an empty one."""
    return np.maximum(a.max(), -a.min()) if a.size else a.dtype.type(0)


def exponent(top: Array) -> int:
    """The power of two that a matrix with max |a| = top is multiplied by before it is factored.

    Zero but where products of its items might underflow or overflow, as in LAPACK. Raises LinAlgError where
    `top` is not finite.
    """
    if not np.isfinite(top):
        raise np.linalg.LinAlgError("the matrix is not finite")
    kind = np.finfo(top.dtype)
    small = math.sqrt(float(kind.tiny)) / float(kind.eps)
    within = top == 0 or small <= float(top) <= 1 / small
    return 0 if within else -math.frexp(float(top))[1]
