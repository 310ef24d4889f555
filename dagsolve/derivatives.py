"""Jacobians, Hessians and their products, and functions traced once for all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.api import grad, jvp
from dagsolve.arguments import argument_numbers, by_argument, traced
from dagsolve.compressed import compressed_jacobians, sweep_cost
from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.evaluation import evaluated
from dagsolve.lazy import cut_like, is_lazy
from dagsolve.namespace import Array
from dagsolve.nesting import is_nested
from dagsolve.options import Options
from dagsolve.pipeline import COLUMNS, ROWS, TANGENT, compile_trace, executor_for, run
from dagsolve.primitives.stop_gradient import stop_gradient as _stop_gradient
from dagsolve.specs import Spec
from dagsolve.tracing.trace import Frozen, Trace

MODES = ("auto", "forward", "reverse")


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    mode: str = "auto",
    sparse: bool = False,
    **options: Any,
) -> Callable[..., Any]:
    """The function that gives ∂f/∂x as an array of f's shape followed by x's shape.

    f         returns one array; arguments and argnums as for `grad`
    mode      "reverse": one sweep with as many cotangents as f has items; "forward": a tangent sweep per item
              of x; "auto": whichever costs less, by the number of sweeps and the flops of each
    sparse    True: a `scipy.sparse.csr_array` of shape (f.size, x.size) for each array of an argument. Which
              entries can be other than zero is found from the graph, item by item; columns (or rows) that
              do not meet share a tangent (or cotangent): three are enough for a tridiagonal matrix. All
              entries of that pattern are stored, also those that are zero at x

    With a sequence of argnums the result is a tuple. Raises ShapeError when f returns several arrays,
    ArgumentError for an unknown mode; if sparse, TraceError inside of another trace, DtypeError for complex
    arrays, UnsupportedError where nearly all depends on nearly all of too many items.
    """
    if mode not in MODES:
        raise ArgumentError(f'jacobian: mode must be "auto", "forward" or "reverse", got {mode!r}')
    chosen, wanted = Options.read("jacobian", options), argument_numbers("jacobian", argnums)

    def jacobian_of_f(*args: Any) -> Any:
        trace = traced("jacobian", f, args, wanted)
        if len(trace.graph.outputs) != 1:
            raise ShapeError(
                f"jacobian: f must return one array, got {len(trace.graph.outputs)}. Select or stack them."
            )
        inputs = [k for k, n in enumerate(trace.argument) if n in wanted]
        forward = _is_forward(trace, inputs, mode)
        if sparse and is_lazy(trace):
            raise UnsupportedError(
                "jacobian: sparse=True gives SciPy arrays, which cannot be lazy, and an argument is a Dask "
                "array. Compute it before, or take sparse=False for a Dask array."
            )
        if sparse:
            made = compressed_jacobians(trace, inputs, mode, chosen)
        elif forward and not is_nested(trace) and not is_lazy(trace):
            made = _columns(trace, inputs, chosen)
        else:
            _, made, _ = evaluated("jacobian", trace, inputs, COLUMNS if forward else ROWS, chosen)
        found = by_argument(trace, wanted, inputs, made)
        return tuple(found) if isinstance(argnums, Sequence) else found[0]

    return jacobian_of_f


def _is_forward(trace: Trace, inputs: Sequence[int], mode: str) -> bool:
    """Whether the Jacobian is computed by tangents."""
    if mode != "auto":
        return mode == "forward"
    columns = sum(trace.graph.spec(trace.graph.inputs[k]).size for k in inputs)
    rows = trace.graph.spec(trace.graph.outputs[0]).size
    cost = sweep_cost(trace, inputs)
    return cost.separately(columns) < cost.at_once(rows)


def hessian(f: Callable[..., Any], argnums: int = 0, **options: Any) -> Callable[..., Any]:
    """The function that gives the second derivatives of a scalar f by one array, of x's shape twice."""
    if not isinstance(argnums, int):
        raise ArgumentError(
            f"hessian: argnums must be one int, got {argnums!r}. Differentiate by one array at a time."
        )
    return jacobian(grad(f, argnums), argnums, mode="reverse", **options)


def hvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **options: Any
) -> tuple[Any, ...]:
    """Hessian of a scalar f times the tangents: one product per primal, by forward over reverse.

    Costs a small multiple of a gradient; the Hessian is never formed.
    """
    everything = tuple(range(len(primals)))
    _, products = jvp(grad(f, everything), primals, tangents, **options)
    return tuple(cut_like(products, tuple(primals)))


def stop_gradient(x: Array) -> Array:
    """x itself, with a derivative that is taken to be zero."""
    return _stop_gradient(x if hasattr(x, "dtype") else np.asarray(x))


def freeze(f: Callable[..., Any], *args: Any) -> Frozen:
    """f traced once, for these arguments' shapes and dtypes; arrays or specs.

    The result takes f's place in `ds.grad` and the others: later calls skip f's own code, so what f captured
    (globals, random draws, Python branches) stays as it is now. Raises ShapeError when it is called with
    arguments of other shapes.
    """
    return Frozen(f, traced("freeze", f, args, ()))


def _columns(trace: Trace, inputs: Sequence[int], options: Options) -> list[Array]:
    """Jacobians by a tangent sweep for every item of the inputs; the plan is made once."""
    executor = executor_for(options)
    compiled = compile_trace(trace, inputs, TANGENT, options, executor)
    specs: list[Spec] = [trace.graph.spec(trace.graph.inputs[k]) for k in inputs]
    made = []
    for which, of in enumerate(specs):
        directions = [np.zeros(s.shape, s.dtype) for s in specs]
        columns = []
        for item in range(of.size):
            directions[which].flat[item] = 1
            _, (column,) = run(compiled, trace, executor, options, directions)
            columns.append(column)
            directions[which].flat[item] = 0
        out = trace.graph.spec(trace.graph.outputs[0])
        stacked = np.stack(columns, axis=-1) if columns else np.zeros((*out.shape, 0), out.dtype)
        made.append(np.reshape(stacked, (*out.shape, *of.shape)))
    return made
