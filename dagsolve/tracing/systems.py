"""NumPy's solutions of systems and log-determinants for tracers, in `np.linalg` signatures."""

from typing import Any

import numpy as np

from dagsolve import linalg
from dagsolve.errors import UnsupportedError
from dagsolve.tracing.scope import source_scope


def solve(a: Any, b: Any) -> Any:
    """x with a x = b; b is a vector where it has one axis, else a stack of matrices."""
    return linalg.solve(a, b)


def slogdet(a: Any) -> Any:
    """(sign, logabsdet)."""
    return linalg.slogdet(a)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Moore-Penrose inverse of a matrix of full rank."""
    if hermitian:
        raise UnsupportedError(
            f"np.linalg.pinv with hermitian=True (at {source_scope()}). Leave it out: the result is the same."
        )
    cutoff = rtol if rcond is None else rcond
    if cutoff is not None and not isinstance(cutoff, (int, float, np.floating)):
        raise UnsupportedError(
            f"np.linalg.pinv with a cutoff for each matrix (at {source_scope()}). Pass one number."
        )
    return linalg.pinv(a, rtol=None if cutoff is None else float(cutoff))
