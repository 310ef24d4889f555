"""Graph: the traced operations as columns, with the questions that the floors above ask of it.

Structure only: primitives are names, so a graph opens without the rules behind them.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.errors import GraphError
from dagsolve.graph import query
from dagsolve.graph.columns import CONSTANT, INPUT, LEAVES, Columns, Ints, Params, Scope
from dagsolve.graph.edges import edge_columns
from dagsolve.graph.laws import broken_law
from dagsolve.graph.order import consumer_edges, longest_distance, reachable_backward
from dagsolve.graph.store import CONSTANT_BYTES, Stored, read_graph, write_graph
from dagsolve.graph.summary import html_summary
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
    labels: Ints | None = None  # N, the caller's number of each node where `from_edges` renumbered
    weight: "npt.NDArray[Any] | None" = None  # E, of each edge, parallel to `columns.operands`

    @classmethod
    def from_edges(cls, src: Any, dst: Any, weight: Any = None, *, nodes: int | None = None) -> "Graph":
        """The graph with an edge from src[k] to dst[k] for every k; node n makes value n, a scalar.

        Where not every edge goes from a lower to a higher number, nodes are renumbered: `labels[n]` is
        then the given number of node n, and every question is asked and answered in ids. Without `nodes`,
        there are as many as the largest number says.

        Raises GraphError naming a cycle, ArgumentError for what are no node numbers or weights, ShapeError
        for unequal lengths.
        """
        made = edge_columns(src, dst, weight, nodes)
        return cls(made.columns, (), (), labels=made.labels, weight=made.weight)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        constant_bytes: int | None = CONSTANT_BYTES,
    ) -> None:
        """Writes the graph to a new directory, which is there whole or not at all; see `open_graph`.

        overwrite       replace a stored graph; nothing else is ever replaced
        constant_bytes  values of captured constants go along, the smallest first, up to this total
                        (64 MiB); None: all of them. Only NumPy arrays and numbers are stored

        Raises ArgumentError for a taken path, GraphError for a param that has no form on file, StorageError
        when the disk refuses.
        """
        fields = (self.columns, self.inputs, self.outputs, self.captured, self.labels, self.weight)
        write_graph(path, Stored(*fields), overwrite, constant_bytes)

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

    @property
    def _sources(self) -> Ints:
        """`producers`, without a copy where every node makes one value."""
        return self.columns.operands if self.value_count == len(self) else self.producers

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
        distance, _ = longest_distance(self.columns.indptr, self._sources, np.ones(len(self)))
        return np.asarray(distance, dtype=np.int64)

    def ancestors(self, ids: Any) -> Ints:
        """Nodes from which a path of at least one edge leads to one of the ids, ascending."""
        return query.ancestors(self.columns.indptr, self._sources, ids)

    def descendants(self, ids: Any) -> Ints:
        """Nodes to which a path of at least one edge leads from one of the ids, ascending."""
        return query.descendants(self.columns.indptr, self._sources, ids)

    def critical_path(self, weight: Any = None, *, node_weight: Any = None) -> query.CriticalPath:
        """A path with the largest sum of edge weights and node weights: (nodes, length).

        weight       one number per edge, beside `columns.operands`, or one for all; None: the graph's own,
                     and 1 where it has none and no node_weight is given
        node_weight  one number per node, e.g. its seconds, or one for all
        """
        if weight is None:
            weight = self.weight if self.weight is not None else float(node_weight is None)
        node_weight = 0.0 if node_weight is None else node_weight
        return query.critical_path(self.columns.indptr, self._sources, weight, node_weight)

    def solve(self, b: Any, weight: Any = None, semiring: Any = "real", transpose: bool = False) -> Any:
        """x with (I - L) x = b, shape (N,); L[v, u] is the sum of the weights of edges u → v.

        weight     one number per edge, beside `columns.operands`, or one for all; None: the graph's own,
                   and the semiring's one where it has none
        semiring   "real", "count" (64-bit integers), "boolean", "max-plus", "min-plus" or "log-sum-exp"
        transpose  solve (I - L)ᵀ x = b instead: from the ends of paths to their starts

        Raises ArgumentError for an unknown semiring or numbers that it does not hold, ShapeError for wrong
        lengths, GraphError for counts that do not fit into 64 bits.
        """
        if weight is None:
            weight = self.weight if self.weight is not None else query.one(semiring)
        return query.solve(self.columns.indptr, self._sources, b, weight, semiring, transpose)

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
            h.update(column.astype("<i8", copy=False).tobytes())  # stored columns may be narrower
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
        later one, naming the node.
        """
        law = broken_law(self.columns, self.inputs, self.outputs)
        if law is not None:
            raise GraphError(f"graph: {law}")
        return self

    def __repr__(self) -> str:
        kinds = ", ".join(f"{k} {name}" for name, k in self.counts().most_common(5))
        return (
            f"Graph of {len(self):,} nodes, {self.edge_count:,} edges, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs ({kinds})"
        )

    def _repr_html_(self) -> str:
        return html_summary(self)


def open_graph(path: str | os.PathLike[str], *, verify: bool = True) -> Graph:
    """The graph that `Graph.save` wrote, its columns mapped from the files: nothing is copied.

    Sizes, headers and the laws of a graph are checked in any case; with `verify` also the checksum of every
    file, which reads each once. Values of constants come back as read-only arrays.

    Raises StorageError naming the file that is absent, damaged or foreign, and what is wrong with it.
    """
    return Graph(*read_graph(path, verify))
