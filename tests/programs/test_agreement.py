"""One gradient, five ways: backslash on operators, serial, threads, processes, tiles; and autograd's."""

from collections import Counter

import autograd
import autograd.numpy
import autograd.scipy.linalg
import numpy as np
import pytest
import scipy.linalg
from distributed import Client
from hypothesis import given, settings

import dagsolve as ds
from tests.programs.generator import OPERATIONS, SPINE, Program, programs

PROGRAMS = 50
CHUNKS = 3  # every axis longer than 3 is cut, and its last tile is uneven


@pytest.fixture(scope="module")
def drawn() -> list[Program]:
    """The programs, drawn while no cluster works: its threads use the global `random` of this process."""
    seen: list[Program] = []

    @settings(max_examples=PROGRAMS, database=None)
    @given(programs())
    def draw(program: Program) -> None:
        seen.append(program)

    draw()
    return seen


@pytest.fixture(scope="module")
def client(two_processes):
    with Client(two_processes, set_as_default=False) as client:
        yield client


def by_backslash(function, data):
    """∇ = Dᵀ• ((I - L)ᵀ• \\ g) in memory."""
    identity_minus_l, d, g = ds.operator_matrix(ds.trace(function, *data), *data)
    found = d.T @ ds.backslash(identity_minus_l.T, g)
    return [np.zeros_like(x) if bar is None else bar for x, bar in zip(data, found, strict=True)]


def by_autograd(program: Program, data):
    def function(*inputs):
        return program(autograd.numpy, autograd.scipy.linalg, *inputs)

    return autograd.grad(function, tuple(range(len(data))))(*data)


def error(found, expected):
    """The largest difference of two gradients, relative to the largest entry of the second."""
    scale = max(float(np.max(np.abs(x))) for x in expected)
    return max(float(np.max(np.abs(a - b))) for a, b in zip(found, expected, strict=True)) / scale


@pytest.mark.timeout(600)  # on a busy machine each way takes seconds a program
def test_all_ways_agree_on_generated_programs(client, drawn):
    for program in drawn:
        check(program, client)


def check(program: Program, client: Client) -> None:
    """Every way within 1e-12 of backslash on operators, and that within 1e-9 of autograd."""
    data, everything = program.data(), range(len(program.inputs))

    def function(*inputs):
        return program(np, ds.linalg, *inputs)

    value = program(np, scipy.linalg, *data)
    expected = by_backslash(function, data)
    ways = {"backslash": (value, expected)}
    for scheduler in ("sync", "threads", client):
        for chunks in (None, CHUNKS):
            way = f"{scheduler if isinstance(scheduler, str) else 'processes'}, chunks={chunks}"
            gradient = ds.value_and_grad(function, tuple(everything), scheduler=scheduler, chunks=chunks)
            ways[way] = gradient(*data)
    for way, (found, bars) in ways.items():
        assert found == pytest.approx(value, rel=1e-12), (way, program)
        assert [bar.shape for bar in bars] == [x.shape for x in data], (way, program)
        assert error(bars, expected) < 1e-12, (way, program)
    assert error(expected, by_autograd(program, data)) < 1e-9, program


def test_programs_are_of_every_kind(drawn):
    seen = drawn
    assert len(seen) == PROGRAMS
    assert {step.name for program in seen for step in program.steps} == set(OPERATIONS)
    assert all(program.depth >= SPINE for program in seen)
    traits = Counter[str]()
    for program in seen:
        traits["an input that nothing reads"] += bool(program.unused)
        traits["a value that three steps read"] += program.fan_out >= 3
        traits["two operands of one step alike"] += any(
            len(set(s.operands)) < len(s.operands) for s in program.steps
        )
    assert min(traits.values()) >= 5, traits
