"""Tiled algorithms as textbook loops over tiles of Dask arrays, and the table of them by primitive."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np

from dagsolve.linalg.tiled import (
    factor,
    general,
    inverse,
    orthogonal,
    positive,
    products,
    row_ties,
    singular,
    spectral,
    squares,
    substitution,
    triangular,
)
from dagsolve.linalg.tiled.gathered import chunk_by_chunk, in_one_chunk, is_stacked
from dagsolve.linalg.tiled.native import NATIVE
from dagsolve.linalg.tiled.tiles import refuse_unknown_chunks
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find

TILED: dict[str, Callable[..., Any]] = {
    "cholesky": factor.cholesky,
    "cholesky_inverse": inverse.cholesky_inverse,
    "lu": general.lu,
    "single_pivots": row_ties.single_pivots,
    "regular": lambda lu, p: lu,  # triangular solves refuse zeros
    "solve": general.solve,
    "positive_solve": positive.positive_solve,
    "inv": general.inv,
    "slogdet": general.slogdet,
    "det": general.det,
    "permute_rows": general.permute_rows,
    "solve_triangular": substitution.solve_triangular,
    "triangular_product": triangular.triangular_product,
    "matmul": products.matmul,
    "diagonal": products.diagonal,
    "diagonal_matrix": products.diagonal_matrix,
    "hermitian": products.hermitian,
    "tril": products.tril,
    "triu": products.triu,
    "qr": orthogonal.qr,
    "lq": orthogonal.lq,
    "qr_triangle": orthogonal.qr_triangle,
    "eigh": spectral.eigh,
    "svd": singular.svd,
    "lstsq": squares.lstsq,
    "minimum_norm": squares.minimum_norm,
}

GATHERED: dict[str, Callable[[int, int], int]] = {
    "eigh": lambda m, n: m * n,
    "svd": lambda m, n: min(m, n) ** 2,
}  # loops that bring so many items of a matrix (m, n) into one task


def rule_for(primitive: Primitive, operands: Sequence[Any]) -> Callable[..., Any] | None:
    """How a primitive goes on these Dask arrays without bringing whole arrays into one chunk, if it does.

    By its loop over tiles, by `dask.array`, elementwise, or chunk by chunk of a stack; None where it cannot.
    """
    core = primitive.parsed.core_ndims
    if primitive.name in TILED and [x.ndim for x in operands] == [*core]:
        if all(n > 0 for x in operands for n in x.shape):
            return TILED[primitive.name]
    if primitive.name in NATIVE:
        return NATIVE[primitive.name]
    elementwise = (
        primitive.specs is None and not any(primitive.parsed.core_ndims) and not primitive.parsed.variadic
    )
    if elementwise:
        return partial(primitive.forward, np)
    return partial(chunk_by_chunk, primitive.name) if is_stacked(primitive, operands) else None


def on_dask(name: str, *operands: Any, **params: Any) -> Any:
    """A primitive on Dask arrays, lazily; in one chunk where it has no other way.

    NumPy operands become Dask arrays of one chunk. Raises UnknownSpecError for unknown chunk sizes.
    """
    arrays = [x if isinstance(x, da.Array) else da.from_array(np.asarray(x), chunks=-1) for x in operands]
    refuse_unknown_chunks(name, arrays)
    rule = rule_for(find(name), arrays)
    made = in_one_chunk(name, *arrays, **params) if rule is None else rule(*arrays, **params)
    return made[0] if isinstance(made, tuple) and len(made) == 1 else made
