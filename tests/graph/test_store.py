"""A stored graph is the graph: every column, table, constant and answer; there whole or not at all."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import dagsolve as ds
from dagsolve.blocks.partition import partition
from dagsolve.blocks.work import node_work
from dagsolve.errors import ArgumentError, GraphError, StorageError
from dagsolve.graph import Graph, open_graph
from dagsolve.tracing.reverse import joint_graph
from tests.graph.generated import graphs, identical

COLUMNS = ("primitive", "params", "scope", "sweep", "indptr", "operands", "first_value", "spec")


def assert_same(found: Graph, graph: Graph) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(found.columns, name), getattr(graph.columns, name), name)
    assert found.columns.names == graph.columns.names
    assert identical(found.columns.param_table, graph.columns.param_table)
    assert found.columns.scope_table == graph.columns.scope_table
    assert all(a is b for a, b in zip(found.columns.specs, graph.columns.specs, strict=True))
    assert (found.inputs, found.outputs, found.digest) == (graph.inputs, graph.outputs, graph.digest)
    for a, b in ((found.labels, graph.labels), (found.weight, graph.weight)):
        assert (a is None) == (b is None)
        np.testing.assert_array_equal(a, b)


def likelihood(x: Any, y: Any, s: Any) -> Any:
    k = np.exp(-((x[:, None] - x[None, ::2][:, :3]) ** 2)) @ np.ones((3, 5)) + s * np.eye(5)
    l = np.linalg.cholesky(k @ k.T + 7 * np.eye(5))
    z = ds.linalg.solve_triangular(l, y[1:], lower=True)
    return np.sum(z**2) + np.sum(np.log(np.diagonal(l))) + np.sum(np.sort(np.arange(5.0)) * x)


@pytest.fixture
def traced(rng: np.random.Generator) -> Graph:
    return ds.trace(likelihood, rng.normal(size=5), rng.normal(size=6), 0.3)


@pytest.fixture
def joint() -> Graph:
    """Both sweeps: pullbacks with nested params."""
    return ds.grad(likelihood, (0, 1)).trace(ds.spec(5), ds.spec(6), 0.3)


@given(graph=graphs())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_graph_comes_back(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path / "g", overwrite=True)
    found = open_graph(tmp_path / "g")
    assert_same(found, graph)
    assert found.captured.keys() == graph.captured.keys()
    for value, array in graph.captured.items():
        np.testing.assert_array_equal(found.captured[value], array)
        assert found.captured[value].strides == array.strides or array.size == 0
    assert found.check() is found


@pytest.mark.parametrize("which", ["traced", "joint"])
def test_traced_graph_comes_back(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    graph = request.getfixturevalue(which)
    graph.save(tmp_path / "g")
    found = open_graph(tmp_path / "g")
    assert_same(found, graph)
    assert [*found.nodes()] == [*graph.nodes()]
    assert found.counts() == graph.counts()
    np.testing.assert_array_equal(found.levels(), graph.levels())
    assert repr(found) == repr(graph)


def test_gradient_of_an_opened_graph_is_the_gradient(
    traced: Graph, tmp_path: Path, rng: np.random.Generator
) -> None:
    """The matrix of an opened graph is complete: constants are there with their values."""
    traced.save(tmp_path / "g")
    args = (rng.normal(size=5), rng.normal(size=6), 0.7)
    i_minus_l, d, g = ds.operator_matrix(ds.open_graph(tmp_path / "g"), *args)
    bars = d.T @ ds.backslash(i_minus_l.T, g)
    for found, expected in zip(bars, ds.grad(likelihood, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


def test_partition_of_an_opened_graph_is_the_same(joint: Graph, tmp_path: Path) -> None:
    joint.save(tmp_path / "g")
    found = open_graph(tmp_path / "g")
    a, b = partition(joint, node_work(joint)), partition(found, node_work(found))
    np.testing.assert_array_equal(a.block, b.block)


def test_reverse_sweep_of_an_opened_graph_is_the_same(traced: Graph, tmp_path: Path) -> None:
    """Columns of four bytes go on with columns of eight."""
    traced.save(tmp_path / "g")
    found = open_graph(tmp_path / "g")
    a, b = (joint_graph(g, g.inputs, (0,)).graph.check() for g in (traced, found))
    assert a.digest == b.digest
    assert len(a) > len(traced)


def test_columns_are_mapped_not_read(traced: Graph, tmp_path: Path) -> None:
    traced.save(tmp_path / "g")
    found = open_graph(tmp_path / "g")
    maps = Path("/proc/self/maps").read_text()
    for name in (*COLUMNS, "constants"):
        assert f"{tmp_path}/g/{name}.npy" in maps
    for array in (found.columns.operands, *found.captured.values()):
        assert not array.flags.writeable
        assert array.flags.aligned


def test_ids_take_four_bytes_where_they_fit(tmp_path: Path) -> None:
    small = Graph.from_edges([0, 1], [2, 2])
    small.save(tmp_path / "g")
    assert all(getattr(open_graph(tmp_path / "g").columns, name).dtype == np.int32 for name in COLUMNS)
    wide = replace(small.columns, sweep=small.columns.sweep + 2**31)
    Graph(wide, (), ()).save(tmp_path / "wide")
    found = open_graph(tmp_path / "wide")
    np.testing.assert_array_equal(found.columns.sweep, wide.sweep)


def test_columns_are_ordinary_npy_files(traced: Graph, tmp_path: Path) -> None:
    traced.save(tmp_path / "g")
    for name in COLUMNS:
        read = np.load(tmp_path / "g" / f"{name}.npy", allow_pickle=False)
        np.testing.assert_array_equal(read, getattr(traced.columns, name))


def test_graph_opens_without_the_rules(tmp_path: Path, joint: Graph) -> None:
    """A process that opens a graph loads no primitive."""
    joint.save(tmp_path / "g")
    program = (
        "import sys, types; package = types.ModuleType('dagsolve'); package.__path__ = [sys.argv[2]];"
        "sys.modules['dagsolve'] = package;"  # without the imports of its __init__
        "from dagsolve.graph import open_graph; print(len(open_graph(sys.argv[1])));"
        "sys.exit(any(m.startswith('dagsolve.primitive') for m in sys.modules))"
    )
    package = os.path.dirname(ds.__file__)
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "g"), package],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == len(joint)


# Constants


def constants_graph(*arrays: Any) -> Graph:
    def f(x: Any) -> Any:
        return sum(np.sum(x * a) for a in arrays)

    return ds.trace(f, 2.0)


def test_constants_go_along_the_smallest_first(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = constants_graph(*(rng.normal(size=n) for n in (70, 7, 700)))
    kept = {None: [7, 70, 700], 2**20: [7, 70, 700], 64 * 11: [7, 70], 64 * 3: [7], 1: []}
    for limit, sizes in kept.items():
        graph.save(tmp_path / "g", overwrite=True, constant_bytes=limit)
        found = open_graph(tmp_path / "g").captured
        assert sorted(a.size for a in found.values() if a.ndim) == sizes
        for value, array in found.items():
            np.testing.assert_array_equal(array, graph.captured[value])


def test_values_of_this_process_only_are_left_out(tmp_path: Path, traced: Graph) -> None:
    mixed = {v: object() for v in traced.captured}
    Graph(traced.columns, traced.inputs, traced.outputs, mixed).save(tmp_path / "g")
    assert open_graph(tmp_path / "g").captured == {}


# The directory


def test_existing_path_is_refused_and_untouched(tmp_path: Path, traced: Graph) -> None:
    traced.save(tmp_path / "g")
    before = {p.name: p.read_bytes() for p in (tmp_path / "g").iterdir()}
    with pytest.raises(ArgumentError, match=r"Graph\.save: path .*/g exists; .*overwrite=True"):
        Graph.from_edges([0], [1]).save(tmp_path / "g")
    assert {p.name: p.read_bytes() for p in (tmp_path / "g").iterdir()} == before


@pytest.mark.parametrize("what", ["file", "folder", "graph and more", "link to folder"])
def test_only_stored_graphs_are_ever_replaced(what: str, tmp_path: Path, traced: Graph) -> None:
    target, folder = tmp_path / "target", tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    if what == "file":
        target.write_text("years of work")
    elif what == "folder":
        folder.rename(target)
    elif what == "graph and more":
        traced.save(target)
        (target / "thesis.tex").write_text("years of work")
    else:
        target.symlink_to(folder)
    before = sorted(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    with pytest.raises(ArgumentError, match="holds something else than a stored graph"):
        traced.save(target, overwrite=True)
    assert sorted(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()) == before


def test_replaced_graph_stays_open_and_leaves_nothing_behind(tmp_path: Path, traced: Graph) -> None:
    traced.save(tmp_path / "g")
    old = open_graph(tmp_path / "g")
    other = Graph.from_edges([0, 1, 2], [1, 2, 3], [0.5, 1.5, 2.5])
    other.save(tmp_path / "g", overwrite=True)
    assert_same(old, traced)
    assert_same(open_graph(tmp_path / "g"), other)
    assert [p.name for p in tmp_path.iterdir()] == ["g"]


@pytest.mark.parametrize("call", ["mkdir", "fsync", "rename"])
def test_failing_disk_leaves_what_was_there(
    call: str, tmp_path: Path, traced: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Graph.from_edges([0], [1])
    other.save(tmp_path / "g")
    real, calls = getattr(os, call), []

    def fails_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2 - (call == "mkdir"):
            raise OSError(28, "No space left on device")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails_once)
        with pytest.raises(StorageError, match="could not be written: .*No space left on device"):
            traced.save(tmp_path / "g", overwrite=True)
    assert_same(open_graph(tmp_path / "g"), other)
    assert [p.name for p in tmp_path.iterdir()] == ["g"]


def test_directory_has_the_permissions_of_any_other(tmp_path: Path, traced: Graph) -> None:
    traced.save(tmp_path / "g")
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_param_without_a_form_on_file_is_named(tmp_path: Path) -> None:
    odd = replace(Graph.from_edges([0], [1]).columns, param_table=((("at", {3}),),))
    with pytest.raises(GraphError, match=r"Graph\.save: a param of type builtins\.set .*\('at', \{3\}\)"):
        Graph(odd, (), ()).save(tmp_path / "g")
    assert list(tmp_path.iterdir()) == []


def test_param_without_an_end_is_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    odd = replace(Graph.from_edges([0], [1]).columns, param_table=((("at", endless),),))
    with pytest.raises(GraphError, match=r"Graph\.save: .* too deep"):
        Graph(odd, (), ()).save(tmp_path / "g")


def test_unlawful_graph_is_not_written(tmp_path: Path) -> None:
    columns = Graph.from_edges([0, 1], [1, 2]).columns
    odd = replace(columns, operands=columns.operands[::-1])
    with pytest.raises(GraphError, match=r"Graph\.save: an edge does not go from a lower .*: node 1"):
        Graph(odd, (), ()).save(tmp_path / "g")


def test_path_must_be_a_path(traced: Graph) -> None:
    with pytest.raises(ArgumentError, match=r"Graph\.save: path must be a path, got 3"):
        traced.save(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"open_graph: path must be a path"):
        open_graph("a\0b")
