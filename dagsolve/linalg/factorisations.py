"""Matrix factorisations by `scipy.linalg`'s names and signatures.

Arguments that only steer SciPy's memory (`overwrite_*`, `check_finite`) are accepted and have no effect:
inputs are never overwritten and a failed factorisation always raises.
"""

import dask.array as da
import numpy as np

from dagsolve.linalg.operands import adjoint, call, floating, hermitian, identity, traced
from dagsolve.namespace import Array


def cholesky(a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Cholesky factor of a Hermitian positive definite matrix: L with a = L Lᴴ if lower, else Lᴴ.

    a has shape (..., n, n); its triangle of the factor's kind is read, and the gradient of an input is
    symmetric. Raises FactorisationError when a is indefinite or holds NaN.
    """
    a = hermitian(floating(a))
    if isinstance(a, da.Array) and a.ndim == 2 and a.size:  # its loop has both kinds
        return call("cholesky", a, upper=not lower)
    factor = call("cholesky", a if lower else adjoint(a))
    return factor if lower else adjoint(factor)


def lu(
    a: Array,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> tuple[Array, ...]:
    """(P, L, U) with a = P L U; (P L, U) if `permute_l`; (p, L, U) with a = L[p] U if `p_indices`.

    a has shape (..., m, n), L (..., m, k) and U (..., k, n) with k = min(m, n). P has no derivative; the
    derivative of L and U exists where the first k columns of a are independent and no two pivots tie: a tie
    is told where they are differentiated, as `ds.degenerate` says, since the factors jump there (not in
    programs of Dask arrays).
    Raises FactorisationError for NaN, and in the reverse sweep for a zero pivot.
    """
    a = floating(a)
    p, l, u = call("lu", a)
    if traced(a):
        l, u = call("single_pivots", l, u)
    if permute_l:
        return call("permute_rows", l, p, inverse=True), u
    m = a.shape[-2]
    if p_indices:
        return call("permute_rows", np.arange(m)[:, None], p, inverse=True)[..., 0], l, u
    real = np.empty(0, a.dtype).real.dtype
    tiles = a.chunks[-2] if isinstance(a, da.Array) and a.ndim == 2 else None
    return call("permute_rows", identity(real, m, tiles), p, inverse=True), l, u


def lu_factor(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """(lu, piv) as `lu_solve` takes them: L below the diagonal of lu, U on and above it, LAPACK's row swaps.

    a has shape (..., m, n). Singular matrices are factored; what follows in the reverse sweep raises
    FactorisationError. Ties of pivots are not told, as by `lu`: solutions do not depend on their order.
    """
    a = floating(a)
    p, l, u = call("lu", a)
    *lead, m, n = a.shape
    k = min(m, n)
    below = call("tril", l, k=-1)
    if n > k:
        below = call("concatenate", below, np.zeros((*lead, m, n - k), a.dtype), axis=-1)
    if m > k:
        u = call("concatenate", u, np.zeros((*lead, m - k, n), a.dtype), axis=-2)
    return below + u, call("swaps_of_permutation", p, count=k)
