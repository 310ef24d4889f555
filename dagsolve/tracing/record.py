"""Recorder: appends what user code does with tracers to the columns of a graph.

It is blind: it knows primitives by their shape rules only, no derivatives, costs or values. Every array
that is not a tracer becomes a constant beside the graph; zeros, ones, identities and ranges become
generators.
"""

import threading
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from dagsolve.errors import DtypeError, ShapeError, TraceError
from dagsolve.graph import CONSTANT, INPUT, ColumnsBuilder, Graph, Scope
from dagsolve.namespace import Array
from dagsolve.primitive import Primitive
from dagsolve.spec import Spec, spec, spec_of
from dagsolve.tracing.capture import COPY_BYTES, capture, generator_of, same_content
from dagsolve.tracing.scope import scope_of, source_scope, user_line
from dagsolve.tracing.simplify import REMEMBERED, Origin, simplified
from dagsolve.tracing.tracer import Tracer

_ACTIVE = threading.local()  # depth of nested traces in this thread
_SPECS: dict[Any, tuple[Spec, ...]] = {}  # (primitive, params, operand specs) -> result specs


class Recorder:
    """Records one graph. Used as a context: tracers are refused once it is left."""

    __slots__ = (
        "_by_identity", "_by_scalar", "_constant_count", "_locked", "_rows", "_scopes", "closed", "columns", "constants",
        "inputs", "level", "origins", "scope", "sweep",
    )  # fmt: skip

    def __init__(self, columns: ColumnsBuilder | None = None, sweep: int = 0) -> None:
        self.columns = ColumnsBuilder() if columns is None else columns
        self.sweep = sweep
        self.scope: int | None = None  # fixed scope index; None: read the caller's frame
        self.inputs: list[int] = []
        self.constants: dict[int, Any] = {}  # value id -> array, number or a tracer of an outer trace
        self.origins: dict[int, Origin] = {}  # of the values that `simplified` looks through
        self.level = 0
        self.closed = False
        self._constant_count = 0
        self._locked: list[Any] = []  # large captured arrays, read-only until the trace ends
        self._rows: dict[Any, tuple[int, int, tuple[int, ...]]] = {}
        self._by_scalar: dict[Any, Tracer] = {}
        self._by_identity: dict[int, tuple[Any, Tracer]] = {}
        self._scopes: dict[tuple[CodeType | None, int], int] = {}

    @classmethod
    def extending(cls, graph: Graph, sweep: int) -> "Recorder":
        """A recorder that appends to a graph: its values keep their ids, `tracer` gives them."""
        recorder = cls(ColumnsBuilder.thawed(graph.columns), sweep)
        recorder.inputs = list(graph.inputs)
        recorder._constant_count = len(graph.constants)
        return recorder

    def __enter__(self) -> "Recorder":
        self.level = _ACTIVE.depth = getattr(_ACTIVE, "depth", 0) + 1
        return self

    def __exit__(self, *exc: object) -> None:
        _ACTIVE.depth -= 1
        self.closed = True
        for array in self._locked:
            array.flags.writeable = True

    def tracer(self, value: int) -> Tracer:
        """The tracer of a value already in the columns."""
        code = self.columns.spec[value]
        return Tracer(self, value, code, self.columns.specs.entries[code])

    def input(self, of: Spec, name: str = "") -> Tracer:
        """A new input leaf."""
        tracer = self._leaf(INPUT, of, len(self.inputs), Scope(name, "", 0))
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
        self._by_identity[id(value)] = (array, tracer)
        if array is value and isinstance(array, np.ndarray) and array.nbytes > COPY_BYTES and array.flags.writeable:
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

    def record(self, primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Append a call; its result tracer, or a tuple of them where the primitive has several results."""
        ids: list[int] = []
        key: list[Any] = [primitive]
        origins, known, tracers = self.origins, False, []
        for x in operands:
            if type(x) is not Tracer:
                x = self._lift(x, operands)
            if x.recorder is not self:
                if x.recorder.level > self.level:
                    return x.recorder.record(primitive, operands, params)
                x = self.constant(x)
            ids.append(x.id)
            key.append(x.code)
            tracers.append(x)
            known = known or x.id in origins
        if known:
            simpler = simplified(self, primitive, tracers, params)
            if simpler is not None:
                return simpler
        if self.closed:
            raise TraceError(
                f"{primitive.name}: a tracer was used after the function that it was made for had returned. "
                "Return values from the function instead of storing them outside it."
            )
        if params:
            key.append(tuple(params.items()))
        row = self._rows.get(tuple(key))
        if row is None:
            row = self._rows[tuple(key)] = self._row(primitive, key[1 : 1 + len(ids)], params)
        name, param, codes = row
        first = self.columns.append(name, param, self._scope_index(), self.sweep, ids, codes)
        specs = self.columns.specs.entries
        if len(codes) == 1:
            if primitive in REMEMBERED:
                origins[first] = Origin(primitive, tracers[0], params)
            return Tracer(self, first, codes[0], specs[codes[0]])
        return tuple(Tracer(self, first + k, code, specs[code]) for k, code in enumerate(codes))

    def graph(self, outputs: Sequence[int]) -> Graph:
        """The recorded graph with these values as outputs."""
        return Graph(self.columns.freeze(), tuple(self.inputs), tuple(outputs), dict(self.constants))

    def _row(self, primitive: Primitive, codes: list[int], params: Mapping[str, Any]) -> tuple[int, int, tuple[int, ...]]:
        specs = tuple(self.columns.specs.entries[code] for code in codes)
        table = tuple(sorted(params.items()))
        try:
            key = (primitive, table, specs)
            results = _SPECS.get(key)
            if results is None:
                results = _SPECS[key] = primitive.result_specs(specs, params)
        except (ShapeError, DtypeError) as fault:
            raise type(fault)(f"{fault} (at {source_scope()})") from None
        c = self.columns
        return c.names.add(primitive.name), c.param_table.add(table), tuple(map(c.specs.add, results))

    def _constant_leaf(self, value: Any, of: Spec) -> Tracer:
        tracer = self._leaf(CONSTANT, of, self._constant_count, self._scope_index())
        self._constant_count += 1
        self.constants[tracer.id] = value
        return tracer

    def _leaf(self, kind: str, of: Spec, index: int, scope: Scope | int) -> Tracer:
        c = self.columns
        code = c.specs.add(of)
        where = scope if isinstance(scope, int) else c.scope_table.add(scope)
        first = c.append(c.names.add(kind), c.param_table.add((("index", index),)), where, 0, (), (code,))
        return Tracer(self, first, code, of)

    def _scope_index(self) -> int:
        if self.scope is not None:
            return self.scope
        key = user_line(2)
        found = self._scopes.get(key)
        if found is None:
            found = self._scopes[key] = self.columns.scope_table.add(scope_of(key))
        return found

    def _lift(self, x: Any, operands: Sequence[Any]) -> Tracer:
        kind = type(x)
        if kind in (float, int, bool, complex):
            dtypes = [y.dtype for y in operands if hasattr(y, "dtype")]
            dtype = np.result_type(*dtypes, x) if dtypes else np.result_type(x)
            key = (kind, dtype, x if x else repr(x))
            found = self._by_scalar.get(key)
            if found is None:
                found = self._by_scalar[key] = self._constant_leaf(np.asarray(x, dtype), spec((), dtype))
            return found
        return self.constant(x)


def recorder_of(*values: Array) -> "Recorder | None":
    """The recorder of the innermost trace among the values; None where there is no tracer."""
    found = [v.recorder for v in values if type(v) is Tracer]
    return max(found, key=lambda r: r.level) if found else None
