"""Anchors: closed pullbacks tied to values that were computed without derivative, tile by tile.

A loop over tiles may run through values whose derivative is not unique (complete Q factors, Householder
vectors) or is dear. Such a loop begins with `stop_gradient` of its operands, so that nothing in it is
differentiated, and its results pass through an anchor: a node whose operands are the tiles of A and the
computed tiles, and whose results are the computed tiles again. Forward it is the identity. Its two linear
maps are those of a rule: textbook formulas as loops over tiles of traceable operations, so that a recorded
sweep holds many small nodes and no task ever sees more than a few tiles.

    bundle.N            x0 … xN-1 -> the same             the operands of an anchor, as one node
    anchor.RULE.D.E.R   x0 … xD+E+R-1 -> y0 … yR-1        y = the last R operands

The first D operands carry the derivative, E more are only read by the rule, the last R are the results. The
param `labels` names each operand for the rule, ("a", i, j) the tile (i, j) of A. The bundle in front makes
all tiles of A come from one node, so that a forward sweep pushes their tangents through the rule at once.

After the sweeps are recorded, `dagsolve.tracing.anchors.without_anchors` lets everybody read the operands
in place of the results: no anchor ever runs in a plan.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from dagsolve.namespace import Array, Arrays, Namespace
from dagsolve.primitive import Cost, Primitive, Saved, Specs, Wanted
from dagsolve.primitives.anchors import eigh, lstsq, qr, solve, triangle
from dagsolve.primitives.anchors.grid import Label, Tiles

ANCHOR, BUNDLE = "anchor.", "bundle."
Labels = tuple[Label, ...]


class Rule(NamedTuple):
    """The two linear maps of an anchor on tiles by label; tiles that are absent are zero.

    pushforward  (xp, values, tangents) -> tangents of results
    pullback     (xp, values, cotangents) -> cotangents of the operands that carry the derivative
    operands     whether the maps need the operands themselves; else they are not among the values
    """

    pushforward: Callable[[Namespace, Tiles, Tiles], Tiles]
    pullback: Callable[[Namespace, Tiles, Tiles], Tiles]
    operands: bool = False


RULES: Mapping[str, Rule] = {
    "qr": Rule(qr.pushforward, qr.pullback),
    "triangle": Rule(triangle.pushforward, triangle.pullback, operands=True),
    "lstsq": Rule(lstsq.pushforward, lstsq.pullback, operands=True),
    "eigh": Rule(eigh.pushforward, eigh.pullback),
    "solve": Rule(partial(solve.pushforward, transposed=False), partial(solve.pullback, transposed=False)),
    "solve_adjoint": Rule(
        partial(solve.pushforward, transposed=True), partial(solve.pullback, transposed=True)
    ),
}


def is_anchor(name: str) -> bool:
    """Whether a node of this name hands its last operands on as its results."""
    return name.startswith((ANCHOR, BUNDLE))


def anchor_name(rule: str, carrying: int, read: int, results: int) -> str:
    """Name of the anchor with so many operands of each kind."""
    return f"{ANCHOR}{rule}.{carrying}.{read}.{results}"


def anchor_primitive(name: str) -> Primitive | None:
    """The anchor or bundle of this name, None where it is none."""
    kind, *parts = name.split(".")
    if kind == "bundle" and len(parts) == 1 and parts[0].isdecimal():
        return _bundle(name, int(parts[0]))
    if kind == "anchor" and len(parts) == 4 and parts[0] in RULES and all(x.isdecimal() for x in parts[1:]):
        return _anchor(name, RULES[parts[0]], *map(int, parts[1:]))
    return None


def _anchor(name: str, rule: Rule, carrying: int, read: int, results: int) -> Primitive:
    count = carrying + read + results
    xs, ys = _names("x", count), _names("y", results)
    kept = (*(xs[:carrying] if rule.operands else ()), *xs[carrying : carrying + read], *ys)
    place = {**{x: k for k, x in enumerate(xs)}, **{y: count - results + k for k, y in enumerate(ys)}}

    def values(saved: Saved, labels: Labels) -> Tiles:
        return {labels[place[x]]: value for x, value in saved.items()}

    def pushforward(xp: Namespace, saved: Saved, tangents: Arrays, *, labels: Labels) -> Any:
        given = {label: t for label, t in zip(labels[:carrying], tangents, strict=False) if t is not None}
        found = rule.pushforward(xp, values(saved, labels), given)
        return tuple(found.get(label) for label in labels[count - results :])

    def pullback(
        xp: Namespace,
        saved: Saved,
        cotangents: tuple[Array | None, ...],
        wanted: Wanted,
        *,
        labels: Labels,
    ) -> tuple[Array | None, ...]:
        bars = zip(labels[count - results :], cotangents, strict=True)
        found = rule.pullback(xp, values(saved, labels), {at: bar for at, bar in bars if bar is not None})
        return tuple(found.get(labels[place[x]]) for x in wanted)

    return Primitive(
        name,
        f"{', '.join(xs)} -> {', '.join(ys)}",
        partial(_last, results),
        pushforward,
        pullback,
        saves=dict.fromkeys(xs[:carrying], kept),
        specs=partial(_last_specs, results),
        view=True,
        cost=_free,
    )


def _bundle(name: str, count: int) -> Primitive:
    xs, ys = _names("x", count), _names("y", count)

    def pushforward(xp: Namespace, saved: Saved, tangents: Arrays) -> Any:
        return tangents

    def pullback(
        xp: Namespace, saved: Saved, cotangents: tuple[Array | None, ...], wanted: Wanted
    ) -> tuple[Array | None, ...]:
        bars = dict(zip(xs, cotangents, strict=True))
        return tuple(bars[x] for x in wanted)

    return Primitive(
        name,
        f"{', '.join(xs)} -> {', '.join(ys)}",
        partial(_last, count),
        pushforward,
        pullback,
        saves=dict.fromkeys(xs, ()),
        specs=partial(_last_specs, count),
        view=True,
        cost=_free,
    )


def _names(letter: str, count: int) -> tuple[str, ...]:
    return tuple(f"{letter}{k}" for k in range(count))


def _last(results: int, xp: Namespace, *operands: Array, labels: Labels = ()) -> Any:
    made = operands[len(operands) - results :]
    return made if results > 1 else made[0]


def _last_specs(results: int, *operands: Any, labels: Labels = ()) -> Specs:
    return tuple(operands[len(operands) - results :])


def _free(operands: Specs, results: Specs, **params: Any) -> Cost:
    return Cost(0, 0)
