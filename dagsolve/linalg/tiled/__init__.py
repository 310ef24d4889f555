"""Tiled algorithms as textbook loops over tiles of Dask arrays, and the table of them by primitive."""

from collections.abc import Callable
from typing import Any

import dask.array as da

from dagsolve.linalg.tiled import factor, products, substitution
from dagsolve.linalg.tiled.gathered import in_one_chunk

TILED: dict[str, Callable[..., Any]] = {
    "cholesky": factor.cholesky,
    "solve_triangular": substitution.solve_triangular,
    "matmul": products.matmul,
    "diagonal": products.diagonal,
    "diagonal_matrix": products.diagonal_matrix,
    "hermitian": products.hermitian,
    "tril": products.tril,
    "triu": products.triu,
}


def on_dask(name: str, *operands: Any, **params: Any) -> Any:
    """A primitive on Dask arrays, lazily: by its loop over tiles where it has one, else in one chunk.

    NumPy operands become Dask arrays of one chunk.
    """
    arrays = [x if isinstance(x, da.Array) else da.from_array(x, chunks=-1) for x in operands]
    if name in TILED and all(x.ndim == 2 for x in arrays):
        return TILED[name](*arrays, **params)
    made = in_one_chunk(name, *arrays, **params)
    return made if len(made) > 1 else made[0]
