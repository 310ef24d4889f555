"""NetworkX's functions on a view are dagsolve's passes, with NetworkX's answers; copies have everything."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

import dagsolve as ds
from dagsolve.graph import Graph, open_graph
from dagsolve.graph.interop import Backend, networkx_view, to_networkx
from tests.graph.generated import edges

Edges = tuple[int, Any, Any, Any]


def both(drawn: Edges) -> tuple[Any, Any]:
    """(view, NetworkX's own graph) of the same edges, on the given numbers."""
    count, src, dst, weight = drawn
    other = nx.MultiDiGraph()
    other.add_nodes_from(range(count))
    other.add_weighted_edges_from(zip(src.tolist(), dst.tolist(), weight.tolist(), strict=True))
    return networkx_view(Graph.from_edges(src, dst, weight, nodes=count)), other


def test_backend_is_registered() -> None:
    assert "dagsolve" in nx.utils.backends.backends


@given(drawn=edges())
@settings(max_examples=40)
def test_functions_on_a_view_answer_as_networkx_does(drawn: Edges) -> None:
    view, other = both(drawn)
    for node in range(0, drawn[0], 3):
        assert nx.ancestors(view, node) == nx.ancestors(other, node)
        assert nx.descendants(view, node) == nx.descendants(other, node)
        assert sorted(view.successors(node)) == sorted(other.successors(node))
        assert sorted(view.predecessors(node)) == sorted(other.predecessors(node))
    ours, theirs = nx.topological_generations(view), nx.topological_generations(other)
    assert [sorted(g) for g in ours] == [sorted(g) for g in theirs]
    assert sorted(view) == sorted(other)
    assert (len(view), view.number_of_edges()) == (len(other), other.number_of_edges())


@given(drawn=edges())
@settings(max_examples=40)
def test_longest_path_of_a_view_is_a_longest_path(drawn: Edges) -> None:
    view, other = both(drawn)
    choices: tuple[dict[str, Any], ...] = ({}, {"weight": None}, {"weight": "seconds", "default_weight": 3})
    for options in choices:
        path = nx.dag_longest_path(view, **options)
        if options:
            length = options.get("default_weight", 1) * (len(path) - 1)
        else:
            length = sum(max(d["weight"] for d in other[u][v].values()) for u, v in nx.utils.pairwise(path))
        assert length == nx.dag_longest_path_length(other, **options)
        assert nx.is_path(other, path)


def test_view_of_an_opened_graph(tmp_path: Path) -> None:
    graph = ds.grad(lambda x: np.sum(np.sin(x) * x)).trace(ds.spec(7))
    graph.save(tmp_path / "g")
    view, copy = networkx_view(open_graph(tmp_path / "g")), to_networkx(graph)
    for node in range(len(graph)):
        assert nx.ancestors(view, node) == nx.ancestors(copy, node)
    assert len(nx.dag_longest_path(view)) == len(nx.dag_longest_path(copy))


def test_foreign_node_is_refused_as_networkx_does() -> None:
    view, other = both((3, np.array([0]), np.array([2]), np.ones(1)))
    for graph in (view, other):
        for node in (3, -1, "a"):
            with pytest.raises(nx.NetworkXError, match=f"The node {node} is not in the "):
                nx.ancestors(graph, node)


def test_other_functions_copy_only_when_allowed() -> None:
    view, other = both((4, np.array([0, 1, 0]), np.array([1, 3, 2]), np.ones(3)))
    with pytest.raises(NotImplementedError):
        nx.transitive_closure(view)
    with pytest.raises(NotImplementedError):
        nx.dag_longest_path(view, topo_order=[0, 1, 2, 3])
    with nx.config(fallback_to_nx=True):
        assert nx.is_directed_acyclic_graph(view)
        assert sorted(nx.transitive_closure(view).edges()) == sorted(nx.transitive_closure(other).edges())
    with pytest.raises(NotImplementedError, match=r"Graph\.from_edges"):
        Backend.convert_from_nx(other)


def test_copy_has_nodes_edges_and_their_attributes() -> None:
    def f(x: Any, w: Any) -> Any:
        return np.sum(np.square(x @ w) * (x @ w))

    graph = ds.trace(f, ds.spec((5, 3)), ds.spec((3, 2)))
    copy = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(copy)
    assert len(copy) == len(graph)
    for node in graph.nodes():
        data = copy.nodes[node.id]
        assert (data["primitive"], data["params"], data["sweep"]) == (
            node.primitive,
            dict(node.params),
            node.sweep,
        )
        assert data["specs"] == tuple(map(graph.spec, node.results))
        assert data["scope"] == str(node.scope)
        read = sorted((key, d["value"]) for _, _, key, d in copy.in_edges(node.id, keys=True, data=True))
        assert read == list(enumerate(node.operands))
    square = Graph.from_edges([2, 2], [0, 0], [3.0, 5.0])
    assert sorted(to_networkx(square).edges(data="weight")) == [(2, 0, 3.0), (2, 0, 5.0)]
