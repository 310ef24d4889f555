"""Whether a triangular factor tells of a rank deficient matrix."""

from dagsolve.errors import FactorisationError
from dagsolve.kernels.dense import named
from dagsolve.namespace import Array, Namespace
from dagsolve.specs import Shape


def refuse_deficient(
    xp: Namespace, who: str, a: Array, triangle: Array, cond: float | None, remedy: str
) -> None:
    """Nothing, where every pivot on the triangle's diagonal is more than `cond` times the largest one.

    a (..., m, n) is the matrix that was factored, triangle (..., p, q) its triangular factor. cond=None
    stands for max(m, n) ε. Raises FactorisationError with the first pivot that is not, its index and size.
    """
    k = min(triangle.shape[-2:])
    if k and triangle.size:
        refuse_pivots(xp, who, a.shape, xp.linalg.diagonal(triangle[..., :k, :k]), cond, remedy)


def refuse_pivots(
    xp: Namespace, who: str, shape: Shape, pivots: Array, cond: float | None, remedy: str
) -> None:
    """The same, given the matrix's shape and the pivots (..., k), k > 0."""
    dtype, pivots = pivots.dtype, xp.abs(pivots)
    if cond is None:
        cond = max(shape[-2:]) * float(xp.finfo(pivots.dtype).eps)
    largest = xp.max(pivots, axis=-1, keepdims=True)
    bad = pivots <= cond * largest
    if xp.any(bad):
        *batch, index = (int(found[0]) for found in xp.nonzero(bad))
        raise FactorisationError(
            f"{who}: {named(batch)} {tuple(shape[-2:])} {dtype} must have full rank, got pivot {index} of "
            f"size {float(pivots[(*batch, index)]):.3g} beside the largest "
            f"{float(largest[(*batch, 0)]):.3g}; {remedy}"
        )
