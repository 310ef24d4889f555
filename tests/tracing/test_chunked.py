"""Tiles change neither values nor gradients; what cannot be tiled runs in one chunk and says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import ArgumentError
from dagsolve.sampling import random_spd
from dagsolve.tracing.chunked import tiled
from dagsolve.tracing.layout import Layout, normalised_chunks, slices
from tests.tracing.values import traced

RNG = np.random.default_rng(20261121)
A, B = RNG.standard_normal((2, 7, 11))
V = RNG.standard_normal(11)
T = RNG.standard_normal((3, 7, 5))
SPD = random_spd(RNG, n=11)

FUNCTIONS = {
    "reshape that merges": lambda: (lambda x: np.sum(np.sin(np.reshape(x, (21, 5))) ** 2), T),
    "reshape that neither merges nor splits": lambda: (lambda x: np.sum(np.reshape(x, (11, 7)) @ A), A),
    "batched matrix product": lambda: (lambda x: np.sum(np.tanh(x @ np.swapaxes(x, -1, -2))), T),
    "batched cholesky": lambda: (lambda x: np.sum(np.linalg.cholesky(x @ x.mT + 9 * np.eye(7))), T),
    "three-operand einsum": lambda: (lambda x: np.einsum("ij,j,kj->", x, V, B), A),
    "index array": lambda: (lambda x: np.sum(x[:, [0, 10, 10, 4]] ** 2), A),
    "negative steps": lambda: (lambda x: np.sum(x[::-2, 7:1:-3] ** 3), A),
    "new axes": lambda: (lambda x: np.sum((x[:, None] - x[None, :]) ** 4), V),
    "concatenate": lambda: (lambda x: np.sum(np.concatenate([x, np.sin(x), B]) ** 2), A),
    "reductions": lambda: (lambda x: np.sum(np.var(x, axis=0) * np.max(x, axis=0)) + np.std(x), A),
    "cumulative sum": lambda: (lambda x: np.sum(np.cumsum(x, axis=0) ** 2), A),
    "generators": lambda: (
        lambda x: np.sum((x + np.eye(11) + np.arange(11.0) + np.ones((11, 11))) ** 2),
        SPD,
    ),
    "constants": lambda: (lambda x: np.sum((x * B) ** 2 @ V), A),
    "log determinant": lambda: (lambda x: np.sum(np.log(np.diag(np.linalg.cholesky(x)))), SPD),
    "solve": lambda: (lambda x: np.sum(ds.linalg.cho_solve((np.linalg.cholesky(x), True), V) ** 2), SPD),
    "triangles": lambda: (lambda x: np.sum(np.tril(x, 2) @ np.triu(x, -3)) + np.trace(x), SPD),
}


CASES = [(name, chunks) for name in FUNCTIONS for chunks in (3, 5, "auto", {0: 4})] + [("new axes", 1)]


@pytest.mark.parametrize(("name", "chunks"), CASES)
def test_tiles_change_nothing(name, chunks):
    f, x = FUNCTIONS[name]()
    value, gradient = ds.value_and_grad(f, scheduler="sync")(x)
    found, bar = ds.value_and_grad(f, scheduler="sync", chunks=chunks)(x)
    assert found == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(bar, gradient, rtol=1e-11, atol=1e-12 * np.max(np.abs(gradient)))
    assert (bar.shape, bar.dtype) == (x.shape, x.dtype)


def cut(f, x, length):
    trace = traced(f, x)
    return tiled(trace.graph, (normalised_chunks(length, x.shape, "x"),), length)


def test_generators_are_made_per_tile_and_zero_tiles_are_alike():
    found = cut(lambda x: x + np.eye(11), SPD, 4)
    eyes = [node for node in found.graph.nodes() if node.primitive == "eye"]
    assert len(eyes) == 9
    assert not found.constants


def test_constants_are_cut_like_the_inputs_they_meet():
    found = cut(lambda x: x * B, A, 4)
    (layout,) = found.constants.values()
    assert layout.chunks == found.inputs[0].chunks == ((4, 3), (4, 4, 3))


def test_what_runs_in_one_chunk_is_named_with_bytes_and_line():
    found = cut(lambda x: np.cumsum(x, axis=0), A, 4)
    (note,) = found.gathered
    assert note.startswith("cumsum: runs in one chunk of 1,232 bytes (")
    assert "test_chunked.py:" in note


def test_tile_nodes_keep_the_users_lines():
    found = cut(lambda x: np.linalg.cholesky(np.exp(x)), SPD, 4)
    inner = [node for node in found.graph.nodes() if node.primitive not in ("input", "constant", "full")]
    assert {node.scope.file for node in inner} == {__file__}


# Layouts


@given(st.lists(st.integers(1, 7), min_size=1, max_size=3), st.integers(1, 8), st.data())
def test_split_and_join(shape, length, data):
    chunks = normalised_chunks(length, tuple(shape), "x")
    array = np.arange(float(np.prod(shape))).reshape(shape)
    layout = Layout(chunks, tuple(range(10, 10 + len(list(slices(chunks))))))
    tiles = dict(layout.split(array))
    assert all(tile.flags.c_contiguous and max(tile.shape) <= max(length, 1) for tile in tiles.values())
    np.testing.assert_array_equal(layout.join(tiles), array)
    assert layout.shape == array.shape


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (None, ((7,), (11,))),
        (4, ((4, 3), (4, 4, 3))),
        (np.int64(11), ((7,), (11,))),
        ("auto", ((7,), (11,))),
        ((3, 6), ((3, 3, 1), (6, 5))),
        (((5, 2), 4), ((5, 2), (4, 4, 3))),
    ],
)
def test_chunks_are_normalised(chunks, expected):
    assert normalised_chunks(chunks, (7, 11), "x") == expected


@pytest.mark.parametrize("chunks", [0, -3, "small", 2.5, (3,), (3, 4, 5), ((3, 3), 4), ((7, 0), 4), True, {}])
def test_impossible_chunks_are_refused(chunks):
    with pytest.raises(ArgumentError, match="x: chunks"):
        normalised_chunks(chunks, (7, 11), "x")
