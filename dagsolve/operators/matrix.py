"""Sparse matrices whose elements are operators, numbers, arrays or numbers of a semiring."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, overload

from dagsolve.errors import ArgumentError, ShapeError
from dagsolve.operators.element import (
    Kind,
    add_identity,
    as_operator,
    check_element,
    is_structural_zero,
    kind_of,
    multiply,
    symbol_of,
    transpose_dot,
)
from dagsolve.operators.operator import MINUS, Identity
from dagsolve.operators.table import html_table, text_table
from dagsolve.operators.zero import minus, negative, plus

Row = dict[int, Any]
Rows = Iterable[Iterable[Any]] | Mapping[tuple[int, int], Any]


class _IdentityMaker:
    """`OperatorMatrix.identity(n)` on the class, `A.identity()` on a matrix."""

    @overload
    def __get__(self, instance: None, owner: type["OperatorMatrix"]) -> Callable[[int], "OperatorMatrix"]: ...
    @overload
    def __get__(self, instance: "OperatorMatrix", owner: Any) -> Callable[[], "OperatorMatrix"]: ...
    def __get__(self, instance: "OperatorMatrix | None", owner: Any) -> Callable[..., "OperatorMatrix"]:
        if instance is None:
            return lambda n: OperatorMatrix.from_parts((n, n), 1, 1, [{} for _ in range(n)], None)

        def same_shape() -> OperatorMatrix:
            m, n = instance.shape
            if m != n:
                raise ShapeError(f"identity: the matrix must be square, got {instance.shape} blocks")
            return OperatorMatrix.from_parts((n, n), 1, 1, [{} for _ in range(n)], instance.unit_element)

        return same_shape


class OperatorMatrix:
    """The matrix `unit * I + sign * E`: an integer multiple of the identity and a signed sparse matrix.

    rows       nested lists of elements (None = zero), or `{(i, j): element}` with `shape` in blocks
    identity   the element that stands for 1 (default: the number 1 among numbers, else `Identity()`)

    `I - L` thus shares the rows of L, whatever its elements are: no element is negated, no identity is
    stored. Substitution with `I - L` adds `L[i, j] @ x[j]`, so it needs no minus either and works in a
    semiring. `unit` is -1, 0 or 1, `sign` is -1 or 1; `stored[i]` is row i of E, `{j: element}` with
    increasing j. A matrix is immutable, except by who writes into `stored`.
    """

    __slots__ = ("_one", "identity_element", "shape", "sign", "stored", "unit")
    __array_ufunc__ = None
    identity = _IdentityMaker()

    shape: tuple[int, int]
    unit: int
    sign: int
    stored: list[Row]

    def __init__(self, rows: Rows, shape: tuple[int, int] | None = None, identity: Any = None) -> None:
        self.unit, self.sign, self.identity_element, self._one = 0, 1, identity, identity
        if isinstance(rows, Mapping):
            self.shape, self.stored = _from_entries(rows, shape)
        else:
            self.shape, self.stored = _from_lists(rows, shape)

    @classmethod
    def from_parts(
        cls, shape: tuple[int, int], unit: int, sign: int, stored: list[Row], identity: Any
    ) -> "OperatorMatrix":
        """unit * I + sign * E, with the rows of E taken as they are: sorted by column, free of zeros."""
        self = cls.__new__(cls)
        self.shape, self.unit, self.sign, self.stored = shape, unit, sign, stored
        self.identity_element = self._one = identity
        return self

    # looking

    @property
    def unit_element(self) -> Any:
        """The element that stands for 1; None where no element tells of which kind it is."""
        if self._one is None:
            kinds = self.kinds
            if kinds and Kind.OTHER not in kinds:
                self._one = 1 if kinds == {Kind.NUMBER} else Identity()
        return self._one

    def __getitem__(self, position: tuple[int, int]) -> Any:
        """The element at block (i, j), None where it is zero. Negative positions count from the end."""
        try:
            i, j = position
            i, j = range(self.shape[0])[i], range(self.shape[1])[j]
        except (TypeError, ValueError):
            raise ArgumentError(
                f"OperatorMatrix: a position must be two integers (i, j), got {position!r}"
            ) from None
        except IndexError:
            raise ShapeError(
                f"OperatorMatrix: position {position} lies outside of {self.shape} blocks"
            ) from None
        return self._element(i, j, self.stored[i].get(j))

    def _element(self, i: int, j: int, stored: Any) -> Any:
        if stored is not None and self.sign < 0:
            stored = -stored
        if i != j or self.unit == 0:
            return stored
        one = self.unit_element
        if stored is not None:
            return add_identity(stored, one) if self.unit > 0 else -add_identity(-stored, one)
        one = Identity() if one is None else one
        return one if self.unit > 0 else -one

    def row(self, i: int) -> list[tuple[int, Any]]:
        """The non-zero elements (j, element) of row i, in column order."""
        columns = list(self.stored[i])
        if self.unit and i < self.shape[1] and i not in self.stored[i]:
            columns = sorted([*columns, i])
        return [(j, self._element(i, j, self.stored[i].get(j))) for j in columns]

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        """The non-zero elements (i, j, element), row by row in column order."""
        for i in range(self.shape[0]):
            for j, element in self.row(i):
                yield i, j, element

    @property
    def nnz(self) -> int:
        """Count of non-zero elements."""
        held = sum(map(len, self.stored))
        if not self.unit:
            return held
        return held + sum(i not in row for i, row in enumerate(self.stored))

    def symbol(self, i: int, j: int) -> str:
        """How block (i, j) is printed."""
        stored = self.stored[i].get(j)
        if self.sign < 0 and i != j and stored is not None and not hasattr(stored, "__neg__"):
            return MINUS + symbol_of(stored)  # semirings have no minus
        return symbol_of(self[i, j])

    @property
    def kinds(self) -> set[Kind]:
        """The kinds of the stored elements."""
        return {kind_of(element) for row in self.stored for element in row.values()}

    # algebra

    @property
    def T(self) -> "OperatorMatrix":
        """Positions transposed, every element transpose-dotted."""
        m, n = self.shape
        stored: list[Row] = [{} for _ in range(n)]
        for i, row in enumerate(self.stored):
            for j, element in row.items():
                stored[j][i] = transpose_dot(element)
        one = None if self.identity_element is None else transpose_dot(self.identity_element)
        return self.from_parts((n, m), self.unit, self.sign, stored, one)

    def __neg__(self) -> "OperatorMatrix":
        return self.from_parts(self.shape, -self.unit, -self.sign, self.stored, self.identity_element)

    def __add__(self, other: Any) -> "OperatorMatrix":
        return self._combined(other, 1) if isinstance(other, OperatorMatrix) else NotImplemented

    def __sub__(self, other: Any) -> "OperatorMatrix":
        return self._combined(other, -1) if isinstance(other, OperatorMatrix) else NotImplemented

    def _combined(self, other: "OperatorMatrix", factor: int) -> "OperatorMatrix":
        if self.shape != other.shape:
            raise ShapeError(
                f"OperatorMatrix: matrices of {self.shape} and {other.shape} blocks cannot be added"
            )
        sign, their_sign = self.sign, factor * other.sign
        one = self.identity_element if self.identity_element is not None else other.identity_element
        if not any(other.stored):
            stored = self.stored
        elif not any(self.stored):
            stored, sign = other.stored, their_sign
        else:
            join = plus if sign == their_sign else minus
            mine, theirs = alike(self, other)
            stored = [
                _joined(a, b, join) if b else a for a, b in zip(mine.stored, theirs.stored, strict=True)
            ]
        made = self.from_parts(self.shape, self.unit + factor * other.unit, sign, stored, one)
        return made._with_one_unit() if abs(made.unit) > 1 else made

    def _with_one_unit(self) -> "OperatorMatrix":
        """The same matrix with the second identity among the stored elements."""
        unit = self.unit // 2
        element = self.unit_element
        element = Identity() if element is None else element
        join = plus if unit == self.sign else minus
        units = self.from_parts(self.shape, 0, 1, [{i: element} for i in range(self.shape[0])], element)
        pairs = zip(*(matrix.stored for matrix in alike(self, units)), strict=True)
        stored = [_joined(row, one, join) for row, one in pairs]
        return self.from_parts(self.shape, unit, self.sign, stored, self.identity_element)

    def __matmul__(self, other: Any) -> Any:
        """The product with a matrix; or with a vector of block values (None = zero), as a list."""
        if isinstance(other, OperatorMatrix):
            return self._times_matrix(other)
        values = vector("OperatorMatrix @ vector", other, self.shape[1])
        return [self._row_times(i, row, values) for i, row in enumerate(self.stored)]

    def _row_times(self, i: int, row: Row, values: list[Any]) -> Any:
        total = None
        for j, element in row.items():
            total = plus(total, multiply(element, values[j]))
        if self.unit == 0:
            return total if self.sign > 0 else negative(total)
        if self.unit > 0:
            return plus(values[i], total) if self.sign > 0 else minus(values[i], total)
        return minus(total, values[i]) if self.sign > 0 else negative(plus(values[i], total))

    def _times_matrix(self, other: "OperatorMatrix") -> "OperatorMatrix":
        if self.shape[1] != other.shape[0]:
            raise ShapeError(f"OperatorMatrix @: inner blocks must agree, got {self.shape} and {other.shape}")
        self, other = alike(self, other)
        one = self.identity_element if self.identity_element is not None else other.identity_element
        shape = (self.shape[0], other.shape[1])
        stored: list[Row] = []
        for row in self.stored:
            out: Row = {}
            for k, element in row.items():
                for j, factor in other.stored[k].items():
                    out[j] = plus(out.get(j), multiply(element, factor))
            stored.append({j: out[j] for j in sorted(out) if not is_structural_zero(out[j])})
        made = self.from_parts(shape, 0, self.sign * other.sign, stored, one)
        if self.unit:
            made = made._combined(self.from_parts(shape, 0, other.sign, other.stored, one), self.unit)
        if other.unit:
            made = made._combined(self.from_parts(shape, 0, self.sign, self.stored, one), other.unit)
        if self.unit and other.unit:
            made = made._combined(
                self.from_parts(shape, 1, 1, [{} for _ in stored], one), self.unit * other.unit
            )
        return made

    # printing

    def __str__(self) -> str:
        return text_table(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self)


def alike(*matrices: OperatorMatrix) -> list[OperatorMatrix]:
    """The matrices with all elements of one kind, so that these can be added and multiplied.

    Where numbers, arrays and operators meet, all become operators: 2 + a is 2 I + a, an operator times an
    array element is a composition, not an application to a value.
    """
    kinds = set[Kind]().union(*(matrix.kinds for matrix in matrices))
    if len(kinds) < 2 or Kind.OTHER in kinds:
        return list(matrices)
    return [_of_operators(matrix) for matrix in matrices]


def _of_operators(A: OperatorMatrix) -> OperatorMatrix:
    stored = [{j: as_operator(element) for j, element in row.items()} for row in A.stored]
    return OperatorMatrix.from_parts(A.shape, A.unit, A.sign, stored, Identity())


def vector(who: str, values: Any, length: int) -> list[Any]:
    """The block values of a vector as a list.

    Raises ArgumentError for what is no sequence, ShapeError for a wrong length.
    """
    try:
        found = list(values)
    except TypeError:
        raise ArgumentError(
            f"{who}: the vector must be a sequence of {length} block values, got {type(values).__name__}"
        ) from None
    if len(found) != length:
        raise ShapeError(f"{who}: the vector must hold {length} block values, got {len(found)}")
    return found


def _joined(a: Row, b: Row, join: Callable[[Any, Any], Any]) -> Row:
    out = dict(a)
    for j, element in b.items():
        out[j] = join(out.get(j), element)
    return {j: out[j] for j in sorted(out) if not is_structural_zero(out[j])}


def _from_entries(
    entries: Mapping[tuple[int, int], Any], shape: tuple[int, int] | None
) -> tuple[tuple[int, int], list[Row]]:
    if shape is None:
        raise ArgumentError(
            "OperatorMatrix: shape must be given with a mapping of positions, e.g. shape=(3, 3)"
        )
    m, n = shape
    stored: list[Row] = [{} for _ in range(m)]
    for i, j in sorted(entries):
        element = entries[i, j]
        if not (0 <= i < m and 0 <= j < n):
            raise ShapeError(f"OperatorMatrix: position {(i, j)} lies outside of {m} × {n} blocks")
        check_element(element)
        if not is_structural_zero(element):
            stored[i][j] = element
    return (m, n), stored


def _from_lists(
    rows: Iterable[Iterable[Any]], shape: tuple[int, int] | None
) -> tuple[tuple[int, int], list[Row]]:
    try:
        lists = [list(row) for row in rows]
    except TypeError:
        raise ArgumentError(
            "OperatorMatrix: rows must be nested lists of elements or a mapping {(i, j): element}, "
            f"got {type(rows).__name__}"
        ) from None
    lengths = {len(row) for row in lists}
    if len(lengths) > 1:
        raise ShapeError(f"OperatorMatrix: rows must have one length, got {sorted(lengths)}")
    found = (len(lists), lengths.pop() if lengths else 0)
    if shape is not None and tuple(shape) != found:
        raise ShapeError(f"OperatorMatrix: shape says {tuple(shape)} blocks, rows are {found}")
    entries = {(i, j): e for i, row in enumerate(lists) for j, e in enumerate(row) if e is not None}
    return _from_entries(entries, found)
