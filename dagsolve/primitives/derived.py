"""Primitives by name, pullback nodes included.

`find("cholesky.pullback.a")` is the pullback of `cholesky` for its operand `a` as a primitive of its own:
its operands are the residuals and then the cotangents that are not None, its results the wanted operands'
cotangents. A reverse sweep records such a node where the base primitive has a `pullback_kernel`; everywhere
else it records the traceable mathematics directly. Differentiating a pullback node expands it first.
"""

from functools import cache
from typing import Any

from dagsolve.errors import GraphError
from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives import PRIMITIVES
from dagsolve.primitives.anchors import anchor_primitive
from dagsolve.specs import Spec, spec

_PULLBACK = ".pullback."


@cache
def find(name: str) -> Primitive:
    """The primitive of this name.

    Raises GraphError when no rule of this name is known here.
    """
    primitive = PRIMITIVES.get(name) or anchor_primitive(name)
    if primitive is not None:
        return primitive
    base, pullback, wanted = name.partition(_PULLBACK)
    if not pullback or base not in PRIMITIVES:
        raise GraphError(f"primitive {name!r} is not known here; known are {', '.join(sorted(PRIMITIVES))}")
    return _pullback_primitive(PRIMITIVES[base], tuple(wanted.split(".")))


def apply(name: str, *operands: Array, **params: Any) -> Any:
    """The primitive of this name on operands: a function that can be sent to a worker."""
    return find(name)(*operands, **params)


def is_pullback(primitive: Primitive) -> bool:
    return _PULLBACK in primitive.name


def pullback_node(
    base: Primitive,
    saved: Saved,
    cotangents: tuple[Array | None, ...],
    wanted: Wanted,
    params: dict[str, Any],
) -> tuple[Array, ...]:
    """Cotangents of the wanted operands, recorded or run as one pullback node."""
    derived = find(base.name + _PULLBACK + ".".join(wanted))
    made = derived(
        *(value for _, value in saved.items()),
        *(y_bar for y_bar in cotangents if y_bar is not None),
        given=tuple(y_bar is not None for y_bar in cotangents),
        params=tuple(sorted(params.items())),
        specs=tuple((name, s.shape, s.dtype.str) for name, s in saved.specs.items()),
    )
    return made if isinstance(made, tuple) else (made,)


def expand(
    primitive: Primitive,
    xp: Namespace,
    operands: Arrays,
    params: dict[str, Any],
    *,
    kernel: bool = False,
    overwrite: bool = False,
) -> tuple[Array, ...]:
    """The mathematics of a pullback node on its operands: traceable, or by the kernel."""
    base, wanted = _base_and_wanted(primitive.name)
    saved, cotangents = _unpack(base, wanted, operands, params["given"], params["specs"])
    rule_params = dict(params["params"])
    made = base.pull(xp, saved, cotangents, wanted, rule_params, kernel=kernel, overwrite=overwrite)
    return tuple(
        xp.zeros(saved.specs[name].shape) if x_bar is None else x_bar
        for name, x_bar in zip(wanted, made, strict=True)
    )


def _base_and_wanted(name: str) -> tuple[Primitive, Wanted]:
    base, _, wanted = name.partition(_PULLBACK)
    return PRIMITIVES[base], tuple(wanted.split("."))


def _unpack(
    base: Primitive, wanted: Wanted, operands: Arrays, given: tuple[bool, ...], specs: tuple[Any, ...]
) -> tuple[Saved, tuple[Array | None, ...]]:
    names = base.saves_for(wanted)
    named_specs = {name: spec(shape, dtype) for name, shape, dtype in specs}
    present = iter(operands[len(names) :])
    cotangents = tuple(next(present) if there else None for there in given)
    return Saved(dict(zip(names, operands[: len(names)], strict=True)), named_specs), cotangents


def _pullback_primitive(base: Primitive, wanted: Wanted) -> Primitive:
    name = base.name + _PULLBACK + ".".join(wanted)
    saved_count = len(base.saves_for(wanted))

    def forward(xp: Namespace, *operands: Array, **params: Any) -> Any:
        made = expand(find(name), xp, operands, params)
        return made if len(made) > 1 else made[0]

    def forward_kernel(xp: Namespace, *operands: Array, overwrite: bool = False, **params: Any) -> Any:
        made = expand(find(name), xp, operands, params, kernel=True, overwrite=overwrite)
        return made if len(made) > 1 else made[0]

    def specs_rule(*operands: Spec, given: tuple[bool, ...], params: Any, specs: tuple[Any, ...]) -> Specs:
        named = {key: spec(shape, dtype) for key, shape, dtype in specs}
        result = base.results[given.index(True)]
        y_bar = operands[saved_count]
        lead = y_bar.shape[: y_bar.ndim - named[result].ndim]
        return tuple(spec((*lead, *named[key].shape), named[key].dtype) for key in wanted)

    def cost(operands: Specs, results: Specs, *, given: Any, params: Any, specs: tuple[Any, ...]) -> Cost:
        named = [spec(shape, dtype) for _, shape, dtype in specs]
        split = len(named) - len(base.results)
        forward_cost = base.costs(tuple(named[:split]), tuple(named[split:]), dict(params))
        return Cost(
            forward_cost.pullback_flops, 2 * forward_cost.pullback_flops, forward_cost.workspace_items
        )

    taken = base.pullback_inplace.get(wanted[0]) if len(wanted) == 1 and len(base.results) == 1 else None
    return Primitive(
        name=name,
        signature=f"x* -> {', '.join(wanted)}",
        inplace={} if taken is None else {wanted[0]: f"x{saved_count}"},
        forward=forward,
        forward_kernel=forward_kernel,
        specs=specs_rule,
        cost=cost,
    )
