"""Block programs: the nodes of a block as instructions on numbered slots, without the graph.

Slots are numbered by position, reads first, so equal work gives equal code wherever it stands in the graph:
thousands of tile blocks share a few `Code` objects. What differs between them, the user's source lines and
the specs of what is read, stands beside the code.

Everything that can be decided from specs is decided here: which nodes the writes need, when a value is
dropped, which operand's memory a result may take, and which products accumulate in place.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from dagsolve.blocks.fusions import ACCUMULATE, WITH_TRANSPOSE, fused
from dagsolve.blocks.structure import BlockDag
from dagsolve.errors import GraphError
from dagsolve.graph import LEAVES, Graph, Node, Params, Scope
from dagsolve.primitives.derived import find
from dagsolve.specs import Spec


class Instruction(NamedTuple):
    """One primitive on slots."""

    primitive: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    params: Params
    clear: tuple[int, ...]  # slots whose values nobody needs afterwards
    reuse: tuple[int, ...]  # operand slots whose memory the result may take, when they own it alone


@dataclass(frozen=True)
class Code:
    """Instructions on slots; slots 0, 1, … hold the inputs. Equal code has equal digests."""

    digest: str
    instructions: tuple[Instruction, ...] = field(compare=False, repr=False)
    inputs: int
    slots: int
    outputs: tuple[int, ...]  # slots


@dataclass(frozen=True)
class BlockProgram:
    """What a task runs: code, the user's line of each instruction, and the specs of the inputs."""

    code: Code
    scopes: tuple[Scope, ...] = field(repr=False)
    specs: tuple[Spec, ...]


def compile_block(
    graph: Graph, nodes: Iterable[int], reads: Sequence[int], writes: Sequence[int]
) -> BlockProgram:
    """The program that makes the written values from the read ones; arrays come and go in this order.

    Raises GraphError when a value is neither read nor made by the nodes.
    """
    steps = fused(graph, _needed(graph, nodes, reads, writes), writes)
    free = count(len(reads))
    slot = {value: k for k, value in enumerate(reads)}
    slot.update({value: next(free) for step in steps for value in step.results})
    last_use = {value: k for k, step in enumerate(steps) for value in step.operands}
    kept = {*reads, *writes}
    instructions = []
    for k, step in enumerate(steps):
        dying = {v for v in (*step.operands, *step.results) if v not in kept and last_use.get(v, k) == k}
        instructions.append(
            Instruction(
                step.primitive,
                tuple(slot[v] for v in step.operands),
                tuple(slot[v] for v in step.results),
                step.params,
                tuple(sorted(slot[v] for v in dying)),
                tuple(slot[v] for v in _reusable(graph, step) if v in dying),
            )
        )
    return BlockProgram(
        _code(tuple(instructions), len(reads), next(free), tuple(slot[v] for v in writes)),
        tuple(step.scope for step in steps),
        tuple(graph.spec(v) for v in reads),
    )


_PROGRAMS: "WeakKeyDictionary[BlockDag, dict[Any, Any]]" = WeakKeyDictionary()


def program(dag: BlockDag, index: int) -> BlockProgram:
    """The program of a block, made once per dag; blocks of equal work share their code."""
    interned = _PROGRAMS.setdefault(dag, {})
    found: BlockProgram | None = interned.get(index)
    if found is None:
        block = dag.blocks[index]
        made = compile_block(dag.graph, block.nodes, block.reads, block.writes)
        made = BlockProgram(
            interned.setdefault(made.code.digest, made.code),
            interned.setdefault(made.scopes, made.scopes),
            interned.setdefault((Spec, made.specs), made.specs),
        )
        found = interned[index] = interned.setdefault((made.code.digest, made.scopes, made.specs), made)
    return found


def _code(instructions: tuple[Instruction, ...], inputs: int, slots: int, outputs: tuple[int, ...]) -> Code:
    # repr, not hash or equality: it tells 1 from 1.0 and from True, and is the same in every process
    text = repr((*map(tuple, instructions), inputs, slots, outputs))
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return Code(digest, instructions, inputs, slots, outputs)


def _needed(graph: Graph, nodes: Iterable[int], reads: Sequence[int], writes: Sequence[int]) -> list[Node]:
    """The nodes that the written values need, in topological order."""
    given, wanted = set(reads), set(writes)
    wanted -= given
    steps = []
    for n in sorted(set(nodes), reverse=True):
        node = graph.node(n)
        if node.primitive in LEAVES or wanted.isdisjoint(node.results):
            continue
        wanted.difference_update(node.results)
        wanted.update(v for v in node.operands if v not in given)
        steps.append(node)
    if wanted:
        named = ", ".join(f"{v} (of {graph.node(graph.value_node[v]).primitive})" for v in sorted(wanted)[:5])
        raise GraphError(f"compile_block: neither reads nor nodes give values {named} that the block needs")
    return steps[::-1]


def _reusable(graph: Graph, step: Node) -> tuple[int, ...]:
    """Operands whose memory could hold the result: same shape and dtype, and the operation allows it."""
    if step.primitive == ACCUMULATE:
        c, *factors = step.operands
        return () if c in factors else (c,)
    if step.primitive == WITH_TRANSPOSE:
        return step.operands
    primitive = find(step.primitive)
    for result in primitive.inplace:
        position = primitive.taken_position(result, len(step.operands))
        assert position is not None
        v = step.operands[position]
        same = graph.spec(v) is graph.spec(step.results[primitive.results.index(result)])
        return (v,) if same and step.operands.count(v) == 1 else ()
    if step.params or primitive.ufunc is None or any(primitive.parsed.operand_dims):
        return ()  # matmul has `out=` too, but its result may not overlap its operands
    target = graph.spec(step.results[0])
    return tuple(dict.fromkeys(v for v in step.operands if target.ndim and graph.spec(v) is target))
