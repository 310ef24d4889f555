"""The table of primitives: families of small ones, then one decomposition per file.

Nothing else is re-exported; a record is imported from its own file, `from dagsolve.primitives.cholesky
import cholesky`.
"""

from dagsolve.primitive import Primitive
from dagsolve.primitives import (
    arithmetic,
    bivariate,
    cholesky,
    cholesky_inverse,
    contraction,
    determinant,
    eigh,
    elementary,
    generators,
    hermitian,
    householder,
    indexing,
    inverse,
    log_determinant,
    lq,
    lstsq,
    lu,
    minimum_norm,
    permutation,
    pivoted_qr,
    pseudo_inverse,
    qr,
    qr_triangle,
    rank_update,
    reductions,
    selection,
    shaping,
    solve,
    solve_triangular,
    special,
    stop_gradient,
    svd,
    triangle_product,
    triangles,
)

PRIMITIVES: dict[str, Primitive] = {
    primitive.name: primitive
    for family in (
        arithmetic,
        elementary,
        bivariate,
        special,
        generators,
        stop_gradient,
        selection,
        reductions,
        shaping,
        indexing,
        permutation,
        contraction,
        triangles,
        triangle_product,
        hermitian,
        solve_triangular,
        rank_update,
        cholesky,
        cholesky_inverse,
        lu,
        solve,
        inverse,
        log_determinant,
        determinant,
        pseudo_inverse,
        qr,
        qr_triangle,
        householder,
        lq,
        eigh,
        svd,
        pivoted_qr,
        minimum_norm,
        lstsq,
    )
    for primitive in family.PRIMITIVES
}
