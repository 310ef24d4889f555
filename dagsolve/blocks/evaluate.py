"""Blocks on concrete arrays: `run_block` is what every executor calls, `evaluate` runs a whole graph at once.

A program is resolved once per process into closures over a list of slots. A ufunc writes into an operand
that dies there when nothing else can see its memory: it was born in this block, is no view, is C-contiguous,
and the slot holds the only reference to it (a view holds one to its base). Inputs are held by the caller's
tuple, so they are never written.

NumPy's floating-point warnings come as RuntimeWarnings at the user's source line, where the user's error
state says "warn" (the default), so Python's filters show each line once; under `-W error` they are raised as
that RuntimeWarning, as by plain NumPy code. "ignore", "raise", "print" and "log" stay as they are. A product
that accumulates in place runs inside BLAS, which reports nothing.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from sys import getrefcount
from typing import Any

import numpy as np

from dagsolve.blocks.instructions import (
    ACCUMULATE,
    BlockProgram,
    Code,
    Instruction,
    compile_block,
    program,
)
from dagsolve.errors import ArgumentError, BlockError, DagsolveError
from dagsolve.graph import Graph, Params
from dagsolve.graph.order import reachable_backward
from dagsolve.kernels import blas
from dagsolve.namespace import Array, Arrays, Namespace, namespace_of
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find
from dagsolve.spec import Spec

__all__ = ["BlockProgram", "compile_block", "evaluate", "program", "run_block"]

Slots = list[Any]
Step = Callable[[Slots], None]
Steps = tuple[tuple[Step, tuple[int, ...]], ...]

_RESOLVED_PROGRAMS = 4096  # per process


def run_block(program: BlockProgram, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The written values of a block: each owns its memory, C-contiguous, and shares none with the inputs.

    Raises BlockError naming the primitive, its operands and the user's source line; an error of dagsolve's
    own, such as FactorisationError, keeps its class and gains the line.
    """
    inputs = tuple(inputs)  # holds a reference to each, so that none looks unshared
    xp = namespace_of(*inputs)
    slots = _loaded(program, inputs, xp)
    steps = _resolved(program.code, xp)
    at = 0

    def warn(kind: str, flag: int) -> None:
        _warn_at(program, at, kind)

    try:
        with np.errstate(**_calls_for_warnings(warn)):
            for at, (step, clear) in enumerate(steps):  # noqa: B007, warn reads it
                step(slots)
                for k in clear:
                    slots[k] = None
    except Warning as fault:
        fault.add_note(_location(program, at))
        raise
    except Exception as fault:
        located = _located(program, at, slots, fault)
        slots.clear()  # the traceback holds them
        raise located from fault
    return _outputs(program.code, inputs, slots, xp)


def evaluate(
    graph: Graph, leaves: Mapping[int, Array], outputs: Sequence[int] | None = None
) -> dict[int, Array]:
    """Values by id, all made in one program: the reference for every other way to run a graph.

    Raises ArgumentError when a leaf that the outputs need is missing.
    """
    wanted = tuple(graph.outputs if outputs is None else outputs)
    columns = graph.columns
    needed = reachable_backward(columns.indptr, graph.producers, graph.value_node[list(wanted)], len(graph))
    nodes = np.flatnonzero(needed).tolist()
    reads = tuple(v for n in nodes if graph.is_leaf[n] for v in graph.node(n).results)
    missing = [v for v in reads if v not in leaves]
    if missing:
        named = ", ".join(f"{v} ({_named(graph.spec(v))})" for v in missing[:5])
        raise ArgumentError(f"evaluate: leaves must hold every leaf the outputs need, absent are {named}")
    made = run_block(compile_block(graph, nodes, reads, wanted), [leaves[v] for v in reads])
    return dict(zip(wanted, made, strict=True))


# Resolving: code → closures -------------------------------------------------------------------------------

_resolved_programs: dict[tuple[str, str], tuple[tuple[tuple[str, Primitive], ...], Steps]] = {}


def _resolved(code: Code, xp: Namespace) -> Steps:
    """The code's steps in an array library, kept for the next run unless a primitive was registered anew."""
    key = (code.digest, xp.__name__)
    found = _resolved_programs.get(key)
    if found is not None and all(find(name) is primitive for name, primitive in found[0]):
        return found[1]
    names = dict.fromkeys(i.primitive for i in code.instructions if i.primitive != ACCUMULATE)
    primitives = {name: find(name) for name in names}
    steps = tuple((_step(i, primitives, frozenset(code.outputs), xp), i.clear) for i in code.instructions)
    if len(_resolved_programs) >= _RESOLVED_PROGRAMS:
        _resolved_programs.clear()
    _resolved_programs[key] = (tuple(primitives.items()), steps)
    return steps


def _step(
    instruction: Instruction, primitives: Mapping[str, Primitive], outputs: frozenset[int], xp: Namespace
) -> Step:
    name, operands, results, params, _, reuse = instruction
    if name == ACCUMULATE:
        return _accumulate_step(operands, results[0], dict(params)["alpha"], bool(reuse), xp)
    primitive = primitives[name]
    function = None if primitive.ufunc is None or params else getattr(xp, primitive.ufunc, None)
    if function is not None and primitive.forward_kernel is None and _takes_out(xp):
        return _ufunc_step(function, operands, results[0], reuse)
    if len(results) > 1:
        return _tuple_step(primitive, operands, results, params, xp)
    step = _call_step(primitive, operands, results[0], params, xp)
    if primitive.view and results[0] in outputs:
        return partial(_owning, step, results[0], xp)
    return step


def _ufunc_step(
    function: Callable[..., Any], operands: tuple[int, ...], result: int, reuse: tuple[int, ...]
) -> Step:
    if len(operands) == 1:
        (a,) = operands

        def unary(slots: Slots) -> None:
            slots[result] = function(slots[a])

        def unary_in_place(slots: Slots) -> None:
            slots[result] = function(slots[a], out=slots[a]) if _unshared(slots, a) else function(slots[a])

        return unary_in_place if reuse else unary
    if len(operands) != 2:

        def any_number(slots: Slots) -> None:
            slots[result] = function(*[slots[k] for k in operands])

        return any_number
    a, b = operands

    def binary(slots: Slots) -> None:
        slots[result] = function(slots[a], slots[b])

    def binary_in_place(slots: Slots) -> None:
        for k in reuse:
            if _unshared(slots, k):
                slots[result] = function(slots[a], slots[b], out=slots[k])
                return
        slots[result] = function(slots[a], slots[b])

    return binary_in_place if reuse else binary


def _call_step(
    primitive: Primitive, operands: tuple[int, ...], result: int, params: Params, xp: Namespace
) -> Step:
    run, keywords = primitive.run, dict(params)

    def call(slots: Slots) -> None:
        made = run(xp, tuple([slots[k] for k in operands]), keywords)
        slots[result] = made[0] if isinstance(made, tuple) else made

    return call


def _tuple_step(
    primitive: Primitive, operands: tuple[int, ...], results: tuple[int, ...], params: Params, xp: Namespace
) -> Step:
    run, keywords = primitive.run, dict(params)

    def call(slots: Slots) -> None:
        made = run(xp, tuple([slots[k] for k in operands]), keywords)
        for k, value in zip(results, made, strict=True):
            slots[k] = value

    return call


def _accumulate_step(
    operands: tuple[int, ...], result: int, alpha: float, reuse: bool, xp: Namespace
) -> Step:
    c, a, b = operands
    combine = xp.add if alpha > 0 else xp.subtract

    def separately(slots: Slots) -> None:
        slots[result] = combine(slots[c], xp.matmul(slots[a], slots[b]))

    def into_c(slots: Slots) -> None:
        target = slots[c] if reuse and _unshared(slots, c) else np.array(slots[c], order="C")
        blas.gemm(slots[a], slots[b], target, alpha=alpha, beta=1.0)
        slots[result] = target

    return into_c if xp is np else separately


def _owning(step: Step, result: int, xp: Namespace, slots: Slots) -> None:
    """The step, its view replaced by a copy at once: an output must not keep a larger buffer alive."""
    step(slots)
    slots[result] = _owned(slots[result], xp)


# Memory ---------------------------------------------------------------------------------------------------


def _sole_references() -> int:
    slots = [np.empty(1)]
    return getrefcount(slots[0])


_SOLE = _sole_references()


def _unshared(slots: Slots, k: int) -> bool:
    """Whether the slot's array owns C-contiguous memory that nothing else can see."""
    if getrefcount(slots[k]) != _SOLE:  # views and aliases hold references
        return False
    value = slots[k]
    return value.base is None and value.flags.c_contiguous and getattr(value.flags, "writeable", True)


def _takes_out(xp: Namespace) -> bool:
    return xp is np or xp.__name__.endswith("cupy")


def _owned(value: Array, xp: Namespace) -> Array:
    """The value as a C-contiguous array that owns its memory."""
    whole = type(value) is np.ndarray if xp is np else hasattr(value, "base")
    if whole and value.base is None and value.flags.c_contiguous:
        return value
    return _copy(value, xp)


def _copy(value: Array, xp: Namespace) -> Array:
    return xp.array(value, order="C") if _takes_out(xp) else xp.asarray(value, copy=True)


def _outputs(code: Code, inputs: Arrays, slots: Slots, xp: Namespace) -> tuple[Array, ...]:
    taken = {id(value) for value in inputs}
    made = []
    for k in code.outputs:
        value = _owned(slots[k], xp)
        slots[k] = value  # a view's buffer goes as soon as its copy stands
        if id(value) in taken:
            value = _copy(value, xp)
        taken.add(id(value))
        made.append(value)
    return tuple(made)


def _loaded(program: BlockProgram, inputs: Arrays, xp: Namespace) -> Slots:
    """The slots before the first step: inputs in the specs that were promised, on one device.

    Raises BlockError naming the input that is not.
    """
    if len(inputs) != len(program.specs):
        raise BlockError(f"run_block: the program reads {len(program.specs)} values, got {len(inputs)}")
    slots: Slots = [*inputs, *[None] * (program.code.slots - len(inputs))]
    for k, (value, promised) in enumerate(zip(inputs, program.specs, strict=True)):
        if isinstance(value, (bool, int, float, complex)) and not promised.shape:
            slots[k] = xp.asarray(value, dtype=promised.dtype)
        elif not _agrees(value, promised):
            came = f"{getattr(value, 'shape', type(value).__name__)} {getattr(value, 'dtype', '')}"
            raise BlockError(f"run_block: input {k} must be {_named(promised)}, got {came}")
        elif xp is not np and isinstance(value, (np.ndarray, np.generic)):
            slots[k] = xp.asarray(value)  # a host constant meets device values
    return slots


def _agrees(value: Array, promised: Spec) -> bool:
    if getattr(value, "shape", None) != promised.shape:
        return False
    if isinstance(value.dtype, np.dtype):  # NumPy's and CuPy's
        return bool(value.dtype == promised.dtype)
    return str(value.dtype).endswith(promised.dtype.name)


# Words ----------------------------------------------------------------------------------------------------


def _named(spec: Spec) -> str:
    return f"{spec.shape} {spec.dtype}"


def _location(program: BlockProgram, at: int) -> str:
    return f"recorded at {program.scopes[at]}"


def _located(program: BlockProgram, at: int, slots: Slots, fault: Exception) -> DagsolveError:
    """The fault with the operands and the user's line."""
    instruction = program.code.instructions[at]
    operands = ", ".join(
        f"{getattr(slots[k], 'shape', '()')} {getattr(slots[k], 'dtype', type(slots[k]).__name__)}"
        for k in instruction.operands
    )
    params = ", ".join(f"{name}={value!r}" for name, value in instruction.params)
    shown = f", {params}" if params and len(params) < 200 else ""
    call = f"{instruction.primitive}({operands}{shown})"
    if isinstance(fault, DagsolveError):
        return type(fault)(f"{fault}; in {call}, {_location(program, at)}")
    return BlockError(f"{call} failed: {type(fault).__name__}: {fault}; {_location(program, at)}")


_warning_registry: dict[Any, Any] = {}  # Python's own memory of what was shown


def _calls_for_warnings(warn: Callable[[str, int], None]) -> dict[str, Any]:
    """The error state in which `warn` is called where NumPy would warn."""
    modes = np.geterr()
    if not {"call", "log"}.isdisjoint(modes.values()):
        return {}  # NumPy has one callee for all kinds, and the user's is in use
    return {"call": warn, **{kind: "call" for kind, mode in modes.items() if mode == "warn"}}


def _warn_at(program: BlockProgram, at: int, kind: str) -> None:
    scope = program.scopes[at]
    text = f"{kind} encountered in {program.code.instructions[at].primitive}"
    file = scope.file or "<graph>"
    warnings.warn_explicit(text, RuntimeWarning, file, scope.line, registry=_warning_registry)
