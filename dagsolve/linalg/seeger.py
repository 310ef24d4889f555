"""The operators of Seeger et al., under the names and arguments that MXNet's `linalg` gave them.

Matrices stand in the last two axes, leading axes are a stack. `transpose` of a complex matrix is the plain
transpose. Reference: M. Seeger, A. Hetzel, Z. Dai, E. Meissner, N. D. Lawrence, Auto-differentiating linear
algebra, arXiv:1710.08717 (2017).
"""

from collections.abc import Callable

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.linalg.eigenproblems import eigh
from dagsolve.linalg.factorisations import cholesky
from dagsolve.linalg.operands import adjoint, call, floating
from dagsolve.linalg.orthogonal import lq
from dagsolve.namespace import Array


def potrf(a: Array, lower: bool = True) -> Array:
    """Cholesky factor L with a = L Lᴴ, or R with a = Rᴴ R if not `lower`; see `cholesky`."""
    return cholesky(a, lower)


def potri(l: Array, lower: bool = True) -> Array:
    """(L Lᴴ)⁻¹ from the factor of `potrf`, or (Rᴴ R)⁻¹ if not `lower`; one triangle of the factor is read.

    Raises FactorisationError for a zero on its diagonal.
    """
    return call("cholesky_inverse", floating(l), lower=bool(lower))


def gelqf(a: Array) -> tuple[Array, Array]:
    """(Q, L) with a = L Q for a (..., m, n), m ≤ n: Q has orthonormal rows, L is lower triangular.

    The gradient assumes full row rank. Raises ShapeError for more rows than columns.
    """
    a = floating(a)
    if a.ndim < 2 or a.shape[-2] > a.shape[-1]:
        raise ShapeError(f"gelqf: a must have shape (..., m, n) with m <= n, got {tuple(a.shape)}; use lq")
    l, q = lq(a)
    return q, l


def syevd(a: Array) -> tuple[Array, Array]:
    """(U, w) with a = Uᴴ diag(w) U: the rows of U are eigenvectors, w is ascending; see `eigh`."""
    w, v = eigh(floating(a))
    return adjoint(v), w


def trmm(
    a: Array,
    b: Array,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
    *,
    unit_diagonal: bool = False,
) -> Array:
    """alpha op(a) b, or alpha b op(a) if `rightside`, for a triangular (..., n, n); op(a) = a or aᵀ."""
    return _with_triangle("triangular_product", a, b, transpose, rightside, lower, alpha, unit_diagonal)


def trsm(
    a: Array,
    b: Array,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
    *,
    unit_diagonal: bool = False,
) -> Array:
    """alpha op(a)⁻¹ b, or alpha b op(a)⁻¹ if `rightside`, for a triangular (..., n, n); op(a) = a or aᵀ.

    Raises FactorisationError for a zero on the diagonal.
    """
    return _with_triangle("solve_triangular", a, b, transpose, rightside, lower, alpha, unit_diagonal)


def _with_triangle(
    name: str, a: Array, b: Array, transpose: bool, right: bool, lower: bool, alpha: float, unit: bool
) -> Array:
    a, b = floating(a), floating(b)
    if transpose and a.dtype.kind == "c":  # the primitives' other choice is the adjoint
        a = call("conjugate", a)
    x = call(
        name,
        a,
        b,
        lower=bool(lower),
        transposed=bool(transpose),
        right=bool(right),
        unit_diagonal=bool(unit),
    )
    return _scaled(alpha, x)


def syrk(a: Array, transpose: bool = False, alpha: float = 1.0) -> Array:
    """alpha a aᵀ, or alpha aᵀ a if `transpose`, whole."""
    return _rank_product(floating(a), _transposed, transpose, alpha)


def herk(a: Array, transpose: bool = False, alpha: float = 1.0) -> Array:
    """alpha a aᴴ, or alpha aᴴ a if `transpose`, whole."""
    return _rank_product(floating(a), adjoint, transpose, alpha)


def _rank_product(a: Array, other: Callable[[Array], Array], transpose: bool, alpha: float) -> Array:
    factors = (other(a), a) if transpose else (a, other(a))
    return _scaled(alpha, call("matmul", *factors))


def gemm(
    a: Array,
    b: Array,
    c: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Array:
    """alpha op(a) op(b) + beta c."""
    return gemm2(a, b, transpose_a, transpose_b, alpha) + _scaled(beta, floating(c))


def gemm2(
    a: Array, b: Array, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0
) -> Array:
    """alpha op(a) op(b)."""
    a, b = floating(a), floating(b)
    left, right = _transposed(a) if transpose_a else a, _transposed(b) if transpose_b else b
    return _scaled(alpha, call("matmul", left, right))


def sumlogdiag(a: Array) -> Array:
    """Σ log aᵢᵢ of a matrix with a positive diagonal: half of `logdet`, from the factor of `potrf`."""
    return np.sum(np.log(call("diagonal", floating(a))), axis=-1)


def extractdiag(a: Array, offset: int = 0) -> Array:
    """The diagonal that lies `offset` above the main one, of a square matrix (..., n, n)."""
    n = _order("extractdiag", floating(a))
    _expect_offset("extractdiag", offset, n)
    return call(
        "diagonal",
        floating(a)[..., max(0, -offset) : n - max(0, offset), max(0, offset) : n + min(0, offset)],
    )


def makediag(d: Array, offset: int = 0) -> Array:
    """The square matrix with a vector (..., n) on the diagonal `offset` above the main one, else zeros."""
    a = call("diagonal_matrix", floating(d))
    n, k = a.shape[-1], abs(offset)
    if not k:
        return a
    aside, above = np.zeros((*a.shape[:-1], k), a.dtype), np.zeros((*a.shape[:-2], k, n + k), a.dtype)
    wide = call("concatenate", *((aside, a) if offset > 0 else (a, aside)), axis=-1)
    return call("concatenate", *((wide, above) if offset > 0 else (above, wide)), axis=-2)


def extracttrian(a: Array, offset: int = 0, lower: bool = True) -> Array:
    """A triangle of a square matrix (..., n, n) as a vector, its rows one after the other.

    offset > 0: what lies on and above that diagonal; < 0: on and below it; 0: the triangle `lower` names.
    """
    a = floating(a)
    n = _order("extracttrian", a)
    _expect_offset("extracttrian", offset, n)
    rows, columns = _triangle_indices(n, offset, lower)
    return np.take(np.reshape(a, (*a.shape[:-2], n * n)), rows * n + columns, axis=-1)


def maketrian(v: Array, offset: int = 0, lower: bool = True) -> Array:
    """The square matrix with that triangle, as `extracttrian` takes it out, else zeros.

    Raises ShapeError unless v has shape (..., m (m + 1) / 2).
    """
    v = floating(v)
    count = v.shape[-1] if v.ndim else 0
    m = (int(np.sqrt(8 * count + 1)) - 1) // 2
    if not v.ndim or m * (m + 1) // 2 != count:
        raise ShapeError(f"maketrian: v must have shape (..., m (m + 1) / 2), got {tuple(v.shape)}")
    n = m + abs(offset)
    rows, columns = _triangle_indices(n, offset, lower)
    places = np.full((n, n), count)  # a zero behind the vector
    places[rows, columns] = np.arange(count)
    padded = call("concatenate", v, np.zeros((*v.shape[:-1], 1), v.dtype), axis=-1)
    return np.reshape(np.take(padded, places.ravel(), axis=-1), (*v.shape[:-1], n, n))


def _triangle_indices(n: int, offset: int, lower: bool) -> tuple[Array, Array]:
    return np.tril_indices(n, offset) if offset < 0 or (lower and not offset) else np.triu_indices(n, offset)


def _order(who: str, a: Array) -> int:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"{who}: a must have shape (..., n, n), got {tuple(a.shape)}")
    return int(a.shape[-1])


def _expect_offset(who: str, offset: int, n: int) -> None:
    if not -n < offset < max(n, 1):
        raise ShapeError(f"{who}: offset must lie between {1 - n} and {n - 1} for order {n}, got {offset}")


def _transposed(a: Array) -> Array:
    swapped: Array = np.swapaxes(a, -1, -2)
    return swapped


def _scaled(alpha: float, x: Array) -> Array:
    return x if alpha == 1 else alpha * x
