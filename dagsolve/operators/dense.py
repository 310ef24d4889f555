"""Operators as matrices of numbers: an operator made of one, and the one of an operator.

vec stacks the entries of an array by columns (the first axis runs fastest), so that the matrices are those
of the books: vec(B X Aᵀ) = (A ⊗ B) vec X.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.namespace import namespace_of
from dagsolve.operators.element import multiply
from dagsolve.operators.matrix import OperatorMatrix
from dagsolve.operators.multiplication import adjoint_array, dense_solve
from dagsolve.operators.operator import Operator
from dagsolve.operators.shaping import Shape, check_shape, shape_symbol

Matrix = npt.NDArray[Any]


class Dense(Operator):
    """The operator with a given vec matrix: vec(op @ X) = matrix @ vec(X).

    matrix     entries of the result × entries of the operand
    shape_in   shape of the operand; shape_out: of the result

    Raises ShapeError when the matrix does not have these sizes.
    """

    __slots__ = ("adjoint", "matrix", "name", "shape_in", "shape_out")

    def __init__(
        self,
        matrix: Any,
        shape_in: Shape,
        shape_out: Shape,
        name: str | None = None,
        *,
        adjoint: bool = False,
    ) -> None:
        self.matrix, self.name, self.adjoint = matrix, name, adjoint
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)
        sizes = math.prod(self.shape_out), math.prod(self.shape_in)
        expected = sizes[::-1] if adjoint else sizes
        if getattr(matrix, "shape", None) != expected:
            came = getattr(matrix, "shape", type(matrix).__name__)
            raise ShapeError(
                f"Dense: the matrix must have shape {expected} to map {self.shape_in} to {self.shape_out}, "
                f"got {came}"
            )

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.matrix, self.shape_in, self.shape_out, self.adjoint)

    @property
    def symbol(self) -> str:
        return (self.name or f"[{shape_symbol(self.matrix.shape)}]") + ("ᵀ" if self.adjoint else "")

    @property
    def T(self) -> "Dense":
        return Dense(self.matrix, self.shape_out, self.shape_in, self.name, adjoint=not self.adjoint)

    def apply(self, x: Any) -> Any:
        check_shape("Dense", x, self.shape_in)
        return unvec(self._factor @ vec(x), self.shape_out)

    def apply_inverse(self, y: Any) -> Any:
        check_shape("Dense", y, self.shape_out)
        return unvec(dense_solve(self._factor, vec(y)), self.shape_in)

    @property
    def _factor(self) -> Any:
        return adjoint_array(self.matrix) if self.adjoint else self.matrix


def vec(x: Any) -> Any:
    """The entries of an array (or number) by columns, shape (size,)."""
    xp = namespace_of(x)
    x = x if hasattr(x, "shape") else xp.asarray(x)
    return xp.reshape(xp.permute_dims(x, tuple(reversed(range(len(x.shape))))), (-1,))


def unvec(v: Any, shape: Shape) -> Any:
    """The array of this shape with the entries v by columns."""
    xp = namespace_of(v)
    return xp.permute_dims(xp.reshape(v, tuple(reversed(shape))), tuple(reversed(range(len(shape)))))


def to_dense(
    operator: Any, shape_in: Any, shape_out: Any = None, *, dtype: npt.DTypeLike = np.float64
) -> Matrix:
    """The vec matrix of an operator, entries of the result × entries of the operand, as a NumPy array.

    operator    an operator, or any element of an `OperatorMatrix`; or an OperatorMatrix, whose vec matrix is
                made of those of its elements
    shape_in    shape of the operand; for an OperatorMatrix a list of shapes, one per block column
    shape_out   likewise for the result; needed only where nothing tells it (zero operators, empty rows)
    dtype       of the operands: with a complex one it is checked that the operator is linear over the complex
                numbers, for only then does a matrix say all about it

    The operator is applied once per entry of the operand: meant for looking, testing and small blocks.
    Raises ArgumentError for an operator that takes real and imaginary parts differently, ShapeError when
    shapes are missing or do not fit.
    """
    if isinstance(operator, OperatorMatrix):
        return _dense_blocks(operator, shape_in, shape_out, dtype)
    matrix, _ = _dense_element(operator, tuple(shape_in), _shape(shape_out), dtype)
    return matrix


def _dense_element(
    element: Any, shape_in: Shape, shape_out: Shape | None, dtype: npt.DTypeLike
) -> tuple[Matrix, Shape]:
    """The vec matrix of one element and the shape of its results."""
    size = math.prod(shape_in)
    columns = [multiply(element, unvec(basis, shape_in)) for basis in np.eye(size, dtype=dtype)]
    found = {np.shape(y) for y in columns if y is not None}
    if shape_out is not None:
        found.add(shape_out)
    if len(found) != 1:
        came = " and ".join(map(str, sorted(found))) or "none (every result is zero)"
        raise ShapeError(f"to_dense: {element} must have results of one shape, got {came}; give shape_out")
    shape = found.pop()
    zero = np.zeros(math.prod(shape), dtype)
    filled = [zero if y is None else vec(y) for y in columns]
    matrix = np.stack(filled, axis=1) if filled else np.zeros((len(zero), 0), dtype)
    if np.issubdtype(dtype, np.complexfloating):
        _check_complex_linear(element, matrix, shape_in)
    return matrix, shape


def _check_complex_linear(element: Any, matrix: Matrix, shape_in: Shape) -> None:
    turned = np.exp(1j * np.arange(1, matrix.shape[1] + 1))
    y = multiply(element, unvec(turned, shape_in))
    if y is not None and not np.allclose(vec(y), matrix @ turned, atol=1e-8 * np.abs(matrix).sum()):
        raise ArgumentError(
            f"to_dense: {element} is linear over the real numbers only, so it has no complex matrix; "
            "write complex operands as pairs of real ones"
        )


def _dense_blocks(
    matrix: OperatorMatrix,
    shapes_in: Sequence[Shape],
    shapes_out: Sequence[Shape | None] | None,
    dtype: npt.DTypeLike,
) -> Matrix:
    m, n = matrix.shape
    given = [None] * m if shapes_out is None else list(shapes_out)
    if len(shapes_in) != n or len(given) != m:
        raise ShapeError(
            f"to_dense: an OperatorMatrix of {m} × {n} blocks needs {n} shapes of operands and {m} of "
            f"results, got {len(shapes_in)} and {len(given)}"
        )
    shapes = [_shape(shape) for shape in given]
    blocks: dict[tuple[int, int], Matrix] = {}
    for i, j, element in matrix:
        blocks[i, j], shapes[i] = _dense_element(element, tuple(shapes_in[j]), shapes[i], dtype)
    rows = []
    for i, shape in enumerate(shapes):
        if shape is None:
            raise ShapeError(f"to_dense: row {i} holds no element that tells its shape; give shape_out")
        size = math.prod(shape)
        zeros = (np.zeros((size, math.prod(shapes_in[j])), dtype) for j in range(n))
        rows.append(np.hstack([blocks.get((i, j), zero) for j, zero in enumerate(zeros)]))
    return np.vstack(rows) if rows else np.zeros((0, sum(map(math.prod, shapes_in))), dtype)


def _shape(shape: Any) -> Shape | None:
    return None if shape is None else tuple(shape)
