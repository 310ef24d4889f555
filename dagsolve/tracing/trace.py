"""A user's function traced into a graph: arguments and results flattened, floats and arrays recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np

from dagsolve.errors import ArgumentError, DtypeError, ShapeError, TraceError, UnsupportedError
from dagsolve.graph import Graph
from dagsolve.namespace import Array
from dagsolve.specs import Spec, spec_of
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.reverse import inline
from dagsolve.tracing.scope import raising_scope
from dagsolve.tracing.tracer import Tracer
from dagsolve.tree import Tree, flatten, paths, unflatten


@dataclass(frozen=True, eq=False)
class Trace:
    """What one trace of a function found."""

    graph: Graph
    constants: dict[int, Any]  # value id -> captured array, number or outer tracer
    values: tuple[Any, ...]  # arrays (or specs) of the graph's inputs, in order
    argument: tuple[int, ...]  # argument number of each input
    names: tuple[str, ...]  # where each input stands, e.g. "argument 0['kernel']"
    leaf_count: tuple[int, ...]  # leaves per argument
    input_of_leaf: tuple[dict[int, int], ...]  # per argument: leaf position -> position in `values`
    structures: tuple[Tree, ...]  # per argument
    result: Tree  # structure of the function's result


def is_traceable(leaf: Any) -> bool:
    """Whether an argument's leaf becomes a tracer: floating arrays and numbers, specs, outer tracers."""
    if isinstance(leaf, (Tracer, Spec)):
        return True
    if isinstance(leaf, (float, complex)):
        return True
    dtype = getattr(leaf, "dtype", None)
    return isinstance(dtype, np.dtype) and dtype.kind in "fc" and hasattr(leaf, "shape")


def trace_function(who: str, f: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int] = ()) -> Trace:
    """The graph of f(*args). Floating leaves and all Dask arrays are recorded, others are passed to f as
    they are: user code never meets a Dask array, which would compute itself where NumPy asks for values.

    Raises DtypeError for an integer or non-numeric leaf of a wanted argument; whatever f raises goes through.
    """
    leaves_of, structures = [], []
    values: list[Any] = []
    argument: list[int] = []
    names: list[str] = []
    input_of_leaf: list[dict[int, int]] = []
    with Recorder() as recorder:
        traced_args = []
        for number, arg in enumerate(args):
            leaves, structure = flatten(arg)
            where = paths(arg)
            traced, positions = [], {}
            for k, leaf in enumerate(leaves):
                name = f"argument {number}{where[k]}"
                if is_traceable(leaf) or (number not in wanted and isinstance(leaf, da.Array)):
                    positions[k] = len(values)
                    values.append(leaf)
                    argument.append(number)
                    names.append(name)
                    traced.append(recorder.input(_leaf_spec(leaf), name))
                else:
                    if number in wanted:
                        _refuse_leaf(who, name, leaf)
                    traced.append(leaf)
            leaves_of.append(leaves)
            structures.append(structure)
            input_of_leaf.append(positions)
            traced_args.append(unflatten(structure, traced))
        try:
            result = f(*traced_args)
        except ValueError as fault:
            if isinstance(fault.__cause__, TraceError):
                raise TraceError(
                    f"{who}: a traced value was assigned into a NumPy array (K[i, j] = t at "
                    f"{raising_scope(fault)}). Build the array with np.where, np.stack or np.concatenate."
                ) from fault
            if "read-only" in str(fault):
                raise TraceError(
                    f"{who}: the function writes into an array that it used before in the same trace "
                    f"({fault}). Make a new array instead of changing one that traced values were "
                    "computed from."
                ) from fault
            raise
        outputs, result_structure = flatten(result)
        ids = tuple(_output(who, recorder, y).id for y in outputs)
        graph = recorder.graph(ids)
    return Trace(
        graph,
        dict(recorder.constants),
        tuple(values),
        tuple(argument),
        tuple(names),
        tuple(map(len, leaves_of)),
        tuple(input_of_leaf),
        tuple(structures),
        result_structure,
    )


def _leaf_spec(leaf: Any) -> Spec:
    return leaf.spec if isinstance(leaf, Tracer) else spec_of(leaf)


def _output(who: str, recorder: Recorder, y: Any) -> Tracer:
    if isinstance(y, Tracer) and y.recorder is recorder:
        return y
    try:
        return recorder.constant(np.asarray(y) if isinstance(y, (bool, int, float, complex)) else y)
    except (DtypeError, TypeError, ValueError):
        raise ArgumentError(
            f"{who}: the function must return arrays and numbers in nested dicts, lists and tuples, "
            f"got a {type(y).__name__}"
        ) from None


def _refuse_leaf(who: str, name: str, leaf: Array) -> None:
    dtype = getattr(leaf, "dtype", type(leaf).__name__)
    raise DtypeError(
        f"{who}: {name} must be a floating or complex array or number to be differentiated, got {dtype}. "
        "Convert it with .astype(float), or name other arguments in argnums."
    )


class Frozen:
    """A function as it was traced once; made by `ds.freeze`."""

    def __init__(self, f: Callable[..., Any], trace: Trace) -> None:
        self._f, self._trace = f, trace
        self.__name__ = f"frozen {getattr(f, '__name__', 'function')}"

    def __call__(self, *args: Any) -> Any:
        """f(*args) by its recorded operations, on arrays and on tracers.

        Raises UnsupportedError for Dask arrays: `ds.vjp(frozen, *args)[0]` is the lazy value.
        """
        trace = self.bound(self.__name__, args, ())
        traced = any(isinstance(x, Tracer) for x in trace.values)
        if not traced and any(isinstance(x, da.Array) for x in (*trace.values, *trace.constants.values())):
            raise UnsupportedError(
                f"{self.__name__}: arguments and captured arrays must not be Dask arrays in a direct call. "
                "Differentiate it (ds.grad and the others are lazy), or take ds.vjp(frozen, *args)[0]."
            )
        found = inline(
            trace.graph, {**trace.constants, **dict(zip(trace.graph.inputs, trace.values, strict=True))}
        )
        return unflatten(trace.result, [found[v] for v in trace.graph.outputs])

    def bound(self, who: str, args: Sequence[Any], wanted: Sequence[int]) -> Trace:
        """The trace with other arrays as its inputs.

        Raises ShapeError for arguments of other containers, shapes or dtypes than the frozen ones.
        """
        kept = self._trace
        flat = [flatten(arg) for arg in args]
        if tuple(structure for _, structure in flat) != kept.structures:
            raise ShapeError(f"{who}: arguments must have the containers that the function was frozen with")
        values = [
            leaf
            for (leaves, _), positions in zip(flat, kept.input_of_leaf, strict=True)
            for k, leaf in enumerate(leaves)
            if k in positions
        ]
        for value, v, name in zip(values, kept.graph.inputs, kept.names, strict=True):
            if _leaf_spec(value) is not kept.graph.spec(v):
                raise ShapeError(
                    f"{who}: {name} must be {kept.graph.spec(v)} as it was frozen, got {_leaf_spec(value)}"
                )
        for number in wanted:
            for k, leaf in enumerate(flat[number][0]):
                if k not in kept.input_of_leaf[number]:
                    _refuse_leaf(who, f"argument {number}", leaf)
        return replace(kept, values=tuple(values))

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self._trace.graph!r}>"
