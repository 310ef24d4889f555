"""Pictures hold a bar or a cell for every block, at its place and in its colour; none is blank."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import StepPatch

import dagsolve as ds
from dagsolve.blocks.structure import BlockDag
from dagsolve.drawing import matrix
from dagsolve.drawing.figures import NAMED, OTHER, PALETTE, Picture, byte_unit, label_colours, label_patches
from dagsolve.drawing.lanes import packed
from dagsolve.drawing.runs import measured_lanes
from dagsolve.errors import ArgumentError, MissingPackageError
from dagsolve.executor import SerialExecutor
from dagsolve.planning.actions import Recompute, Run
from dagsolve.planning.cost import THREADS
from dagsolve.planning.replay import memory_profile, replay
from dagsolve.planning.schedule import make_plan
from dagsolve.reports import BlockDone, RunReport
from dagsolve.scheduler.placement import timetable
from tests.scheduler.plans import dag_of, plan_of, report_of, steps


@pytest.fixture
def dag(rng):
    return dag_of(steps, *rng.standard_normal((2, 13, 13)))[0]


def pixels(figure: Any) -> Any:
    """The picture as Agg draws it: (rows, columns, RGBA)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def shares(figure: Any, colours: Any) -> list[float]:
    """The share of the pixels that have each colour."""
    drawn = pixels(figure)[..., :3].astype(int)
    wanted = [np.round(255 * np.asarray(colour)).astype(int) for colour in colours]
    return [float(np.mean(np.abs(drawn - colour).max(axis=-1) <= 1)) for colour in wanted]


def bars_of(axes: Any) -> dict[Any, list[Any]]:
    """Label -> (lane, start, end) of each bar."""
    made = {}
    for collection in axes.collections:
        if isinstance(collection, PolyCollection):
            corners = [np.asarray(path.vertices) for path in collection.get_paths()]
            made[collection.get_label()] = [
                (np.mean(c[:4, 1]), c[:, 0].min(), c[:, 0].max()) for c in corners
            ]
    return made


def panel(figure: Any, name: str) -> Any:
    """The axes of this name."""
    return next(axes for axes in figure.axes if axes.get_label() == name)


# The matrix


def test_matrix_has_a_cell_for_every_block_and_read(dag):
    (axes, *_) = ds.plot(dag).axes
    (image,) = axes.images
    cells = np.asarray(image.get_array())
    assert cells.shape == (len(dag), len(dag), 3)
    assert np.count_nonzero(np.any(cells < 1, axis=-1)) == len(dag) + len(dag.edges)
    assert np.all(np.triu(np.ones(cells.shape[:2]), 1)[..., None] * (1 - cells) == 0)  # L is lower triangular


def test_matrix_of_many_blocks_shares_cells(dag, monkeypatch):
    monkeypatch.setattr(matrix, "CELLS", 7)
    (axes, *_) = matrix.matrix_picture(dag).axes
    cells = np.asarray(axes.images[0].get_array())
    assert cells.shape == (7, 7, 3)
    assert np.all(np.any(np.diagonal(cells) < 1, axis=0))
    assert axes.get_xlim() == (0, len(dag))  # still counted in blocks


def test_matrix_shows_every_label_in_its_colour(dag):
    figure = ds.plot(dag)
    colours = label_colours({b.label: sum(c.label == b.label for c in dag) for b in dag})
    assert min(shares(figure, colours.values())) > 3e-4
    named = " ".join(text.get_text() for text in figure.axes[0].get_legend().get_texts())
    assert all(f"{label}  {sum(b.label == label for b in dag)}" in named for label in colours)


# Plans


def test_plan_has_a_bar_for_every_block_where_the_timetable_puts_it(dag):
    plan = make_plan(dag, threads=2, base_bytes=0)
    lanes = panel(ds.plot(plan), "lanes")
    slots = timetable(dag, [2], THREADS)
    wanted = sorted((s.thread, s.start, s.start + b.seconds) for s, b in zip(slots, dag, strict=True))
    found = sorted(bar for bars in bars_of(lanes).values() for bar in bars)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert set(bars_of(lanes)) == {b.label for b in dag}
    assert [t.get_text() for t in lanes.get_yticklabels()] == ["thread 0", "thread 1"]


def test_memory_is_that_of_the_replay(dag):
    plan = make_plan(dag, base_bytes=0)
    memory = panel(ds.plot(plan), "memory")
    _, whole = [p for p in memory.patches if isinstance(p, StepPatch)]
    values, edges, _ = whole.get_data()
    unit, _ = byte_unit([plan.projected_bytes])
    assert values.max() * unit == pytest.approx(plan.peak_bytes)
    assert edges[-1] == pytest.approx(plan.seconds)
    assert len(values) == len(dag)


def test_limits_are_drawn_where_they_are(dag):
    base, limit = 7 * 2**20, 7 * 2**20 + 19_001
    plan = make_plan(dag, memory_limit=limit, base_bytes=base)
    memory = panel(ds.plot(plan), "memory")
    heights = [line.get_ydata()[0] for line in memory.lines if len(line.get_ydata())]
    assert memory.get_ylabel() == "KiB above the 7.00 MiB held before"
    np.testing.assert_allclose(np.array(heights) * 1024, [plan.projected_bytes - base, limit - base])
    assert any("budget" in str(line.get_label()) for line in memory.lines)


def test_more_workers_have_more_lanes(dag):
    lanes = panel(ds.plot(make_plan(dag, threads=2), workers=3), "lanes")
    names = [t.get_text() for t in lanes.get_yticklabels()]
    assert names[0] == "worker 0, thread 0"
    assert len(names) == 6


@pytest.mark.parametrize("store_bytes", [None, 0, 3 * 13 * 13 * 8])
def test_profile_is_the_replays_moment_by_moment(dag, store_bytes):
    plan = make_plan(dag, base_bytes=0)
    moments = memory_profile(dag, plan.actions, store_bytes=store_bytes)
    assert [m.block for m in moments] == [a.block for a in plan.actions if isinstance(a, Run | Recompute)]
    peak = replay(dag, plan.actions, store_bytes=store_bytes).peak_bytes
    assert max(m.values_bytes + m.beside_bytes for m in moments) == peak
    if store_bytes is not None:
        assert max(m.values_bytes for m in moments) <= store_bytes


def test_timetable_is_a_schedule(dag):
    """Nothing starts before what it reads is there, and no thread does two things at once."""
    slots = timetable(dag, [2, 1], THREADS)
    for source, target in dag.edges:
        assert slots[target].start >= slots[source].finish
    for thread in {(s.worker, s.thread) for s in slots}:
        own = sorted((s.start, s.finish) for s in slots if (s.worker, s.thread) == thread)
        assert all(a[1] <= b[0] for a, b in zip(own, own[1:], strict=False))
    spent = [s.finish - s.start - b.seconds for s, b in zip(slots, dag, strict=True)]
    np.testing.assert_allclose(spent, THREADS.task_seconds, rtol=1e-9)


# Runs


def test_run_has_a_bar_for_every_block_that_ran(dag, rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    executor = SerialExecutor()
    executor.execute(plan_of(dag), leaves)
    report = report_of(executor)
    figure = ds.plot(report)
    bars = bars_of(panel(figure, "lanes"))
    assert {label: len(found) for label, found in bars.items()} == report.blocks
    lengths = sorted(end - start for found in bars.values() for _, start, end in found)
    np.testing.assert_allclose(lengths, sorted(report.durations), atol=1e-6)
    seconds = panel(figure, "seconds")
    assert sorted(p.get_width() for p in seconds.patches) == pytest.approx(sorted(report.seconds.values()))


def test_lanes_of_a_cluster_are_its_workers():
    report = RunReport(elapsed_seconds=1.0, threads=3)
    for worker, start in (("tcp://b:1", 0.0), ("tcp://a:1", 0.0), ("tcp://a:1", 0.1), ("tcp://a:1", 0.5)):
        report.add(BlockDone(f"{worker}{start}", "qr", 0.3, worker=worker, start=100 + start))
    bars, names = measured_lanes(report)
    assert names == ["worker 0, thread 0", "worker 0, thread 1", "worker 1"]
    assert [bar.lane for bar in bars] == [0, 1, 0, 2]
    assert bars[2].start == pytest.approx(0.5)


def test_lanes_never_overlap(rng):
    starts = np.sort(rng.random(211))
    intervals = [(s, s + d) for s, d in zip(starts.tolist(), rng.random(211).tolist(), strict=True)]
    lanes = packed(intervals)
    for lane in set(lanes):
        own = [interval for interval, k in zip(intervals, lanes, strict=True) if k == lane]
        assert all(a[1] <= b[0] for a, b in zip(own, own[1:], strict=False))
    depth = max(sum(a <= s < b for a, b in intervals) for s, _ in intervals)
    assert max(lanes) + 1 == depth  # no lane more than run side by side


# All of them


def figures(dag: BlockDag) -> list[Callable[[], Any]]:
    report = RunReport(elapsed_seconds=0.5, peak_bytes={"this process": 12_345})
    report.add(BlockDone("a", "sum", 0.25, start=1.0))
    return [lambda: ds.plot(dag), lambda: ds.plot(make_plan(dag)), lambda: ds.plot(report)]


def test_pictures_show_themselves_and_open_no_window(dag):
    for make in figures(dag):
        figure = make()
        assert isinstance(figure, Picture)
        assert figure._repr_png_().startswith(b"\x89PNG")
        drawn = pixels(figure)
        assert len(np.unique(drawn.reshape(-1, 4), axis=0)) > 20
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_nothing_can_be_drawn_of_nothing_but_it_is_drawn(dag):
    empty = BlockDag(dag.graph, ())
    for figure in (ds.plot(empty), ds.plot(RunReport())):
        assert pixels(figure).shape[0] > 100


def test_colours_belong_to_primitives():
    weights = {f"p{k}": 100.0 - k for k in range(13)} | {"reverse-p0": 1.0, "second-reverse-p0": 1.0}
    colours = label_colours(weights)
    np.testing.assert_allclose(colours["p0"], to_rgb(PALETTE[0]))
    np.testing.assert_allclose(colours["reverse-p0"], 0.4 + 0.6 * np.array(to_rgb(PALETTE[0])))
    np.testing.assert_array_equal(colours["reverse-p0"], colours["second-reverse-p0"])
    assert all(np.allclose(colours[f"p{k}"], to_rgb(OTHER)) for k in (10, 11, 12))
    assert list(colours)[0] == "p0"
    assert all("reverse" in label for label in list(colours)[-2:])


def test_legend_of_many_labels_says_how_many_more():
    colours = label_colours({f"p{k:02}": 1.0 for k in range(29)})
    patches = label_patches(colours, {label: "1" for label in colours})
    assert len(patches) == NAMED
    assert patches[-1].get_label() == f"{29 - NAMED + 1} more"


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [((), (1, "B")), ((2047, 5), (1, "B")), ((2048,), (1024, "KiB")), ((5e13,), (2**40, "TiB"))],
)
def test_units_leave_few_digits(amounts, expected):
    assert byte_unit(amounts) == expected


def test_without_matplotlib_the_extra_is_named(dag, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("dagsolve.drawing.", "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match=r"plot: matplotlib is not installed.*dagsolve\[viz\]"):
        ds.plot(dag)


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        (
            7,
            {},
            "plot: must be a Plan, a BlockDag, a Simulation, a RunReport, .*, got int",
        ),
        (ds.grad(np.sum), {}, r"plot: <grad\(sum\) argnums=0> has not run yet; call it "),
        (RunReport(), {"workers": 2}, "plot: workers must be at least 1 and is for plans, got 2"),
    ],
)
def test_what_cannot_be_drawn_is_said(what, options, words):
    with pytest.raises(ArgumentError, match=words):
        ds.plot(what, **options)
