"""Graph: the traced operations as columns, with the questions that the floors above ask of it.

Structure only: primitives are names, so a graph opens without the rules behind them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dagsolve.errors import GraphError
from dagsolve.graph.columns import CONSTANT, INPUT, LEAVES, Columns, Ints, Params, Scope
from dagsolve.graph.order import consumer_edges, longest_distance, reachable_backward
from dagsolve.specs import Spec


class Node(NamedTuple):
    """One node, read out of the columns."""

    id: int
    primitive: str
    operands: tuple[int, ...]  # value ids
    results: tuple[int, ...]  # value ids
    params: Params
    sweep: int
    scope: Scope


@dataclass(frozen=True, eq=False)
class Graph:
    """Columns plus which values are inputs and outputs. Ids are topological."""

    columns: Columns
    inputs: tuple[int, ...]  # value ids, in the order of the arguments' leaves
    outputs: tuple[int, ...]  # value ids
    captured: Mapping[int, Any] = field(default_factory=dict, repr=False)  # constants' values, where known

    def __len__(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.columns.primitive)

    @property
    def value_count(self) -> int:
        return len(self.columns.spec)

    @property
    def edge_count(self) -> int:
        return len(self.columns.operands)

    def node(self, n: int) -> Node:
        c = self.columns
        return Node(
            int(n),
            c.names[c.primitive[n]],
            tuple(c.operands[c.indptr[n] : c.indptr[n + 1]].tolist()),
            tuple(range(c.first_value[n], c.first_value[n + 1])),
            c.param_table[c.params[n]],
            int(c.sweep[n]),
            c.scope_table[c.scope[n]],
        )

    def nodes(self) -> Iterator[Node]:
        """All nodes in topological order."""
        c = self.columns
        names, tables, scopes = c.names, c.param_table, c.scope_table
        indptr, operands, first = c.indptr.tolist(), c.operands.tolist(), c.first_value.tolist()
        rows = zip(c.primitive.tolist(), c.params.tolist(), c.sweep.tolist(), c.scope.tolist(), strict=True)
        for n, (primitive, params, sweep, scope) in enumerate(rows):
            yield Node(
                n,
                names[primitive],
                tuple(operands[indptr[n] : indptr[n + 1]]),
                tuple(range(first[n], first[n + 1])),
                tables[params],
                sweep,
                scopes[scope],
            )

    def spec(self, value: int) -> Spec:
        """Spec of a value."""
        found: Spec = self.columns.specs[self.columns.spec[value]]
        return found

    @cached_property
    def value_node(self) -> Ints:
        """Node that makes each value, shape (V,)."""
        counts = np.diff(self.columns.first_value)
        return np.repeat(np.arange(len(self), dtype=np.int64), counts)

    @cached_property
    def value_nbytes(self) -> Ints:
        """Bytes of each value, shape (V,)."""
        sizes = np.array([s.nbytes for s in self.columns.specs], dtype=np.int64)
        return sizes[self.columns.spec] if len(sizes) else np.zeros(0, np.int64)

    @cached_property
    def producers(self) -> Ints:
        """Node at the start of each edge, shape (E,): parallel to `columns.operands`."""
        return self.value_node[self.columns.operands]

    @cached_property
    def consumers(self) -> tuple[Ints, Ints]:
        """CSR (indptr, nodes) of the nodes that read each node's values, in ascending order."""
        return consumer_edges(self.columns.indptr, self.producers)

    @cached_property
    def is_leaf(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Whether a node is an input or a constant, shape (N,)."""
        codes = [k for k, name in enumerate(self.columns.names) if name in LEAVES]
        return np.isin(self.columns.primitive, codes)

    @cached_property
    def constants(self) -> tuple[int, ...]:
        """Value ids of the captured constants."""
        return self._values_of(CONSTANT)

    def _values_of(self, name: str) -> tuple[int, ...]:
        if name not in self.columns.names:
            return ()
        nodes = np.flatnonzero(self.columns.primitive == self.columns.names.index(name))
        return tuple(self.columns.first_value[nodes].tolist())

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Value ids of inputs and constants."""
        return (*self._values_of(INPUT), *self.constants)

    def levels(self) -> Ints:
        """Level of each node: longest distance from the leaves in edges, shape (N,)."""
        distance, _ = longest_distance(self.columns.indptr, self.producers, np.ones(len(self)))
        return np.asarray(distance, dtype=np.int64)

    def counts(self) -> Counter[str]:
        """Number of nodes by primitive."""
        codes, counts = np.unique(self.columns.primitive, return_counts=True)
        return Counter({self.columns.names[c]: int(k) for c, k in zip(codes, counts, strict=True)})

    @cached_property
    def digest(self) -> str:
        """Hash of structure, params, specs and scopes; the constants' values are not part of it."""
        h = hashlib.blake2b(digest_size=16)
        c = self.columns
        for column in (c.primitive, c.params, c.scope, c.sweep, c.indptr, c.operands, c.first_value, c.spec):
            h.update(column.tobytes())
        tables = (c.names, c.param_table, c.scope_table, [(s.shape, s.dtype.str) for s in c.specs])
        h.update(repr((tables, self.inputs, self.outputs)).encode())
        return h.hexdigest()

    def needed(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Whether the outputs need a node, shape (N,)."""
        return reachable_backward(
            self.columns.indptr, self.producers, self.value_node[list(self.outputs)], len(self)
        )

    def check(self) -> "Graph":
        """The graph itself, after its laws were verified: run in tests after every transformation.

        Raises GraphError for an edge that does not go upward, an id out of range or a sweep that reads a
        later one.
        """
        c = self.columns
        if len(c.indptr) != len(self) + 1 or c.indptr[-1] != len(c.operands) or np.any(np.diff(c.indptr) < 0):
            raise GraphError("graph: indptr does not describe the operands")
        if c.first_value[-1] != len(c.spec) or np.any(np.diff(c.first_value) < 1):
            raise GraphError("graph: a node without values, or values without a node")
        consumer = np.repeat(np.arange(len(self)), np.diff(c.indptr))
        if np.any(c.operands < 0) or np.any(c.operands >= self.value_count):
            raise GraphError("graph: an operand is not a value of the graph")
        if np.any(self.producers >= consumer):
            raise GraphError("graph: an edge does not go from a lower to a higher node")
        if np.any(c.sweep[self.producers] > c.sweep[consumer]):
            raise GraphError("graph: a node reads a value of a later sweep")
        if any(not 0 <= v < self.value_count for v in (*self.inputs, *self.outputs)):
            raise GraphError("graph: an input or output is not a value of the graph")
        return self

    def __repr__(self) -> str:
        kinds = ", ".join(f"{k} {name}" for name, k in self.counts().most_common(5))
        return (
            f"Graph of {len(self):,} nodes, {self.edge_count:,} edges, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs ({kinds})"
        )
