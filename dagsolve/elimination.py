"""Elimination of nodes in any order: forward mode, reverse mode and everything between them.

Eliminating node k of a block matrix A leaves the Schur complement on the other nodes,

    A[i, j] - A[i, k] A[k, k]⁻¹ A[k, j],

which for A = I - L adds to every pair of an edge j → k and an edge k → i the product of their weights, as a
new edge j → i. The inverse of what is left is the same block of A⁻¹, whatever the order was. When only inputs
and outputs of a graph are left, the edges between them are its Jacobian: nodes eliminated in topological
order make forward mode, in reversed order reverse mode, and other orders may need fewer products than both.
To find the best order is NP-complete.

References: A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM (2008), chapters 9 and 10;
U. Naumann, Math. Program. 112 (2008) 427-441.
"""

import heapq
from collections.abc import Iterable, Sequence

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.operators.element import is_structural_zero, multiply
from dagsolve.operators.matrix import OperatorMatrix, alike
from dagsolve.operators.zero import minus, plus
from dagsolve.substitution import divide


def eliminate(A: OperatorMatrix, order: Iterable[int]) -> OperatorMatrix:
    """The Schur complement of A on the nodes that are not in `order`, in their order in A.

    A is square; its elements are numbers, arrays, operators or numbers of a semiring. It need not be
    triangular: with stored elements on the diagonal, or edges both ways, pivots are divided by. Raises
    ArgumentError for a node that is not in A or is named twice, FactorisationError for a zero pivot.
    """
    nodes = _checked(A, order)
    (A,) = alike(A)
    rows = [dict(row) for row in A.stored]
    left = OperatorMatrix.from_parts(A.shape, A.unit, A.sign, rows, A.identity_element)
    readers: list[set[int]] = [set() for _ in rows]
    for i, row in enumerate(rows):
        for j in row:
            readers[j].add(i)
    join = minus if A.sign > 0 else plus
    for k in nodes:
        reads = {j: element for j, element in rows[k].items() if j != k}
        if A.unit != 1 or k in rows[k]:
            reads = {j: divide(left, k, element) for j, element in reads.items()}
        for i in sorted(readers[k] - {k}):
            factor = rows[i].pop(k)
            for j, element in reads.items():
                made = join(rows[i].get(j), multiply(factor, element))
                if is_structural_zero(made):
                    rows[i].pop(j, None)
                    readers[j].discard(i)
                else:
                    rows[i][j] = made
                    readers[j].add(i)
        for j in rows[k]:
            readers[j].discard(k)
        rows[k] = {}
    kept = [k for k in range(len(rows)) if k not in set(nodes)]
    place = {k: number for number, k in enumerate(kept)}
    stored = [{place[j]: rows[i][j] for j in sorted(rows[i])} for i in kept]
    return OperatorMatrix.from_parts((len(kept), len(kept)), A.unit, A.sign, stored, A.identity_element)


def count_products(A: OperatorMatrix, order: Iterable[int]) -> int:
    """How many products of elements `eliminate(A, order)` needs, from the pattern alone.

    Counts A[i, k] A[k, j], not divisions by pivots; an element that becomes zero by cancellation is counted.
    """
    pattern = _Pattern(A)
    return sum(pattern.eliminate(k) for k in _checked(A, order))


def cheap_order(A: OperatorMatrix, nodes: Iterable[int]) -> list[int]:
    """These nodes in Markowitz's order: at each step one that needs the fewest products, then the lowest.

    A greedy choice, often below both forward and reverse order, never proved to be the best.
    """
    waiting = set(_checked(A, nodes))
    pattern = _Pattern(A)
    queue = [(pattern.products(k), k) for k in waiting]
    heapq.heapify(queue)
    order = []
    while queue:
        products, k = heapq.heappop(queue)
        if k not in waiting or products != pattern.products(k):
            continue
        waiting.remove(k)
        order.append(k)
        touched = pattern.reads[k] | pattern.readers[k]
        pattern.eliminate(k)
        for other in touched & waiting:
            heapq.heappush(queue, (pattern.products(other), other))
    return order


class _Pattern:
    """Which off-diagonal elements of a matrix are there, as nodes are eliminated."""

    def __init__(self, A: OperatorMatrix) -> None:
        self.reads = [set(row) - {i} for i, row in enumerate(A.stored)]
        self.readers: list[set[int]] = [set() for _ in A.stored]
        for i, row in enumerate(self.reads):
            for j in row:
                self.readers[j].add(i)

    def products(self, k: int) -> int:
        """Products that eliminating node k takes now."""
        return len(self.reads[k]) * len(self.readers[k])

    def eliminate(self, k: int) -> int:
        """Products that eliminating node k took."""
        products, reads, readers = self.products(k), self.reads[k], self.readers[k]
        for i in readers:
            self.reads[i] = (self.reads[i] | reads) - {i, k}
        for j in reads:
            self.readers[j] = (self.readers[j] | readers) - {j, k}
        self.reads[k], self.readers[k] = set(), set()
        return products


def _checked(A: OperatorMatrix, order: Iterable[int]) -> Sequence[int]:
    if not isinstance(A, OperatorMatrix):
        raise ArgumentError(f"eliminate: A must be an OperatorMatrix, got {type(A).__name__}")
    m, n = A.shape
    if m != n:
        raise ShapeError(f"eliminate: A must be square, got {m} × {n} blocks")
    nodes = list(order)
    for k in nodes:
        if not isinstance(k, int) or not 0 <= k < n:
            raise ArgumentError(f"eliminate: order must hold nodes from 0 to {n - 1}, got {k!r}")
    if len(set(nodes)) < len(nodes):
        twice = next(k for k in nodes if nodes.count(k) > 1)
        raise ArgumentError(f"eliminate: order must name a node once, got {twice} twice")
    return nodes
