"""Small graphs written down by hand, and the block programs made of them."""

import tracemalloc

import numpy as np

from dagsolve.blocks.evaluate import compile_block, run_block
from dagsolve.graph import INPUT, ColumnsBuilder, Graph, Scope
from dagsolve.primitives.derived import find
from dagsolve.specs import spec


class Recorded:
    """A graph written down by hand; node k stands at line k of model.py."""

    def __init__(self):
        self.columns, self.specs, self.inputs = ColumnsBuilder(), {}, []

    def node(self, name, operands, params, specs):
        c = self.columns
        at = c.scope_table.add(Scope("model", "model.py", len(c.row)))
        added = [c.specs.add(s) for s in specs]
        first = c.append(c.names.add(name), c.param_table.add(params), at, 0, operands, added)
        self.specs.update(enumerate(specs, first))
        return first

    def leaf(self, *shape, dtype=np.float64, kind=INPUT):
        value = self.node(kind, (), (), (spec(shape, dtype),))
        self.inputs.append(value)
        return value

    def __call__(self, name, *operands, **params):
        specs = find(name).result_specs(tuple(self.specs[v] for v in operands), params)
        return self.node(name, operands, tuple(sorted(params.items())), specs)

    def graph(self, *outputs):
        return Graph(self.columns.freeze(), tuple(self.inputs), outputs).check()

    def block(self, *writes):
        graph = self.graph(*writes)
        return compile_block(graph, range(len(graph)), self.inputs, writes)


def names(program):
    return [i.primitive for i in program.code.instructions]


def peak_arrays(block, inputs):
    """Peak of memory taken by a run, in arrays of the first input's size."""
    run_block(block, inputs)  # resolves the program
    tracemalloc.start()
    try:
        run_block(block, inputs)
        return tracemalloc.get_traced_memory()[1] / inputs[0].nbytes
    finally:
        tracemalloc.stop()
