"""Anchors: identities forward, closed formulas in reverse, and gone before anything runs."""

import pickle

import dask.array as da
import numpy as np
import pytest
from dask.base import optimize

import dagsolve as ds
from dagsolve.errors import GraphError, UnknownSpecError, UnsupportedError
from dagsolve.linalg.tiled import TILED
from dagsolve.primitives.anchors import RULES, anchor_name, is_anchor
from dagsolve.primitives.derived import find
from dagsolve.sampling import random_array, random_separated
from dagsolve.tracing.anchors import without_anchors
from dagsolve.tracing.chunked import tiled
from dagsolve.tracing.layout import normalised_chunks
from dagsolve.tracing.reverse import inline, joint_graph
from dagsolve.tracing.trace import trace_function


def cut(name, a, rows, columns):
    """A matrix as tiles by label."""
    made, top = {}, 0
    for i, m in enumerate(rows):
        left = 0
        for j, n in enumerate(columns):
            made[name, i, j] = a[top : top + m, left : left + n]
            left += n
        top += m
    return made


def qr_case(rng, m, n, dtype):
    rows, columns = ((3, 2), (3, 2, 2)) if m < n else ((2, 3, 2), (2, 3))
    a = random_array(rng, m, n, dtype=dtype)
    q, r = np.linalg.qr(a)
    k = columns[:2]
    upper = {at: tile for at, tile in cut("r", r, k, columns).items() if at[1] <= at[2]}
    return "qr", cut("a", a, rows, columns), {}, {**cut("q", q, rows, k), **upper}


def triangle_case(rng, dtype):
    a = random_array(rng, 7, 5, dtype=dtype)
    upper = cut("r", np.linalg.qr(a)[1], (2, 3), (2, 3))
    upper.pop(("r", 1, 0))
    return "triangle", cut("a", a, (3, 4), (2, 3)), {}, upper


def lstsq_case(rng, dtype):
    a, b = random_array(rng, 7, 5, dtype=dtype), random_array(rng, 7, 3, dtype=dtype)
    upper = cut("r", np.linalg.qr(a)[1], (2, 3), (2, 3))
    upper.pop(("r", 1, 0))
    x = np.linalg.lstsq(a, b)[0]
    carrying = {**cut("a", a, (3, 4), (2, 3)), **cut("b", b, (3, 4), (1, 2))}
    return "lstsq", carrying, upper, cut("x", x, (2, 3), (1, 2))


def eigh_case(rng, dtype):
    a = random_separated(rng, n=5, dtype=dtype)
    w, v = find("eigh")(a)
    lower = {at: tile for at, tile in cut("a", a, (2, 3), (2, 3)).items() if at[1] >= at[2]}
    return "eigh", lower, {}, {("w", 0, 0): w[:2], ("w", 1, 0): w[2:], **cut("v", v, (2, 3), (2, 3))}


CASES = {
    "qr-deep": lambda rng, dtype: qr_case(rng, 7, 5, dtype),
    "qr-wide": lambda rng, dtype: qr_case(rng, 5, 7, dtype),
    "triangle": triangle_case,
    "lstsq": lstsq_case,
    "eigh": eigh_case,
}


def inner(left, right):
    return sum(np.sum(np.real(np.conj(left[at]) * right[at])) for at in left if at in right)


def admissible(rng, rule, tiles, dtype):
    """Cotangents of results as they occur: of a triangle, what is stored; of eigenvalues, real numbers."""
    made = {}
    for (name, i, j), tile in tiles.items():
        bar = random_array(rng, *tile.shape, dtype=tile.dtype)
        made[name, i, j] = np.triu(bar) if name == "r" and i == j and rule != "lstsq" else bar
    return made


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("case", CASES)
def test_pullback_is_adjoint_of_pushforward(rng, case, dtype):
    name, carrying, read, results = CASES[case](rng, dtype)
    rule, values = RULES[name], {**carrying, **read, **results}
    tangents = {at: random_array(rng, *tile.shape, dtype=dtype) for at, tile in carrying.items()}
    if name == "eigh":  # the stored triangle of a Hermitian matrix
        tangents = {at: _hermitian(t) if at[1] == at[2] else t for at, t in tangents.items()}
    bars = admissible(rng, name, results, dtype)
    left = inner(rule.pushforward(np, values, tangents), bars)
    assert left == pytest.approx(inner(tangents, rule.pullback(np, values, bars)), rel=1e-10)


def _hermitian(t):
    return 0.5 * (t + np.conj(t).T)


@pytest.mark.parametrize("case", CASES)
def test_absent_tiles_are_zero(rng, case):
    """Each cotangent alone, with the others absent, adds up to all of them together."""
    name, carrying, read, results = CASES[case](rng, np.float64)
    rule, values = RULES[name], {**carrying, **read, **results}
    bars = admissible(rng, name, results, np.float64)
    whole = rule.pullback(np, values, bars)
    for at in carrying:
        alone = [rule.pullback(np, values, {label: bar}).get(at) for label, bar in bars.items()]
        total = sum(part for part in alone if part is not None)
        np.testing.assert_allclose(total, whole[at], atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_leading_axes_of_cotangents_are_right_hand_sides(rng, case):
    name, carrying, read, results = CASES[case](rng, np.float64)
    rule, values = RULES[name], {**carrying, **read, **results}
    bars = [admissible(rng, name, results, np.float64) for _ in range(2)]
    both = rule.pullback(np, values, {at: np.stack([bar[at] for bar in bars]) for at in results})
    for k, bar in enumerate(bars):
        for at, tile in rule.pullback(np, values, bar).items():
            np.testing.assert_allclose(both[at][k], tile, atol=1e-11)


# In graphs


def tile_graph(f, n=6, chunks=2):
    trace = trace_function("test", f, (ds.spec((n, n)),))
    return tiled(trace.graph, (normalised_chunks(chunks, (n, n), "a"),), chunks)


def test_graph_without_anchors_has_the_same_values(rng):
    found = tile_graph(lambda a: np.linalg.qr(a)[1])
    joint = joint_graph(found.graph, found.inputs[0].values, range(6), seeds_are_inputs=True)
    plain = without_anchors(joint.graph).check()
    assert any(is_anchor(name) for name in joint.graph.counts())
    needed = plain.needed()
    assert not any(is_anchor(node.primitive) for node in plain.nodes() if needed[node.id])
    a = random_array(rng, 6, 6)
    leaves = dict(found.inputs[0].split(a))
    leaves |= {v: random_array(rng, *joint.graph.spec(v).shape) for v in joint.seeds}
    leaves |= {**found.literals, **joint.constants}
    before, after = inline(joint.graph, leaves), inline(plain, leaves)
    for v, other in zip(joint.graph.outputs, plain.outputs, strict=True):
        np.testing.assert_array_equal(before[v], after[other])


def test_a_graph_without_any_is_itself():
    graph = tile_graph(lambda a: a @ a).graph
    assert without_anchors(graph) is graph


def test_an_anchor_is_found_by_its_name_alone(tmp_path):
    graph = tile_graph(lambda a: np.linalg.qr(a)[0]).graph
    graph.save(tmp_path / "g")
    assert ds.open_graph(tmp_path / "g").counts() == graph.counts()
    assert find(anchor_name("qr", 4, 0, 7)).results == tuple(f"y{k}" for k in range(7))
    for wrong in ("anchor.nothing.1.0.1", "anchor.qr.1.0", "anchor.qr.x.0.1", "bundle.", "bundle.1.2"):
        with pytest.raises(GraphError, match="is not known here"):
            find(wrong)


def test_a_gradient_may_be_a_factor_itself(rng):
    """∂ Σ A ∘ stop(Q) = Q: the gradient's tiles are results of an anchor."""
    a = random_array(rng, 7, 5)
    made = ds.grad(lambda a: np.sum(a * ds.stop_gradient(np.linalg.qr(a)[0])), chunks=2)(a)
    np.testing.assert_allclose(made, np.linalg.qr(a)[0], atol=1e-12)


def test_derivatives_of_derivatives_in_reverse_twice(rng):
    a, w = random_array(rng, 7, 4), random_array(rng, 7, 4)

    def f(a):
        q, r = np.linalg.qr(a)
        return np.sum(w * q) + np.sum(r**3)

    def g(a):
        return np.sum(np.sin(ds.grad(f)(a)))

    np.testing.assert_allclose(ds.grad(g, chunks=2)(a), ds.grad(g)(a), atol=1e-9)


def test_jacobian_has_cotangents_behind_an_axis(rng):
    a = random_array(rng, 5, 3)

    def f(a):
        return np.linalg.qr(a)[1]

    for mode in ("reverse", "forward"):
        made = ds.jacobian(f, mode=mode, chunks=2)(a)
        np.testing.assert_allclose(made, ds.jacobian(f)(a), atol=1e-11)


# In Dask programs


def test_a_run_by_dask_gathers_no_tiles():
    q, _ = TILED["qr"](da.ones((8, 6), chunks=(2, 2)))
    graph = dict(q.__dask_graph__())
    anchored = [task for key, task in graph.items() if "anchored" in str(key) and isinstance(task, tuple)]
    assert anchored
    assert all(len(task) == 2 for task in anchored)


def test_some_tiles_of_the_matrix_may_be_constant(rng):
    """The loop reads x and a constant beside it; only x is asked for."""
    a, b, w = random_array(rng, 9, 2), random_array(rng, 9, 3), random_array(rng, 9, 5)
    x, fixed = da.from_array(a, chunks=(3, 2)), da.from_array(b, chunks=(3, 3))
    q, _ = ds.linalg.qr(da.concatenate([fixed, x], axis=1), mode="economic")
    made = ds.gradients((q * w).sum(), x).compute(scheduler="sync")
    dense = ds.grad(lambda a: np.sum(w * np.linalg.qr(np.concatenate([b, a], axis=1))[0]))(a)
    np.testing.assert_allclose(made, dense, atol=1e-11)


def test_factors_may_be_read_in_part(rng):
    a = random_array(rng, 12, 6)
    x = da.from_array(a, chunks=(3, 2))
    q, _ = ds.linalg.qr(x, mode="economic")
    made = ds.gradients((q[:4, 1:3] ** 3).sum(), x).compute(scheduler="sync")
    dense = ds.grad(lambda a: np.sum(np.linalg.qr(a)[0][:4, 1:3] ** 3))(a)
    np.testing.assert_allclose(made, dense, atol=1e-11)


def test_a_pickled_factor_is_the_same_array_and_refuses_a_gradient(rng):
    x = da.from_array(random_array(rng, 6, 4), chunks=(3, 2))
    q, _ = ds.linalg.qr(x, mode="economic")
    copy = pickle.loads(pickle.dumps(q))
    np.testing.assert_array_equal(copy.compute(scheduler="sync"), q.compute(scheduler="sync"))
    with pytest.raises(UnsupportedError, match="optimised or pickled"):
        ds.gradients(copy.sum(), x)


def test_an_optimised_program_never_gives_a_wrong_gradient(rng):
    x = da.from_array(random_array(rng, 6, 4), chunks=(3, 2))
    q, _ = ds.linalg.qr(x + 1, mode="economic")
    (fused,) = optimize(q.sum())
    with pytest.raises((UnsupportedError, UnknownSpecError, ds.errors.ArgumentError)):
        ds.gradients(fused, x)
