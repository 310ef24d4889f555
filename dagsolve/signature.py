"""Signatures of primitives: one string that says the names, shapes and batching of operands and results."""

import re
from dataclasses import dataclass

from dagsolve.errors import ShapeError
from dagsolve.specs import Shape, broadcast_shapes

_ARRAY = re.compile(r"\s*(\w+)(\*?)\s*(?:\(([^)]*)\))?\s*(?:,|$)")


@dataclass(frozen=True)
class Signature:
    """A parsed signature: `"t(n,n), b(n,k) -> x(n,k)"`.

    Dimensions name the core axes, counted from the end; what stands before them is a batch and broadcasts.
    `x*` as last operand stands for any number of operands.
    """

    primitive: str
    operands: tuple[str, ...]
    results: tuple[str, ...]
    operand_dims: tuple[tuple[str, ...], ...]
    result_dims: tuple[tuple[str, ...], ...]
    variadic: bool

    @classmethod
    def parse(cls, primitive: str, text: str) -> "Signature":
        left, _, right = text.partition("->")
        operands, results = _arrays(left), _arrays(right)
        return cls(
            primitive,
            tuple(name for name, _, _ in operands),
            tuple(name for name, _, _ in results),
            tuple(dims for _, _, dims in operands),
            tuple(dims for _, _, dims in results),
            any(star for _, star, _ in operands),
        )

    @property
    def core_ndims(self) -> tuple[int, ...]:
        return tuple(map(len, self.operand_dims))

    def operand_names(self, count: int) -> tuple[str, ...]:
        if not self.variadic:
            if count != len(self.operands):
                names = ", ".join(self.operands)
                raise ShapeError(
                    f"{self.primitive}: takes {len(self.operands)} operands ({names}), got {count}"
                )
            return self.operands
        return tuple(f"{self.operands[-1]}{k}" for k in range(count))

    def dims(self, shapes: tuple[Shape, ...]) -> dict[str, int]:
        """Length of every core dimension."""
        self.operand_names(len(shapes))
        found: dict[str, int] = {}
        for name, dims, shape in zip(self.operands, self.operand_dims, shapes, strict=True):
            core = shape[len(shape) - len(dims) :] if len(shape) >= len(dims) else None
            agrees = core is not None and all(
                found.setdefault(d, n) == n for d, n in zip(dims, core, strict=True)
            )
            if not agrees:
                wanted = ", ".join(("...", *dims))
                given = {d: n for d, n in found.items() if d in dims}
                where = f" with {', '.join(f'{d} = {n}' for d, n in given.items())}" if core and given else ""
                raise ShapeError(f"{self.primitive}: {name} must have shape ({wanted}){where}, got {shape}")
        return found

    def result_shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        dims = self.dims(shapes)
        leads = [s[: len(s) - len(d)] for s, d in zip(shapes, self.operand_dims, strict=True)]
        try:
            lead = broadcast_shapes(*leads)
        except ShapeError as fault:
            raise ShapeError(
                f"{self.primitive}: operands of {', '.join(map(str, shapes))}: {fault}"
            ) from None
        return tuple(lead + tuple(dims[d] for d in r) for r in self.result_dims)


def _arrays(text: str) -> list[tuple[str, bool, tuple[str, ...]]]:
    found = []
    for name, star, dims in _ARRAY.findall(text):
        found.append((name, bool(star), tuple(d.strip() for d in dims.split(",") if d.strip())))
    return found
