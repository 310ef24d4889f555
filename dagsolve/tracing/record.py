"""Recorder: appends what user code does with tracers to the columns of a graph.

It is blind: it knows primitives by their shape rules only, no derivatives, costs or values. Every array
that is not a tracer becomes a constant beside the graph; zeros, ones, identities and ranges become
generators.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dagsolve.errors import DtypeError, ShapeError, TraceError
from dagsolve.graph import CONSTANT, INPUT, ColumnsBuilder, Graph, Row, Scope
from dagsolve.primitive import Primitive
from dagsolve.specs import Spec, spec, spec_of
from dagsolve.tracing.capture import COPY_BYTES, capture, generator_of, same_content
from dagsolve.tracing.scope import is_library, scope_of, source_scope
from dagsolve.tracing.simplify import REMEMBERED, Origin, simplified
from dagsolve.tracing.tracer import Tracer

_ACTIVE = threading.local()  # depth of nested traces in this thread
_SPECS: dict[Any, tuple[Spec, ...]] = {}  # (primitive, params, operand specs) -> result specs
_NO_PARAMS: Mapping[str, Any] = {}
_NUMBERS = frozenset((float, int, bool, complex))
_LIBRARY = -1  # in place of a scope: look at the caller
_getframe = sys._getframe
_new = Tracer.__new__


class Recorder:
    """Records one graph. Used as a context: tracers are refused once it is left."""

    __slots__ = (
        "_add_operand", "_add_row", "_add_scope", "_by_identity", "_by_scalar", "_calls", "_codes",
        "_constant_count", "_locked", "_numbers", "_rows", "_scopes", "_short", "closed",
        "columns", "constants", "inputs", "level", "origins", "scope", "specs", "sweep",
    )  # fmt: skip

    def __init__(self, columns: ColumnsBuilder | None = None, sweep: int = 0) -> None:
        self.columns = ColumnsBuilder() if columns is None else columns
        self._add_row, self._add_scope = self.columns.row.append, self.columns.scope.append
        self._add_operand = self.columns.operands.append
        self.specs: list[Spec] = self.columns.specs.entries
        self.sweep = sweep
        self.scope: int | None = None  # fixed scope index; None: read the caller's frame
        self.inputs: list[int] = []
        self.constants: dict[int, Any] = {}  # value id -> array, number or a tracer of an outer trace
        self.origins: dict[int, Origin] = {}  # of the values that `simplified` looks through
        self.level = 0
        self.closed = False
        self._constant_count = 0
        self._locked: list[Any] = []  # large captured arrays, read-only until the trace ends
        self._calls: dict[
            Any, Any
        ] = {}  # later sweeps only: rules repeat themselves, users mean what they write
        self._short: dict[Any, tuple[int, int]] = {}  # calls that `unary` and `binary` append: (row, spec)
        self._rows: dict[Any, tuple[int, tuple[int, ...]]] = {}  # call -> (row, specs of the results)
        self._by_scalar: dict[Any, Tracer] = {}
        self._numbers: dict[tuple[type, Any, int], Tracer] = {}  # number beside an operand of a spec
        self._by_identity: dict[int, tuple[Any, Tracer]] = {}
        self._scopes: dict[tuple[int, int], int] = {}  # (id of a code, instruction) -> scope
        self._codes: list[CodeType] = []

    @classmethod
    def extending(cls, graph: Graph, sweep: int) -> "Recorder":
        """A recorder that appends to a graph: its values keep their ids, `tracers` gives them."""
        recorder = cls(ColumnsBuilder(graph.columns), sweep)
        recorder.inputs = list(graph.inputs)
        recorder._constant_count = len(graph.constants)
        return recorder

    def tracers(self, graph: Graph) -> list[Tracer]:
        """The tracers of all values of the graph that is extended."""
        return [Tracer(self, value, code) for value, code in enumerate(graph.columns.spec.tolist())]

    def __enter__(self) -> "Recorder":
        self.level = _ACTIVE.depth = getattr(_ACTIVE, "depth", 0) + 1
        return self

    def __exit__(self, *exc: object) -> None:
        _ACTIVE.depth -= 1
        self.closed = True
        self._short.clear()
        for array in self._locked:
            array.flags.writeable = True

    # Leaves

    def input(self, of: Spec, name: str = "") -> Tracer:
        """A new input leaf."""
        tracer = self._leaf(INPUT, of, len(self.inputs), self.columns.scope_table.add(Scope(name, "", 0)))
        self.inputs.append(tracer.id)
        return tracer

    def constant(self, value: Any) -> Tracer:
        """The leaf of a captured array, number or outer tracer; generators become nodes."""
        known = self._by_identity.get(id(value))
        if known is not None and (known[0] is value or same_content(known[0], value)):
            return known[1]
        if isinstance(value, Tracer):
            tracer = self._constant_leaf(value, value.spec)
            self._by_identity[id(value)] = (value, tracer)
            return tracer
        array = capture(value)
        generator = generator_of(array)
        if generator is not None:
            made: Tracer = self.record(generator[0], (), generator[1])
            return made
        tracer = self._constant_leaf(array, spec_of(array))
        kept = array if isinstance(array, np.ndarray) else value  # a Zarr array is told by itself
        self._by_identity[id(value)] = (kept, tracer)
        if (
            array is value
            and isinstance(array, np.ndarray)
            and array.nbytes > COPY_BYTES
            and array.flags.writeable
        ):
            array.flags.writeable = False
            self._locked.append(array)
        return tracer

    def placeholder(self, of: Spec) -> Tracer:
        """The leaf of a constant whose value is bound later."""
        return self._constant_leaf(None, of)

    def external(self, reference: Any, of: Spec) -> Tracer:
        """The leaf of a constant that is known by reference only; `reference.key` tells it apart."""
        key = (type(reference), reference.key)
        found = self._by_scalar.get(key)
        if found is None:
            found = self._by_scalar[key] = self._constant_leaf(reference, of)
        return found

    def _lift(self, x: Any, operands: Sequence[Any]) -> Tracer:
        """The tracer of an operand that is none: a Python number takes the dtype that NumPy would give it."""
        kind = type(x)
        if kind not in (float, int, bool, complex):
            return self.constant(x)
        dtype = np.result_type(*(y.dtype for y in operands if hasattr(y, "dtype")), x)
        key = (dtype, x if x else repr(x))  # 0.0 equals -0.0
        found = self._by_scalar.get(key)
        if found is None:
            found = self._by_scalar[key] = self._constant_leaf(np.asarray(x, dtype), spec((), dtype))
        other = operands[1] if x is operands[0] else operands[0]
        if x and len(operands) == 2 and type(other) is Tracer and other.recorder is self:
            self._numbers[kind, x, other.code] = found
        return found

    def _constant_leaf(self, value: Any, of: Spec) -> Tracer:
        tracer = self._leaf(CONSTANT, of, self._constant_count, self._scope_index())
        self._constant_count += 1
        self.constants[tracer.id] = value
        return tracer

    def _leaf(self, kind: str, of: Spec, index: int, scope: int) -> Tracer:
        c = self.columns
        code = c.specs.add(of)
        first = c.append(c.names.add(kind), c.param_table.add((("index", index),)), scope, 0, (), (code,))
        return Tracer(self, first, code)

    # Calls

    def record(self, primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Append a call; its result tracer, or a tuple of them where the primitive has several results."""
        tracers: list[Tracer] = []
        for x in operands:
            if type(x) is not Tracer:
                x = self._lift(x, operands)
            if x.recorder is not self:
                if x.recorder.level > self.level:
                    return x.recorder.record(primitive, operands, params)
                x = self.constant(x)
            tracers.append(x)
        if self.closed:
            raise TraceError(
                f"{primitive.name}: a tracer was used after the function that it was made for had returned "
                f"(at {source_scope()}). Return values from the function instead of storing them outside it."
            )
        if any(x.id in self.origins for x in tracers):
            simpler = simplified(self, primitive, tracers, params)
            if simpler is not None:
                return simpler
        table = (tuple(params.items()),) if params else ()
        ids = [x.id for x in tracers]
        call = (primitive, *ids, *table)
        if self.sweep and call in self._calls:
            return self._calls[call]
        key = (primitive, *(x.code for x in tracers), *table)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._row(primitive, tracers, params)
            if not (self.sweep or params or primitive in REMEMBERED or len(row[1]) > 1):
                self._short[key] = (row[0], row[1][0])
        made = self._append(row, self._scope_index(), ids)
        if primitive in REMEMBERED:
            self.origins[made.id] = Origin(primitive, tracers[0], params)
        if self.sweep:
            self._calls[call] = made
        return made

    def unary(self, primitive: Primitive, x: Any) -> Any:
        """`record` of one tracer without params, the short way."""
        row = self._short.get((primitive, x.code))
        if row is None or x.id in self.origins or self.scope is not None:
            return self.record(primitive, (x,), _NO_PARAMS)
        frame = _getframe(2)
        scope = self._scopes.get((id(frame.f_code), frame.f_lasti), _LIBRARY)
        self._add_scope(scope if scope != _LIBRARY else self._scope_index())
        self._add_row(row[0])
        self._add_operand(x.id)
        columns = self.columns
        made = _new(Tracer)
        made.recorder, made.id, made.code = self, columns.value_count, row[1]
        columns.value_count = made.id + 1
        return made

    def binary(self, primitive: Primitive, operands: tuple[Any, Any]) -> Any:
        """`record` of two operands without params, the short way."""
        a, b = operands
        if type(b) is not Tracer:
            b = self._numbers.get((type(b), b, a.code)) if type(b) in _NUMBERS else None
        elif type(a) is not Tracer:
            a = self._numbers.get((type(a), a, b.code)) if type(a) in _NUMBERS else None
        if a is None or b is None or a.recorder is not b.recorder or self.scope is not None:
            return self.record(primitive, operands, _NO_PARAMS)
        row = self._short.get((primitive, a.code, b.code))
        if row is None or a.id in self.origins or b.id in self.origins:
            return self.record(primitive, operands, _NO_PARAMS)
        frame = _getframe(2)
        scope = self._scopes.get((id(frame.f_code), frame.f_lasti), _LIBRARY)
        self._add_scope(scope if scope != _LIBRARY else self._scope_index())
        self._add_row(row[0])
        self._add_operand(a.id)
        self._add_operand(b.id)
        columns = self.columns
        made = _new(Tracer)
        made.recorder, made.id, made.code = self, columns.value_count, row[1]
        columns.value_count = made.id + 1
        return made

    def graph(self, outputs: Sequence[int]) -> Graph:
        """The recorded graph with these values as outputs."""
        return Graph(self.columns.freeze(), tuple(self.inputs), tuple(outputs), dict(self.constants))

    def _append(self, row: tuple[int, tuple[int, ...]], scope: int, ids: Sequence[int]) -> Any:
        columns = self.columns
        columns.row.append(row[0])
        columns.scope.append(scope)
        columns.operands.extend(ids)
        first, codes = columns.value_count, row[1]
        columns.value_count = first + len(codes)
        if len(codes) == 1:
            return Tracer(self, first, codes[0])
        return tuple(Tracer(self, first + k, code) for k, code in enumerate(codes))

    def _row(
        self, primitive: Primitive, operands: Sequence[Tracer], params: Mapping[str, Any]
    ) -> tuple[int, tuple[int, ...]]:
        specs = tuple(x.spec for x in operands)
        table = tuple(sorted(params.items()))
        try:
            key = (primitive, table, specs)
            results = _SPECS.get(key)
            if results is None:
                results = _SPECS[key] = primitive.result_specs(specs, params)
        except (ShapeError, DtypeError) as fault:
            raise type(fault)(f"{fault} (at {source_scope()})") from None
        c = self.columns
        codes = tuple(map(c.specs.add, results))
        row = Row(c.names.add(primitive.name), c.param_table.add(table), self.sweep, codes, len(specs))
        return c.rows.add(row), codes

    def _scope_index(self) -> int:
        """Scope of the innermost frame that is the user's; frames are told apart by code and instruction."""
        if self.scope is not None:
            return self.scope
        frame: FrameType | None = _getframe(2)
        scopes = self._scopes
        while frame is not None:
            key = (id(frame.f_code), frame.f_lasti)  # codes are hashed slowly, by their contents
            found = scopes.get(key)
            if found is None:
                found = scopes[key] = self._new_scope(frame)
            if found != _LIBRARY:
                return found
            frame = frame.f_back
        return self.columns.scope_table.add(scope_of((None, 0)))

    def _new_scope(self, frame: FrameType) -> int:
        self._codes.append(frame.f_code)  # alive, so that its id stays its own
        if is_library(frame.f_code):
            return _LIBRARY
        return self.columns.scope_table.add(scope_of((frame.f_code, frame.f_lineno)))
