"""NumPy's matrix factorisations for tracers, in `np.linalg` signatures.

Of a computed Hermitian matrix only the lower triangle is ever needed; an input is taken to be Hermitian, and
gets the symmetric representative of its gradient.
"""

from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, UnsupportedError
from dagsolve.linalg.operands import hermitian
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.scope import source_scope

_P = PRIMITIVES


QRResult: Any = type(np.linalg.qr(np.eye(1)))  # NumPy's named tuples, which have no public name
EighResult: Any = type(np.linalg.eigh(np.eye(1)))


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """Factor of the Hermitian matrix whose lower triangle is stored."""
    if upper:
        raise UnsupportedError(
            f"np.linalg.cholesky with upper=True (at {source_scope()}). Use the lower factor's transpose."
        )
    return _P["cholesky"](hermitian(a))


def qr(a: Any, mode: str = "reduced") -> Any:
    """(Q, R), or R alone where mode is "r"; "complete" for matrices that are not deep."""
    if mode not in ("reduced", "complete", "r"):
        raise UnsupportedError(
            f'np.linalg.qr with mode={mode!r} (at {source_scope()}). Use "reduced" or "r".'
        )
    if mode == "complete" and a.ndim >= 2 and a.shape[-2] > a.shape[-1]:
        raise UnsupportedError(
            f'np.linalg.qr with mode="complete" of a matrix with more rows than columns, shape {a.shape} '
            f'(at {source_scope()}): the columns that complete Q have no derivative. Use "reduced".'
        )
    q, r = _P["qr"](a)
    return r if mode == "r" else QRResult(q, r)


def eigh(a: Any, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of the Hermitian matrix whose triangle UPLO is stored, ascending."""
    return EighResult(*_P["eigh"](_stored(a, UPLO)))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending; the vectors are computed for the gradient's sake."""
    return _P["eigh"](_stored(a, UPLO))[0]


def _stored(a: Any, uplo: str) -> Any:
    """The matrix with its triangle below the diagonal."""
    if str(uplo).upper() not in ("L", "U"):
        raise ArgumentError(f'eigh: UPLO must be "L" or "U", got {uplo!r} (at {source_scope()})')
    if str(uplo).upper() == "L" or a.ndim < 2:
        return hermitian(a)
    flipped = _P["transpose"](hermitian(a), axes=(-1, -2))
    return _P["conjugate"](flipped) if a.dtype.kind == "c" else flipped
