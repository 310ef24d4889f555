"""A graph at given values as the linear system of its derivatives.

    dx = D dp + L dx,   hence   dx = (I - L) \\ (D dp)   and   ∇ = Dᵀ• ((I - L)ᵀ• \\ g)

Row i belongs to the i-th active node (not a leaf, depends on a wanted input, leads to an output); an entry
is the `LocalJacobian` of one edge. The values may be arrays (a gradient in memory) or tracers (the reverse
sweep is recorded): nothing here knows the difference. Reference: Edelman, Akyürek, Wang, SIAM J. Matrix
Anal. Appl. 45 (2024), eq. (1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dagsolve.errors import UnsupportedError
from dagsolve.graph import Graph, Node
from dagsolve.graph.order import reachable_backward
from dagsolve.namespace import Array, namespace_of
from dagsolve.operators import Bundle, LocalJacobian, OperatorMatrix
from dagsolve.primitive import Primitive, Saved, Wanted
from dagsolve.primitives.derived import find, is_pullback, pullback_node
from dagsolve.specs import Spec


@lru_cache(maxsize=4096)
def _residuals(primitive: Primitive, wanted: Wanted) -> tuple[str, ...]:
    return primitive.saves_for(wanted)


class LinearNode:
    """The two linear maps of one node at its values.

    `pull` computes the cotangents of all wanted operands at once and remembers them for the cotangent that
    it was last given, so operands whose pullbacks share work share it.
    """

    __slots__ = ("_last", "node", "params", "primitive", "recorder", "saved", "slots", "wanted", "xp")

    def __init__(
        self,
        node: Node,
        primitive: Primitive,
        slots: tuple[int, ...],
        names: tuple[str, ...],
        values: Sequence[Any],
        specs: Sequence[Spec],
    ) -> None:
        self.node, self.primitive, self.slots = node, primitive, slots
        self.params = dict(node.params)
        self.wanted = tuple([names[k] for k in slots])
        results = [values[v] for v in node.results]
        where = dict(zip((*names, *primitive.results), (*node.operands, *node.results), strict=True))
        named_specs = {name: specs[v] for name, v in where.items()}
        kept = {name: values[where[name]] for name in _residuals(primitive, self.wanted)}
        self.saved = Saved(kept, named_specs)
        self.recorder = getattr(results[0], "__dagsolve_recorder__", None)
        self.xp = namespace_of(*results) if self.recorder is None else np
        self._last: tuple[Any, dict[int, Any]] | None = None

    def pull(self, y_bar: Any) -> dict[int, Array | None]:
        """Cotangent per operand slot, from the cotangent of the result (a Bundle where there are several)."""
        if self._last is not None and self._last[0] is y_bar:
            return self._last[1]
        cotangents = tuple(y_bar) if isinstance(y_bar, Bundle) else (y_bar,)
        if self.recorder is not None:
            self.recorder.scope = self.recorder.columns.scope_table.add(self.node.scope)
        if self.primitive.pullback_kernel is not None:
            made = pullback_node(self.primitive, self.saved, cotangents, self.wanted, self.params)
        else:
            made = self.primitive.pull(self.xp, self.saved, cotangents, self.wanted, self.params)
        found = dict(zip(self.slots, made, strict=True))
        self._last = (y_bar, found)
        return found

    def push(self, tangents: Mapping[int, Array]) -> Any:
        """Tangent of the result from tangents by operand slot."""
        if self.recorder is not None:
            self.recorder.scope = self.recorder.columns.scope_table.add(self.node.scope)
        if self.primitive.pushforward is None:
            raise UnsupportedError(
                f"{self.primitive.name} has no pushforward: forward mode cannot pass it ({self.node.scope})"
            )
        operands = tuple(tangents.get(k) for k in range(len(self.node.operands)))
        made = self.primitive.push(self.xp, self.saved, operands, self.params)
        return made[0] if len(made) == 1 else Bundle(made)


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """I - L, D, and which node each row stands for."""

    identity_minus_l: OperatorMatrix
    d: OperatorMatrix  # rows as above, one column per wanted input
    nodes: tuple[int, ...]  # node id of each row
    row: Mapping[int, int]  # node id -> row

    def right_hand_side(self, graph: Graph, cotangents: Mapping[int, Any]) -> list[Any]:
        """g: cotangents of outputs by value id, as one block value per row."""
        g: list[Any] = [None] * len(self.nodes)
        for value, seed in cotangents.items():
            node = graph.node(int(graph.value_node[value]))
            row = self.row.get(node.id)
            if row is not None:
                term = (
                    seed
                    if len(node.results) == 1
                    else Bundle(seed if v == value else None for v in node.results)
                )
                g[row] = term if g[row] is None else g[row] + term
        return g


def linearise(
    graph: Graph, values: Sequence[Any], wanted: Sequence[int], outputs: Sequence[int]
) -> LinearSystem:
    """The linear system of a graph at values (by value id) for wanted inputs and outputs (value ids)."""
    useful = reachable_backward(
        graph.columns.indptr, graph.producers, graph.value_node[list(outputs)], len(graph)
    )
    table = graph.columns.specs
    specs = [table[code] for code in graph.columns.spec.tolist()]
    active = [False] * graph.value_count
    for v in wanted:
        active[v] = True
    column = {v: k for k, v in enumerate(wanted)}
    value_node = graph.value_node.tolist()
    row: dict[int, int] = {}
    l_entries: dict[tuple[int, int], Any] = {}
    d_entries: dict[tuple[int, int], Any] = {}
    for node in graph.nodes():
        if not useful[node.id] or not any(active[v] for v in node.operands):
            continue
        primitive = find(node.primitive)
        if is_pullback(primitive):
            raise UnsupportedError(
                f"{node.primitive}: expand pullback nodes before differentiating them ({node.scope})"
            )
        names = primitive.operand_names(len(node.operands))
        slots = tuple(
            k for k, v in enumerate(node.operands) if active[v] and primitive.carries_derivative(names[k])
        )
        if not slots:
            continue
        i = row[node.id] = len(row)
        for v in node.results:
            active[v] = True
        linear = LinearNode(node, primitive, slots, names, values, specs)
        sources: dict[int, list[int]] = {}
        for k in slots:
            sources.setdefault(value_node[node.operands[k]], []).append(k)
        for source, edge in sources.items():
            made = _edge(linear, graph.node(source), tuple(edge))
            if source in row:
                l_entries[i, row[source]] = made
            else:
                for k in edge:
                    d_entries[i, column[node.operands[k]]] = made
    m = len(row)
    strictly_lower = OperatorMatrix(l_entries, (m, m))
    return LinearSystem(
        OperatorMatrix.identity(m) - strictly_lower,
        OperatorMatrix(d_entries, (m, len(wanted))),
        tuple(row),
        row,
    )


def _edge(linear: LinearNode, source: Node, slots: tuple[int, ...]) -> LocalJacobian:
    """The edge from a node to a reader of it: slots are the reader's operands that it feeds."""
    several = len(source.results) > 1
    operands = linear.node.operands

    def apply(x_dot: Any) -> Any:
        parts = {k: x_dot[source.results.index(operands[k])] if several else x_dot for k in slots}
        given = {k: part for k, part in parts.items() if part is not None}
        return linear.push(given) if given else None

    def adjoint(y_bar: Any) -> Any:
        found = linear.pull(y_bar)
        total: dict[int, Any] = {}
        for k in slots:
            part, v = found[k], operands[k]
            if part is not None:
                total[v] = part if total.get(v) is None else total[v] + part
        if several:
            return Bundle(total.get(v) for v in source.results) if total else None
        return total.get(source.results[0])

    return LocalJacobian(apply, adjoint, f"∂{linear.primitive.name}")
