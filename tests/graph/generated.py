"""Random graphs: columns of every kind with several sweeps and results, and edges of random DAGs."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from dagsolve.graph import ColumnsBuilder, Graph, Scope
from dagsolve.specs import spec

LEAVES: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.sampled_from(
        [..., np.dtype("f4"), np.dtype(">i2"), np.float32(0.1), np.int8(-3), np.bool_(True), -0.0]
    ),
    st.slices(7),
)
PARAMS: Any = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=8,
)
DTYPES = ("f8", "f4", "c16", "i8", "?")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of up to 30 nodes; constants have values, some of them in Fortran order."""
    builder = ColumnsBuilder()
    captured: dict[int, Any] = {}
    sweep = 0
    inputs = []
    for _ in range(draw(st.integers(0, 30))):
        shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=3)))
        of = spec(shape, draw(st.sampled_from(DTYPES)))
        known = builder.value_count
        kind = draw(st.sampled_from(["input", "constant", "op", "op", "op"]))
        results = 1 if kind != "op" else draw(st.integers(1, 3))
        operands = [] if kind != "op" or not known else draw(st.lists(st.integers(0, known - 1), max_size=4))
        sweep += kind == "op" and draw(st.integers(0, 9)) == 9
        params = draw(st.dictionaries(st.text(max_size=4), PARAMS, max_size=2))
        name = kind if kind != "op" else draw(st.sampled_from(["add", "exp", "qr|pullback:a"]))
        # Params may be unhashable here, on file they are what they are: no interning.
        builder.param_table.entries.append(tuple(sorted(params.items())))
        scope = Scope(draw(st.text(max_size=4)), draw(st.text(max_size=4)), draw(st.integers(0, 99)))
        first = builder.append(
            builder.names.add(name),
            len(builder.param_table.entries) - 1,
            builder.scope_table.add(scope),
            sweep,
            operands,
            [builder.specs.add(of)] * results,
        )
        if kind == "input":
            inputs.append(first)
        elif kind == "constant" and draw(st.booleans()):
            items = np.arange(of.size).astype(of.dtype).reshape(shape)
            captured[first] = np.asfortranarray(items) if draw(st.booleans()) and shape else items
    count = builder.value_count
    outputs = draw(st.lists(st.integers(0, count - 1), max_size=3)) if count else []
    return Graph(builder.freeze(), tuple(inputs), tuple(outputs), captured)


@st.composite
def edges(
    draw: st.DrawFn, nodes: int = 20
) -> tuple[int, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """(nodes, src, dst, weight) of a DAG whose numbers are in no order; parallel edges among them."""
    count = draw(st.integers(1, nodes))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    drawn = [sorted(pair) for pair in draw(st.lists(pairs, max_size=3 * nodes)) if pair[0] != pair[1]]
    number = np.array(draw(st.permutations(range(count))))
    pairs_array = np.array(drawn, dtype=np.int64).reshape(-1, 2)
    weight = np.array([draw(st.integers(-7, 11)) for _ in drawn], dtype=np.float64)
    return count, number[pairs_array[:, 0]], number[pairs_array[:, 1]], weight


def identical(a: Any, b: Any) -> bool:
    """Whether two params are the same in type and content, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if isinstance(a, slice):
        return identical((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, complex):
        return identical((a.real, a.imag), (b.real, b.imag))
    if isinstance(a, float):  # NaN is itself, 0.0 is not -0.0
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (a != a and b != b)
    return bool(a == b)
