"""Queries agree with NetworkX and with backslash over the same semiring, on DAGs in any numbering."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import ArgumentError, GraphError, ShapeError
from dagsolve.graph import Graph
from dagsolve.graph.query import SEMIRINGS
from tests.graph.generated import edges, graphs

Edges = tuple[int, Any, Any, Any]


def made(drawn: Edges) -> tuple[Graph, Any, Any]:
    """(graph, NetworkX's graph on the given numbers, the given number of each node)."""
    count, src, dst, weight = drawn
    graph = Graph.from_edges(src, dst, weight, nodes=count).check()
    other = nx.MultiDiGraph()
    other.add_nodes_from(range(count))
    other.add_weighted_edges_from(zip(src.tolist(), dst.tolist(), weight.tolist(), strict=True))
    return graph, other, np.arange(count) if graph.labels is None else graph.labels


def system(graph: Graph, weight: Any) -> Any:
    """I - L as a dense matrix of numbers."""
    found = np.eye(len(graph))
    reader = np.repeat(np.arange(len(graph)), np.diff(graph.columns.indptr))
    np.subtract.at(found, (reader, graph.producers), weight)
    return found


# From edges


@given(drawn=edges())
@settings(max_examples=60)
def test_graph_from_edges_has_those_edges(drawn: Edges) -> None:
    graph, other, labels = made(drawn)
    reader = np.repeat(np.arange(len(graph)), np.diff(graph.columns.indptr))
    assert graph.weight is not None
    found = zip(labels[graph.producers].tolist(), labels[reader].tolist(), graph.weight.tolist(), strict=True)
    assert sorted(found) == sorted((u, v, data["weight"]) for u, v, data in other.edges(data=True))
    assert sorted(labels.tolist()) == list(range(len(graph)))
    assert len(graph) == graph.value_count == drawn[0]


def test_numbers_that_go_up_stay() -> None:
    graph = Graph.from_edges([0, 1, 0], [1, 3, 3], nodes=5)
    assert graph.labels is None
    assert graph.columns.operands.tolist() == [0, 1, 0]  # node 3 reads 1 and 0, in the order given
    assert graph.columns.indptr.tolist() == [0, 0, 1, 1, 3, 3]


def test_no_edges_at_all() -> None:
    for graph in (Graph.from_edges([], []), Graph.from_edges([], [], nodes=3)):
        assert graph.check().edge_count == 0
        assert graph.levels().tolist() == [0] * len(graph)
        assert graph.solve(np.ones(len(graph))).tolist() == [1.0] * len(graph)
        assert len(graph.critical_path().nodes) == min(len(graph), 1)


@pytest.mark.parametrize(
    ("src", "dst", "cycle"),
    [
        ([0, 1, 2], [1, 2, 0], {0, 1, 2}),
        ([4], [4], {4}),
        ([0, 1, 2, 3, 3, 5], [1, 2, 3, 1, 4, 0], {1, 2, 3}),
        ([0, 1, 1, 2], [1, 0, 2, 3], {0, 1}),
    ],
)
def test_cycle_is_named(src: list[int], dst: list[int], cycle: set[int]) -> None:
    with pytest.raises(GraphError, match="have a cycle of") as caught:
        Graph.from_edges(src, dst)
    words = str(caught.value)
    path = [int(k) for k in words.partition("nodes, ")[2].partition(";")[0].split(" → ")]
    assert path[0] == path[-1]
    assert set(path) == cycle
    assert f"cycle of {len(cycle)} nodes" in words
    assert set(zip(path, path[1:], strict=False)) <= set(zip(src, dst, strict=True))


def test_long_cycle_is_named_in_part() -> None:
    n = 10_007
    with pytest.raises(GraphError, match=r"cycle of 10007 nodes, (\d+ → ){12}… → \d+;"):
        Graph.from_edges(np.arange(n), (np.arange(n) + 1) % n)


@pytest.mark.parametrize(
    ("src", "dst", "options", "words"),
    [
        ([0.0], [1], {}, "src must be a sequence of node numbers, got float64"),
        ([0], [[1]], {}, "dst must be a sequence of node numbers"),
        ([0], [-1], {}, "dst must hold numbers of nodes from 0, got -1"),
        ([0, 1], [1], {}, "one length, got 2 and 1"),
        ([0], [1], {"weight": [1.0, 2.0]}, r"weight must have one number per edge, shape \(1,\), got \(2,\)"),
        ([0], [1], {"weight": [1j]}, "weight must hold real numbers, got complex128"),
        ([0], [5], {"nodes": 5}, "nodes must be at least 6 for these edges, got 5"),
    ],
)
def test_wrong_edges_are_refused(src: Any, dst: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=f"from_edges: .*{words}"):
        Graph.from_edges(src, dst, **options)


# Reachability and paths


@given(drawn=edges(), data=st.data())
@settings(max_examples=60)
def test_ancestors_and_descendants_are_those_of_networkx(drawn: Edges, data: st.DataObject) -> None:
    graph, other, labels = made(drawn)
    ids = data.draw(st.lists(st.integers(0, len(graph) - 1), max_size=3))
    for ours, theirs in ((graph.ancestors, nx.ancestors), (graph.descendants, nx.descendants)):
        expected = set().union(*(theirs(other, int(labels[n])) for n in ids))
        assert set(labels[ours(ids)].tolist()) == expected


@given(drawn=edges())
@settings(max_examples=60)
def test_levels_are_generations(drawn: Edges) -> None:
    graph, other, labels = made(drawn)
    for level, generation in enumerate(nx.topological_generations(other)):
        assert set(labels[graph.levels() == level].tolist()) == set(generation)


@given(drawn=edges())
@settings(max_examples=60)
def test_critical_path_is_as_long_as_the_longest(drawn: Edges) -> None:
    graph, other, labels = made(drawn)
    nodes, length = graph.critical_path()
    assert length == nx.dag_longest_path_length(other)
    steps = zip(labels[nodes[:-1]].tolist(), labels[nodes[1:]].tolist(), strict=True)
    assert length == sum(max(d["weight"] for d in other[u][v].values()) for u, v in steps)
    assert graph.critical_path(1).length == nx.dag_longest_path_length(other, weight=None)


def test_critical_path_of_a_schedule() -> None:
    """
    0 (3 s) ──> 1 (5 s) ──> 3 (1 s)      3 + 5 + 1 = 9 s; with 4 s of transfer from 2, 3 + 2 + 4 + 1 = 10 s
        └─────> 2 (2 s) ──────┘
    """
    graph = Graph.from_edges([0, 0, 1, 2], [1, 2, 3, 3])
    seconds = [3.0, 5.0, 2.0, 1.0]
    path = graph.critical_path(node_weight=seconds)
    assert (path.nodes.tolist(), path.length) == ([0, 1, 3], 9.0)
    path = graph.critical_path([0, 0, 0, 4], node_weight=seconds)
    assert (path.nodes.tolist(), path.length) == ([0, 2, 3], 10.0)
    assert graph.critical_path().length == 2.0


@given(graph=graphs())
@settings(max_examples=40)
def test_queries_of_nodes_with_several_values(graph: Graph) -> None:
    """Edges are of nodes; operands are values."""
    other = nx.MultiDiGraph()
    other.add_nodes_from(range(len(graph)))
    first = graph.columns.first_value
    for node in graph.nodes():
        other.add_edges_from((int(np.searchsorted(first, v, "right")) - 1, node.id) for v in node.operands)
    for n in range(0, len(graph), 5):
        assert set(graph.ancestors(n).tolist()) == nx.ancestors(other, n)
        assert set(graph.descendants(n).tolist()) == nx.descendants(other, n)
    if len(graph):
        assert graph.critical_path().length == nx.dag_longest_path_length(other)


@pytest.mark.parametrize("ids", [[0.5], "a", [[0]], [True]])
def test_ids_must_be_ids(ids: Any) -> None:
    with pytest.raises(ArgumentError, match="ancestors: ids must be a node's id or a sequence of such"):
        Graph.from_edges([0], [1]).ancestors(ids)


@pytest.mark.parametrize("ids", [2, -1, [0, 7]])
def test_ids_outside_are_named(ids: Any) -> None:
    with pytest.raises(ArgumentError, match=r"descendants: ids must be from 0 to 1, got (2|-1|7)"):
        Graph.from_edges([0], [1]).descendants(ids)


# Solves


@given(drawn=edges(), transpose=st.booleans())
@settings(max_examples=60)
def test_real_solve_solves(drawn: Edges, transpose: bool) -> None:
    """(I - L) x = b, exactly: the numbers are small integers."""
    graph, _, _ = made(drawn)
    b = np.arange(1.0, 1 + len(graph))
    matrix = system(graph, graph.weight)
    x = graph.solve(b, transpose=transpose)
    if np.abs(x).max() < 2**40:
        np.testing.assert_array_equal((matrix.T if transpose else matrix) @ x, b)


@given(drawn=edges(nodes=11), transpose=st.booleans(), name=st.sampled_from(sorted(SEMIRINGS)))
@settings(max_examples=120)
def test_solve_is_a_sum_over_all_paths(drawn: Edges, transpose: bool, name: str) -> None:
    """Against every path, one by one, on graphs small enough to list them."""
    graph, other, labels = made(drawn)
    whole = name in ("count", "boolean")
    b = np.array([k % 3 for k in range(len(graph))]) if whole else np.arange(1.0, 1 + len(graph)) / 8
    assert graph.weight is not None
    weight = np.abs(graph.weight).astype(int) % 3 if whole else graph.weight / 16
    x = graph.solve(b, weight, name, transpose)
    assert x.dtype == SEMIRINGS[name]
    reader = np.repeat(np.arange(len(graph)), np.diff(graph.columns.indptr)).tolist()
    before: dict[int, list[tuple[int, Any]]] = {n: [] for n in range(len(graph))}
    for u, v, w in zip(graph.producers.tolist(), reader, weight.tolist(), strict=True):
        before[u if transpose else v].append((v if transpose else u, w))

    def paths(n: int) -> list[tuple[int, list[Any]]]:
        """(start, weights) of every path that ends in n."""
        return [(n, []), *((s, [*ws, w]) for u, w in before[n] for s, ws in paths(u))]

    for n in range(len(graph)):
        terms = [(b[s], ws) for s, ws in paths(n)]
        if name == "boolean":
            assert x[n] == any(start and all(ws) for start, ws in terms)
        elif name in ("real", "count"):
            assert x[n] == pytest.approx(sum(start * math.prod(ws) for start, ws in terms), abs=1e-12)
        else:
            sums = [start + sum(ws) for start, ws in terms]
            join: Any = {"max-plus": max, "min-plus": min, "log-sum-exp": np.logaddexp.reduce}[name]
            assert x[n] == pytest.approx(join(sums), rel=1e-12, abs=1e-12)


def test_zeros_of_the_semirings_mean_no_path() -> None:
    """
    0 → 1 → 2,  3 → 4: nothing reaches 3, hence nothing reaches 4
    """
    graph = Graph.from_edges([0, 1, 3], [1, 2, 4])
    no = np.inf
    at_0, weight = np.array([0.0, no, no, no, no]), [2.0, 3.0, 5.0]
    assert graph.solve(at_0, weight, "min-plus").tolist() == [0, 2, 5, no, no]
    assert graph.solve(-at_0, weight, "max-plus").tolist() == [0, 2, 5, -no, -no]
    assert graph.solve(-at_0, weight, "log-sum-exp").tolist() == [0, 2, 5, -no, -no]
    assert graph.solve(at_0, [no, 3.0, 5.0], "min-plus").tolist() == [0, no, no, no, no]
    assert graph.solve(at_0 == 0, semiring="boolean").tolist() == [True, True, True, False, False]
    assert graph.solve([1, 0, 0, 0, 0], semiring="count").tolist() == [1, 1, 1, 0, 0]
    assert graph.solve(-at_0, semiring="max-plus").tolist() == [0, 0, 0, -no, -no]  # the one, not 1.0


def test_solve_is_backslash() -> None:
    """The compiled pass and the generic substitution, on a number of the same matrix."""
    graph = Graph.from_edges([0, 0, 1, 2, 3], [1, 2, 3, 3, 4], [0.5, -2.0, 3.0, 0.25, 7.0])
    reader = np.repeat(np.arange(5), np.diff(graph.columns.indptr)).tolist()
    assert graph.weight is not None
    entries = dict(
        zip(zip(reader, graph.producers.tolist(), strict=True), graph.weight.tolist(), strict=True)
    )
    L = ds.OperatorMatrix(entries, (5, 5))
    b = [1.0, 2.0, 3.0, 5.0, 7.0]
    assert graph.solve(b).tolist() == ds.backslash(L.identity() - L, b)
    assert graph.solve(b, transpose=True).tolist() == ds.backslash((L.identity() - L).T, b)


def test_counts_that_leave_64_bits_are_refused() -> None:
    """A ladder of pairs: 2ᵏ paths to rung k."""
    rungs = np.repeat(np.arange(70), 2)
    graph = Graph.from_edges(rungs, rungs + 1)
    b = np.zeros(71, dtype=np.int64)
    b[0] = 1
    with pytest.raises(GraphError, match=r"count at node 63 does not fit into 64 bits; .*semiring='real'"):
        graph.solve(b, semiring="count")
    assert graph.solve(b)[70] == 2.0**70
    short = Graph.from_edges(rungs[: 2 * 62], rungs[: 2 * 62] + 1)
    assert short.solve(b[:63], semiring="count")[62] == 2**62


@pytest.mark.parametrize(
    ("b", "options", "words"),
    [
        ([1.0, 2.0], {"semiring": "tropical"}, "semiring must be one of real, count, .*, got 'tropical'"),
        ([1.0, 2.0], {"semiring": float}, "semiring must be one of"),
        ([1.0], {}, r"b must be a number or have shape \(2,\), got \(1,\)"),
        ([1.0, 2.0], {"weight": [1.0, 2.0]}, r"weight must be a number or have shape \(1,\)"),
        ([1.5, 2.0], {"semiring": "count"}, "b must hold int64 numbers or such as become them, got float64"),
        ([1j, 2.0], {}, "b must hold float64 numbers .*, got complex128"),
        ([np.nan, 2.0], {"semiring": "max-plus"}, "max-plus holds numbers and -inf"),
        ([1.0, 2.0], {"semiring": "min-plus", "weight": -np.inf}, "min-plus holds numbers and inf"),
    ],
)
def test_wrong_arguments_of_solve_are_refused(b: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=f"solve: {words}"):
        Graph.from_edges([0], [1]).solve(b, **options)
