"""Steps: a block's code resolved, once per process and array library, into closures over a list of slots.

A ufunc, or a kernel that offers it (`Primitive.inplace`), writes into an operand that dies there when nothing
else can see its memory: it was born in this block, is no view, is C-contiguous, and its slot holds the only
reference to it (a view holds one to its base, whoever runs the block holds one to each input).
"""

from collections.abc import Callable, Mapping
from functools import partial
from sys import getrefcount
from typing import Any

import numpy as np

from dagsolve.blocks.fusions import ACCUMULATE, WITH_TRANSPOSE
from dagsolve.blocks.instructions import Code, Instruction
from dagsolve.graph import Params
from dagsolve.kernels import blas
from dagsolve.kernels.layouts import in_rows
from dagsolve.kernels.triangles import add_transpose
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import find

FUSED = (ACCUMULATE, WITH_TRANSPOSE)

Slots = list[Any]
Step = Callable[[Slots], None]
Steps = tuple[tuple[Step, tuple[int, ...]], ...]  # and the slots to clear afterwards

_RESOLVED_PROGRAMS = 4096  # per process

_resolved_programs: dict[tuple[str, str], tuple[tuple[tuple[str, Primitive], ...], Steps]] = {}


def resolved(code: Code, xp: Namespace) -> Steps:
    """The code's steps in an array library, kept for the next run unless a primitive was registered anew."""
    key = (code.digest, xp.__name__)
    found = _resolved_programs.get(key)
    if found is not None and all(find(name) is primitive for name, primitive in found[0]):
        return found[1]
    names = dict.fromkeys(i.primitive for i in code.instructions if i.primitive not in FUSED)
    primitives = {name: find(name) for name in names}
    outputs = frozenset(code.outputs)
    steps = tuple((_step(i, primitives, outputs, xp), i.clear) for i in code.instructions)
    if len(_resolved_programs) >= _RESOLVED_PROGRAMS:
        _resolved_programs.clear()
    _resolved_programs[key] = (tuple(primitives.items()), steps)
    return steps


def _step(
    instruction: Instruction, primitives: Mapping[str, Primitive], outputs: frozenset[int], xp: Namespace
) -> Step:
    name, operands, results, params, clear, reuse = instruction
    if name == ACCUMULATE:
        return _accumulate_step(operands, results[0], dict(params)["alpha"], bool(reuse), xp)
    if name == WITH_TRANSPOSE:
        return _with_transpose_step(operands[0], results[0], bool(reuse), xp)
    primitive = primitives[name]
    function = None if primitive.ufunc is None or params else getattr(xp, primitive.ufunc, None)
    if function is not None and primitive.forward_kernel is None and _takes_out(xp):
        return _ufunc_step(function, operands, results[0], reuse)
    if len(results) > 1:
        return _tuple_step(primitive, operands, results, params, clear, xp)
    call_step = _overwriting_step if reuse and xp is np and primitive.inplace else _call_step
    step = call_step(primitive, operands, results[0], params, xp)
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


def _overwriting_step(
    primitive: Primitive, operands: tuple[int, ...], result: int, params: Params, xp: Namespace
) -> Step:
    run, keywords = primitive.run, dict(params)
    overwriting = {**keywords, "overwrite": True}
    position = primitive.taken_position(primitive.results[0], len(operands))
    assert position is not None
    target = operands[position]

    def call(slots: Slots) -> None:
        chosen = overwriting if _unshared(slots, target) else keywords
        slots[result] = run(xp, tuple([slots[k] for k in operands]), chosen)

    return call


def _tuple_step(
    primitive: Primitive,
    operands: tuple[int, ...],
    results: tuple[int, ...],
    params: Params,
    clear: tuple[int, ...],
    xp: Namespace,
) -> Step:
    run, keywords = primitive.run, dict(params)
    needed = tuple(name for name, k in zip(primitive.results, results, strict=True) if k not in clear)
    if primitive.forward_needed is not None and len(needed) < len(results):
        rule = primitive.forward_needed

        def run(xp: Namespace, operands: Arrays, params: Mapping[str, Any]) -> Any:
            return rule(xp, needed, *operands, **params)

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


def _with_transpose_step(a: int, result: int, reuse: bool, xp: Namespace) -> Step:
    def separately(slots: Slots) -> None:
        slots[result] = slots[a] + xp.matrix_transpose(slots[a])

    def in_strips(slots: Slots) -> None:
        target = slots[a] if reuse and _unshared(slots, a) else np.array(slots[a], order="C")
        add_transpose(target)
        slots[result] = target

    return in_strips if xp is np else separately


def _owning(step: Step, result: int, xp: Namespace, slots: Slots) -> None:
    """The step, its view replaced by a copy at once: an output must not keep a larger buffer alive."""
    step(slots)
    slots[result] = owned(slots[result], xp)


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


def owned(value: Array, xp: Namespace) -> Array:
    """The value as a C-contiguous array that owns its memory."""
    whole = type(value) is np.ndarray if xp is np else hasattr(value, "base")
    if whole and value.base is None and value.flags.c_contiguous:
        return value
    return owned_copy(value, xp)


def owned_copy(value: Array, xp: Namespace) -> Array:
    if xp is np and type(value) is np.ndarray:
        return in_rows(value)
    return xp.array(value, order="C") if _takes_out(xp) else xp.asarray(value, copy=True)
