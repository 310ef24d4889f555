"""I - L of blocks: each block one row, an entry the derivative of a block by what it reads of another.

    dx = D dp + L dx,   hence   dx = (I - L) \\ (D dp)   and   ∇ = Dᵀ• ((I - L)ᵀ• \\ g)

as for single nodes, with far fewer rows. The value of a row is what the block writes (a `Bundle` where it
writes several arrays). An entry runs the block's nodes forward or back at saved values, all entries of a row
in one run where they are given the same cotangent; it is a dense matrix where that holds fewer numbers than
the run needs.

Eliminating the blocks leaves the Jacobian: in topological order that is forward mode, in reversed order
reverse mode, and a mixed order may take fewer flops than both. Reference: A. Griewank, A. Walther, Evaluating
Derivatives, 2nd ed., SIAM (2008), chapter 9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.blocks.structure import Block, BlockDag
from dagsolve.elimination import cheap_order, eliminate
from dagsolve.errors import ArgumentError, DtypeError, ShapeError
from dagsolve.graph import INPUT, LEAVES, ColumnsBuilder, Graph
from dagsolve.operators import Bundle, Dense, LocalJacobian, OperatorMatrix, to_dense
from dagsolve.specs import Spec
from dagsolve.substitution import backslash
from dagsolve.tracing.linearise import LinearSystem, linearise
from dagsolve.tracing.reverse import inline

Matrix = npt.NDArray[Any]

ORDERS = ("auto", "forward", "reverse", "mixed")
ITEMS = 2**27  # of all dense local Jacobians together: 1 GiB of doubles


@dataclass(frozen=True, eq=False)
class BlockSystem:
    """I - L and D of the blocks that depend on the wanted inputs, at values."""

    identity_minus_l: OperatorMatrix
    d: OperatorMatrix  # rows as above, one column per wanted input
    rows: tuple["BlockDerivative", ...]
    row: Mapping[int, int]  # value that a block writes -> its row

    def right_hand_side(self, cotangents: Mapping[int, Any]) -> list[Any]:
        """g: cotangents by value id, as one block value per row. Raises ArgumentError for unknown values."""
        g: list[Any] = [None] * len(self.rows)
        for v, seed in cotangents.items():
            if v not in self.row:
                raise ArgumentError(
                    f"right_hand_side: value {v} is written by no block that depends on the inputs"
                )
            k = self.row[v]
            term = _packed([seed if w == v else None for w in self.rows[k].block.writes])
            g[k] = term if g[k] is None else g[k] + term
        return g


class BlockDerivative:
    """The two linear maps of one block at its values, by the backslash on its own nodes."""

    def __init__(self, dag: BlockDag, block: Block, values: Mapping[int, Any], active: Sequence[int]) -> None:
        self.block = block
        self.reads = tuple(active)  # what it reads and the wanted inputs change
        graph, ids = _subgraph(dag.graph, block)
        made = inline(graph, {ids[v]: values[v] for v in block.reads})
        self.made = {v: made[ids[v]] for v in block.writes}
        self._graph, self._ids = graph, ids
        self._system: LinearSystem = linearise(graph, made, [ids[v] for v in active], graph.outputs)
        self.specs: tuple[Spec, ...] = tuple(dag.graph.spec(v) for v in block.writes)
        self.read_specs = tuple(dag.graph.spec(v) for v in active)
        self._last: tuple[Any, dict[int, Any]] | None = None

    @property
    def active(self) -> bool:
        """Whether anything it writes depends on what it reads."""
        return bool(self._system.nodes)

    def push(self, tangents: Mapping[int, Any]) -> Any:
        """Tangent of what is written, from tangents of what is read, by value id."""
        given = [tangents.get(v) for v in self.reads]
        solved = backslash(self._system.identity_minus_l, self._system.d @ given)
        return _packed([self._part(solved, self._ids[v]) for v in self.block.writes])

    def pull(self, cotangent: Any) -> dict[int, Any]:
        """Cotangents of what is read, by value id; remembered for the cotangent that it was last given."""
        if self._last is not None and self._last[0] is cotangent:
            return self._last[1]
        seeds = _parts(cotangent, len(self.block.writes))
        given = {self._ids[v]: y for v, y in zip(self.block.writes, seeds, strict=True) if y is not None}
        g = self._system.right_hand_side(self._graph, given)
        bars = self._system.d.T @ backslash(self._system.identity_minus_l.T, g)
        found = dict(zip(self.reads, bars, strict=True))
        self._last = (cotangent, found)
        return found

    def _part(self, solved: Sequence[Any], v: int) -> Any:
        node = self._graph.node(int(self._graph.value_node[v]))
        k = self._system.row.get(node.id)
        if k is None or solved[k] is None:
            return None
        return solved[k] if len(node.results) == 1 else solved[k][node.results.index(v)]

    def matrices(self) -> dict[int, Matrix]:
        """Jacobian of all that is written, flat and one after the other, by each value read, flat.

        Shape (items written, items of the value), in C order; by cotangents or by tangents, whichever are
        fewer.
        """
        rows, columns = sum(s.size for s in self.specs), sum(s.size for s in self.read_specs)
        if rows <= columns:
            ends = np.cumsum([0, *(s.size for s in self.specs)]).tolist()
            units = [
                np.reshape(np.eye(rows, s.size, -start, dtype=s.dtype), (rows, *s.shape))
                for s, start in zip(self.specs, ends, strict=False)
            ]
            bars = self.pull(_packed(units))
            return {
                v: np.zeros((rows, s.size), s.dtype)
                if bars[v] is None
                else np.reshape(bars[v], (rows, s.size))
                for v, s in zip(self.reads, self.read_specs, strict=True)
            }
        found = {}
        for v, s in zip(self.reads, self.read_specs, strict=True):
            directions = np.reshape(np.eye(s.size, dtype=s.dtype), (s.size, *s.shape))
            made = [self._flat(self.push({v: x_dot})) for x_dot in directions]
            found[v] = np.stack(made, axis=1) if made else np.zeros((rows, 0), s.dtype)
        return found

    def _flat(self, written: Any) -> Matrix:
        parts = zip(_parts(written, len(self.specs)), self.specs, strict=True)
        return np.concatenate([np.zeros(s.size, s.dtype) if y is None else np.ravel(y) for y, s in parts])


def block_system(dag: BlockDag, leaves: Mapping[int, Any], wanted: Sequence[int]) -> BlockSystem:
    """I - L and D of the blocks of the forward sweep, at leaves (arrays by value id).

    wanted: value ids of inputs, the columns of D. Blocks that do not depend on them have no row. An entry is
    a `Dense` matrix where both ends are one real array and it has fewer items than the values that the block
    reads and writes; else it runs the block.
    """
    values = dict(leaves)
    active, column = set(wanted), {v: k for k, v in enumerate(wanted)}
    rows: list[BlockDerivative] = []
    row: dict[int, int] = {}
    l_entries: dict[tuple[int, int], Any] = {}
    d_entries: dict[tuple[int, int], Any] = {}
    for block in dag:
        if block.sweep:
            continue
        made = BlockDerivative(dag, block, values, [v for v in block.reads if v in active])
        values.update(made.made)
        if not made.active:
            continue
        k = len(rows)
        rows.append(made)
        sources: dict[int, list[int]] = {}
        for v in made.reads:
            if v in row:
                sources.setdefault(row[v], []).append(v)
            else:
                d_entries[k, column[v]] = _entry(made, (v,), (v,))
        for j, read in sources.items():
            l_entries[k, j] = _entry(made, rows[j].block.writes, tuple(read))
        active.update(block.writes)
        row.update(dict.fromkeys(block.writes, k))
    m = len(rows)
    return BlockSystem(
        OperatorMatrix.identity(m) - OperatorMatrix(l_entries, (m, m)),
        OperatorMatrix(d_entries, (m, len(wanted))),
        tuple(rows),
        row,
    )


def block_jacobian(
    dag: BlockDag,
    leaves: Mapping[int, Any],
    wanted: Sequence[int],
    outputs: Sequence[int],
    *,
    order: str = "auto",
) -> list[list[Matrix]]:
    """Jacobian of each output by each wanted input, in the output's shape followed by the input's.

    outputs   value ids that blocks of the forward sweep write, or inputs
    order     "forward", "reverse", "mixed" (Markowitz's) elimination of the blocks; "auto": the one of the
              three that takes the fewest flops

    All local Jacobians are dense: for small blocks. Raises ArgumentError for an unknown order or output,
    DtypeError for complex values, ShapeError where the local Jacobians would hold more than 2**27 items.
    """
    if order not in ORDERS:
        raise ArgumentError(
            f'block_jacobian: order must be "auto", "forward", "reverse" or "mixed", got {order!r}'
        )
    graph, system = dag.graph, block_system(dag, leaves, wanted)
    _check(dag, system, wanted, outputs)
    n, m = len(wanted), len(system.rows)
    sizes = [
        *(graph.spec(v).size for v in wanted),
        *(sum(s.size for s in made.specs) for made in system.rows),
        *(graph.spec(v).size for v in outputs),
    ]
    starts = {v: start for made in system.rows for v, start in _starts(made).items()}
    entries: dict[tuple[int, int], Matrix] = {}
    for k, made in enumerate(system.rows, n):
        for v, local in made.matrices().items():
            j = n + system.row[v] if v in system.row else list(wanted).index(v)
            whole = entries.setdefault((k, j), np.zeros((sizes[k], sizes[j]), local.dtype))
            start = starts.get(v, 0)
            whole[:, start : start + local.shape[1]] += local
    for k, v in enumerate(outputs, n + m):
        if v in system.row:
            j = n + system.row[v]
            entries[k, j] = np.eye(sizes[k], sizes[j], starts[v])
        elif v in wanted:
            entries[k, list(wanted).index(v)] = np.eye(sizes[k])
    a = OperatorMatrix.identity(len(sizes)) - OperatorMatrix(entries, (len(sizes), len(sizes)))
    left = eliminate(a, elimination_order(a, range(n, n + m), sizes, order))
    return [
        [_block_of(left, graph, n + i, k, y, x) for k, x in enumerate(wanted)] for i, y in enumerate(outputs)
    ]


def elimination_order(
    a: OperatorMatrix, nodes: Sequence[int], sizes: Sequence[int], order: str = "auto"
) -> list[int]:
    """The nodes in the order of this name; "auto": of forward, reverse and mixed the one of fewest flops.

    `sizes` are the items of each row's value. Nodes are in topological order.
    """
    found = {"forward": list(nodes), "reverse": list(nodes)[::-1]}
    if order in found:
        return found[order]
    found["mixed"] = cheap_order(a, nodes)
    if order == "mixed":
        return found["mixed"]
    return min(found.values(), key=lambda chosen: elimination_flops(a, chosen, sizes))


def elimination_flops(a: OperatorMatrix, order: Sequence[int], sizes: Sequence[int]) -> float:
    """Flops of eliminating the nodes in this order, with dense entries between values of these sizes."""
    reads = [set(row) - {i} for i, row in enumerate(a.stored)]
    readers: list[set[int]] = [set() for _ in reads]
    for i, row in enumerate(reads):
        for j in row:
            readers[j].add(i)
    flops = 0.0
    for k in order:
        into, out = reads[k], readers[k]
        flops += 2.0 * sizes[k] * sum(sizes[j] for j in into) * sum(sizes[i] for i in out)
        for i in out:
            reads[i] = (reads[i] | into) - {k}
        for j in into:
            readers[j] = (readers[j] | out) - {k}
    return flops


def _entry(made: BlockDerivative, source: Sequence[int], read: tuple[int, ...]) -> Any:
    """The derivative of a block by what it reads of a source that writes these values."""

    def apply(x_dot: Any) -> Any:
        parts = dict(zip(source, _parts(x_dot, len(source)), strict=True))
        given = {v: parts[v] for v in read if parts[v] is not None}
        return made.push(given) if given else None

    def adjoint(y_bar: Any) -> Any:
        found = made.pull(y_bar)
        return _packed([found[v] if v in read else None for v in source])

    entry = LocalJacobian(apply, adjoint, f"∂{made.block.label}")
    if len(source) > 1 or len(made.specs) > 1:
        return entry
    x, y = made.read_specs[made.reads.index(read[0])], made.specs[0]
    if x.size * y.size * y.dtype.itemsize > made.block.working_set_bytes or "c" in (
        x.dtype.kind,
        y.dtype.kind,
    ):
        return entry
    return Dense(to_dense(entry, x.shape, y.shape, dtype=x.dtype), x.shape, y.shape, f"∂{made.block.label}")


def _subgraph(graph: Graph, block: Block) -> tuple[Graph, dict[int, int]]:
    """The block's nodes as a graph of their own, and the id there of each value of the block."""
    c, ids = ColumnsBuilder(), dict[int, int]()
    for v in block.reads:
        scope = graph.node(int(graph.value_node[v])).scope
        at = (c.names.add(INPUT), c.param_table.add(()), c.scope_table.add(scope))
        ids[v] = c.append(*at, 0, (), [c.specs.add(graph.spec(v))])
    inputs = tuple(ids.values())
    for n in block.nodes:
        node = graph.node(n)
        if node.primitive in LEAVES:
            continue
        at = (c.names.add(node.primitive), c.param_table.add(node.params), c.scope_table.add(node.scope))
        specs = [c.specs.add(graph.spec(v)) for v in node.results]
        first = c.append(*at, 0, [ids[v] for v in node.operands], specs)
        ids.update(zip(node.results, range(first, first + len(specs)), strict=True))
    return Graph(c.freeze(), inputs, tuple(ids[v] for v in block.writes)), ids


def _packed(parts: Sequence[Any]) -> Any:
    """The value of a row: an array, a `Bundle` of several, None where all are zero."""
    if all(part is None for part in parts):
        return None
    return parts[0] if len(parts) == 1 else Bundle(parts)


def _parts(value: Any, count: int) -> Sequence[Any]:
    if value is None:
        return (None,) * count
    return (value,) if count == 1 else tuple(value)


def _starts(made: BlockDerivative) -> dict[int, int]:
    """Where each written value begins among all that the block writes, in items."""
    return dict(zip(made.block.writes, np.cumsum([0, *(s.size for s in made.specs)]).tolist(), strict=False))


def _block_of(left: OperatorMatrix, graph: Graph, i: int, k: int, y: int, x: int) -> Matrix:
    shape = (*graph.spec(y).shape, *graph.spec(x).shape)
    found = left.stored[i].get(k)
    return np.zeros(shape, graph.spec(y).dtype) if found is None else np.reshape(found, shape)


def _check(dag: BlockDag, system: BlockSystem, wanted: Sequence[int], outputs: Sequence[int]) -> None:
    graph = dag.graph
    written = {v for block in dag if not block.sweep for v in block.writes}
    for v in outputs:
        if v not in written and v not in graph.leaves:
            raise ArgumentError(f"block_jacobian: output {v} is written by no block of the forward sweep")
    values = {*wanted, *outputs, *system.row}
    if any(graph.spec(v).dtype.kind == "c" for v in values):
        raise DtypeError("block_jacobian: values must be real, got complex ones. Use ds.jacobian.")
    items = sum(
        sum(s.size for s in made.specs) * sum(s.size for s in made.read_specs) for made in system.rows
    )
    if items > ITEMS:
        raise ShapeError(
            f"block_jacobian: the blocks' own Jacobians would hold {items:,} items, more than {ITEMS:,}. "
            "Use ds.jacobian, or smaller blocks."
        )
