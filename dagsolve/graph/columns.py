"""The columns of a graph: plain arrays and tables, appended while tracing, frozen afterwards.

A node makes one or more *values*; value ids are counted in node order. Operands are value ids, so every
edge goes from a lower id to a higher one and each pass over the graph is a single sweep over arrays.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.specs import Spec

Params = tuple[
    tuple[str, Any], ...
]  # (name, value), sorted by name; values are numbers, strings, tuples, None
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


class Row(NamedTuple):
    """What the nodes of equal calls have in common; all indices into tables."""

    name: int
    params: int
    sweep: int
    specs: tuple[int, ...]  # of the results
    operand_count: int


class ColumnsBuilder:
    """Columns that grow by nodes; a node's id is its position, a value's id likewise.

    Calls repeat, so a node is kept as three things only: the index of its `Row`, its scope and its operands.
    Recording appends to these columns directly; `freeze` spells the rows out.
    """

    __slots__ = (
        "names", "operands", "param_table", "prefix", "row", "rows",
        "scope", "scope_table", "specs", "value_count",
    )  # fmt: skip

    def __init__(self, prefix: Columns | None = None) -> None:
        """With a prefix, columns that go on where the frozen ones end; ids stay."""
        self.prefix = prefix
        self.value_count = 0 if prefix is None else len(prefix.spec)
        self.row, self.scope, self.operands = array("q"), array("q"), array("q")
        self.rows = Interned()
        self.names = Interned(() if prefix is None else prefix.names)
        self.param_table = Interned(() if prefix is None else prefix.param_table)
        self.scope_table = Interned(() if prefix is None else prefix.scope_table)
        self.specs = Interned(() if prefix is None else prefix.specs)

    def append(
        self, name: int, params: int, scope: int, sweep: int, operands: Sequence[int], specs: Sequence[int]
    ) -> int:
        """Append a node given table indices; the id of its first value."""
        self.row.append(self.rows.add(Row(name, params, sweep, tuple(specs), len(operands))))
        self.scope.append(scope)
        self.operands.extend(operands)
        first = self.value_count
        self.value_count = first + len(specs)
        return first

    def freeze(self) -> Columns:
        rows: list[Row] = self.rows.entries
        at = np.array(self.row, dtype=np.int64)
        arity = np.array([r.operand_count for r in rows], dtype=np.int64)[at]
        results = np.array([len(r.specs) for r in rows], dtype=np.int64)
        spec_start = np.concatenate(([0], np.cumsum(results)))[:-1]
        all_specs = np.array([k for r in rows for k in r.specs], dtype=np.int64)
        counts = results[at]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        new = (
            np.array([r.name for r in rows], dtype=np.int64)[at],
            np.array([r.params for r in rows], dtype=np.int64)[at],
            np.array(self.scope, dtype=np.int64),
            np.array([r.sweep for r in rows], dtype=np.int64)[at],
            np.cumsum(arity),
            np.array(self.operands, dtype=np.int64),
            np.cumsum(counts),
            all_specs[np.repeat(spec_start[at], counts) + within],
        )
        old = self.prefix
        if old is None:
            start = np.zeros(1, dtype=np.int64)
            nothing = start[:0]
            before = (nothing, nothing, nothing, nothing, start, nothing, start, nothing)
        else:
            before = (
                old.primitive, old.params, old.scope, old.sweep,
                old.indptr, old.operands, old.first_value, old.spec,
            )  # fmt: skip
        shift = (0, 0, 0, 0, before[4][-1], 0, before[6][-1], 0)
        joined = [np.concatenate((a, b + s)) for a, b, s in zip(before, new, shift, strict=True)]
        for column in joined:
            column.flags.writeable = False
        return Columns(
            joined[0], joined[1], joined[2], joined[3], joined[4], joined[5], joined[6], joined[7],
            tuple(self.names.entries), tuple(self.param_table.entries),
            tuple(self.scope_table.entries), tuple(self.specs.entries),
        )  # fmt: skip
