"""Numbers of other semirings: their laws, and what one backslash finds with them on random graphs."""

import math
import random
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagsolve.errors import ArgumentError
from dagsolve.graph import Graph
from dagsolve.graph.order import longest_distance, reachable_backward, reachable_forward
from dagsolve.operators import OperatorMatrix
from dagsolve.semirings import Boolean, Count, LogSumExp, MaxPlus, MinPlus, path_system, path_to
from dagsolve.substitution import backslash

whole = st.integers(-9, 9)  # sums of small integers are exact in floating point too
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Boolean: st.booleans(),
    Count: st.integers(0, 10**25),
    MaxPlus: whole | st.just(-math.inf),
    MinPlus: whole | st.just(math.inf),
    LogSumExp: whole | st.just(-math.inf),
}
every_semiring = pytest.mark.parametrize("semiring", VALUES)


def same(a: Any, b: Any) -> bool:
    if type(a) is LogSumExp:
        return bool(np.allclose(a.value, b.value, rtol=1e-13, atol=1e-13))
    return bool(a == b)


@every_semiring
@given(data=st.data())
def test_laws_of_a_semiring(semiring, data):
    a, b, c = (semiring(data.draw(VALUES[semiring])) for _ in range(3))
    zero, one = semiring.zero, semiring.one
    assert same((a + b) + c, a + (b + c))
    assert same(a + b, b + a)
    assert same((a * b) * c, a * (b * c))
    assert same(a * b, b * a)
    assert same(a * (b + c), a * b + a * c)
    assert a + zero == zero + a == a
    assert a * one == one * a == a
    assert a * zero == zero * a == zero
    assert zero.is_zero
    assert not one.is_zero


@every_semiring
@given(data=st.data())
def test_arrays_hold_one_number_per_entry(semiring, data):
    draws = [[data.draw(VALUES[semiring]) for _ in range(3)] for _ in range(2)]
    a, b = (semiring(np.array(values)) for values in draws)
    for k, (x, y) in enumerate(zip(*draws, strict=True)):
        assert same(semiring((a + b).value[k]), semiring(x) + semiring(y))
        assert same(semiring((a * b).value[k]), semiring(x) * semiring(y))
    assert same(a + semiring.zero, a)
    assert same(a * semiring.one, a)


# random graphs against NetworkX and against all paths, one by one


def random_graph(seed: int, most: int = 9) -> "nx.DiGraph[int]":
    """A graph with topological node numbers and whole weights."""
    draw = random.Random(seed)
    n = draw.randint(1, most)
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(n))
    for v in range(n):
        for u in range(v):
            if draw.random() < 0.4:
                graph.add_edge(u, v, weight=draw.randint(-9, 9))
    return graph


def weights(graph: Any, of: Any = lambda weight: weight) -> Any:
    return [(u, v, of(weight)) for u, v, weight in graph.edges(data="weight")]


def paths(graph: Any, source: int, target: int) -> list[int]:
    """The weight of each path, one by one; a path of no edge weighs 0."""
    if source == target:
        return [0]
    return [
        sum(graph.edges[edge]["weight"] for edge in pairwise(path))
        for path in nx.all_simple_paths(graph, source, target)
    ]


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_booleans_find_what_is_reachable(seed):
    graph = random_graph(seed)
    n = len(graph)
    A = path_system(n, weights(graph, lambda _: True), Boolean)
    for node in graph:
        b = [Boolean.one if v == node else None for v in range(n)]
        assert {v for v, y in enumerate(backslash(A, b)) if y} == nx.descendants(graph, node) | {node}
        assert {v for v, y in enumerate(backslash(A.T, b)) if y} == nx.ancestors(graph, node) | {node}


@given(seeds)
def test_inverse_over_every_semiring_sums_all_paths(seed):
    graph = random_graph(seed, most=7)
    for semiring, of, total in (
        (Count, lambda _: 1, len),
        (MaxPlus, int, max),
        (MinPlus, int, min),
        (LogSumExp, float, lambda found: np.logaddexp.reduce(np.array(found, float))),
    ):
        A = path_system(len(graph), weights(graph, of), semiring)
        inverse = backslash(A, A.identity())
        for u in graph:
            for v in graph:
                found, expected = inverse[v, u], paths(graph, u, v)
                assert (found is None) == (not expected)
                assert found is None or same(found, semiring(total(expected)))


@given(seeds)
def test_longest_and_shortest_paths_are_those_of_networkx(seed):
    graph = random_graph(seed)
    n = len(graph)
    for u, v, weight in graph.edges(data="weight"):
        graph.edges[u, v]["weight"] = abs(weight)
    A = path_system(n, weights(graph), MaxPlus)
    b = [MaxPlus.one] * n
    x = backslash(A, b)
    end = max(range(n), key=lambda v: x[v].value)
    assert x[end].value == nx.dag_longest_path_length(graph)
    path = path_to(A, b, x, end)
    assert nx.path_weight(graph, path, "weight") == x[end].value
    B = path_system(n, weights(graph), MinPlus)
    start = [MinPlus.one] + [None] * (n - 1)
    y = backslash(B, start)
    distance = nx.single_source_bellman_ford_path_length(graph, 0)
    assert {v: number.value for v, number in enumerate(y) if number} == distance
    for v in distance:
        path = path_to(B, start, y, v)
        assert path[0] == 0
        assert nx.path_weight(graph, path, "weight") == distance[v]


@given(seeds)
@settings(max_examples=50)
def test_dense_powers_agree(seed):
    """x = b + L b + L² b + …, with matrices of numbers in the semiring's own arithmetic."""
    graph = random_graph(seed)
    n = len(graph)
    l = np.full((n, n), -math.inf)
    for u, v, weight in graph.edges(data="weight"):
        l[v, u] = weight
    b = np.arange(n, dtype=float)
    power, total = b, b
    for _ in range(n):
        power = np.max(l + power, axis=1)
        total = np.maximum(total, power)
    x = backslash(path_system(n, weights(graph), MaxPlus), [MaxPlus(value) for value in b])
    np.testing.assert_array_equal([number.value for number in x], total)


@given(seeds)
def test_compiled_passes_agree(seed):
    """The passes over CSR columns that large graphs take are the same solves."""
    graph = random_graph(seed, most=23)
    n, draw = len(graph), random.Random(seed)
    reads = [sorted(graph.predecessors(v)) for v in range(n)]
    indptr = np.cumsum([0, *map(len, reads)])
    producers = np.array([u for row in reads for u in row], dtype=np.int64)
    seconds = np.array([draw.randint(0, 9) for _ in range(n)], dtype=float)
    A = path_system(n, ((u, v, seconds[u]) for u, v in graph.edges), MaxPlus)
    b = [MaxPlus.one] * n
    x = backslash(A, b)
    distance, before = longest_distance(indptr, producers, seconds)
    np.testing.assert_array_equal([number.value for number in x], distance)
    for v in range(n):
        if before[v] >= 0:
            assert distance[before[v]] + seconds[before[v]] == distance[v]
    levels, _ = longest_distance(indptr, producers, np.ones(n))
    found = backslash(path_system(n, ((u, v, 1) for u, v in graph.edges), MaxPlus), b)
    assert [number.value for number in found] == levels.tolist()
    starts = draw.sample(range(n), draw.randint(0, n))
    reach = path_system(n, ((u, v, True) for u, v in graph.edges), Boolean)
    marked = [Boolean.one if v in starts else None for v in range(n)]
    for solved, expected in (
        (backslash(reach, marked), reachable_forward(indptr, producers, starts, n)),
        (backslash(reach.T, marked), reachable_backward(indptr, producers, starts, n)),
    ):
        assert [number is not None for number in solved] == expected.tolist()


@given(seeds, st.booleans())
def test_solves_of_stored_graphs_agree(seed, transpose):
    """`Graph.solve` is the compiled twin of the backslash, given the same classes."""
    graph = random_graph(seed, most=13)
    n, draw = len(graph), random.Random(seed)
    for semiring in (Boolean, Count, MaxPlus, MinPlus, LogSumExp):
        of = {Boolean: lambda weight: weight > -5, Count: abs}.get(semiring, lambda weight: weight)
        numbers = [
            semiring(of(draw.randint(-9, 9))) if draw.random() < 0.6 else semiring.zero for _ in range(n)
        ]
        triples = weights(graph, of)
        dtype = {Boolean: bool, Count: int}.get(semiring, float)
        src, dst = (np.array([edge[k] for edge in triples], dtype=np.int64) for k in (0, 1))
        stored = Graph.from_edges(src, dst, np.array([edge[2] for edge in triples], dtype), nodes=n)
        found = stored.solve(np.array([y.value for y in numbers]), semiring=semiring, transpose=transpose)
        A = path_system(n, triples, semiring)
        solved = backslash(A.T if transpose else A, numbers)
        expected = np.array([(semiring.zero if y is None else y).value for y in solved])
        np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=1e-12, atol=1e-12)


def test_counts_never_overflow():
    """A chain of 200 diamonds has 2²⁰⁰ paths."""
    edges = [(3 * k + a, 3 * k + b, 1) for k in range(200) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3))]
    A = path_system(601, edges, Count)
    assert backslash(A, [Count.one] + [None] * 600)[600] == Count(2**200)


def test_parallel_edges_are_joined():
    for semiring, expected in ((MaxPlus, 5), (MinPlus, 3), (Count, 8)):
        A = path_system(2, [(0, 1, 3), (0, 1, 5)], semiring)
        assert backslash(A, [semiring.one, None])[1] == semiring(expected)


def test_one_solve_holds_many_weightings(rng):
    """Durations as arrays: the makespans of 1009 draws of uncertain tasks in one solve."""
    edges, draws = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)], rng.exponential(size=(5, 1009))
    A = path_system(5, ((u, v, draws[u]) for u, v in edges), MaxPlus)
    end = backslash(A, [MaxPlus.one] * 5)[4].value
    np.testing.assert_allclose(end, draws[0] + np.maximum(draws[1], draws[2]) + draws[3], rtol=1e-14)


def test_log_sum_exp_stays_finite_where_exp_overflows():
    A = path_system(3, [(0, 1, 1000.0), (0, 1, 1000.0), (1, 2, -3000.0)], LogSumExp)
    (_, _, end) = backslash(A, [LogSumExp.one, None, None])
    assert end.value == pytest.approx(-2000 + math.log(2), rel=1e-15)


def test_zeros_of_a_semiring_are_not_stored():
    matrix = OperatorMatrix([[MaxPlus(-math.inf), MaxPlus(3)], [Boolean(False), Count(0)]])
    assert list(matrix) == [(0, 1, MaxPlus(3))]


def test_numbers_print_and_compare():
    assert repr(MaxPlus(2.5)) == "MaxPlus(2.5)"
    assert str(path_system(2, [(0, 1, 2.5)], MaxPlus)).splitlines()[1:] == ["   0  ·", "−2.5  0"]
    assert str(Boolean(True)) == "True"
    assert MaxPlus(3) != MinPlus(3)
    assert hash(Count(7)) == hash(Count(7))
    assert MaxPlus(np.ones(3)) == MaxPlus(np.ones(3))
    with pytest.raises(TypeError):
        MaxPlus(3) + MinPlus(3)
    with pytest.raises(TypeError):
        MaxPlus(3) * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Boolean(1), "Boolean: value must be True, False .* got 1"),
        (lambda: Count(-1), "Count: value must be an integer ≥ 0 .* got -1"),
        (lambda: Count(1.5), "got 1.5"),
        (lambda: MaxPlus(math.nan), "MaxPlus: value must be a real number .* without NaN and inf, got nan"),
        (lambda: MaxPlus(math.inf), "without NaN and inf, got inf"),
        (lambda: MinPlus(-math.inf), "without NaN and -inf, got -inf"),
        (lambda: LogSumExp(1j), "got 1j"),
        (lambda: path_system(2, [(0, 1, "far")], MinPlus), "got 'far'"),
    ],
)
def test_what_a_semiring_does_not_hold_is_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_paths_that_are_not_there_are_named():
    A = path_system(3, [(0, 1, 2)], MaxPlus)
    b = [MaxPlus.one, None, None]
    with pytest.raises(ArgumentError, match="no path reaches node 2"):
        path_to(A, b, backslash(A, b), 2)
