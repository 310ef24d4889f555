"""Tiled algorithms as textbook loops over tiles of Dask arrays, and the table of them by primitive."""

from collections.abc import Callable
from typing import Any

from dagsolve.linalg.tiled import factor, products, substitution

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
