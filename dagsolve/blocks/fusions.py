"""Steps of a block that are done as one: products that accumulate, matrices plus their transposes.

They are no primitives: a graph does not hold them, a block's code does.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dagsolve.graph import Graph, Node
from dagsolve.primitives.derived import find

ACCUMULATE = "accumulate"  # (c, a, b) -> c + alpha a b
WITH_TRANSPOSE = "with_transpose"  # a -> a + aᵀ, which NumPy takes four times as long as a copy for
_ADD, _SUBTRACT, _NEGATIVE, _MATMUL = "add", "subtract", "negative", "matmul"
_LAST_TWO = {"axes": (-1, -2)}
_REAL = (np.dtype(np.float32), np.dtype(np.float64))
_SMALLEST = 2**18  # bytes; below, a call (20 µs) costs more than the pass over memory that it saves


def fused(graph: Graph, steps: list[Node], writes: Sequence[int]) -> list[Node]:
    """The steps with what can be done as one in the place of its last."""
    return _with_transposes(graph, _accumulations(graph, steps, writes), writes)


def _accumulations(graph: Graph, steps: list[Node], writes: Sequence[int]) -> list[Node]:
    """The steps with `c ± a b` as one ACCUMULATE where nothing else reads the product."""
    maker = {value: k for k, step in enumerate(steps) for value in step.results}
    uses = Counter(value for step in steps for value in step.operands)
    uses.update(writes)
    last_use = {value: k for k, step in enumerate(steps) for value in step.operands}
    root = _view_roots(steps)
    merged: set[int] = set()

    def product(value: int, alpha: float) -> tuple[int, float, list[int]] | None:
        """The matmul behind a value, possibly behind signs: its step, the sign, and the steps merged."""
        passed: list[int] = []
        while uses[value] == 1 and value in maker:
            k = maker[value]
            passed.append(k)
            if steps[k].primitive == _MATMUL:
                return k, alpha, passed
            if steps[k].primitive != _NEGATIVE:
                return None
            value, alpha = steps[k].operands[0], -alpha
        return None

    def fits(c: int, k: int, at: int) -> bool:
        """Whether the product of step k can go into c later: shapes, dtype, and bytes held meanwhile."""
        a, b = steps[k].operands
        left, right, target = graph.spec(a), graph.spec(b), graph.spec(steps[at].results[0])
        if target.ndim != 2 or target.dtype not in _REAL or graph.spec(c) is not target:
            return False
        if left.ndim != 2 or right.ndim != 2 or not left.dtype == right.dtype == target.dtype:
            return False
        if target.nbytes < _SMALLEST or not left.size:
            return False
        if root.get(a, a) == root.get(b, b):
            return False  # NumPy runs a aᵀ as syrk: half the flops, exactly symmetric
        ends = {root.get(v, v) for v in (a, b) if last_use[v] == k}
        held = sum(graph.spec(v).nbytes for v in ends if v in maker)
        return held <= target.nbytes or all(between in merged for between in range(k + 1, at))

    for at, step in enumerate(steps):
        if step.primitive not in (_ADD, _SUBTRACT):
            continue
        first, second = step.operands
        choices = [(first, second, 1.0 if step.primitive == _ADD else -1.0)]
        if step.primitive == _ADD:
            choices.append((second, first, 1.0))
        for c, value, sign in choices:
            found = product(value, sign)
            if found is not None and c != value:
                k, alpha, passed = found
                merged.update(passed)
                if fits(c, k, at):
                    a, b = steps[k].operands
                    last_use[a], last_use[b] = max(last_use[a], at), max(last_use[b], at)
                    signed = (("alpha", alpha),)
                    steps[at] = step._replace(primitive=ACCUMULATE, operands=(c, a, b), params=signed)
                    break
                merged.difference_update(passed)
    return [step for k, step in enumerate(steps) if k not in merged]


def _with_transposes(graph: Graph, steps: list[Node], writes: Sequence[int]) -> list[Node]:
    """The steps with `a + aᵀ` as one WITH_TRANSPOSE where nothing else reads the transpose."""
    maker = {value: k for k, step in enumerate(steps) for value in step.results}
    uses = Counter(value for step in steps for value in step.operands)
    uses.update(writes)
    merged: set[int] = set()
    for at, step in enumerate(steps):
        if step.primitive != _ADD:
            continue
        for a, flipped in (step.operands, step.operands[::-1]):
            k = maker.get(flipped)
            if k is None or uses[flipped] != 1 or not _transposes(steps[k], a):
                continue
            of = graph.spec(a)
            if of.ndim == 2 and of.dtype in _REAL and of.nbytes >= _SMALLEST:
                merged.add(k)
                steps[at] = step._replace(primitive=WITH_TRANSPOSE, operands=(a,))
                break
    return [step for k, step in enumerate(steps) if k not in merged]


def _transposes(step: Node, a: int) -> bool:
    return step.primitive == "transpose" and step.operands == (a,) and dict(step.params) == _LAST_TWO


def _view_roots(steps: list[Node]) -> dict[int, int]:
    """For every value that is a view, the value whose memory it shows."""
    root: dict[int, int] = {}
    for step in steps:
        if step.operands and find(step.primitive).view:
            source = root.get(step.operands[0], step.operands[0])
            root.update((value, source) for value in step.results)
    return root
