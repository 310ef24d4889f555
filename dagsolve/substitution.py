"""Backslash: a triangular matrix of anything, solved by substitution.

One routine, forward or backward by the structure of the matrix, written against `@`, `+` and `-` of the
elements. With L the local Jacobians of a computation graph, forward mode is `(I - L) \\ (D @ x_dot)` and
reverse mode is `D.T @ ((I - L).T \\ g)`; with other numbers in the same places the same routine finds
path weights (fractions), reachable nodes (booleans) or the critical path (max, plus).

It is in *gather form*: row i reads the solved x[j] of its own row and is done; no row is updated by
others. So the owner of x[i] does all the work for x[i], which is what a block of the reverse sweep does.

    x[i] = A[i, i] \\ (b[i] - Σ A[i, j] @ x[j])

For a matrix kept as `I - L` the sum is added, not subtracted (`OperatorMatrix.sign`), so a semiring
without minus will do. None is zero: absent b[i] and x[j] are skipped, and rows reached by nothing stay None.

Reference: A. Edelman, E. Akyürek, Y. Wang, SIAM J. Matrix Anal. Appl. 45 (2024) 429-449.
"""

import operator
from collections.abc import Callable
from typing import Any

from dagsolve.errors import ArgumentError, FactorisationError, ShapeError
from dagsolve.operators.element import Kind, multiply, solve
from dagsolve.operators.matrix import OperatorMatrix, alike, vector
from dagsolve.operators.operator import Identity


def backslash(A: OperatorMatrix, b: Any) -> Any:
    """The x with A @ x = b, for a lower or upper triangular matrix A.

    b is a sequence of block values (None = zero); x is a list. Values may be whatever the elements take:
    numbers, arrays, tracers, bundles, operators. For b an `OperatorMatrix`, x is one too:
    `backslash(A, A.identity())` is the inverse, of `I - L` the matrix of path weights.

    Raises ArgumentError when A is no OperatorMatrix or not triangular, ShapeError when it is not square
    or b has another length, FactorisationError when a diagonal element is zero or cannot be inverted.
    """
    order = _order(A)
    if isinstance(b, OperatorMatrix):
        return _solve_columns(A, b, order)
    return _substitute(A, vector("backslash", b, A.shape[0]), order, _product(A))


def _substitute(A: OperatorMatrix, b: list[Any], order: range, times: Callable[[Any, Any], Any]) -> list[Any]:
    rows, unit, subtracted = A.stored, A.unit, A.sign > 0
    join = operator.sub if subtracted else operator.add
    x: list[Any] = [None] * len(b)
    i = j = -1
    try:
        for i in order:
            total = b[i]
            row = rows[i]
            for j, element in row.items():
                x_j = x[j]
                if x_j is None:  # zero, or j == i, which is not solved yet
                    continue
                term = times(element, x_j)
                if term is None:
                    continue
                if total is not None:
                    total = join(total, term)
                else:
                    total = -term if subtracted else term
            if unit == 1 and i not in row:
                x[i] = total
            else:
                x[i] = divide(A, i, total)
    except Exception as fault:
        fault.add_note(f"backslash: in row {i}, last read column {j}")
        raise
    return x


def divide(A: OperatorMatrix, i: int, y: Any) -> Any:
    """A[i, i] \\ y.

    Raises FactorisationError when the diagonal element is zero or cannot be inverted.
    """
    if A.unit == -1 and i not in A.stored[i]:
        return None if y is None else -y
    element = A[i, i]
    if element is None:
        raise FactorisationError(f"backslash: the diagonal element {i} of A is zero, the matrix is singular")
    return solve(element, y, A.identity_element)


def _order(A: OperatorMatrix) -> range:
    """The order of rows that reads only what is solved: forward for lower, backward for upper."""
    if not isinstance(A, OperatorMatrix):
        raise ArgumentError(f"backslash: A must be an OperatorMatrix, got {type(A).__name__}")
    m, n = A.shape
    if m != n:
        raise ShapeError(f"backslash: A must be square, got {m} × {n} blocks")
    if all(not row or next(reversed(row)) <= i for i, row in enumerate(A.stored)):
        return range(n)
    if all(not row or next(iter(row)) >= i for i, row in enumerate(A.stored)):
        return range(n - 1, -1, -1)
    above = next((i, j) for i, row in enumerate(A.stored) for j in row if j > i)
    below = next((i, j) for i, row in enumerate(A.stored) for j in row if j < i)
    raise ArgumentError(
        f"backslash: A must be triangular, got elements above ({above}) and below ({below}) the diagonal; "
        "number the nodes in topological order"
    )


def _product(A: OperatorMatrix) -> Callable[[Any, Any], Any]:
    """How elements multiply: the bare operation where all of one kind agree, else by looking at each."""
    kinds = A.kinds
    if kinds == {Kind.OPERATOR}:
        return operator.matmul
    if kinds == {Kind.NUMBER}:
        return operator.mul
    return multiply


def _solve_columns(A: OperatorMatrix, B: OperatorMatrix, order: range) -> OperatorMatrix:
    if A.shape[0] != B.shape[0]:
        raise ShapeError(f"backslash: A and b must have as many rows, got {A.shape} and {B.shape} blocks")
    A, B = alike(A, B)
    one = next((e for e in (B.unit_element, A.unit_element) if e is not None), Identity())
    times = _product(A)
    columns: list[list[Any]] = [[None] * B.shape[0] for _ in range(B.shape[1])]
    known = OperatorMatrix({}, B.shape, identity=one) + B
    for i, j, element in known:
        columns[j][i] = element
    solved = (_substitute(A, column, order, times) for column in columns)
    entries = {
        (i, j): value
        for j, column in enumerate(solved)
        for i, value in enumerate(column)
        if value is not None
    }
    return OperatorMatrix(entries, B.shape, identity=one)
