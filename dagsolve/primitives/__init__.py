"""The table of primitives: families of small ones, then one decomposition per file.

Nothing else is re-exported; a record is imported from its own file, `from dagsolve.primitives.cholesky
import cholesky`.
"""

from dagsolve.primitive import Primitive
from dagsolve.primitives import (
    arithmetic,
    contraction,
    elementary,
    indexing,
    reductions,
    selection,
    shaping,
)

PRIMITIVES: dict[str, Primitive] = {
    primitive.name: primitive
    for family in (arithmetic, elementary, selection, reductions, shaping, indexing, contraction)
    for primitive in family.PRIMITIVES
}
