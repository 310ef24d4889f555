"""Matrices of operators as tables of symbols, for terminals and notebooks."""

from html import escape
from typing import Protocol

PRINTED = 20  # rows and columns of a table, at most


class BlockMatrix(Protocol):
    """What a table needs to know of a matrix."""

    shape: tuple[int, int]

    @property
    def nnz(self) -> int: ...

    def symbol(self, i: int, j: int) -> str: ...


def text_table(matrix: BlockMatrix) -> str:
    """The matrix as lines of text, columns aligned."""
    cells = _cells(matrix)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join((f"OperatorMatrix of {_caption(matrix)}", *lines))


def html_table(matrix: BlockMatrix) -> str:
    """The matrix as an HTML table."""
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in _cells(matrix))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><caption>{_caption(matrix)}</caption>{body}</table>"


def _caption(matrix: BlockMatrix) -> str:
    m, n = matrix.shape
    return f"{m} × {n} blocks, {matrix.nnz} non-zero"


def _cells(matrix: BlockMatrix) -> list[list[str]]:
    m, n = (min(length, PRINTED) for length in matrix.shape)
    cells = [[matrix.symbol(i, j) for j in range(n)] for i in range(m)]
    if n < matrix.shape[1]:
        cells = [[*row, "…"] for row in cells]
    if m < matrix.shape[0]:
        cells.append(["⋮"] * (n + (n < matrix.shape[1])))
    return cells
