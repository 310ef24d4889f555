"""Blocks on concrete arrays: `run_block` is what every executor calls, `evaluate` runs a whole graph at once.

NumPy's floating-point warnings come as RuntimeWarnings at the user's source line, where the user's error
state says "warn" (the default), so Python's filters show each line once; under `-W error` they are raised as
that RuntimeWarning, as by plain NumPy code. "ignore", "raise", "print" and "log" stay as they are. A product
that accumulates in place runs inside BLAS, which reports nothing. GaugeWarnings come in the same way. On a
worker of a cluster both are collected, as `Warned`, for the user's process to show.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dagsolve.blocks.instructions import (
    BlockProgram,
    Code,
    compile_block,
    program,
)
from dagsolve.blocks.steps import Slots, owned, owned_copy, resolved
from dagsolve.errors import ArgumentError, BlockError, DagsolveError, GaugeWarning
from dagsolve.graph import Graph
from dagsolve.graph.order import reachable_backward
from dagsolve.kernels import choices
from dagsolve.namespace import Array, Arrays, Namespace, namespace_of
from dagsolve.specs import Spec

__all__ = ["BlockProgram", "Warned", "compile_block", "evaluate", "program", "run_block"]

_CATEGORIES: dict[str, type[Warning]] = {c.__name__: c for c in (RuntimeWarning, GaugeWarning)}
_KINDS = {"divide by zero": "divide", "overflow": "over", "underflow": "under", "invalid value": "invalid"}


class Warned(NamedTuple):
    """A warning on its way: plain words, which any wire carries."""

    text: str
    category: str
    file: str
    line: int

    def show(self) -> None:
        """The warning at the user's line, unless his error state says otherwise; under `-W error` raised.

        Raises FloatingPointError where the error state says "raise".
        """
        modes: Mapping[str, Any] = np.geterr()
        mode = next((modes[key] for words, key in _KINDS.items() if self.text.startswith(words)), "warn")
        if mode == "raise":
            raise FloatingPointError(f"{self.text}, recorded at {self.file}:{self.line}")
        if mode != "ignore":
            warnings.warn_explicit(
                self.text, _CATEGORIES[self.category], self.file, self.line, registry=_warning_registry
            )


def run_block(
    program: BlockProgram, inputs: Sequence[Array], collect: Callable[[Warned], None] | None = None
) -> tuple[Array, ...]:
    """The written values of a block: each owns its memory, C-contiguous, and shares none with the inputs.

    Warnings are shown here and now, or go to `collect`.

    Raises BlockError naming the primitive, its operands and the user's source line; an error of dagsolve's
    own, such as FactorisationError, keeps its class and gains the line.
    """
    inputs = tuple(inputs)  # holds a reference to each, so that no step takes one for its own
    xp = namespace_of(*inputs)
    slots = _loaded(program, inputs, xp)
    steps = resolved(program.code, xp)
    at = 0

    def warned(text: str, category: type[Warning]) -> None:
        scope = program.scopes[at]
        (collect or Warned.show)(Warned(text, category.__name__, scope.file or "<graph>", scope.line))

    def warn(kind: str, flag: int) -> None:
        warned(f"{kind} encountered in {program.code.instructions[at].primitive}", RuntimeWarning)

    def told(text: str) -> None:
        warned(text, GaugeWarning)

    try:
        with np.errstate(**_calls_for_warnings(warn)), choices.heard_by(told):
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


def _outputs(code: Code, inputs: Arrays, slots: Slots, xp: Namespace) -> tuple[Array, ...]:
    taken = {id(value) for value in inputs}
    made: list[Array] = []
    for k in code.outputs:
        if slots[k] is None:
            raise BlockError(f"run_block: output {len(made)} was not made: its primitive returned None")
        value = owned(slots[k], xp)
        slots[k] = value  # a view's buffer goes as soon as its copy stands
        if id(value) in taken:
            value = owned_copy(value, xp)
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
