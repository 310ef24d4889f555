"""Tables of docs/decompositions.md: `python -m tests.linalg.decompositions_page` writes them.

Shapes and flops are the primitives' own. What stands outside the marks is written by hand.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from dagsolve.errors import DagsolveError
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import Spec, spec
from tests.linalg.decompositions_table import ROWS, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "decompositions.md"
BEGIN, END = "<!-- tables from the primitives: begin -->", "<!-- tables from the primitives: end -->"
UNIT = 10_000  # n, large enough for the highest power to count alone
COLUMNS = 8  # right-hand sides where a shape says 0
DTYPES = ("float32", "float64", "complex64", "complex128")


def tables() -> str:
    """Both tables."""
    takes = [
        "| | functions | shapes | the gradient assumes | FactorisationError where |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        shapes = f"`{PRIMITIVES[row.primitive].signature}`"
        takes.append(f"| {row.title} | {row.functions} | {shapes} | {row.assumes} | {row.raised} |")
    flops = ["| | of | forward | adjoint | adjoint / forward |", "|---|---|---|---|---|"]
    flops += [line for row in ROWS for line in _costs(row)]
    return "\n".join((*takes, "", "## Flops", "", _explained(), "", *flops))


def _explained() -> str:
    dtypes = {_dtypes(row, shapes) for row in ROWS for shapes in row.sizes}
    return (
        f"What the planner counts for real matrices: the term of the highest order in n, {COLUMNS} sides\n"
        "where shapes say so. The adjoint is that of all operands, from cotangents of all results.\n"
        f"All are there for {' and for '.join(sorted(dtypes))}; integers become float64."
    )


def _costs(row: Row) -> Iterator[str]:
    primitive = PRIMITIVES[row.primitive]
    for shapes in row.sizes:
        operands = _operands(shapes, "float64")
        found = primitive.costs(operands, primitive.result_specs(operands, {}), {})
        ratio = found.pullback_flops / found.forward_flops
        forward, pullback = _term(found.forward_flops), _term(found.pullback_flops)
        yield f"| {row.title} | {', '.join(map(_shown, shapes))} | {forward} | {pullback} | {ratio:.1f} |"


def _operands(shapes: tuple[tuple[int, ...], ...], dtype: str) -> tuple[Spec, ...]:
    return tuple(spec(tuple(k * UNIT or COLUMNS for k in shape), dtype) for shape in shapes)


def _shown(shape: tuple[int, ...]) -> str:
    return " × ".join("n" if k == 1 else f"{k}n" if k else str(COLUMNS) for k in shape)


def _term(flops: float) -> str:
    """The term of n³ or n² that the flops are."""
    power = 3 if flops > UNIT**2.6 else 2
    share = Fraction(flops / UNIT**power).limit_denominator(12)
    return f"{'' if share == 1 else share} n{'²³'[power - 2]}".strip()


def _dtypes(row: Row, shapes: tuple[tuple[int, ...], ...]) -> str:
    """Dtypes that the results keep, or their real or complex kin."""
    primitive, kept = PRIMITIVES[row.primitive], []
    for dtype in DTYPES:
        try:
            results = primitive.result_specs(_operands(shapes, dtype), {})
        except DagsolveError:
            continue
        digits = {np.finfo(y.dtype).eps for y in results if y.dtype.kind in "fc"}
        if digits == {np.finfo(dtype).eps}:
            kept.append(dtype)
    return ", ".join(kept)


def page(text: str) -> str:
    """The page with the tables between the marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
