"""Solution of a positive definite system of Dask matrices: a Cholesky factor and two substitutions.

n³/3 + 2 n² k flops; the reverse sweep of the loops takes twice as many.
"""

from typing import Any

from dagsolve.linalg.tiled import factor, substitution


def positive_solve(a: Any, b: Any) -> tuple[Any, Any]:
    """(X, L) with A X = B and A = L Lᴴ, for a Dask matrix A given by its lower triangle, and B (n, k).

    Raises ShapeError for shapes that do not fit; FactorisationError at run time where A is not positive
    definite.
    """
    l = factor.cholesky(a)
    half = substitution.solve_triangular(l, b)
    return substitution.solve_triangular(l, half, transposed=True), l
