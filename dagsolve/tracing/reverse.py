"""The reverse sweep as a graph: `backslash((I - L).T, g)` run once on tracers.

The forward graph's columns are extended: forward values keep their ids, the reverse nodes follow with the
next sweep number. Forward mode is recorded by the same backslash on the untransposed matrix.
"""

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

from dagsolve.graph import LEAVES, Graph
from dagsolve.namespace import Array, Arrays
from dagsolve.operators import OperatorMatrix
from dagsolve.primitives.derived import expand, find, is_pullback
from dagsolve.primitives.generators import full
from dagsolve.specs import Spec, spec
from dagsolve.substitution import backslash
from dagsolve.tracing.linearise import LinearSystem, linearise
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.tracer import Tracer


class Sweeps(NamedTuple):
    """A graph with another sweep appended."""

    graph: Graph
    seeds: tuple[int, ...]  # value ids of the new inputs: cotangents of outputs, or tangents of inputs
    constants: dict[int, Any]  # numbers that the rules brought along, by value id


def joint_graph(
    graph: Graph,
    wanted: Sequence[int],
    seeded: Sequence[int],
    *,
    seeds_are_inputs: bool = False,
    lead: tuple[int, ...] = (),
) -> Sweeps:
    """Forward and reverse nodes in one graph.

    wanted: value ids of inputs; seeded: positions of the outputs whose cotangents start the sweep. Seeds are
    ones (for scalar outputs), or new inputs with the outputs' specs behind `lead` axes (many cotangents at
    once). The joint graph's outputs are the forward outputs followed by one cotangent per wanted input.
    """
    with Recorder.extending(graph, sweep=_next_sweep(graph)) as recorder:
        values = recorder.tracers(graph)
        seeds: dict[int, Any] = {}
        new_inputs = []
        for position in seeded:
            v = graph.outputs[position]
            if seeds_are_inputs:
                seed = recorder.input(_behind(lead, graph.spec(v)), f"cotangent {position}")
                new_inputs.append(seed.id)
            else:
                seed = _filled(recorder, graph.spec(v), 1.0)
            seeds[v] = seeds[v] + seed if v in seeds else seed
        cotangents = solve_reverse(graph, values, wanted, seeds)
        ids = [
            (_filled(recorder, _behind(lead, graph.spec(v)), 0.0) if x_bar is None else x_bar).id
            for v, x_bar in zip(wanted, cotangents, strict=True)
        ]
        made = recorder.graph((*graph.outputs, *ids))
    return Sweeps(made, tuple(new_inputs), dict(recorder.constants))


def solve_reverse(
    graph: Graph, values: Sequence[Any], wanted: Sequence[int], seeds: Mapping[int, Any]
) -> list[Any]:
    """∇ = Dᵀ• ((I - L)ᵀ• \\ g), one cotangent (or None) per wanted input; values are arrays or tracers.

    A wanted value that is made from other wanted ones gets what the solution holds for its own row.
    """
    leaves = [v for v in wanted if graph.node(int(graph.value_node[v])).primitive in LEAVES]
    with _collector_paused():
        system = linearise(graph, values, leaves, tuple(seeds))
        g = system.right_hand_side(graph, seeds)
        solved = backslash(system.identity_minus_l.T, g) if system.nodes else []
        found = dict(zip(leaves, system.d.T @ solved if system.nodes else [None] * len(leaves), strict=True))
    for v in leaves:  # an output that is an input itself
        if v in seeds:
            found[v] = seeds[v] if found[v] is None else found[v] + seeds[v]
    if len(leaves) < len(wanted):
        found = {**_by_value(graph, system, solved), **found}
    return [found.get(v) for v in wanted]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: a system makes many objects, none of them garbage, and full passes
    over them would take half of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def tangent_graph(graph: Graph, wanted: Sequence[int]) -> Sweeps:
    """Forward values and tangents in one graph: dx = (I - L) \\ (D dp).

    Outputs are the forward outputs followed by their tangents.
    """
    with Recorder.extending(graph, sweep=_next_sweep(graph)) as recorder:
        values = recorder.tracers(graph)
        tangents = [recorder.input(graph.spec(v), f"tangent {k}") for k, v in enumerate(wanted)]
        system = linearise(graph, values, wanted, graph.outputs)
        found = _tangents(graph, system, dict(zip(wanted, tangents, strict=True)), wanted)
        ids = []
        for v in graph.outputs:
            y_dot = found.get(v)
            ids.append((_filled(recorder, graph.spec(v), 0.0) if y_dot is None else y_dot).id)
        made = recorder.graph((*graph.outputs, *ids))
    return Sweeps(made, tuple(t.id for t in tangents), dict(recorder.constants))


def jacobian_rows(
    graph: Graph, wanted: Sequence[Sequence[int]], tiles: Sequence[tuple[slice, ...]], shape: tuple[int, ...]
) -> Sweeps:
    """Forward values and Jacobian tiles in one graph, by one reverse sweep of all unit cotangents at once.

    The graph's outputs are the tiles of one array of that shape; wanted: value ids of inputs, in groups. The
    new inputs are the tiles of the unit cotangents, of shape (items of the array, *tile). For each group the
    made graph has outputs of shape (*output tile, *input tile), in C order of (output tile, input tile).
    """
    lead = (math.prod(shape),)
    values = [v for group in wanted for v in group]
    sweeps = joint_graph(graph, values, range(len(tiles)), seeds_are_inputs=True, lead=lead)
    count = len(graph.outputs)
    with Recorder.extending(sweeps.graph, sweep=_next_sweep(graph)) as recorder:
        tracers = recorder.tracers(sweeps.graph)
        rows = {}
        for v, bar in zip(values, sweeps.graph.outputs[count:], strict=True):
            whole: Any = np.reshape(tracers[bar], (*shape, *graph.spec(v).shape))
            for k, index in enumerate(tiles):
                rows[v, k] = whole.id if len(tiles) == 1 else whole[index].id
        ids = [rows[v, k] for group in wanted for k in range(len(tiles)) for v in group]
        made = recorder.graph((*graph.outputs, *ids))
    return Sweeps(made, sweeps.seeds, {**sweeps.constants, **recorder.constants})


def jacobian_columns(graph: Graph, wanted: Sequence[Sequence[int]]) -> Sweeps:
    """Forward values and Jacobian tiles in one graph, by a tangent sweep for every item of the wanted inputs.

    All sweeps read the same forward values. Outputs as in `jacobian_rows`; no new inputs.
    """
    with Recorder.extending(graph, sweep=_next_sweep(graph)) as recorder:
        values = recorder.tracers(graph)
        tiles: dict[tuple[int, int], Any] = {}
        for v in (v for group in wanted for v in group):
            of = graph.spec(v)
            system = linearise(graph, values, [v], graph.outputs)
            columns: dict[int, list[Any]] = {y: [] for y in graph.outputs}
            for item in range(of.size):
                unit = np.zeros(of.shape, of.dtype)
                unit.flat[item] = 1
                found = _tangents(graph, system, {v: recorder.constant(unit)}, [v])
                for y, column in columns.items():
                    y_dot = found.get(y)
                    column.append(_filled(recorder, graph.spec(y), 0.0) if y_dot is None else y_dot)
            for y, column in columns.items():
                out = graph.spec(y)
                shape = (*out.shape, *of.shape)
                tiles[y, v] = (
                    np.reshape(np.stack(column, axis=-1), shape)
                    if column
                    else _filled(recorder, spec(shape, out.dtype), 0.0)
                )
        ids = [tiles[y, v].id for group in wanted for y in graph.outputs for v in group]
        made = recorder.graph((*graph.outputs, *ids))
    return Sweeps(made, (), dict(recorder.constants))


def _tangents(
    graph: Graph, system: LinearSystem, tangents: Mapping[int, Any], wanted: Sequence[int]
) -> dict[int, Any]:
    """Tangents by value id: of the wanted inputs as given, and of what depends on them."""
    given = [tangents[v] for v in wanted]
    solved = backslash(system.identity_minus_l, system.d @ given) if system.nodes else []
    return {**tangents, **_by_value(graph, system, solved)}


def operator_matrix(
    graph: Graph, leaves: Mapping[int, Array], wanted: Sequence[int]
) -> tuple[OperatorMatrix, OperatorMatrix, list[Any]]:
    """(I - L, D, g) of a graph at concrete leaves, for its first output seeded with ones."""
    values = inline(graph, leaves)
    system = linearise(graph, values, wanted, graph.outputs[:1])
    out = graph.outputs[0]
    seed = values[out] * 0 + 1
    return system.identity_minus_l, system.d, system.right_hand_side(graph, {out: seed})


def inline(graph: Graph, leaves: Mapping[int, Any]) -> list[Any]:
    """Values of a graph by value id, node by node; on tracers the graph is recorded anew.

    Pullback nodes are expanded into their mathematics when they meet tracers, so that they can be
    differentiated again. Beside tracers, Dask arrays are recorded as constants before any rule meets them.
    """
    needed = graph.needed()
    values: list[Any] = [None] * graph.value_count
    recorders = [x.recorder for x in leaves.values() if isinstance(x, Tracer)]
    innermost = max(recorders, key=lambda recorder: recorder.level) if recorders else None
    for v, leaf in leaves.items():
        values[v] = innermost.constant(leaf) if innermost and isinstance(leaf, da.Array) else leaf
    for node in graph.nodes():
        if not needed[node.id] or node.primitive in ("input", "constant"):
            continue
        made = _call(node.primitive, tuple(values[v] for v in node.operands), dict(node.params))
        for v, value in zip(node.results, made, strict=True):
            values[v] = value
    return values


def _call(name: str, operands: Arrays, params: dict[str, Any]) -> Arrays:
    primitive = find(name)
    if is_pullback(primitive) and any(hasattr(x, "__dagsolve_recorder__") for x in operands):
        return expand(primitive, np, operands, params)
    made = primitive(*operands, **params)
    return made if isinstance(made, tuple) else (made,)


def _by_value(graph: Graph, system: LinearSystem, solved: Sequence[Any]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for n, x_dot in zip(system.nodes, solved, strict=True):
        results = graph.node(n).results
        parts = (x_dot,) if len(results) == 1 else (x_dot if x_dot is not None else (None,) * len(results))
        found.update(zip(results, parts, strict=True))
    return found


def _behind(lead: tuple[int, ...], of: Spec) -> Spec:
    """A spec behind leading axes."""
    return spec((*lead, *of.shape), of.dtype) if lead else of


def _filled(recorder: Recorder, of: Spec, value: float) -> Any:
    return recorder.record(full, (), {"shape": of.shape, "dtype": of.dtype.str, "value": value})


def _next_sweep(graph: Graph) -> int:
    return 1 + int(graph.columns.sweep.max(initial=0))
