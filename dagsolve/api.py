"""The public functions: gradients and other derivatives of NumPy functions, and of Dask programs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, DtypeError, ShapeError
from dagsolve.executor import RunReport
from dagsolve.graph import Graph
from dagsolve.namespace import Array
from dagsolve.operators import OperatorMatrix
from dagsolve.options import Options
from dagsolve.pipeline import FORWARD, PULLBACK, REVERSE, TANGENT, Compiled, compile_trace, executor_for, run
from dagsolve.planning.actions import Plan
from dagsolve.specs import spec_of
from dagsolve.tracing.reverse import inline, joint_graph, tangent_graph
from dagsolve.tracing.reverse import operator_matrix as _operator_matrix
from dagsolve.tracing.trace import Trace, is_traceable, trace_function
from dagsolve.tracing.tracer import Tracer
from dagsolve.tree import flatten, unflatten


class Gradient:
    """A transformed function: calling it gives the gradient, `.plan` and `.trace` say what that takes."""

    def __init__(
        self,
        who: str,
        f: Callable[..., Any],
        argnums: Any,
        has_aux: bool,
        value: bool,
        options: dict[str, Any],
    ) -> None:
        self._who, self._f, self._argnums, self._has_aux, self._value = who, f, argnums, has_aux, value
        if not callable(f):
            raise ArgumentError(f"{who}: f must be a function of arrays, got {type(f).__name__}")
        self._options = Options.read(who, options)
        self._wanted = _argnums(who, argnums)
        self.last_report: RunReport | None = None
        """Seconds, bytes and blocks of the last call."""
        self.__name__ = f"{who}({getattr(f, '__name__', repr(f))})"
        self.__doc__ = f"{self.__name__}; see `dagsolve.{who}`."

    def __call__(self, *args: Any) -> Any:
        trace, inputs = self._traced(args)
        if _is_nested(trace):
            values, bars = _inlined(trace, inputs, seeded=(0,))
        else:
            executor = executor_for(self._options)
            compiled = compile_trace(trace, inputs, REVERSE, self._options, executor)
            values, bars = run(compiled, trace, executor, self._options)
            self.last_report = executor.last_report
        found = _by_argument(trace, self._wanted, inputs, bars)
        gradient = tuple(found) if isinstance(self._argnums, Sequence) else found[0]
        results = unflatten(trace.result, [_number(y) for y in values])
        if self._has_aux:
            value, aux = results
            return ((value, aux), gradient) if self._value else (gradient, aux)
        return (results, gradient) if self._value else gradient

    def plan(self, *args: Any) -> Plan:
        """The plan of a call with these arguments; specs (`ds.spec(shape)`) stand for arrays.

        Raises BudgetError when the memory limit cannot be kept.
        """
        return self._compiled(args).plan

    def trace(self, *args: Any) -> Graph:
        """The joint graph (forward and reverse nodes) of a call with these arguments or specs."""
        return self._compiled(args).plan.dag.graph

    def _compiled(self, args: tuple[Any, ...]) -> Compiled:
        trace, inputs = self._traced(args)
        return compile_trace(trace, inputs, REVERSE, self._options, executor_for(self._options))

    def _traced(self, args: tuple[Any, ...]) -> tuple[Trace, list[int]]:
        trace = _trace(self._who, self._f, args, self._wanted)
        self._check_scalar(trace)
        return trace, [k for k, number in enumerate(trace.argument) if number in self._wanted]

    def _check_scalar(self, trace: Trace) -> None:
        shown = f"{self._who}: {getattr(self._f, '__name__', 'f')}"
        example = unflatten(trace.result, list(range(len(trace.graph.outputs))))
        if self._has_aux:
            if not (isinstance(example, tuple) and len(example) == 2):
                raise ArgumentError(
                    f"{shown} must return a pair (value, aux) with has_aux=True, got {type(example).__name__}"
                )
            example = example[0]
        if not isinstance(example, int):
            raise ShapeError(
                f"{shown} must return one scalar, got {type(example).__name__}. "
                "Use ds.vjp for several results."
            )
        of = trace.graph.spec(trace.graph.outputs[0])
        if of.shape != ():
            raise ShapeError(
                f"{shown} must return a scalar of shape (), got shape {of.shape}. Sum it, or use ds.vjp."
            )
        if of.dtype.kind != "f":
            raise DtypeError(
                f"{shown} must return a real floating number, got {of.dtype}. Take np.real or .astype(float)."
            )

    def __repr__(self) -> str:
        return f"<{self.__name__} argnums={self._argnums}>"


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False, **options: Any
) -> Gradient:
    """The function that gives the gradient of a scalar function f.

    f         takes arrays and numbers, also in nested dicts, lists, tuples and dataclasses; ordinary NumPy
              inside
    argnums   which arguments to differentiate by; a tuple gives a tuple of gradients, in the containers of
              the arguments. Floating and complex leaves only
    has_aux   f returns (value, aux); then the result is (gradient, aux)
    options   chunks, memory_limit (bytes per worker), scheduler, progress; see README

    An input that the value does not depend on has gradient zero. For complex inputs the gradient is
    ∂φ/∂Re x + i ∂φ/∂Im x, as in PyTorch; JAX and autograd return the conjugate.
    Raises ShapeError when f returns no scalar, DtypeError for integer arguments, TraceError where f needs a
    value while it is traced, BudgetError before any work when memory_limit is too small.
    """
    return Gradient("grad", f, argnums, has_aux, False, options)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False, **options: Any
) -> Gradient:
    """The function that gives (f(x), gradient); with has_aux ((value, aux), gradient). See `grad`."""
    return Gradient("value_and_grad", f, argnums, has_aux, True, options)


def vjp(f: Callable[..., Any], *primals: Any, **options: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(f(*primals), pullback); pullback(cotangent) is a tuple with one cotangent per primal.

    The cotangent has the containers, shapes and dtypes of the value. Raises ShapeError otherwise.
    """
    chosen = Options.read("vjp", options)
    everything = tuple(range(len(primals)))
    trace = _trace("vjp", f, primals, everything)
    inputs = list(range(len(trace.values)))
    value = _forward(trace, chosen)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        seeds = _matching("vjp pullback: cotangent", trace, cotangent)
        positions = tuple(range(len(trace.graph.outputs)))
        if _is_nested(trace) or any(isinstance(s, Tracer) for s in seeds):
            _, bars = _inlined(trace, inputs, seeded=positions, seeds=seeds)
        else:
            executor = executor_for(chosen)
            compiled = compile_trace(trace, inputs, PULLBACK, chosen, executor, positions)
            _, bars = run(compiled, trace, executor, chosen, seeds)
        return tuple(_by_argument(trace, everything, inputs, bars))

    return value, pullback


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **options: Any
) -> tuple[Any, Any]:
    """(f(*primals), its derivative in the direction of the tangents).

    Tangents have the containers, shapes and dtypes of the primals. Raises ShapeError otherwise.
    """
    chosen = Options.read("jvp", options)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentError(
            "jvp: primals and tangents must be tuples with one entry per argument of f, got "
            f"{type(primals).__name__} and {type(tangents).__name__}. Write jvp(f, (x,), (x_dot,))."
        )
    if len(primals) != len(tangents):
        raise ArgumentError(
            f"jvp: tangents must be one per primal, got {len(tangents)} for {len(primals)} primals"
        )
    trace = _trace("jvp", f, tuple(primals), tuple(range(len(primals))))
    inputs = list(range(len(trace.values)))
    directions = []
    for k, tangent in enumerate(tangents):
        leaves, structure = flatten(tangent)
        if structure != trace.structures[k]:
            raise ArgumentError(f"jvp: tangent {k} must have the containers of primal {k}")
        directions.extend(leaves)
    directions = [
        _like(f"jvp: tangent of {name}", x, spec_of(_spec_leaf(value)))
        for name, x, value in zip(trace.names, directions, trace.values, strict=True)
    ]
    if _is_nested(trace) or any(isinstance(x, Tracer) for x in directions):
        sweeps = tangent_graph(trace.graph, trace.graph.inputs)
        found = inline(sweeps.graph, _leaves(trace, sweeps.constants, sweeps.seeds, directions))
        outputs = [found[v] for v in sweeps.graph.outputs]
        values, dots = outputs[: len(outputs) // 2], outputs[len(outputs) // 2 :]
    else:
        executor = executor_for(chosen)
        compiled = compile_trace(trace, inputs, TANGENT, chosen, executor)
        values, dots = run(compiled, trace, executor, chosen, directions)
    return tuple(unflatten(trace.result, [_number(y) for y in part]) for part in (values, dots))


def trace(f: Callable[..., Any], *args: Any, **options: Any) -> Graph:
    """The graph of f(*args): nodes for arrays, or for tiles with `chunks`. Specs stand for arrays."""
    chosen = Options.read("trace", options)
    found = _trace("trace", f, args, ())
    if chosen.chunks is None:
        return found.graph
    return compile_trace(found, (), FORWARD, chosen, executor_for(chosen)).tiled.graph


def operator_matrix(graph: Graph, *args: Array) -> tuple[OperatorMatrix, OperatorMatrix, list[Any]]:
    """(I - L, D, g) of a graph at concrete inputs: the gradient is `D.T @ backslash((I - L).T, g)`.

    graph     from `ds.trace`, with a scalar first output; args are its inputs' arrays in order
    g         the cotangent of the first output (one), None elsewhere

    Reference: A. Edelman, E. Akyürek, Y. Wang, SIAM J. Matrix Anal. Appl. 45 (2024), eq. (1).
    """
    if len(args) != len(graph.inputs):
        raise ArgumentError(
            f"operator_matrix: the graph has {len(graph.inputs)} inputs, got {len(args)} arrays"
        )
    missing = [v for v in graph.constants if v not in graph.captured]
    if missing:
        raise ArgumentError(
            "operator_matrix: the graph's constants have no values; use a graph from ds.trace"
        )
    arrays = [np.asarray(x) if isinstance(x, (int, float, complex)) else x for x in args]
    return _operator_matrix(
        graph, {**graph.captured, **dict(zip(graph.inputs, arrays, strict=True))}, graph.inputs
    )


def _trace(who: str, f: Callable[..., Any], args: tuple[Any, ...], wanted: Sequence[int]) -> Trace:
    for number in wanted:
        if not -len(args) <= number < len(args):
            raise ArgumentError(f"{who}: argnums holds {number}, but only {len(args)} arguments were given")
    for number, arg in enumerate(args):
        if any(hasattr(leaf, "__dask_graph__") for leaf in flatten(arg)[0]):
            raise ArgumentError(
                f"{who}: argument {number} is a Dask array; this function takes NumPy arrays. "
                "Use ds.gradients(y, xs) for a value y computed with dask.array, "
                "or pass chunks= with NumPy data."
            )
    return trace_function(who, f, args, wanted)


def _argnums(who: str, argnums: Any) -> tuple[int, ...]:
    found = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    if not found or any(not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 0 for k in found):
        raise ArgumentError(f"{who}: argnums must be a non-negative int or a tuple of them, got {argnums!r}")
    return found


def _forward(trace: Trace, options: Options) -> Any:
    if _is_nested(trace):
        found = inline(trace.graph, _leaves(trace, {}, (), ()))
        values = [found[v] for v in trace.graph.outputs]
    else:
        executor = executor_for(options)
        values, _ = run(compile_trace(trace, (), FORWARD, options, executor), trace, executor, options)
    return unflatten(trace.result, [_number(y) for y in values])


def _is_nested(trace: Trace) -> bool:
    """Whether the function was called while another one is traced."""
    return any(isinstance(x, Tracer) for x in (*trace.values, *trace.constants.values()))


def _inlined(
    trace: Trace, inputs: Sequence[int], *, seeded: Sequence[int], seeds: Sequence[Any] = ()
) -> tuple[list[Any], list[Any]]:
    """Values and cotangents recorded in the trace around this one, so that derivatives nest."""
    wanted = [trace.graph.inputs[k] for k in inputs]
    sweeps = joint_graph(trace.graph, wanted, seeded, seeds_are_inputs=bool(seeds))
    found = inline(sweeps.graph, _leaves(trace, sweeps.constants, sweeps.seeds, seeds))
    outputs = [found[v] for v in sweeps.graph.outputs]
    count = len(trace.graph.outputs)
    return outputs[:count], outputs[count:]


def _leaves(
    trace: Trace, numbers: dict[int, Any], new: Sequence[int], given: Sequence[Any]
) -> dict[int, Any]:
    values = [x if isinstance(x, Tracer) else np.asarray(x) for x in trace.values]
    return {
        **trace.constants,
        **numbers,
        **dict(zip(trace.graph.inputs, values, strict=True)),
        **dict(zip(new, given, strict=True)),
    }


def _by_argument(
    trace: Trace, wanted: Sequence[int], inputs: Sequence[int], bars: Sequence[Any]
) -> list[Any]:
    """Cotangents in the containers of the wanted arguments; numbers where the arguments were numbers."""
    found = dict(zip(inputs, bars, strict=True))
    made = []
    for number in wanted:
        positions = trace.input_of_leaf[number]
        leaves = []
        for leaf in range(trace.leaf_count[number]):
            bar = found[positions[leaf]]
            leaves.append(_number(bar) if not hasattr(trace.values[positions[leaf]], "shape") else bar)
        made.append(unflatten(trace.structures[number], leaves))
    return made


def _matching(who: str, trace: Trace, cotangent: Any) -> list[Any]:
    leaves, structure = flatten(cotangent)
    if structure != trace.result:
        raise ArgumentError(f"{who} must have the containers of the value")
    return [_like(who, x, trace.graph.spec(v)) for x, v in zip(leaves, trace.graph.outputs, strict=True)]


def _like(who: str, x: Any, of: Any) -> Any:
    if not is_traceable(x) and not isinstance(x, (int, np.ndarray)):
        raise DtypeError(f"{who} must be an array or a number of dtype {of.dtype}, got {type(x).__name__}")
    if isinstance(x, Tracer):
        found: Any = x
    else:
        found = (
            np.asarray(x, dtype=of.dtype)
            if not hasattr(x, "dtype") or isinstance(x, np.generic)
            else x.astype(of.dtype, copy=False)
        )
    if tuple(found.shape) != of.shape:
        raise ShapeError(f"{who} must have shape {of.shape}, got {tuple(found.shape)}")
    return found


def _spec_leaf(value: Any) -> Any:
    return value.spec if isinstance(value, Tracer) else value


def _number(y: Any) -> Any:
    """A 0-d array as a NumPy number; everything else as it is."""
    return y[()] if isinstance(y, np.ndarray) and y.ndim == 0 else y
