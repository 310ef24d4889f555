"""Sparse Jacobians from a few sweeps: a pattern, its colours, one tangent or cotangent per colour.

Tangents: columns of one colour have no row in common, so the derivative in the direction of their sum holds
all of their entries, each in a row of its own. Cotangents: the same of rows. Fewer colours win.

Reference: A. Curtis, M. Powell, J. Reid, IMA J. Appl. Math. 13 (1974) 117-119; A. Gebremedhin, F. Manne,
A. Pothen, SIAM Review 47 (2005) 629-705.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from dagsolve.errors import ArgumentError, DtypeError, TraceError
from dagsolve.graph.colouring import colour_bound, coloured
from dagsolve.nesting import is_nested
from dagsolve.options import Options
from dagsolve.pipeline import PULLBACK, TANGENT, compile_trace, executor_for, run
from dagsolve.primitives.derived import find
from dagsolve.tracing.sparsity import jacobian_pattern
from dagsolve.tracing.trace import Trace

CALL_FLOPS = 2000  # what calling a primitive costs beside its arithmetic


class SweepCost(NamedTuple):
    """Flops of one way to a Jacobian, calls included."""

    value: float  # of f alone
    calls: float  # of passing the primitives' rules once, whatever passes
    derivative: float  # of the arithmetic on one tangent or one cotangent

    def separately(self, count: int) -> float:
        """Of so many tangents or cotangents in runs of their own."""
        return count * (self.value + self.calls + self.derivative)

    def at_once(self, count: int) -> float:
        """Of so many cotangents in one sweep."""
        return self.value + self.calls + count * self.derivative


def sweep_cost(trace: Trace, inputs: Sequence[int]) -> SweepCost:
    """What one tangent or cotangent through a traced function costs, by its primitives' own costs."""
    graph = trace.graph
    needed = graph.needed()
    active = {graph.inputs[k] for k in inputs}
    value, calls, derivative = float(CALL_FLOPS), 0.0, 0.0
    for node in graph.nodes():
        if not needed[node.id] or graph.is_leaf[node.id]:
            continue
        primitive = find(node.primitive)
        operands = tuple(graph.spec(v) for v in node.operands)
        cost = primitive.costs(operands, tuple(graph.spec(v) for v in node.results), dict(node.params))
        value += CALL_FLOPS + cost.forward_flops
        names = primitive.operand_names(len(operands))
        carrying = [k for k, name in enumerate(names) if primitive.carries_derivative(name)]
        used = [k for k in carrying if node.operands[k] in active]
        if used:
            active.update(node.results)
            calls += len(used) * CALL_FLOPS
            derivative += len(used) / len(carrying) * cost.pullback_flops
    return SweepCost(value, calls, derivative)


def compressed_jacobians(trace: Trace, inputs: Sequence[int], mode: str, options: Options) -> list[Any]:
    """∂f/∂x as one `csr_array` of shape (items of f, items of x) for each of the inputs.

    Holds the entries of the pattern, also those that are zero at these values. Raises TraceError inside
    another trace, ArgumentError for Dask arrays, DtypeError for complex ones, UnsupportedError where the
    pattern is too large to be held.
    """
    graph = trace.graph
    if is_nested(trace):
        raise TraceError(
            "jacobian: sparse=True makes SciPy arrays, which cannot be traced; inside of a function that is "
            "differentiated itself use sparse=False"
        )
    if any(hasattr(x, "__dask_graph__") for x in (*trace.values, *trace.constants.values())):
        raise ArgumentError(
            "jacobian: sparse=True takes NumPy arrays, got a Dask array. Use sparse=False, or .compute() it."
        )
    specs = [graph.spec(graph.inputs[k]) for k in inputs]
    out = graph.spec(graph.outputs[0])
    if any(s.dtype.kind == "c" for s in (*specs, out)):
        raise DtypeError("jacobian: sparse=True takes real arrays, got complex ones. Use sparse=False.")
    values = [np.asarray(x) for x in trace.values]
    leaves = {**trace.constants, **dict(zip(graph.inputs, values, strict=True))}
    pattern = jacobian_pattern(graph, [graph.inputs[k] for k in inputs], leaves)
    starts = np.cumsum([0, *(s.size for s in specs)])
    of_row = np.repeat(np.arange(out.size), np.diff(pattern.indptr))
    data = np.zeros(pattern.nnz, out.dtype)
    if pattern.nnz:
        forward, colour = _fewest_colours(pattern, mode)
        if forward:
            found = _tangents(trace, inputs, colour, starts, options)
            data = found[colour[pattern.indices], of_row]
        else:
            found = _cotangents(trace, inputs, colour, options)
            data = found[colour[of_row], pattern.indices]
    whole = csr_array((data, pattern.indices, pattern.indptr), shape=pattern.shape)
    return [whole[:, a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]


def _fewest_colours(pattern: Any, mode: str) -> tuple[bool, Any]:
    """Whether to use tangents, and the colours of the columns, else of the rows.

    A tangent and a cotangent cost about the same, f included, so their number decides; tangents at a tie.
    """
    if mode == "forward":
        return True, coloured(pattern)
    turned = pattern.T.tocsr()
    if mode == "reverse":
        return False, coloured(turned)
    ways = [(colour_bound(pattern), True, pattern), (colour_bound(turned), False, turned)]
    (_, forward, likely), (bound, _, other) = sorted(ways, key=lambda way: way[0])
    first = coloured(likely)
    if first.max() < bound:
        return forward, first
    second = coloured(other)
    if (first.max(), not forward) <= (second.max(), forward):
        return forward, first
    return not forward, second


def _tangents(trace: Trace, inputs: Sequence[int], colour: Any, starts: Any, options: Options) -> Any:
    """Derivative in the direction of each colour's columns: (colours, items of f)."""
    executor = executor_for(options)
    compiled = compile_trace(trace, inputs, TANGENT, options, executor)
    specs = [trace.graph.spec(trace.graph.inputs[k]) for k in inputs]
    made = []
    for c in range(int(colour.max()) + 1):
        chosen = colour == c
        directions = [
            np.reshape(chosen[a:b].astype(s.dtype), s.shape)
            for s, a, b in zip(specs, starts[:-1], starts[1:], strict=True)
        ]
        _, (column,) = run(compiled, trace, executor, options, directions)
        made.append(np.ravel(column))
    return np.stack(made)


def _cotangents(trace: Trace, inputs: Sequence[int], colour: Any, options: Options) -> Any:
    """Sum of each colour's rows: (colours, items of the inputs)."""
    executor = executor_for(options)
    compiled = compile_trace(trace, inputs, PULLBACK, options, executor)
    out = trace.graph.spec(trace.graph.outputs[0])
    made = []
    for c in range(int(colour.max()) + 1):
        seed = np.reshape((colour == c).astype(out.dtype), out.shape)
        _, bars = run(compiled, trace, executor, options, (seed,))
        made.append(np.concatenate([np.ravel(bar) for bar in bars]))
    return np.stack(made)
