"""Signs and projections simplified while recording: rewritings that change no bit of the result.

Pullbacks of differences negate a cotangent that several products then read. A sign is pulled out of every
linear operation until it meets a sum, where it turns + into -: so a chain of tile updates records products
and differences only, which run as one accumulating gemm each, and no negated copy of a tile crosses blocks.
A projection onto a triangle of what was already projected, and a transpose of a transpose, are the operand.
Negation is exact in floating point, so all of this is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES

if TYPE_CHECKING:
    from dagsolve.tracing.record import Recorder
    from dagsolve.tracing.tracer import Tracer

_NEGATIVE, _ADD, _SUBTRACT = PRIMITIVES["negative"], PRIMITIVES["add"], PRIMITIVES["subtract"]
_TRANSPOSE, _TRIL, _TRIU = PRIMITIVES["transpose"], PRIMITIVES["tril"], PRIMITIVES["triu"]
_LINEAR: dict[Primitive, tuple[int, ...]] = {
    PRIMITIVES[name]: operands
    for name, operands in {
        "transpose": (0,), "reshape": (0,), "getitem": (0,), "place": (0,), "sum": (0,), "broadcast_to": (0,),
        "tril": (0,), "triu": (0,), "diagonal": (0,), "diagonal_matrix": (0,), "matmul": (0, 1),
        "multiply": (0, 1), "divide": (0, 1), "einsum": (0, 1), "solve_triangular": (1,),
        "triangle_product": (0, 1),
    }.items()
}  # fmt: skip
REMEMBERED = frozenset((_NEGATIVE, _TRANSPOSE, _TRIL, _TRIU))


class Origin(NamedTuple):
    """How a value was made, for the few primitives that rewritings look through."""

    primitive: Primitive
    operand: "Tracer"
    params: Mapping[str, Any]


def simplified(
    recorder: "Recorder", primitive: Primitive, operands: Sequence["Tracer"], params: Mapping[str, Any]
) -> "Tracer | None":
    """The simpler value that a call equals, or None; operands are tracers of this recorder."""
    origins = [recorder.origins.get(x.id) for x in operands]
    if primitive is _NEGATIVE:
        return origins[0].operand if origins[0] is not None and origins[0].primitive is _NEGATIVE else None
    if primitive is _ADD or primitive is _SUBTRACT:
        return _signed_sum(recorder, primitive, operands, origins)
    for k in _LINEAR.get(primitive, ()):
        origin = origins[k]
        if origin is not None and origin.primitive is _NEGATIVE and origin.operand.dtype.kind in "fc":
            positive = [origin.operand if j == k else x for j, x in enumerate(operands)]
            made: Tracer = recorder.record(_NEGATIVE, (recorder.record(primitive, positive, params),), {})
            return made
    origin = origins[0] if origins else None
    if origin is None or origin.primitive is not primitive:
        return None
    if primitive in (_TRIL, _TRIU) and dict(origin.params) == dict(params):
        return operands[0]
    if primitive is _TRANSPOSE and _undoes(params["axes"], origin.params["axes"]):
        return origin.operand
    return None


def _signed_sum(
    recorder: "Recorder", primitive: Primitive, operands: Sequence["Tracer"], origins: Sequence[Origin | None]
) -> "Tracer | None":
    (a, b), (from_a, from_b) = operands, origins
    made: Tracer
    if from_b is not None and from_b.primitive is _NEGATIVE:  # a ± (-b) = a ∓ b
        made = recorder.record(_SUBTRACT if primitive is _ADD else _ADD, (a, from_b.operand), {})
        return made
    if from_a is not None and from_a.primitive is _NEGATIVE:
        if primitive is _ADD:  # -a + b = b - a
            made = recorder.record(_SUBTRACT, (b, from_a.operand), {})
        else:  # -a - b = -(a + b)
            made = recorder.record(_NEGATIVE, (recorder.record(_ADD, (from_a.operand, b), {}),), {})
        return made
    return None


def _undoes(axes: tuple[int, ...], before: tuple[int, ...]) -> bool:
    return len(axes) == len(before) and all(before[axes[k]] == k - len(axes) for k in range(len(axes)))
