"""Functions called while another one is traced: recorded in the trace around them, so derivatives nest."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dagsolve.tracing.capture import chunked
from dagsolve.tracing.reverse import inline, joint_graph, tangent_graph
from dagsolve.tracing.trace import Trace
from dagsolve.tracing.tracer import Tracer


def is_nested(trace: Trace) -> bool:
    """Whether the function was called while another one is traced."""
    return any(isinstance(x, Tracer) for x in (*trace.values, *trace.constants.values()))


def inlined(
    trace: Trace,
    inputs: Sequence[int],
    *,
    seeded: Sequence[int],
    seeds: Sequence[Any] = (),
    lead: tuple[int, ...] = (),
) -> tuple[list[Any], list[Any]]:
    """Values and cotangents recorded in the trace around this one, so that derivatives nest."""
    wanted = [trace.graph.inputs[k] for k in inputs]
    sweeps = joint_graph(trace.graph, wanted, seeded, seeds_are_inputs=bool(seeds), lead=lead)
    found = inline(sweeps.graph, nested_leaves(trace, sweeps.constants, sweeps.seeds, seeds))
    outputs = [found[v] for v in sweeps.graph.outputs]
    count = len(trace.graph.outputs)
    return outputs[:count], outputs[count:]


def nested_leaves(
    trace: Trace, numbers: dict[int, Any], new: Sequence[int], given: Sequence[Any]
) -> dict[int, Any]:
    """Values of all leaves of a trace's graph and of the inputs that a sweep added."""
    values = [chunked(x) if hasattr(x, "shape") else np.asarray(x) for x in trace.values]
    return {
        **trace.constants,
        **numbers,
        **dict(zip(trace.graph.inputs, values, strict=True)),
        **dict(zip(new, given, strict=True)),
    }


def inlined_values(trace: Trace) -> list[Any]:
    """Values recorded in the trace around this one."""
    found = inline(trace.graph, nested_leaves(trace, {}, (), ()))
    return [found[v] for v in trace.graph.outputs]


def inlined_tangents(trace: Trace, directions: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Values and tangents recorded in the trace around this one."""
    sweeps = tangent_graph(trace.graph, trace.graph.inputs)
    found = inline(sweeps.graph, nested_leaves(trace, sweeps.constants, sweeps.seeds, directions))
    outputs = [found[v] for v in sweeps.graph.outputs]
    return outputs[: len(outputs) // 2], outputs[len(outputs) // 2 :]
