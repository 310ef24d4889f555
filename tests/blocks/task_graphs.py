"""Synthetic joint graphs: the tile loops of a Cholesky factorisation and of a Gaussian process, by hand.

They are what tracing the loops would give, so the floors above tracing can be tested without it.
"""

from collections.abc import Callable

import numpy as np

from dagsolve.graph import CONSTANT, INPUT, ColumnsBuilder, Graph, Scope
from dagsolve.primitive import Cost, Primitive, Specs
from dagsolve.specs import Spec, spec


def costed(
    name: str, rule: Callable[[Specs, Specs], float], view: bool = False, ufunc: str | None = None
) -> Primitive:
    return Primitive(
        name=name,
        signature="x* -> y",
        forward=lambda xp, *operands: operands[0],
        cost=lambda operands, results: Cost(rule(operands, results), 0),
        view=view,
        ufunc=ufunc,
    )


def cube(factor: float) -> Callable[[Specs, Specs], float]:
    return lambda operands, results: factor * max(s.size for s in operands) ** 1.5


def items(factor: float) -> Callable[[Specs, Specs], float]:
    return lambda operands, results: factor * max(s.size for s in (*operands, *results))


RULES = {
    "cholesky": costed("cholesky", cube(1 / 3)),
    "solve_triangular": costed("solve_triangular", cube(1)),
    "update": costed("update", cube(2)),
    "cholesky.pullback.a": costed("cholesky.pullback.a", cube(2)),
    "solve_triangular.pullback.b": costed("solve_triangular.pullback.b", cube(1)),
    "exp": costed("exp", items(15), ufunc="exp"),
    "multiply": costed("multiply", items(1), ufunc="multiply"),
    "add": costed("add", items(1), ufunc="add"),
    "sum": costed("sum", items(1)),
    "transpose": costed("transpose", items(0), view=True),
    "eye": costed("eye", lambda operands, results: 0.0),
}


def find(name: str) -> Primitive:
    return RULES[name]


class Program:
    """Records calls by name, as a tracer would; `sweep` may be set between calls."""

    def __init__(self) -> None:
        self.builder = ColumnsBuilder()
        self.inputs: list[int] = []
        self.sweep = 0

    def call(
        self, name: str, *operands: int, shape: tuple[int, ...] | Spec, results: int = 1, line: int = 1
    ) -> int:
        b = self.builder
        made = shape if isinstance(shape, Spec) else spec(shape)
        return b.append(
            b.names.add(name),
            b.param_table.add(()),
            b.scope_table.add(Scope("model", "model.py", line)),
            self.sweep,
            operands,
            [b.specs.add(made)] * results,
        )

    def input(self, shape: tuple[int, ...]) -> int:
        sweep, self.sweep = self.sweep, 0
        value = self.call(INPUT, shape=shape)
        self.sweep = sweep
        self.inputs.append(value)
        return value

    def constant(self, shape: tuple[int, ...]) -> int:
        return self.call(CONSTANT, shape=shape)

    def graph(self, *outputs: int) -> Graph:
        return Graph(self.builder.freeze(), tuple(self.inputs), outputs).check()


def tiled_cholesky(p: int, b: int) -> Graph:
    """The joint graph of L = cholesky(A) in p by p tiles of b by b, seeds given as inputs."""
    g = Program()
    tile = (b, b)
    lower = [(i, j) for j in range(p) for i in range(j, p)]
    a = {ij: g.input(tile) for ij in lower}
    seed = {ij: g.input(tile) for ij in lower}
    l: dict[tuple[int, int], int] = {}
    for j in range(p):
        for i in range(j, p):
            c = a[i, j]
            for k in range(j):
                c = g.call("update", c, l[i, k], l[j, k], shape=tile, line=11)
            if i == j:
                l[j, j] = g.call("cholesky", c, shape=tile, line=12)
            else:
                l[i, j] = g.call("solve_triangular", l[j, j], c, shape=tile, line=13)
    g.sweep = 1
    a_bar: dict[tuple[int, int], int] = {}
    for k in reversed(range(p)):
        diagonal = seed[k, k]
        for i in reversed(range(k + 1, p)):
            c = seed[i, k]
            for other in reversed(range(i + 1, p)):
                c = g.call("update", c, a_bar[other, i], l[other, k], shape=tile, line=11)
            c = g.call("update", c, a_bar[i, i], l[i, k], shape=tile, line=11)
            for j in reversed(range(k + 1, i)):
                c = g.call("update", c, a_bar[i, j], l[j, k], shape=tile, line=11)
            a_bar[i, k] = g.call("solve_triangular.pullback.b", l[k, k], c, shape=tile, line=13)
            diagonal = g.call("update", diagonal, a_bar[i, k], l[i, k], shape=tile, line=11)
        a_bar[k, k] = g.call("cholesky.pullback.a", l[k, k], diagonal, shape=tile, line=12)
    return g.graph(*(l[ij] for ij in lower), *(a_bar[ij] for ij in lower))


def kernel_gradient(tiles: int, b: int, parameters: int = 1) -> Graph:
    """Adjoint of kernel tiles: every tile's chain ends in scalars added up along one chain per parameter."""
    g = Program()
    tile = (b, b)
    distance = [g.input(tile) for _ in range(tiles)]
    theta = [g.input(()) for _ in range(parameters)]
    kernel = []
    for d in distance:
        scaled = d
        for t in theta:
            scaled = g.call("multiply", scaled, t, shape=tile)
        kernel.append(g.call("exp", scaled, shape=tile))
    k_bar = [g.input(tile) for _ in range(tiles)]
    g.sweep = 1
    totals: list[int | None] = [None] * parameters
    for d, k, bar in zip(distance, kernel, k_bar, strict=True):
        chain = g.call("multiply", bar, k, shape=tile)
        chain = g.call("multiply", chain, d, shape=tile)
        for q in range(parameters):
            part = g.call("multiply", chain, theta[q], shape=tile)
            part = g.call("sum", part, shape=())
            before = totals[q]
            totals[q] = part if before is None else g.call("add", before, part, shape=())
    return g.graph(*kernel, *(t for t in totals if t is not None))


def random_graph(rng: np.random.Generator, nodes: int, leaves: int, reach: int, sweeps: int = 1) -> Graph:
    """A random graph of vectors; a node reads up to three of the `reach` values before it."""
    g = Program()
    made = [g.input((int(rng.integers(1, 50)) * 101,)) for _ in range(leaves)]
    for n in range(nodes):
        g.sweep = n * sweeps // nodes
        recent = made[-reach:]
        count = min(int(rng.integers(1, 4)), len(recent))
        operands = [recent[int(k)] for k in rng.choice(len(recent), size=count, replace=False)]
        made.append(g.call("add", *operands, shape=(int(rng.integers(1, 50)) * 101,)))
    read = set(g.builder.operands)
    return g.graph(*(v for v in made[leaves:] if v not in read))
