"""The public functions: gradients and products of derivatives of NumPy functions, on NumPy or Dask arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.arguments import argument_numbers, by_argument, like, matching, number, spec_leaf, traced
from dagsolve.errors import ArgumentError, DtypeError, ShapeError
from dagsolve.evaluation import evaluated
from dagsolve.graph import Graph
from dagsolve.lazy import is_lazy, refuse_chunks
from dagsolve.namespace import Array
from dagsolve.operators import OperatorMatrix
from dagsolve.options import Options
from dagsolve.pipeline import FORWARD, PULLBACK, REVERSE, TANGENT, Compiled, compile_trace, executor_for
from dagsolve.planning.actions import Plan
from dagsolve.reports import RunReport
from dagsolve.specs import spec_of
from dagsolve.tracing.reverse import operator_matrix as _operator_matrix
from dagsolve.tracing.trace import Trace
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
        self._wanted = argument_numbers(who, argnums)
        self.last_report: RunReport | None = None
        """Seconds, bytes and blocks of the last call."""
        self.__name__ = f"{who}({getattr(f, '__name__', repr(f))})"
        self.__doc__ = f"{self.__name__}; see `dagsolve.{who}`."

    def __call__(self, *args: Any) -> Any:
        trace, inputs = self._traced(args)
        values, bars, report = evaluated(self._who, trace, inputs, REVERSE, self._options)
        self.last_report = report or self.last_report
        found = by_argument(trace, self._wanted, inputs, bars)
        gradient = tuple(found) if isinstance(self._argnums, Sequence) else found[0]
        results = unflatten(trace.result, [number(y) for y in values])
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
        if is_lazy(trace):
            refuse_chunks(self._who, self._options)
        return compile_trace(trace, inputs, REVERSE, self._options, executor_for(self._options))

    def _traced(self, args: tuple[Any, ...]) -> tuple[Trace, list[int]]:
        trace = traced(self._who, self._f, args, self._wanted)
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

    Dask arrays among the arguments make the result lazy: nothing is loaded, f meets tracers as ever, and what
    comes back are Dask arrays in the chunks of the arguments, in one graph with their loading tasks. Such a
    call takes no options; `ds.compute(*results, memory_limit=…)` runs them. Dask and Zarr arrays that f
    captures are loaded chunk by chunk when the gradient runs.

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
    trace = traced("vjp", f, primals, everything)
    inputs = list(range(len(trace.values)))
    found, _, _ = evaluated("vjp", trace, (), FORWARD, chosen)
    value = unflatten(trace.result, [number(y) for y in found])

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        seeds = matching("vjp pullback: cotangent", trace, cotangent)
        positions = tuple(range(len(trace.graph.outputs)))
        _, bars, _ = evaluated("vjp", trace, inputs, PULLBACK, chosen, seeded=positions, seeds=seeds)
        return tuple(by_argument(trace, everything, inputs, bars))

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
    trace = traced("jvp", f, tuple(primals), tuple(range(len(primals))))
    inputs = list(range(len(trace.values)))
    directions = []
    for k, tangent in enumerate(tangents):
        leaves, structure = flatten(tangent)
        if structure != trace.structures[k]:
            raise ArgumentError(f"jvp: tangent {k} must have the containers of primal {k}")
        directions.extend(leaves)
    directions = [
        like(f"jvp: tangent of {name}", x, spec_of(spec_leaf(value)))
        for name, x, value in zip(trace.names, directions, trace.values, strict=True)
    ]
    values, dots, _ = evaluated("jvp", trace, inputs, TANGENT, chosen, seeds=directions)
    return tuple(unflatten(trace.result, [number(y) for y in part]) for part in (values, dots))


def trace(f: Callable[..., Any], *args: Any, **options: Any) -> Graph:
    """The graph of f(*args): nodes for arrays, or for tiles where Dask arguments or `chunks` cut them.

    Specs stand for arrays.
    """
    chosen = Options.read("trace", options)
    found = traced("trace", f, args, ())
    if is_lazy(found):
        refuse_chunks("trace", chosen)
    elif chosen.chunks is None:
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
