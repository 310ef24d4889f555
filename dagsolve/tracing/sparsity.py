"""Which items of a traced function's result can depend on which items of its inputs: sets of indices,
propagated through the graph item by item, without a derivative being computed.

A value's *rows* are a boolean CSR matrix, (items of the value) x (items of the wanted inputs). A primitive
acts on them by a local rule, one operand at a time:

    elementwise, moving, indexing     each item takes the row of the item that it is made of
    reductions, repeated placing      the union of the rows that are added up
    products of matrices, einsum      the union over the summed letters; zeros of a factor that does not
                                      depend on the inputs count, so a banded factor keeps the band
    anything else                     every item of a result depends on all items of its batch

The pattern holds the nonzeros of the Jacobian wherever the inputs lie, given the values of everything that
does not depend on them. It may hold more: what cancels is not seen.

Reference: A. Gebremedhin, F. Manne, A. Pothen, SIAM Review 47 (2005) 629-705, section 1; A. Griewank,
A. Walther, Evaluating Derivatives, 2nd ed., SIAM (2008), section 7.1.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, eye_array, vstack

from dagsolve.errors import UnsupportedError
from dagsolve.graph import Graph, Node
from dagsolve.graph.order import reachable_backward
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find, is_pullback
from dagsolve.primitives.reductions import reduced_shape
from dagsolve.specs import Shape, Spec
from dagsolve.tracing.reverse import inline

Rows = Any  # csr_array of bool: items of a value × items of the wanted inputs
Ints = npt.NDArray[np.int64]
Letters = tuple[Any, ...]

ENTRIES = 2**26  # of one value's rows: 5 bytes each
PRODUCTS = 2**23  # of a contraction with a known factor, which are listed one by one

MOVES = frozenset(
    (
        "getitem",
        "place",
        "reshape",
        "transpose",
        "broadcast_to",
        "tril",
        "triu",
        "diagonal",
        "diagonal_matrix",
    )
)
SUMS = frozenset(("sum", "amax", "amin"))
FACTORS = frozenset(
    ("multiply", "matmul", "einsum")
)  # zeros of the other operand are zeros of the derivative
READ = FACTORS | {"where", "take", "add_at"}  # their operands' values decide the pattern


def jacobian_pattern(graph: Graph, wanted: Sequence[int], leaves: Mapping[int, Any]) -> Rows:
    """Pattern of the Jacobian of the first output by inputs (value ids), as a CSR array of booleans.

    Shape (items of the output, items of the wanted inputs one after the other), in C order each. `leaves`
    holds the values of the leaves, by value id; those of the wanted inputs are not looked at. Raises
    UnsupportedError naming the user's line where a value depends on too much for the pattern to be held.
    """
    widths = [graph.spec(v).size for v in wanted]
    total, output = sum(widths), graph.outputs[0]
    rows: dict[int, Rows] = {}
    unit = eye_array(total, dtype=np.bool_, format="csr")
    for v, start, width in zip(wanted, np.cumsum([0, *widths]).tolist(), widths, strict=False):
        rows[v] = unit[start : start + width]
    nodes = _useful(graph, output)
    values = _independent_values(graph, wanted, nodes, leaves)
    readers = Counter(v for node in nodes for v in node.operands)
    for node in nodes:
        made = _propagated(graph, node, rows, values)
        for v, found in zip(node.results, made, strict=True):
            if found is not None:
                if found.nnz > ENTRIES:
                    raise _too_full(node, found.nnz)
                rows[v] = found
        for v in node.operands:
            readers[v] -= 1
            if not readers[v] and v != output:
                rows.pop(v, None)
    found = rows.get(output)
    if found is None:
        return csr_array((graph.spec(output).size, total), dtype=np.bool_)
    found.sort_indices()
    return found


class _Call(NamedTuple):
    """One node with what its rules look at."""

    node: Node
    primitive: Primitive
    operands: tuple[Spec, ...]
    result: Spec
    params: dict[str, Any]
    values: tuple[Any, ...]  # of the operands that do not depend on the inputs, None elsewhere


def _useful(graph: Graph, output: int) -> list[Node]:
    ends = graph.value_node[[output]]
    useful = reachable_backward(graph.columns.indptr, graph.producers, ends, len(graph))
    return [graph.node(n) for n in np.flatnonzero(useful & ~graph.is_leaf).tolist()]


def _independent_values(
    graph: Graph, wanted: Sequence[int], nodes: Sequence[Node], leaves: Mapping[int, Any]
) -> dict[int, Any]:
    """Values of the operands that rules look at and that do not depend on the wanted inputs."""
    depends = set(wanted)
    for node in nodes:
        if not depends.isdisjoint(node.operands):
            depends.update(node.results)
    chosen = {
        v
        for node in nodes
        if node.primitive in READ and not depends.isdisjoint(node.operands)
        for v in node.operands
        if v not in depends
    }
    if not chosen:
        return {}
    given = {v: leaf for v, leaf in leaves.items() if v not in depends}
    found = inline(replace(graph, outputs=tuple(sorted(chosen))), given)
    return {v: np.asarray(found[v]) for v in chosen}


def _propagated(
    graph: Graph, node: Node, rows: Mapping[int, Rows], values: Mapping[int, Any]
) -> list[Rows | None]:
    """Rows of the node's results, None where no item depends on an input."""
    primitive = find(node.primitive)
    names = primitive.operand_names(len(node.operands))
    pullback = is_pullback(primitive)
    slots = [
        k
        for k, v in enumerate(node.operands)
        if v in rows and (pullback or primitive.carries_derivative(names[k]))
    ]
    if not slots:
        return [None] * len(node.results)
    operands = tuple(graph.spec(v) for v in node.operands)
    known = tuple(values.get(v) for v in node.operands)
    made: list[Rows | None] = []
    for k, v in enumerate(node.results):
        call = _Call(node, primitive, operands, graph.spec(v), dict(node.params), known)
        total = None
        for slot in slots:
            part = _from_operand(call, slot, rows[node.operands[slot]], k)
            total = part if total is None else total + part
        made.append(total)
    return made


def _from_operand(call: _Call, slot: int, rows: Rows, result: int) -> Rows:
    """Rows of a result as far as they come from one operand."""
    name, params = call.node.primitive, call.params
    spec = call.operands[slot]
    labels = np.arange(spec.size, dtype=np.int64).reshape(spec.shape)
    if name in MOVES:
        return _taken(call, rows, call.primitive.forward(np, labels + 1, **params) - 1)
    if name == "hermitian":
        return _taken(call, rows, labels if slot == 0 else np.swapaxes(labels, -1, -2))
    if name == "concatenate":
        parts = [np.full(s.shape, -1) for s in call.operands]
        parts[slot] = labels
        return _taken(call, rows, np.concatenate(parts, axis=params["axis"]))
    if name in SUMS:
        kept = reduced_shape(spec.shape, params.get("axis"), True)
        return _summed(rows, np.broadcast_to(_labels(kept), spec.shape), call.result.size)
    if name in ("take", "add_at") and call.values[1] is not None:
        indices, axis = call.values[1], params["axis"]
        if name == "take":
            return _taken(call, rows, call.primitive.forward(np, labels, indices, axis=axis))
        target = find("take").forward(np, _labels(call.result.shape), indices, axis=axis)
        return _summed(rows, target, call.result.size)
    if name == "cumsum" and spec.size * spec.shape[params["axis"]] <= PRODUCTS:
        along = np.moveaxis(labels, params["axis"], -1)
        later, earlier = np.tril_indices(spec.shape[params["axis"]])
        if params.get("reverse", False):
            later, earlier = earlier, later
        return _joined(rows, along[..., later], along[..., earlier], spec.size)
    letters = _letters(call)
    if letters is not None and name in FACTORS:
        return _contracted(call, rows, slot, letters, call.values[1 - slot])
    if letters is not None and slot == 1:  # of a solve with a triangle: columns do not meet
        return _contracted(call, rows, slot, letters, None)
    if _is_elementwise(call):
        source = np.broadcast_to(labels, call.result.shape)
        return _taken(call, rows, np.where(_chosen(call, slot), source, -1))
    return _of_batches(call, slot, rows, result)


def _is_elementwise(call: _Call) -> bool:
    parsed = call.primitive.parsed
    no_axes = not any(parsed.operand_dims) and not any(parsed.result_dims)
    if not no_axes or parsed.variadic:
        return False
    return np.broadcast_shapes(*(s.shape for s in call.operands)) == call.result.shape


def _chosen(call: _Call, slot: int) -> Any:
    """Items of an elementwise result whose derivative by the operand may be other than zero."""
    name = call.node.primitive
    if name == "where" and call.values[0] is not None:
        return call.values[0] if slot == 1 else ~call.values[0].astype(bool)
    if name == "multiply" and call.values[1 - slot] is not None:
        return call.values[1 - slot] != 0
    return True


# products


def _letters(call: _Call) -> tuple[Letters, Letters, Letters] | None:
    """Letters of both operands and of the result, where the primitive is like a product of two arrays."""
    name = call.node.primitive
    if name == "einsum":
        left, _, y = call.params["subscripts"].replace(" ", "").partition("->")
        a, b = left.split(",")
        return tuple(a), tuple(b), tuple(y)
    if name in ("matmul", "solve_triangular"):
        lead = tuple(range(call.result.ndim - 2))
        of_a, of_b = (lead[call.result.ndim - s.ndim :] for s in call.operands)
        return (*of_a, "m", "k"), (*of_b, "k", "n"), (*lead, "m", "n")
    return None


def _contracted(
    call: _Call, rows: Rows, slot: int, letters: tuple[Letters, Letters, Letters], factor: Any
) -> Rows:
    """Rows of a product as far as they come from one operand; zeros of the other factor count if known."""
    out = dict(zip(letters[2], call.result.shape, strict=True))
    mine, lengths = _long_axes(letters[slot], call.operands[slot].shape, out)
    other, theirs = _long_axes(letters[1 - slot], call.operands[1 - slot].shape, out)
    lengths = {**out, **theirs, **lengths}
    if factor is not None and not np.all(factor):
        at = np.nonzero(np.reshape(factor, [lengths[x] for x in other]))
        free = [x for x in mine if x not in other]
        count = math.prod(lengths[x] for x in free)
        if len(at[0] if at else ()) * count <= PRODUCTS and other:
            place = {x: i[:, None] for x, i in zip(other, at, strict=True)}
            spread = np.unravel_index(np.arange(count), [lengths[x] for x in free]) if free else ()
            place.update({x: i[None, :] for x, i in zip(free, spread, strict=True)})
            shape = (len(at[0]), count)
            source = np.broadcast_to(_position(mine, lengths, place), shape)
            target = np.broadcast_to(_position(letters[2], lengths, place), shape)
            return _joined(rows, target, source, call.result.size)
    kept = [x for x in mine if x in out]
    target = _spread(kept, mine, lengths)
    if len(kept) < len(mine):
        rows = _summed(rows, target, math.prod(lengths[x] for x in kept))
    return _taken(call, rows, _spread(kept, letters[2], lengths))


def _long_axes(letters: Letters, shape: Shape, out: Mapping[Any, int]) -> tuple[list[Any], dict[Any, int]]:
    """Letters of an operand without those that are broadcast, and the lengths of the rest."""
    found = {x: n for x, n in zip(letters, shape, strict=True) if n == out.get(x, n)}
    return list(found), found


def _position(letters: Sequence[Any], lengths: Mapping[Any, int], place: Mapping[Any, Ints]) -> Ints:
    """Flat position, in C order, of what stands at these places."""
    at = np.zeros((1, 1), dtype=np.int64)
    for x in letters:
        at = at * lengths[x] + place[x]
    return at


def _spread(kept: Sequence[Any], letters: Sequence[Any], lengths: Mapping[Any, int]) -> Ints:
    """For every item of an array with these letters, its position in the array with the kept ones."""
    labels = _labels(tuple(lengths[x] for x in kept))
    order = [x for x in letters if x in kept]
    labels = np.transpose(labels, [kept.index(x) for x in order])
    labels = np.reshape(labels, [lengths[x] if x in kept else 1 for x in letters])
    return np.broadcast_to(labels, [lengths[x] for x in letters])


# rows


def _of_batches(call: _Call, slot: int, rows: Rows, result: int) -> Rows:
    """Rows of a result every item of which depends on all of the operand's items in its batch."""
    parsed, spec = call.primitive.parsed, call.operands[slot]
    lead_in: Shape = ()
    lead_out: Shape = ()
    if not parsed.variadic and ("...",) not in (*parsed.operand_dims, *parsed.result_dims):
        lead_in = spec.shape[: spec.ndim - len(parsed.operand_dims[slot])]
        lead_out = call.result.shape[: call.result.ndim - len(parsed.result_dims[result])]
    batches = math.prod(lead_in)
    inside = spec.size // max(batches, 1)
    joined = _summed(rows, np.repeat(np.arange(batches), inside), batches)
    source = np.broadcast_to(_labels(lead_in), lead_out)
    return _taken(call, joined, np.repeat(source.ravel(), call.result.size // max(source.size, 1)))


def _labels(shape: Shape) -> Ints:
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def _summed(rows: Rows, target: Ints, count: int) -> Rows:
    """Unions of rows: row i goes to row target[i] of `count`."""
    return _joined(rows, target, np.arange(rows.shape[0]), count)


def _joined(rows: Rows, target: Ints, source: Ints, count: int) -> Rows:
    """Unions of rows: row source[i] goes to row target[i] of `count`, for every i."""
    entries = (np.ones(np.size(source), np.bool_), (np.ravel(target), np.ravel(source)))
    return csr_array(entries, shape=(count, rows.shape[0])) @ rows


def _taken(call: _Call, rows: Rows, source: Any) -> Rows:
    """Row source[i] as row i, an empty one where that is -1."""
    source = np.ravel(source)
    padded = vstack((rows, csr_array((1, rows.shape[1]), dtype=np.bool_)), format="csr")
    taken = int(np.diff(padded.indptr)[source].sum(dtype=np.int64))
    if taken > ENTRIES:
        raise _too_full(call.node, taken)
    return padded[source]


def _too_full(node: Node, entries: int) -> UnsupportedError:
    return UnsupportedError(
        f"jacobian: sparse=True, but the result of {node.primitive} depends on so many items of the "
        f"arguments that its pattern has {entries:,} entries, more than {ENTRIES:,} ({node.scope}). "
        "Use sparse=False."
    )
