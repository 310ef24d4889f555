"""The Cholesky family of ds.linalg on Dask arrays: results, chunks, gradients, failures."""

import pickle
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError, UnknownSpecError
from dagsolve.linalg.tiled import factor, inverse, substitution
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array, random_spd, random_triangular

SEED = 20261121
sizes = st.integers(1, 13)
tiles = st.integers(1, 6)
calls = st.sampled_from([None, 1, 2, 20])
dtypes = st.sampled_from([np.float64, np.float32, np.complex128])
quick = settings(max_examples=25)


def cut(x, *lengths):
    return da.from_array(x, chunks=lengths)


def near(lazy, dense, tolerance=None):
    found = lazy.compute(scheduler="sync")
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (found.shape, found.dtype) == (dense.shape, dense.dtype)
    if tolerance is None:
        tolerance = 2e-4 if dense.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(found, dense, rtol=tolerance, atol=tolerance)


@quick
@given(sizes, tiles, tiles, calls, dtypes)
def test_both_factors_read_their_own_triangle(n, rows, columns, calls, dtype):
    a = random_spd(np.random.default_rng(SEED), n=n, dtype=dtype)
    l = np.linalg.cholesky(a)
    noise = np.triu(np.ones_like(a), 1)
    lazy = factor.cholesky(cut(a + noise, rows, columns), calls=calls)
    near(lazy, l)
    assert lazy.chunks[0] == lazy.chunks[1] == cut(a, rows, rows).chunks[0]
    near(factor.cholesky(cut(a + noise.T, rows, columns), upper=True, calls=calls), l.conj().T)


def test_uneven_tiles(rng):
    a = random_spd(rng, n=11)
    near(ds.linalg.cholesky(cut(a, (1, 5, 2, 3), (4, 7)), lower=True), np.linalg.cholesky(a))
    t, b = random_triangular(rng, n=11, lower=False), random_array(rng, 11)
    near(ds.linalg.solve_triangular(cut(t, (5, 6), 4), cut(b, 3)), scipy.linalg.solve_triangular(t, b))


@quick
@given(sizes, tiles, st.booleans(), calls, dtypes)
def test_systems_inverses_and_determinants(n, tile, lower, calls, dtype):
    rng = np.random.default_rng(SEED)
    a, b = random_spd(rng, n=n, dtype=dtype), random_array(rng, n, 3, dtype=dtype)
    lazy = cut(a, tile, tile)
    c = ds.linalg.cho_factor(lazy, lower=lower)
    near(ds.linalg.cho_solve(c, cut(b, tile, 2)), np.linalg.solve(a, b))
    near(ds.linalg.cho_solve(c, cut(b[:, 0], tile)), np.linalg.solve(a, b[:, 0]))
    near(ds.linalg.inv(lazy, assume_a="pos", lower=lower), np.linalg.inv(a))
    near(inverse.cholesky_inverse(c[0], lower=lower, calls=calls), np.linalg.inv(a))
    near(ds.linalg.logdet(lazy, lower=lower), np.linalg.slogdet(a)[1])


@quick
@given(sizes, sizes, tiles, calls, st.tuples(*[st.booleans()] * 4))
def test_runs_of_substitution(n, k, tile, calls, flags):
    lower, transposed, right, unit_diagonal = flags
    rng = np.random.default_rng(SEED)
    t, b = random_triangular(rng, n=n, lower=lower), random_array(rng, *((k, n) if right else (n, k)))
    options = {"lower": lower, "unit_diagonal": unit_diagonal}
    swapped = b.T if right else b
    expected = scipy.linalg.solve_triangular(t, swapped, trans=transposed is not right, **options)
    found = substitution.solve_triangular(
        cut(t, tile, tile), cut(b, tile, 3), transposed=transposed, right=right, calls=calls, **options
    )
    near(found, expected.T if right else expected)


STACKED: dict[str, Any] = {
    "cholesky": (lambda a: ds.linalg.cholesky(a, lower=True), np.linalg.cholesky),
    "inv": (ds.linalg.inv, np.linalg.inv),
    "logdet": (ds.linalg.logdet, lambda a: np.linalg.slogdet(a)[1]),
    "eigh": (lambda a: ds.linalg.eigh(a)[0], lambda a: np.linalg.eigh(a)[0]),
    "qr": (lambda a: ds.linalg.qr(a, mode="economic")[1], lambda a: np.linalg.qr(a)[1]),
    "solve": (lambda a: ds.linalg.solve(a, a[..., :1]), lambda a: np.linalg.solve(a, a[..., :1])),
    "svd": (ds.linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False)),
}


@pytest.mark.parametrize("name", STACKED)
def test_stacks_go_chunk_by_chunk(rng, name):
    ours, theirs = STACKED[name]
    a = random_spd(rng, 5, 2, n=3)
    lazy = ours(cut(a, (2, 3), (1, 1), 3, 3))
    near(lazy, theirs(a), 1e-10)
    assert lazy.chunks[:2] == ((2, 3), (1, 1))
    assert all(len(lengths) == 1 for lengths in lazy.chunks[2:])


@pytest.mark.parametrize("name", STACKED)
def test_gradients_of_chunked_stacks(rng, name):
    ours, _ = STACKED[name]
    a = random_spd(rng, 5, 2, n=3) + np.diag([0.0, 10.0, 20.0])

    def program(a):
        return np.sum(np.sin(ours(a + np.swapaxes(a, -1, -2))))

    expected = ds.grad(program)(a)
    found = ds.grad(program, chunks=2, scheduler="sync")(a)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    x = cut(a, 2, 1, 3, 3)
    found = ds.gradients(program(x), x).compute(scheduler="sync")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


RIGHT = np.random.default_rng(SEED).standard_normal((7, 2))
PROGRAMS = {
    "lower": lambda a: np.sum(np.sin(ds.linalg.cholesky(a, lower=True))),
    "upper": lambda a: np.sum(np.sin(ds.linalg.cholesky(a))),
    "cho_solve": lambda a: np.sum(np.sin(ds.linalg.cho_solve(ds.linalg.cho_factor(a), RIGHT))),
    "solve": lambda a: np.sum(np.sin(ds.linalg.solve(a, RIGHT[:, 0], assume_a="pos"))),
    "inv": lambda a: np.sum(np.sin(ds.linalg.inv(a, assume_a="pos"))),
    "logdet": ds.linalg.logdet,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_by_both_doors(rng, name):
    f = PROGRAMS[name]
    g = random_array(rng, 7, 7)

    def program(g):
        return f(g @ g.T + np.eye(7))

    value, gradient = ds.value_and_grad(program)(g)
    x = cut(g, 3, 3)
    y, bar = ds.value_and_gradients(f(x @ x.T + da.eye(7, chunks=3)), x)
    np.testing.assert_allclose(y.compute(scheduler="sync"), value, rtol=1e-11)
    for found in (
        ds.grad(program, chunks=3, scheduler="sync")(g),
        bar.compute(scheduler="sync"),
    ):
        np.testing.assert_allclose(found, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("p", "b"), [(4, 128), (8, 64)])
def test_an_inverse_from_the_factor_never_multiplies_zeros(p, b):
    """n³/3 flops for the factor, as many for L⁻¹ and for L⁻ᴴ L⁻¹; diagonal tiles add some."""
    n = p * b
    graph = ds.grad(lambda a: np.sum(ds.linalg.inv(a, assume_a="pos")), chunks=b).trace(ds.spec((n, n)))
    needed, total = graph.needed(), 0.0
    for node in graph.nodes():
        if needed[node.id] and graph.columns.sweep[node.id] == 0 and not graph.is_leaf[node.id]:
            specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
            total += find(node.primitive).costs(*specs, dict(node.params)).forward_flops
    assert n**3 < total < n**3 * (1 + 3 / p)


def test_inputs_are_never_written_and_tasks_can_be_sent(rng):
    a = random_spd(rng, n=12)
    kept = a.copy()
    l = ds.linalg.cholesky(da.from_array(a, chunks=5, name=False).persist(scheduler="sync"))
    sent = pickle.loads(pickle.dumps(l))
    with dask.config.set(scheduler="threads"):
        np.testing.assert_allclose(sent.compute(), np.linalg.cholesky(kept).T, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(sent.compute(), l.compute())
    np.testing.assert_array_equal(a, kept)


# Failures


def test_the_rows_of_an_indefinite_tile_are_named():
    a = np.diag([1.0, 1.0, 1.0, -1.0, 1.0])
    l = ds.linalg.cholesky(cut(a, 2, 2), lower=True)
    with pytest.raises(FactorisationError, match=r"cholesky: a \(\d+, \d+\) .*leading minor of order 4 is"):
        l.compute(scheduler="sync")
    t = np.eye(5)
    t[3, 3] = 0.0
    x = ds.linalg.solve_triangular(cut(t, 2, 2), cut(np.ones(5), 2))
    with pytest.raises(FactorisationError, match=r"rows 2 to 3 of t, .*got 0.0 at index 1"):
        x.compute(scheduler="sync")


def test_shapes_and_unknown_chunks_are_refused_before_any_work():
    with pytest.raises(ShapeError, match=r"cholesky: a must have shape \(n, n\), got \(4, 5\)"):
        ds.linalg.cholesky(da.ones((4, 5), chunks=2))
    with pytest.raises(ShapeError, match=r"t must have shape \(n, n\) and b \(n, k\)"):
        ds.linalg.solve_triangular(da.ones((4, 4), chunks=2), da.ones(5, chunks=2))
    x = da.ones((6, 6), chunks=3)
    unknown = x[x[:, 0] > 0][:, :6]
    for call in (ds.linalg.cholesky, ds.linalg.inv, ds.linalg.logdet, lambda a: ds.linalg.solve(x, a)):
        with pytest.raises(UnknownSpecError, match=r"compute_chunk_sizes\(\)"):
            call(unknown)
