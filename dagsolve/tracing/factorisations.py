"""NumPy's matrix factorisations for tracers, in `np.linalg` signatures.

Of a computed Hermitian matrix only the lower triangle is ever needed; an input is taken to be Hermitian, and
gets the symmetric representative of its gradient.
"""

from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.linalg.factorisations import cholesky as linalg_cholesky
from dagsolve.linalg.least_squares import solved
from dagsolve.linalg.operands import hermitian
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.scope import source_scope

_P = PRIMITIVES


QRResult: Any = type(np.linalg.qr(np.eye(1)))  # NumPy's named tuples, which have no public name
SVDResult: Any = type(np.linalg.svd(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """Factor of the Hermitian matrix whose triangle of the factor's kind is stored."""
    return linalg_cholesky(a, lower=not upper)


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
    return _P["qr_triangle"](a) if mode == "r" else QRResult(*_P["qr"](a))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, s, Vᴴ), or s alone; full_matrices=True for square matrices only, where it is the same."""
    if hermitian:
        raise UnsupportedError(
            f"np.linalg.svd with hermitian=True (at {source_scope()}). Use np.linalg.eigh, or leave it out."
        )
    if not compute_uv:
        return svdvals(a)
    if full_matrices and a.ndim >= 2 and a.shape[-2] != a.shape[-1]:
        raise UnsupportedError(
            f"np.linalg.svd with full_matrices=True of a matrix that is not square, shape {a.shape} "
            f"(at {source_scope()}): the vectors that complete U or V have no derivative. "
            "Use full_matrices=False."
        )
    return SVDResult(*_P["svd"](a))


def svdvals(x: Any, /) -> Any:
    """Singular values, descending; vectors are computed where a gradient needs them."""
    return _P["svd"](x)[1]


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """(x, residuals, rank, None) in NumPy's shapes: residuals of shape (k,), or (0,) where m ≤ n.

    Raises FactorisationError where a does not have full rank (`ds.linalg.lstsq` says more).
    """
    if len(a.shape) != 2 or len(b.shape) not in (1, 2):
        raise ShapeError(
            f"np.linalg.lstsq: a must have shape (m, n) and b (m,) or (m, k), got {a.shape} and {b.shape} "
            f"(at {source_scope()}). ds.linalg.lstsq takes stacks."
        )
    columns = np.reshape(b, (-1, 1)) if len(b.shape) == 1 else b
    x, residuals = solved(a, columns, None if rcond is None or rcond < 0 else rcond)
    x = x[:, 0] if len(b.shape) == 1 else x
    return (
        x,
        np.zeros(0, np.empty(0, x.dtype).real.dtype) if residuals is None else residuals,
        min(a.shape),
        None,
    )


def eigh(a: Any, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of the Hermitian matrix whose triangle UPLO is stored, ascending."""
    return EighResult(*_P["eigh"](_stored(a, UPLO)))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending; vectors are computed where a gradient needs them."""
    return _P["eigh"](_stored(a, UPLO))[0]


def _stored(a: Any, uplo: str) -> Any:
    """The matrix with its triangle below the diagonal."""
    if str(uplo).upper() not in ("L", "U"):
        raise ArgumentError(f'eigh: UPLO must be "L" or "U", got {uplo!r} (at {source_scope()})')
    if str(uplo).upper() == "L" or a.ndim < 2:
        return hermitian(a)
    flipped = _P["transpose"](hermitian(a), axes=(-1, -2))
    return _P["conjugate"](flipped) if a.dtype.kind == "c" else flipped
