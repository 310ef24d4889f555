"""What square factors A[:, p] = L U, packed as `dagsolve.kernels.column_lu` does, are for in derivatives.

L is lower, U unit upper triangular. With tril and striu the triangles on and below and above the diagonal,
and Ȧ and Ā for Ȧ[:, p] and Ā[:, p],

    solutions      A⁻¹ B = X, X[p] = U⁻¹ L⁻¹ B;         A⁻ᴴ B = L⁻ᴴ U⁻ᴴ B[p]
    pushforward    F = L⁻¹ Ȧ U⁻¹;  L̇ = L tril F,  U̇ = striu(F) U;        also Ȧ = L̇ U + L U̇
    pullback       C = tril(Lᴴ L̄) + striu(Ū Uᴴ),  Ā = L⁻ᴴ C U⁻ᴴ;         also L̄ = tril(Ā Uᴴ), Ū = striu(Lᴴ Ā)

All are traceable. They are those of `dagsolve.primitives.lu` for the transposed matrix.
"""

from dagsolve.kernels.dense import adjoint
from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.permutation import permute_rows
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.primitives.triangle_product import triangle_product


def lower_solved(packed: Array, b: Array, *, transposed: bool = False) -> Array:
    """L⁻¹ B, or L⁻ᴴ B."""
    return solve_triangular(packed, b, lower=True, transposed=transposed, right=False, unit_diagonal=False)


def upper_solved(packed: Array, b: Array, *, transposed: bool = False, right: bool = False) -> Array:
    """U⁻¹ B, or U⁻ᴴ B; B U⁻¹, or B U⁻ᴴ, if `right`."""
    return solve_triangular(packed, b, lower=False, transposed=transposed, right=right, unit_diagonal=True)


def column_solved(packed: Array, p: Array, b: Array, *, transposed: bool = False) -> Array:
    """A⁻¹ B, or A⁻ᴴ B if `transposed`."""
    if transposed:
        half = upper_solved(packed, permute_rows(b, p, inverse=False), transposed=True)
        return lower_solved(packed, half, transposed=True)
    return permute_rows(upper_solved(packed, lower_solved(packed, b)), p, inverse=True)


def permute_columns(xp: Namespace, a: Array, p: Array, *, inverse: bool) -> Array:
    """A[:, p], or the matrix of which it is that."""
    return xp.matrix_transpose(permute_rows(xp.matrix_transpose(a), p, inverse=inverse))


def packed_tangent(xp: Namespace, packed: Array, p: Array, a_dot: Array) -> Array:
    """Tangent of the packed factors."""
    right = upper_solved(packed, permute_columns(xp, a_dot, p, inverse=False), right=True)
    f = lower_solved(packed, right)
    above = xp.triu(f, k=1)
    return xp.matmul(xp.tril(packed), xp.tril(f)) + above + xp.matmul(above, xp.triu(packed, k=1))


def matrix_tangent(xp: Namespace, packed: Array, p: Array, packed_dot: Array) -> Array:
    """Ȧ from the tangent of the packed factors."""
    lower, upper = _factors(xp, packed)
    moved = xp.matmul(xp.tril(packed_dot), upper) + xp.matmul(lower, xp.triu(packed_dot, k=1))
    return permute_columns(xp, moved, p, inverse=True)


def matrix_cotangent(xp: Namespace, packed: Array, p: Array, packed_bar: Array) -> Array:
    """Ā from the cotangent of the packed factors."""
    lower, upper = _factors(xp, packed)
    below = triangle_product(adjoint(xp, lower), xp.tril(packed_bar), lower=True, strict=False)
    above = triangle_product(xp.triu(packed_bar, k=1), adjoint(xp, upper), lower=False, strict=True)
    half = lower_solved(packed, below + above, transposed=True)
    return permute_columns(xp, upper_solved(packed, half, transposed=True, right=True), p, inverse=True)


def packed_cotangent(xp: Namespace, packed: Array, p: Array, a_bar: Array) -> Array:
    """Cotangent of the packed factors from Ā, where the matrix they belong to is what a function is of."""
    lower, upper = _factors(xp, packed)
    g = permute_columns(xp, a_bar, p, inverse=False)
    below = triangle_product(g, adjoint(xp, upper), lower=True, strict=False)
    return below + triangle_product(adjoint(xp, lower), g, lower=False, strict=True)


def _factors(xp: Namespace, packed: Array) -> tuple[Array, Array]:
    unit = xp.eye(packed.shape[-1], dtype=packed.dtype)
    return xp.tril(packed), xp.triu(packed, k=1) + unit
