"""The columns of a graph: plain arrays and tables, appended while tracing, frozen afterwards.

A node makes one or more *values*; value ids are counted in node order. Operands are value ids, so every
edge goes from a lower id to a higher one and each pass over the graph is a single sweep over arrays.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.spec import Spec

Params = tuple[tuple[str, Any], ...]  # (name, value), sorted by name; values are numbers, strings, tuples, None
Ints = npt.NDArray[np.int64]

INPUT = "input"  # a node of this primitive is a leaf: an argument of the traced function
CONSTANT = "constant"  # a leaf: an array or number that the traced function captured
LEAVES = (INPUT, CONSTANT)


class Scope(NamedTuple):
    """The user's function and line that recorded a node."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}" if self.file else self.function


@dataclass(frozen=True, eq=False)
class Columns:
    """Frozen columns of one graph; N nodes, V values, E edges."""

    primitive: Ints  # N, index into names
    params: Ints  # N, index into param_table
    scope: Ints  # N, index into scope_table
    sweep: Ints  # N: 0 forward, 1 reverse, 2 the reverse of both, …
    indptr: Ints  # N + 1, into operands
    operands: Ints  # E value ids
    first_value: Ints  # N + 1
    spec: Ints  # V, index into specs
    names: tuple[str, ...]
    param_table: tuple[Params, ...]
    scope_table: tuple[Scope, ...]
    specs: tuple[Spec, ...]


class Interned:
    """A table in which equal entries are stored once; maps an entry to its index."""

    __slots__ = ("entries", "index")

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        self.entries: list[Any] = list(entries)
        self.index: dict[Any, int] = {entry: k for k, entry in enumerate(self.entries)}

    def add(self, entry: Any) -> int:
        found = self.index.get(entry)
        if found is None:
            found = self.index[entry] = len(self.entries)
            self.entries.append(entry)
        return found


@dataclass(eq=False)
class ColumnsBuilder:
    """Columns that grow by `append`; a node's id is its position, a value's id likewise."""

    primitive: "array[int]" = field(default_factory=lambda: array("q"))
    params: "array[int]" = field(default_factory=lambda: array("q"))
    scope: "array[int]" = field(default_factory=lambda: array("q"))
    sweep: "array[int]" = field(default_factory=lambda: array("q"))
    indptr: "array[int]" = field(default_factory=lambda: array("q", [0]))
    operands: "array[int]" = field(default_factory=lambda: array("q"))
    first_value: "array[int]" = field(default_factory=lambda: array("q", [0]))
    spec: "array[int]" = field(default_factory=lambda: array("q"))
    names: Interned = field(default_factory=Interned)
    param_table: Interned = field(default_factory=Interned)
    scope_table: Interned = field(default_factory=Interned)
    specs: Interned = field(default_factory=Interned)

    def append(
        self, name: int, params: int, scope: int, sweep: int, operands: Iterable[int], specs: Iterable[int]
    ) -> int:
        """Append a node given table indices; the id of its first value."""
        self.primitive.append(name)
        self.params.append(params)
        self.scope.append(scope)
        self.sweep.append(sweep)
        self.operands.extend(operands)
        self.indptr.append(len(self.operands))
        first = len(self.spec)
        self.spec.extend(specs)
        self.first_value.append(len(self.spec))
        return first

    @classmethod
    def thawed(cls, columns: Columns) -> "ColumnsBuilder":
        """A builder that goes on where frozen columns end; ids stay."""
        names = ("primitive", "params", "scope", "sweep", "indptr", "operands", "first_value", "spec")
        arrays = (array("q", np.ascontiguousarray(getattr(columns, name)).tobytes()) for name in names)
        tables = (columns.names, columns.param_table, columns.scope_table, columns.specs)
        return cls(*arrays, *(Interned(table) for table in tables))

    def freeze(self) -> Columns:
        def column(values: "array[int]") -> Ints:
            frozen = np.array(values, dtype=np.int64)
            frozen.flags.writeable = False
            return frozen

        return Columns(
            *(
                column(c)
                for c in (
                    self.primitive,
                    self.params,
                    self.scope,
                    self.sweep,
                    self.indptr,
                    self.operands,
                    self.first_value,
                    self.spec,
                )
            ),
            names=tuple(self.names.entries),
            param_table=tuple(self.param_table.entries),
            scope_table=tuple(self.scope_table.entries),
            specs=tuple(self.specs.entries),
        )
