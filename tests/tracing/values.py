"""Values of traced functions, from their graphs."""

from typing import Any

import numpy as np

from dagsolve.blocks.evaluate import evaluate
from dagsolve.tracing.trace import Trace, trace_function
from dagsolve.tree import unflatten


def traced(f: Any, *args: Any) -> Trace:
    """The trace of f at these arguments."""
    return trace_function("test", f, args)


def value(f: Any, *args: Any) -> Any:
    """f(*args) by its graph, in the containers of f's result."""
    return value_of(traced(f, *args))


def value_of(trace: Trace) -> Any:
    graph = trace.graph
    leaves = dict(zip(graph.inputs, map(np.asarray, trace.values), strict=True))
    found = evaluate(graph, {**trace.constants, **leaves})
    return unflatten(trace.result, [found[v] for v in graph.outputs])


def names(trace: Trace) -> list[str]:
    """Primitives of the nodes that are no leaves, in order."""
    nodes = trace.graph.nodes()
    return [node.primitive for node in nodes if node.primitive not in ("input", "constant")]
