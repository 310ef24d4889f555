"""General systems of Dask matrices: pivots are sought in whole columns of tiles, as LAPACK does."""

import dask.array as da
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import dagsolve as ds
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.linalg.tiled import general
from dagsolve.linalg.tiled.elimination import factorised
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array

SEED = 20261121
sizes = st.integers(1, 13)
tiles = st.integers(1, 6)
dtypes = st.sampled_from([np.float64, np.float32, np.complex128])
quick = settings(max_examples=25)


def cut(x, *lengths):
    return da.from_array(x, chunks=lengths)


def drawn(rng, *shape, dtype):
    """A matrix with a bounded condition number whose leading tiles may well be nearly singular."""
    m, n = shape
    u, _ = np.linalg.qr(random_array(rng, m, m, dtype=dtype))
    v, _ = np.linalg.qr(random_array(rng, n, n, dtype=dtype))
    return (u[:, : min(m, n)] * rng.uniform(1, 3, min(m, n)).astype(u.real.dtype)) @ v[: min(m, n)]


def near(lazy, dense, dtype):
    found = lazy.compute(scheduler="sync")
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (found.shape, found.dtype) == (dense.shape, dense.dtype)
    tolerance = 2e-4 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(found, dense, rtol=tolerance, atol=tolerance)


@quick
@given(sizes, sizes, tiles, tiles, dtypes)
def test_lu_is_lapacks(m, n, rows, columns, dtype):
    a = drawn(np.random.default_rng(SEED), m, n, dtype=dtype)
    (p, l, u), theirs = ds.linalg.lu(cut(a, rows, columns)), scipy.linalg.lu(a)
    near(p, theirs[0].astype(a.real.dtype), dtype)  # SciPy's is complex where a (1, 1) is
    near(l, theirs[1], dtype)
    near(u, theirs[2], dtype)


@quick
@given(sizes, st.integers(1, 4), tiles, tiles, tiles, st.booleans(), dtypes)
def test_solve(n, k, rows, columns, right, transposed, dtype):
    rng = np.random.default_rng(SEED)
    a, b = drawn(rng, n, n, dtype=dtype), random_array(rng, n, k, dtype=dtype)
    x = ds.linalg.solve(cut(a, rows, columns), cut(b, right, right), transposed=transposed)
    near(x, np.linalg.solve(a.T if transposed else a, b), dtype)
    assert x.chunks == (cut(a, 1, columns).chunks[1], cut(b, 1, right).chunks[1])


@quick
@given(sizes, tiles, tiles, dtypes)
def test_inverse_and_determinant(n, rows, columns, dtype):
    a = drawn(np.random.default_rng(SEED), n, n, dtype=dtype)
    lazy = cut(a, rows, columns)
    near(ds.linalg.inv(lazy), np.linalg.inv(a), dtype)
    near(ds.linalg.det(lazy), np.linalg.det(a), dtype)
    for mine, theirs in zip(ds.linalg.slogdet(lazy), np.linalg.slogdet(a), strict=True):
        near(mine, theirs, dtype)


def test_factors_are_used_again(rng):
    a, b = drawn(rng, 11, 11, dtype=complex), random_array(rng, 11, 3, dtype=complex)
    factors = ds.linalg.lu_factor(cut(a, 4, 3))
    packed, swaps = scipy.linalg.lu_factor(a)
    near(factors[0], packed, complex)
    np.testing.assert_array_equal(factors[1], swaps)
    for trans, op in enumerate((a, a.T, a.conj().T)):
        near(ds.linalg.lu_solve(factors, cut(b, 5, 2), trans), np.linalg.solve(op, b), complex)


def test_singular_tiles_on_the_diagonal_of_a_regular_matrix(rng):
    """[[0, I], [I, 0]]: what pivots inside a tile cannot solve, as dask.array.linalg does not."""
    zero, one = np.zeros((4, 4)), np.eye(4)
    a, b = np.block([[zero, one], [one, zero]]), random_array(rng, 8, 1)
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.solve(cut(a, 4, 4), cut(b, 4, 1)).compute(scheduler="sync")
    near(ds.linalg.solve(cut(a, 4, 4), cut(b, 4, 1)), np.roll(b, 4, axis=0), float)


def test_small_pivots_inside_a_tile_are_passed_over(rng):
    """Where the tile on the diagonal has only tiny entries, growth would cost all digits."""
    a = random_array(rng, 12, 12)
    a[:3, :3] *= 1e-14
    b = random_array(rng, 12, 1)
    x = ds.linalg.solve(cut(a, 3, 3), cut(b, 3, 1)).compute(scheduler="sync")
    ours = np.linalg.norm(a @ x - b)
    theirs = da.linalg.solve(cut(a, 3, 3), cut(b, 3, 1)).compute(scheduler="sync")
    assert ours < 1e-12 < 1e-4 < np.linalg.norm(a @ theirs - b)


def test_a_singular_matrix_is_named_with_its_pivot():
    a = np.diag([1.0, 2.0, 3.0, 0.0, 5.0])
    with pytest.raises(FactorisationError, match=r"solve: a is singular: pivot 3 .*remove dependent rows"):
        ds.linalg.solve(cut(a, 2, 2), cut(np.ones(5), 2)).compute(scheduler="sync")
    sign, log = ds.linalg.slogdet(cut(a, 2, 2))
    assert (sign.compute(), log.compute()) == (0.0, -np.inf)


def test_a_nan_is_named_with_its_columns():
    a = np.eye(5)
    a[4, 3] = np.nan
    with pytest.raises(FactorisationError, match=r"lu: columns 2 to 3 of a, .*must be finite"):
        ds.linalg.inv(cut(a, 2, 2)).compute(scheduler="sync")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"a must have shape \(n, n\) and b \(n, k\), got \(5, 4\)"):
        ds.linalg.solve(da.ones((5, 4)), da.ones((5, 1)))
    with pytest.raises(ShapeError, match=r"inv: a must have shape \(n, n\), got \(5, 4\)"):
        ds.linalg.inv(da.ones((5, 4)))
    with pytest.raises(ShapeError, match=r"permute_rows: p must have shape \(4,\), got \(3,\)"):
        general.permute_rows(da.ones((4, 2)), da.ones(3, dtype=int))


@pytest.mark.parametrize("p", [1, 2, 5, 8])
def test_tasks_of_an_elimination(p):
    """p panels with three results, p(p-1)/2 updates and as many cuts but for the last; p tall columns."""
    l = factorised("test", da.ones((3 * p, 3 * p), chunks=3)).array
    columns = p if p > 1 else 0
    assert len(l.dask.layers[l.name]) == columns + 4 * p + p * (p - 1) + 1


# Gradients


def real_sum(x, weights):
    return np.sum(np.real(x) * weights)


WEIGHTS = np.random.default_rng(SEED).standard_normal((7, 7))
RIGHT = np.random.default_rng(SEED + 1).standard_normal((7, 3))
PROGRAMS = {
    "solve": lambda a: real_sum(ds.linalg.solve(a, RIGHT), WEIGHTS[:, :3]),
    "solve, transposed": lambda a: real_sum(ds.linalg.solve(a, RIGHT[:, 0], transposed=True), WEIGHTS[0]),
    "inv": lambda a: real_sum(ds.linalg.inv(a), WEIGHTS),
    "det": lambda a: ds.linalg.det(a),
    "slogdet": lambda a: ds.linalg.slogdet(a)[0] * ds.linalg.slogdet(a)[1],
    "lu": lambda a: real_sum(ds.linalg.lu(a)[1], WEIGHTS) + real_sum(ds.linalg.lu(a)[2], WEIGHTS.T),
    "lu_solve": lambda a: real_sum(ds.linalg.lu_solve(ds.linalg.lu_factor(a), RIGHT), WEIGHTS[:, :3]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_of_tiled_programs_are_those_of_dense_ones(rng, name):
    """By chunks of a NumPy function, and by ds.gradients of the same function on Dask arrays."""
    f, a = PROGRAMS[name], drawn(rng, 7, 7, dtype=float)
    value, gradient = ds.value_and_grad(f)(a)
    tiled_value, tiled_gradient = ds.value_and_grad(f, chunks=3, scheduler="sync")(a)
    x = cut(a, 3, 3)
    lazy_value, lazy_gradient = ds.value_and_gradients(f(x), x)
    for found in (tiled_value, lazy_value.compute(scheduler="sync")):
        np.testing.assert_allclose(found, value, rtol=1e-10)
    for found in (tiled_gradient, lazy_gradient.compute(scheduler="sync")):
        np.testing.assert_allclose(found, gradient, rtol=1e-10, atol=1e-10)


def flops(graph, sweep):
    needed, total = graph.needed(), 0.0
    for node in graph.nodes():
        if needed[node.id] and graph.columns.sweep[node.id] == sweep and not graph.is_leaf[node.id]:
            specs = tuple(map(graph.spec, node.operands)), tuple(map(graph.spec, node.results))
            total += find(node.primitive).costs(*specs, dict(node.params)).forward_flops
    return total


@pytest.mark.parametrize(("p", "b"), [(1, 512), (4, 128), (8, 64)])
def test_the_reverse_sweep_of_a_solution_factors_nothing(p, b):
    """2n³/3 and 2n²k flops forward; 2n²k for the adjoint system and as many for Ā in reverse."""
    n, k = p * b, 3
    right = np.random.default_rng(SEED).standard_normal((n, k))
    f = ds.grad(lambda a: np.sum(np.sin(ds.linalg.solve(a, right))), chunks=b)
    graph = f.trace(ds.spec((n, n)))
    assert flops(graph, 0) == pytest.approx(2 * n**3 / 3, rel=0.05)
    assert flops(graph, 1) == pytest.approx(4 * n**2 * k, rel=0.25)


@pytest.mark.parametrize("name", ["solve", "solve, transposed", "inv", "slogdet"])
def test_second_derivatives(rng, name):
    f, a, v = PROGRAMS[name], drawn(rng, 7, 7, dtype=float), rng.standard_normal((7, 7))
    dense = ds.hvp(f, (a,), (v,))
    np.testing.assert_allclose(ds.hvp(f, (a,), (v,), chunks=3, scheduler="sync"), dense, rtol=1e-9, atol=1e-9)
