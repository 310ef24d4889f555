"""Backslash over other numbers: path weights, reachable nodes, path counts, the critical path."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest

from dagsolve.operators import Identity, LeftMultiplication, OperatorMatrix
from dagsolve.semirings import MaxPlus
from dagsolve.substitution import backslash

# paths: nodes 1, 2 → 3 → 4 → 5 by edges a, b, c, d


@dataclass(frozen=True)
class Paths:
    """A formal sum of words: multiplication joins words and is counted, addition collects them."""

    words: tuple[str, ...]
    count: ClassVar[int] = 0

    def __mul__(self, other: "Paths") -> "Paths":
        type(self).count += 1
        return Paths(tuple(sorted(u + v for u in self.words for v in other.words)))

    def __add__(self, other: "Paths") -> "Paths":
        return Paths(tuple(sorted(self.words + other.words)))


EDGES = {(0, 2): "a", (1, 2): "b", (2, 3): "c", (3, 4): "d"}


def test_inverse_is_the_matrix_of_path_weights():
    """L^T[i, j] is the weight of edge i → j; (I - L^T)^-1 sums the products along all paths, exactly."""
    weights = dict(zip("abcd", map(Fraction, (2, 3, 5, 7)), strict=True))
    LT = OperatorMatrix({edge: weights[name] for edge, name in EDGES.items()}, (5, 5))
    A = LT.identity() - LT
    inverse = backslash(A, A.identity())
    assert [[inverse[i, j] or 0 for j in range(5)] for i in range(5)] == [
        [1, 0, 2, 2 * 5, 2 * 5 * 7],
        [0, 1, 3, 3 * 5, 3 * 5 * 7],
        [0, 0, 1, 5, 5 * 7],
        [0, 0, 0, 1, 7],
        [0, 0, 0, 0, 1],
    ]
    assert list(A @ inverse) == [(i, i, 1) for i in range(5)]
    sources, sink = OperatorMatrix({(0, 0): 1, (1, 1): 1}, (5, 2)), OperatorMatrix({(4, 0): 1}, (5, 1))
    assert list(sources.T @ backslash(A, sink)) == [(0, 0, 70), (1, 0, 105)]


def test_path_weights_of_operators_are_compositions():
    op = {name: LeftMultiplication(np.full((2, 2), k), name) for k, name in enumerate("abcd", 2)}
    LT = OperatorMatrix({edge: op[name] for edge, name in EDGES.items()}, (5, 5))
    inverse = backslash(LT.identity() - LT, LT.identity())
    assert inverse[0, 4] == op["a"] @ op["c"] @ op["d"]
    assert inverse[1, 4] == op["b"] @ op["c"] @ op["d"]
    assert inverse[2, 2] == Identity()
    assert inverse[4, 0] is None


def test_two_paths_between_two_nodes_are_added():
    #    0 → 1 → 3
    #     ↘ 2 ↗
    p, q, r, s = (Paths((name,)) for name in "pqrs")
    LT = OperatorMatrix({(0, 1): p, (1, 3): q, (0, 2): r, (2, 3): s}, (4, 4))
    assert backslash(LT.identity() - LT, LT.identity())[0, 3] == Paths(("pq", "rs"))


@pytest.mark.parametrize(("mode", "products"), [("forward", 4), ("reverse", 3)])
def test_forward_needs_four_multiplications_reverse_three(mode, products):
    """The same triple product sources^T (I - L^T)^-1 sink from its two ends: two sources, one sink."""
    LT = OperatorMatrix({edge: Paths((name,)) for edge, name in EDGES.items()}, (5, 5))
    one = Identity()
    A = LT.identity() - LT
    Paths.count = 0
    if mode == "reverse":
        column = backslash(A, [None, None, None, None, one])
        found = column[:2]
    else:  # a row times the inverse is a solve with the plain transpose, its products in reversed order
        flipped = OperatorMatrix({(j, i): Reversed(Paths((name,))) for (i, j), name in EDGES.items()}, (5, 5))
        rows = [[one if i == k else None for i in range(5)] for k in range(2)]
        found = [backslash(flipped.identity() - flipped, row)[4].paths for row in rows]
    assert found == [Paths(("acd",)), Paths(("bcd",))]
    assert Paths.count == products


@dataclass(frozen=True)
class Reversed:
    """Paths multiplied in the opposite order: what a row vector times a matrix needs."""

    paths: Paths

    def __mul__(self, other: "Reversed") -> "Reversed":
        return Reversed(other.paths * self.paths)

    def __add__(self, other: "Reversed") -> "Reversed":
        return Reversed(self.paths + other.paths)


# other semirings, none of which has a minus


@dataclass(frozen=True)
class Reach:
    """Booleans: or, and."""

    value: bool

    def __add__(self, other: "Reach") -> "Reach":
        return Reach(self.value or other.value)

    def __matmul__(self, other: "Reach") -> "Reach":
        return Reach(self.value and other.value)


#  0 → 1 → 3 → 4     5 → 6
#   ↘ 2 ↗
DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (5, 6)]


def test_booleans_find_what_is_reachable():
    L = OperatorMatrix({(j, i): Reach(True) for i, j in DIAMOND}, (7, 7), identity=Reach(True))
    A = L.identity() - L
    found = backslash(A, [Reach(True)] + [None] * 6)
    assert [i for i, y in enumerate(found) if y is not None and y.value] == [0, 1, 2, 3, 4]
    ancestors = backslash(A.T, [None, None, None, Reach(True), None, None, None])
    assert [i for i, y in enumerate(ancestors) if y is not None] == [0, 1, 2, 3]
    assert A[0, 0] == Reach(True)


def test_integers_count_paths():
    L = OperatorMatrix({(j, i): 1 for i, j in DIAMOND}, (7, 7))
    assert backslash(L.identity() - L, [1] + [None] * 6) == [1, 1, 1, 2, 2, None, None]


def test_max_plus_finds_the_critical_path():
    """Task k takes k + 1: the edge i → j costs what i takes, and the longest way to 4 goes by 2 and 3."""
    L = OperatorMatrix({(j, i): MaxPlus(i + 1) for i, j in DIAMOND}, (7, 7), identity=MaxPlus(0))
    start = backslash(L.identity() - L, [MaxPlus(0)] * 7)
    assert [y.value for y in start] == [0, 1, 1, 4, 8, 0, 6]
    everything = backslash(L.identity() - L, L.identity())
    assert everything[4, 0] == MaxPlus(1 + 3 + 4)
    assert everything[4, 4] == MaxPlus(0)
    assert everything[4, 5] is None
    assert everything[6, 5] == MaxPlus(6)
