"""Programs as data: drawn by hypothesis, run with any array library.

A program has inputs (one of them may be unused), captured constants, and steps; each step is an operation on
earlier values. The bound of every value is known, so large values are brought back into [-1, 1] and no step
meets a singularity. At least `SPINE` steps read the step before, so every program is that deep.

    inputs   a (5, 3)    b (3,)    c ()
                |          |
              step 0       |        every spine step reads the one before it, others read any value:
                |  +-------+        fan-out and reuse
              step 1 --- step 2
                |
               ...
    result   Σ weights ∘ (last spine value)  +  Σ of values that nobody read
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

SPINE = 8
LENGTHS = (3, 5, 7)
_LARGE = 4.0


@dataclass(frozen=True)
class Step:
    """One operation on earlier values; what it needs besides stands in `params`."""

    name: str
    operands: tuple[int, ...]
    params: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Program:
    """Values 0 … are the inputs, then one value per step."""

    inputs: tuple[tuple[int, ...], ...]  # shapes
    steps: tuple[Step, ...]
    seed: int  # of the inputs' numbers and of the captured constants

    def data(self) -> list[Any]:
        """Input arrays with numbers in [-1, 1], away from zero."""
        rng = np.random.default_rng(self.seed)
        return [rng.uniform(0.1, 1.0, shape) * rng.choice([-1.0, 1.0], shape) for shape in self.inputs]

    def __call__(self, xp: Any, linalg: Any, *inputs: Any) -> Any:
        """The scalar that the program computes, with the functions of these two modules."""
        values = list(inputs)
        for number, step in enumerate(self.steps):
            rng = np.random.default_rng((self.seed, number))
            operands = [values[k] for k in step.operands]
            values.append(OPERATIONS[step.name](xp, linalg, rng, *operands, *step.params))
        read = {k for step in self.steps for k in step.operands}
        total = 0.0
        for k in range(len(inputs), len(values)):
            if k not in read:
                weights = np.random.default_rng((self.seed, 1000 + k)).uniform(0.5, 1.5, np.shape(values[k]))
                total = total + xp.sum(weights * values[k])
        return total

    @property
    def depth(self) -> int:
        """Steps on the longest path from an input."""
        depths = [0] * len(self.inputs)
        for step in self.steps:
            depths.append(1 + max((depths[k] for k in step.operands), default=0))
        return max(depths)

    @property
    def fan_out(self) -> int:
        """The most readings of one value."""
        read = [k for step in self.steps for k in step.operands]
        return max(map(read.count, read))

    @property
    def unused(self) -> set[int]:
        """Inputs that no step reads."""
        return set(range(len(self.inputs))) - {k for step in self.steps for k in step.operands}


def _matrix(xp, linalg, rng, b):
    """b bᵀ + (n + 1) I, positive definite."""
    return b @ xp.transpose(b) + (b.shape[0] + 1.0) * np.eye(b.shape[0])


def _solve(trans):
    def solve(xp, linalg, rng, l, b):
        return linalg.solve_triangular(xp.tril(l) + 2.0 * np.eye(l.shape[0]), b, trans=trans, lower=True)

    return solve


OPERATIONS: dict[str, Any] = {
    "add": lambda xp, linalg, rng, a, b: a + b,
    "subtract": lambda xp, linalg, rng, a, b: a - b,
    "multiply": lambda xp, linalg, rng, a, b: a * b,
    "divide": lambda xp, linalg, rng, a, b: a / (2.0 + xp.sin(b)),
    "power": lambda xp, linalg, rng, a, b: (1.5 + xp.tanh(a)) ** xp.tanh(b),
    "power of a number": lambda xp, linalg, rng, a, p: (1.5 + xp.tanh(a)) ** p,
    "number minus": lambda xp, linalg, rng, a: 0.75 - a,
    "times a constant": lambda xp, linalg, rng, a: rng.uniform(-1.0, 1.0, a.shape[-1:]) * a,
    "captured operand": lambda xp, linalg, rng, a: a + rng.uniform(-1.0, 1.0, np.shape(a)),
    "negative": lambda xp, linalg, rng, a: -a,
    "exp": lambda xp, linalg, rng, a: xp.exp(-a * a),
    "log": lambda xp, linalg, rng, a: xp.log(1.5 + a * a),
    "sqrt": lambda xp, linalg, rng, a: xp.sqrt(1.0 + xp.square(a)),
    "sin": lambda xp, linalg, rng, a: xp.sin(a),
    "cos": lambda xp, linalg, rng, a: xp.cos(a),
    "tanh": lambda xp, linalg, rng, a: xp.tanh(a),
    "minimum": lambda xp, linalg, rng, a, b: xp.minimum(a, b),
    "maximum": lambda xp, linalg, rng, a, b: xp.maximum(a, 0.5 * b),
    "where": lambda xp, linalg, rng, a, b: xp.where(rng.random(np.shape(a)) < 0.5, a, xp.sin(b)),
    "where by value": lambda xp, linalg, rng, a: xp.where(a > 0.25, xp.exp(a - 0.25), 1.0 + a),
    "sum": lambda xp, linalg, rng, a, axis: xp.sum(a, axis=axis) / 3.0,
    "mean": lambda xp, linalg, rng, a, axis: a - xp.mean(a, axis=axis, keepdims=True),
    "reshape": lambda xp, linalg, rng, a: xp.reshape(a, (a.shape[1], a.shape[0])),
    "ravel": lambda xp, linalg, rng, a: xp.reshape(a, (-1,)),
    "transpose": lambda xp, linalg, rng, a: xp.transpose(a),
    "broadcast": lambda xp, linalg, rng, a, n: a * np.ones((n, 1)),
    "new axis": lambda xp, linalg, rng, a: a[:, None] * a,
    "slice": lambda xp, linalg, rng, a: a[1:],
    "reverse": lambda xp, linalg, rng, a: a[::-2],
    "row": lambda xp, linalg, rng, a: a[-2],
    "take": lambda xp, linalg, rng, a: a[np.array([2, 0, 2])],
    "concatenate": lambda xp, linalg, rng, a, b: xp.concatenate([a, b], axis=0),
    "matmul": lambda xp, linalg, rng, a, b: xp.matmul(a, b) / 3.0,
    "vector product": lambda xp, linalg, rng, a, b: a @ b / 3.0,
    "gram": lambda xp, linalg, rng, a: xp.einsum("ij,ik->jk", a, a) / 7.0,
    "einsum": lambda xp, linalg, rng, a, b: xp.einsum("ij,kj->ik", a, b) / 3.0,
    "outer": lambda xp, linalg, rng, a, b: xp.einsum("i,j->ij", a, b),
    "cholesky": lambda xp, linalg, rng, b: xp.linalg.cholesky(_matrix(xp, linalg, rng, b)) / 3.0,
    "solve": _solve(0),
    "solve transposed": _solve(1),
    "diagonal": lambda xp, linalg, rng, a: xp.diag(a),
    "diagonal matrix": lambda xp, linalg, rng, a: xp.diag(a),
}
"""name -> (array library, scipy.linalg alike, generator, *operands, *params) -> value."""

_SCALAR = ("number minus", "negative", "exp", "log", "sqrt", "sin", "cos", "tanh", "where by value")
_BROADCASTING = ("add", "subtract", "multiply", "divide", "power", "minimum", "maximum")
_LARGEST: dict[str, Any] = {  # bound of a result from the operands' bounds; elsewhere their largest
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a + b,
    "captured operand": lambda a: 1 + a,
    "number minus": lambda a: 1 + a,
    "multiply": lambda a, b: a * b,
    "power": lambda a, b: 2.5,
    "power of a number": lambda a: 16.0,
    "outer": lambda a, b: a * b,
    "new axis": lambda a: a * a,
    "gram": lambda a: a * a,
    "sqrt": lambda a: 1 + a,
    "where by value": lambda a: np.exp(a),
    "matmul": lambda a, b: 3 * a * b,
    "einsum": lambda a, b: 3 * a * b,
    "vector product": lambda a, b: 3 * a * b,
    "sum": lambda a: 3 * a,
    "mean": lambda a: 2 * a,
    "cholesky": lambda b: 1 + b,
    "solve": lambda l, b: 10 * b,
    "solve transposed": lambda l, b: 10 * b,
    **dict.fromkeys(("sin", "cos", "tanh", "exp"), lambda a: 1.0),
}


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs of depth at least `SPINE` with one to four inputs."""
    length = st.sampled_from(LENGTHS)
    shapes: list[tuple[int, ...]] = [(draw(length), draw(length))]
    for ndim in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3)):
        shapes.append(tuple(draw(length) for _ in range(ndim)))
    inputs = tuple(shapes)
    bounds = [1.0] * len(shapes)
    steps: list[Step] = []
    latest = 0
    for _ in range(draw(st.integers(SPINE, SPINE + 5))):
        branch = draw(st.integers(0, 3 * len(shapes)))  # mostly none
        for first in (latest, branch)[: 1 + (branch < len(shapes))]:
            number = _append(_step(draw, shapes, first), steps, shapes, bounds)
            if bounds[number] > _LARGE:
                number = _append(Step("sin", (number,)), steps, shapes, bounds)
            latest = number if first == latest else latest
    return Program(inputs, tuple(steps), draw(st.integers(0, 2**16)))


def _append(step: Step, steps: list[Step], shapes: list[tuple[int, ...]], bounds: list[float]) -> int:
    operands = [np.ones(shapes[k]) for k in step.operands]
    made = OPERATIONS[step.name](np, _Shapes, np.random.default_rng(0), *operands, *step.params)
    of_operands = [bounds[k] for k in step.operands]
    steps.append(step)
    shapes.append(np.shape(made))
    bounds.append(_LARGEST[step.name](*of_operands) if step.name in _LARGEST else max(of_operands))
    return len(shapes) - 1


def _step(draw: st.DrawFn, shapes: list[tuple[int, ...]], first: int) -> Step:
    """A step on this value: first which operation, so that rare ones come often, then which other operand."""
    possible = _possible(shapes, first)
    names = sorted({step.name for step in possible}, key=lambda name: zlib.crc32(name.encode()))
    drawn = draw(st.integers(0, len(names) - 1)) + 5 * len(shapes)  # hypothesis favours 0: let that differ
    name = names[drawn % len(names)]
    return draw(st.sampled_from([step for step in possible if step.name == name]))


class _Shapes:
    """scipy.linalg as far as shapes go."""

    @staticmethod
    def solve_triangular(l: Any, b: Any, **options: Any) -> Any:
        return b


def _possible(shapes: list[tuple[int, ...]], first: int) -> list[Step]:
    """Every step whose first operand is this value."""
    shape = shapes[first]
    found = [Step(name, (first,)) for name in _SCALAR]
    found += [Step("power of a number", (first,), (p,)) for p in (2, 3, 0.5, -1.5)]
    found.append(Step("captured operand", (first,)))
    for other, of in enumerate(shapes):
        if _broadcasts(shape, of):
            found += [Step(name, (first, other)) for name in _BROADCASTING]
            found += [Step("where", (first, other))] * (shape == of)  # autograd's does not broadcast
        if len(shape) == len(of) >= 1 and shape[1:] == of[1:] and shape[0] + of[0] <= 14:
            found.append(Step("concatenate", (first, other)))
        if len(shape) == len(of) == 2:
            found += [Step("matmul", (first, other))] * (shape[1] == of[0])
            found += [Step("einsum", (first, other))] * (shape[1] == of[1])
        if len(shape) == 2 and shape[0] == shape[1] and of[:1] == shape[:1]:
            found += [Step("solve", (first, other)), Step("solve transposed", (first, other))]
        if len(shape) == 2 and of == shape[1:]:
            found.append(Step("vector product", (first, other)))
        if len(shape) == len(of) == 1:
            found.append(Step("outer", (first, other)))
    if len(shape) == 2:
        found += [Step(name, (first,)) for name in ("transpose", "reshape", "ravel", "gram", "cholesky")]
        found += [Step("sum", (first,), (axis,)) for axis in (0, 1)]
        found += [Step("diagonal", (first,))] * (shape[0] == shape[1])
        found += [Step("row", (first,))] * (shape[0] >= 2)
    if len(shape) == 1 and shape[0] <= 14:
        found += [Step(name, (first,)) for name in ("diagonal matrix", "new axis")]
        found += [Step("broadcast", (first,), (n,)) for n in LENGTHS]
    if shape:
        found += [Step("mean", (first,), (axis,)) for axis in (0, -1)]
        found += [Step("times a constant", (first,))]
        found += [Step(name, (first,)) for name in ("slice", "reverse", "take") if shape[0] >= 3]
    return [step for step in found if _size(step, shapes) <= 250]


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def _size(step: Step, shapes: list[tuple[int, ...]]) -> int:
    """A bound on the items of the step's result."""
    if step.name in ("outer", "new axis", "diagonal matrix"):
        return int(np.prod([max(shapes[k]) for k in (step.operands[0], step.operands[-1])]))
    if step.name == "cholesky":
        return shapes[step.operands[0]][0] ** 2
    if step.name == "gram":
        return shapes[step.operands[0]][1] ** 2
    return max(int(np.prod(shapes[k])) for k in step.operands)
