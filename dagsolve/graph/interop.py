"""Graphs for NetworkX: copied node by node, or handed to `nx.*` as they are.

`networkx_view(graph)` is read-only and holds nothing but the graph: `nx.ancestors`, `nx.descendants`,
`nx.topological_generations` and `nx.dag_longest_path` called on it run the compiled passes of
`dagsolve.graph.query`, also on mapped graphs of 10⁸ nodes (NetworkX itself takes about 1 kB for each).
Other functions copy when `nx.config.fallback_to_nx` is set, and say what is missing otherwise.

Nodes are ids, or the caller's own numbers (`labels`) where `Graph.from_edges` renumbered.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np

from dagsolve.graph.columns import Ints
from dagsolve.graph.graph import Graph


def to_networkx(graph: Graph) -> Any:
    """A `networkx.MultiDiGraph` with the graph's nodes and edges.

    Nodes have primitive, params, specs, scope and sweep; edges the value that they carry, the operand's
    position as key, and their weight where there is one. Takes about 1 kB per node.
    """
    made = nx.MultiDiGraph()
    name = range(len(graph)) if graph.labels is None else graph.labels.tolist()
    weights = None if graph.weight is None else graph.weight.tolist()
    indptr, sources, edge = graph.columns.indptr, graph.producers.tolist(), 0
    for node in graph.nodes():
        made.add_node(
            name[node.id],
            primitive=node.primitive,
            params=dict(node.params),
            specs=tuple(graph.spec(value) for value in node.results),
            scope=str(node.scope),
            sweep=node.sweep,
        )
        for edge in range(indptr[node.id], indptr[node.id + 1]):
            data = {} if weights is None else {"weight": weights[edge]}
            position = edge - int(indptr[node.id])
            value = node.operands[position]
            made.add_edge(name[sources[edge]], name[node.id], key=position, value=value, **data)
    return made


def networkx_view(graph: Graph) -> "NetworkXView":
    """The graph as NetworkX's functions take it, without a copy."""
    return NetworkXView(graph)


class NetworkXView:
    """A directed multigraph that NetworkX hands back to dagsolve (`networkx.backends`)."""

    __networkx_backend__ = "dagsolve"

    def __init__(self, graph: Graph) -> None:
        self.source = graph

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[int]:
        return iter(self.names(np.arange(len(self))))

    def __contains__(self, node: Any) -> bool:
        return isinstance(node, (int, np.integer)) and bool(0 <= node < len(self))

    def is_directed(self) -> bool:
        return True

    def is_multigraph(self) -> bool:
        return True

    def number_of_nodes(self) -> int:
        return len(self)

    def number_of_edges(self) -> int:
        return self.source.edge_count

    def predecessors(self, node: int) -> Iterator[int]:
        """Nodes that a node reads, each once."""
        n, columns = self.id_of(node), self.source.columns
        return iter(self.names(np.unique(self.source.producers[columns.indptr[n] : columns.indptr[n + 1]])))

    def successors(self, node: int) -> Iterator[int]:
        """Nodes that read a node, each once."""
        n, (indptr, readers) = self.id_of(node), self.source.consumers
        return iter(self.names(np.unique(readers[indptr[n] : indptr[n + 1]])))

    def id_of(self, node: Any) -> int:
        """The id of a node.

        Raises NetworkXError, as NetworkX does, for what is no node of the graph.
        """
        if node not in self:
            raise nx.NetworkXError(f"The node {node} is not in the graph.")
        return int(node if self._ids is None else self._ids[node])

    def names(self, ids: Ints) -> list[int]:
        """What nodes are called here."""
        labels = self.source.labels
        return (ids if labels is None else labels[ids]).tolist()  # type: ignore[no-any-return]

    @cached_property
    def _ids(self) -> Ints | None:
        return None if self.source.labels is None else np.argsort(self.source.labels)

    def __repr__(self) -> str:
        return f"NetworkXView of {self.source!r}"


class Backend:
    """What NetworkX calls for views; the functions have its names and arguments."""

    @staticmethod
    def convert_to_nx(view: Any, *, name: str | None = None) -> Any:
        return to_networkx(view.source) if isinstance(view, NetworkXView) else view

    @staticmethod
    def convert_from_nx(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "dagsolve takes no NetworkX graphs; make one by Graph.from_edges(src, dst) and view it"
        )

    @staticmethod
    def can_run(name: str, args: Any, kwargs: Any) -> bool | str:
        if kwargs.get("topo_order", args[3] if len(args) > 3 else None) is not None:
            return "the order is that of the ids; topo_order cannot be chosen"
        return True

    @staticmethod
    def should_run(name: str, args: Any, kwargs: Any) -> bool:
        return True

    @staticmethod
    def ancestors(G: NetworkXView, source: Any) -> set[int]:
        return set(G.names(G.source.ancestors(G.id_of(source))))

    @staticmethod
    def descendants(G: NetworkXView, source: Any) -> set[int]:
        return set(G.names(G.source.descendants(G.id_of(source))))

    @staticmethod
    def topological_generations(G: NetworkXView) -> Iterator[list[int]]:
        level = G.source.levels()
        order = np.argsort(level, kind="stable")
        for generation in np.split(order, np.flatnonzero(np.diff(level[order])) + 1):
            if len(generation):
                yield G.names(generation)

    @staticmethod
    def dag_longest_path(
        G: NetworkXView, weight: Any = "weight", default_weight: Any = 1, topo_order: Any = None
    ) -> list[int]:
        known = weight == "weight" and G.source.weight is not None
        return G.names(G.source.critical_path(G.source.weight if known else default_weight).nodes)
