"""Gradients of dask.array programs equal autograd's of the same NumPy programs: threads and processes."""

from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
import pytest
from dask.base import compute
from distributed import Client, LocalCluster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dagsolve as ds
from tests.dask_programs.program import Chunks, Program
from tests.dask_programs.table import FAMILIES, PROGRAMS

pytestmark = pytest.mark.filterwarnings(
    "ignore::dask.array.PerformanceWarning",
    "ignore:divide by zero:RuntimeWarning",  # numpy.linalg.norm's own branches in autograd
)
FREE = sorted(name for name, program in PROGRAMS.items() if program.free)


def assert_close(found: Any, expected: Any, what: str = "") -> None:
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale, err_msg=what)


def differentiated(program: Program, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Lazy value and gradients, with the chunks and dtypes of their arrays."""
    value, bars = ds.value_and_gradients(program.build(da, x, y), (x, y))
    assert [g.chunks for g in bars] == [x.chunks, y.chunks]
    assert [g.dtype for g in bars] == [x.dtype, y.dtype]
    return value, *bars


def test_the_families_have_no_name_in_common() -> None:
    assert sum(map(len, FAMILIES.values())) == len(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_on_threads(name: str, rng: np.random.Generator) -> None:
    program = PROGRAMS[name]
    arrays = program.draw(rng)
    value, *bars = compute(*differentiated(program, *program.lazily(arrays)), scheduler="threads")
    expected = program.expected(arrays)
    assert value == pytest.approx(expected[0], rel=1e-12)
    assert_close(bars, expected[1])


@pytest.fixture(scope="module")
def client(two_processes: LocalCluster) -> Iterator[Any]:
    with Client(two_processes) as client:
        yield client


@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=[pytest.mark.slow] if f == "ufuncs" else []) for f in FAMILIES]
)
def test_on_two_processes(family: str, rng: np.random.Generator, client: Any) -> None:
    """All programs of a family at once. With a client active, dask.array rechunks from peer to peer."""
    drawn = {name: program.draw(rng) for name, program in FAMILIES[family].items()}
    lazy = {
        name: differentiated(program, *program.lazily(drawn[name]))
        for name, program in FAMILIES[family].items()
    }
    found = dict(zip(lazy, client.gather(client.compute([list(z) for z in lazy.values()])), strict=True))
    for name, (value, *bars) in found.items():
        expected = PROGRAMS[name].expected(drawn[name])
        assert value == pytest.approx(expected[0], rel=1e-12), name
        assert_close(bars, expected[1], name)


@st.composite
def lengths(draw: Any, n: int) -> tuple[int, ...]:
    """Chunks of an axis of length n, uneven ones and single items included."""
    cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=2))) if n > 1 else []
    return tuple(np.diff([0, *cuts, n]).tolist())


@st.composite
def layouts(draw: Any) -> tuple[int, int, tuple[Chunks, Chunks]]:
    m, n = draw(st.integers(1, 13)), draw(st.integers(1, 9))
    return m, n, ((draw(lengths(m)), draw(lengths(n))), (draw(lengths(n)),))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FREE), layouts(), st.integers(0, 2**32 - 1))
def test_any_shape_in_any_chunks(name: str, layout: Any, seed: int) -> None:
    m, n, chunks = layout
    program = Program(PROGRAMS[name].build, PROGRAMS[name].reference, shapes=((m, n), (n,)), chunks=chunks)
    arrays = program.draw(np.random.default_rng(seed))
    value, *bars = compute(*differentiated(program, *program.lazily(arrays)), scheduler="sync")
    expected = program.expected(arrays)
    assert value == pytest.approx(expected[0], rel=1e-9, abs=1e-9)
    assert_close(bars, expected[1])
