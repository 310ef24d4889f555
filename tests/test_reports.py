"""What plans, blocks and runs print: numbers that are the plan's own and the run's own."""

import re
from html.parser import HTMLParser

import dask.array as da
import numpy as np
import pytest
from dask.utils import format_bytes

import dagsolve as ds
from dagsolve.blocks.structure import BlockDag
from dagsolve.blocks.summary import cost_table, label_costs, sweep_name
from dagsolve.errors import ArgumentError
from dagsolve.executor import SerialExecutor
from dagsolve.planning.schedule import make_plan
from dagsolve.reports import BlockDone, RunReport
from dagsolve.scheduler.events import announce, listening, receive
from dagsolve.storage import StoreStatistics
from dagsolve.tables import SHOWN, Table
from tests.scheduler.plans import dag_of, plan_of, report_of, steps

LARGE = np.random.default_rng(0).standard_normal((389, 389))  # 1.15 MiB, captured


@pytest.fixture
def dag(rng):
    return dag_of(steps, *rng.standard_normal((2, 13, 13)))[0]


class Cells(HTMLParser):
    """Rows of words of every table of a page; refuses tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def rows_of(thing):
    return Cells(thing._repr_html_()).rows


# Tables


def test_table_aligns_its_columns():
    text = Table(("name", "count"), (("a", "7"), ("longer", "1,234"))).text(indent="")
    assert text.splitlines() == ["name    count", "a           7", "longer  1,234"]


def test_long_table_says_how_many_rows_are_left_out():
    table = Table(("n", "square"), tuple((f"{k}", f"{k * k}") for k in range(SHOWN + 7)))
    lines = table.text().splitlines()
    assert len(lines) == 1 + SHOWN
    assert lines[-1] == "  … 8 more"
    assert len(Cells(table.html()).rows) == 1 + SHOWN


def test_words_cannot_become_tags():
    page = Table(("<th>", "b"), (("<script>", "&"),)).html()
    assert Cells(page).rows == [["<th>", "b"], ["<script>", "&"]]


# Blocks


def test_costs_by_label_add_up_to_the_dag(dag):
    costs = label_costs(dag)
    assert sum(c.blocks for c in costs) == len(dag)
    assert sum(c.nodes for c in costs) == sum(len(b.nodes) for b in dag)
    assert sum(c.flops for c in costs) == pytest.approx(dag.flops)
    assert sum(c.read_bytes for c in costs) == sum(b.read_bytes for b in dag)
    assert sum(c.write_bytes for c in costs) == sum(b.write_bytes for b in dag)
    assert max(c.working_set_bytes for c in costs) == max(b.working_set_bytes for b in dag)
    assert [c.sweep for c in costs] == sorted(c.sweep for c in costs)


def test_blocks_print_costs_and_the_worst_with_its_line(dag):
    page, rows = dag._repr_html_(), rows_of(dag)
    assert f"BlockDag of {len(dag)} blocks" in page
    for c in label_costs(dag):
        counts = [c.label, sweep_name(c.sweep), f"{c.blocks}", f"{c.nodes}"]
        assert sum(row[:4] == counts for row in rows) == 1
    worst = max(dag, key=lambda b: b.working_set_bytes)
    (words,) = [row[1] for row in rows if row[0] == "largest block"]
    assert words.startswith(format_bytes(worst.working_set_bytes))
    assert f"block {worst.index} ({worst.label})" in words
    assert re.search(r"plans\.py:\d+ in steps", words)
    assert rows[-1][:2] == ["all", ""]
    assert rows[-1][2] == f"{len(dag)}"


def test_no_blocks_print_no_worst(dag):
    empty = BlockDag(dag.graph, ())
    assert "largest block<" not in empty._repr_html_().partition("<thead>")[0]
    assert cost_table(empty).rows == ()


@pytest.mark.parametrize(
    ("sweep", "name"), [(0, "forward"), (1, "reverse"), (2, "second reverse"), (5, "5th reverse")]
)
def test_sweeps_are_named_as_labels_are(sweep, name):
    assert sweep_name(sweep) == name


# Plans


def test_plan_prints_the_terms_of_its_projection(dag):
    base, limit = 3_000_017, 3_100_003
    plan = make_plan(dag, memory_limit=limit, threads=2, transfer_bytes=1031, base_bytes=base)
    terms = dict(row for row in rows_of(plan) if len(row) == 2)
    working = max(b.working_set_bytes for b in dag)
    assert terms["held before the run"] == format_bytes(base)
    assert terms["values on their way between workers"] == format_bytes(1031)
    assert terms[f"2 threads × {format_bytes(working)} of the largest block"] == format_bytes(2 * working)
    assert terms["peak in any order"] == format_bytes(plan.projected_bytes)
    assert terms["budget"] == format_bytes(limit)
    assert terms["smallest feasible budget"] == format_bytes(base + 1031 + 2 * working)
    assert plan.budget is not None
    assert plan.budget.projected_bytes == plan.projected_bytes


def test_plan_without_a_budget_prints_no_smallest(dag):
    assert "smallest feasible" not in make_plan(dag)._repr_html_()
    assert plan_of(dag)._repr_html_()  # the terms are not known


def uses_large(x):
    return np.sum(np.tanh(LARGE @ x))


def test_large_constants_are_named_with_their_line(rng):
    x = rng.standard_normal(389)
    for chunks in (None, 131):
        plan = ds.grad(uses_large, chunks=chunks).plan(x)
        (warning,) = plan.warnings
        assert warning.startswith(f"{format_bytes(LARGE.nbytes)} captured by ")
        assert re.search(r"test_reports\.py:\d+ in uses_large", warning)
        assert warning in repr(plan)
        assert warning in plan._repr_html_()
    assert ds.grad(lambda x: np.sum(LARGE[:3, :3] @ x)).plan(rng.standard_normal(3)).warnings == ()


def test_primitives_that_run_in_one_chunk_are_named(rng):
    def f(x):
        return np.sum(np.cumsum(x, axis=0) ** 2)

    plan = ds.grad(f, chunks=5).plan(rng.standard_normal((13, 13)))
    (warning,) = plan.warnings
    assert re.match(r"cumsum: runs in one chunk of 2,704 bytes \(.*test_reports\.py:\d+ in f\)", warning)
    assert ds.grad(f).plan(rng.standard_normal((13, 13))).warnings == ()  # all is one chunk, as asked


# Runs


def ran(rng):
    dag, leaves = dag_of(steps, *rng.standard_normal((2, 13, 13)))
    executor = SerialExecutor()
    executor.execute(plan_of(dag), leaves)
    return dag, report_of(executor)


def test_report_prints_what_was_measured_beside_what_was_projected(rng):
    dag, report = ran(rng)
    rows = rows_of(report)
    for label in {b.label for b in dag}:
        blocks = [b for b in dag if b.label == label]
        (row,) = [row for row in rows if row[0] == label]
        assert row[1] == f"{len(blocks)}"
        assert float(row[2]) == pytest.approx(report.seconds[label], rel=6e-3)
        assert float(row[4]) == pytest.approx(sum(b.seconds for b in blocks), rel=6e-3)
        gflops = sum(b.flops for b in blocks) / report.seconds[label] / 1e9
        assert float(row[5]) == pytest.approx(gflops, rel=6e-3)
    assert report.flops == pytest.approx(dag.flops)
    assert f"{len(dag)} blocks on 1 thread" in repr(report)
    assert [done.block for done in report.done] == list(range(len(dag)))
    assert report.durations == [done.seconds for done in report.done]


def test_blocks_of_a_serial_run_follow_each_other(rng):
    _, report = ran(rng)
    starts = [done.start for done in report.done]
    assert starts == sorted(starts)
    assert sum(report.durations) <= report.elapsed_seconds


def test_efficiency_is_against_matrix_products_on_all_threads(rng):
    _, report = ran(rng)
    assert report.efficiency is None
    measured = ds.report(report)
    assert measured.dense_flops is not None
    rate = report.flops / report.elapsed_seconds / measured.dense_flops
    assert measured.efficiency == pytest.approx(rate)
    assert f"{rate:.1%} of matrix products" in repr(measured)
    assert "of matmul" in repr(measured)
    assert measured.done is report.done
    assert report.dense_flops is None  # the function's own report is left as it was


def test_report_of_workers_lists_each():
    report = RunReport(elapsed_seconds=2.0, threads=4, spilled_bytes=2_097_152)
    for number, worker in enumerate(("tcp://a:1", "tcp://b:2", "tcp://b:2")):
        report.add(BlockDone(f"{number}", "qr", 0.5, worker=worker, start=float(number)))
    report.add_store(StoreStatistics(0, 3_145_728, 1_048_576, 7))
    report.peak_bytes = {"tcp://a:1": 1024, "tcp://b:2": 4096}
    report.sent_bytes = {"tcp://a:1": 2048, "tcp://b:2": 0}
    rows = rows_of(report)
    assert ["tcp://a:1", "1", "0.5", "1.00 kiB", "2.00 kiB"] in rows
    assert ["tcp://b:2", "2", "1", "4.00 kiB", "0 B"] in rows
    text = repr(report)
    assert "3 blocks on 2 workers with 4 threads together" in text
    assert "19% of the threads' time" in text  # 1.5 of 2 × 4 seconds
    assert "4.00 kiB above the start on tcp://b:2" in text
    assert "3.00 MiB held at most, 3.00 MiB written to disk, 7 B read back" in text
    assert "sent       2.00 kiB between workers" in text


def test_report_of_no_run_prints():
    assert "0 blocks" in repr(RunReport())
    assert Cells(RunReport()._repr_html_()).rows


def test_threads_report_reaches_the_function(rng):
    fn = ds.grad(uses_large, chunks=131, scheduler="threads")
    x = rng.standard_normal(389)
    fn(x)
    report = ds.report(fn)
    assert report.plan is not None
    assert len(report.done) == report.plan.tasks
    assert sorted({done.block for done in report.done}) == list(range(len(report.plan.dag)))
    (worker,) = report.by_worker()
    assert worker.blocks == report.plan.tasks
    assert worker.peak_bytes == report.peak_bytes["this process"]
    terms = report.plan.budget
    assert terms is not None
    assert report.projected_growth_bytes == terms.projected_bytes - terms.base_bytes


def test_lazy_results_report_their_last_computation(rng):
    x = da.from_array(rng.standard_normal((13, 7)), chunks=5)
    value, gradient = ds.value_and_gradients(da.sum(da.exp(x)), x)
    with pytest.raises(ArgumentError, match=r"report: dask\.array<.*> has not run yet"):
        ds.report(value)
    ds.compute(value, gradient, scheduler="threads")
    report = ds.report(gradient)
    assert report.plan is not None
    assert len(report.done) == report.plan.tasks
    assert ds.report(value).done is report.done


def test_events_of_distant_workers_say_where_and_when():
    heard: list[BlockDone] = []
    sent = BlockDone("k", "qr", 0.5, 7, "tcp://a:1", 12.0)
    with listening("run", heard.append):
        receive((0.0, ["run", [], "k", "qr", 0.5, 7, "tcp://a:1", 12.0]))
        announce("run", sent)
    assert heard == [sent, sent]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (ds.grad(np.sum), r"report: <grad\(sum\) argnums=0> has not run yet; call it "),
        (3, "report: must be a RunReport, a transformed function or a result of ds.gradients, got int"),
    ],
)
def test_what_has_not_run_is_said(run, words):
    with pytest.raises(ArgumentError, match=words):
        ds.report(run)
