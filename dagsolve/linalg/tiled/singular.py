"""Singular value decompositions of Dask matrices: QR or LQ by tiles, and the SVD of the triangle in one task.

The triangle has min(m, n)² items, so this is for deep and wide matrices. The derivative is that of the
composition; it asks for full rank, as QR's does.
Reference: T. F. Chan, ACM Trans. Math. Softw. 8 (1982) 72-83.
"""

from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.kernels import gauge
from dagsolve.linalg.tiled.gathered import in_one_chunk
from dagsolve.linalg.tiled.orthogonal import lq, qr
from dagsolve.linalg.tiled.products import matmul
from dagsolve.linalg.tiled.tiles import TileLoop
from dagsolve.primitives import PRIMITIVES


def svd(a: Any) -> tuple[Any, Any, Any]:
    """(U, s, Vᴴ) of a Dask matrix (m, n), reduced, with the primitive's signs; U and Vᴴ in A's chunks.

    Raises ShapeError unless a is a matrix; FactorisationError at run time where it holds NaN.
    """
    if a.ndim != 2:
        raise ShapeError(f"svd: a must be a matrix, got shape {a.shape}")
    if a.npartitions == 1:
        u, s, vh = in_one_chunk("svd", a)
        return u, s, vh
    if a.shape[0] < a.shape[1]:
        l, q = lq(a)
        u, s, vh = in_one_chunk("svd", l)
        return u.rechunk((a.chunks[0], u.chunks[1])), s, matmul(vh, q)
    q, r = qr(a)
    u, s, vh = in_one_chunk("svd", r)
    u = matmul(q, u)
    turn = gauge.phase(_LIBRARY, u)  # U as a whole is in the convention, not that of R
    back = da.conj(turn) if turn.dtype.kind == "c" else turn
    return u * turn, s, (back.T * vh).rechunk((vh.chunks[0], a.chunks[1]))


def _counted(start: int, stop: int, step: int, dtype: Any) -> Any:
    """The numbers from start to stop as a Dask vector of one chunk, by the generator that tracing knows."""
    length = len(range(start, stop, step))
    params = {"start": start, "step": step, "length": length, "dtype": np.dtype(dtype).str}
    loop = TileLoop("arange", **params)
    tile = loop.record(PRIMITIVES["arange"], (), params)
    return loop.array({(0,): tile}, ((length,),), dtype)


_LIBRARY = SimpleNamespace(  # what `gauge` takes from an array library, on Dask arrays
    abs=da.abs,
    max=da.max,
    sum=da.sum,
    where=da.where,
    conj=da.conj,
    ones_like=lambda x: 0.0 * x + 1.0,  # tasks of its own would wait for nothing, and not be traced
    arange=_counted,
)
