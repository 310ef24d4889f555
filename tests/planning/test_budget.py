"""The projection is the sum of its terms; a budget that cannot hold is refused with what would."""

import pytest

from dagsolve.errors import ArgumentError, BudgetError
from dagsolve.planning.budget import Budget, budget, bytes_of, resident_bytes
from tests.blocks.task_graphs import Program, tiled_cholesky
from tests.blocks.test_partition import partitioned


def test_every_term_counts_once():
    made = Budget(
        memory_limit=1009,
        threads=3,
        working_set_bytes=101,
        transfer_bytes=53,
        base_bytes=211,
        value_bytes=503,
    )
    assert made.floor_bytes == 211 + 53 + 3 * 101
    assert made.store_bytes == 1009 - 211 - 53 - 3 * 101
    assert made.projected_bytes == 1009
    assert (
        str(made) == "0.99 kiB = base 211 B + transfers 53 B + 3 threads x working set 101 B + values 442 B"
    )


def test_values_that_fit_are_all_that_the_store_holds():
    made = Budget(
        memory_limit=1009, threads=2, working_set_bytes=101, transfer_bytes=0, base_bytes=0, value_bytes=307
    )
    assert made.projected_bytes == 2 * 101 + 307


def test_without_a_limit_all_values_are_projected_in_memory():
    made = Budget(
        memory_limit=None, threads=2, working_set_bytes=101, transfer_bytes=7, base_bytes=11, value_bytes=307
    )
    assert made.store_bytes is None
    assert made.projected_bytes == 2 * 101 + 7 + 11 + 307


def test_values_are_counted_once_each():
    """x(101) -> a(211) -> three blocks -> their sum."""
    g = Program()
    a = g.call("cholesky", g.input((101, 101)), shape=(211, 211))
    leaves = [g.input((n,)) for n in (307, 401, 503)]
    made = [g.call("update", a, leaf, shape=(211, 211)) for leaf in leaves]
    _, _, dag = partitioned(g.graph(*made))
    terms = budget(dag, None, threads=1, base_bytes=0)
    assert terms.value_bytes == 8 * (101**2 + 4 * 211**2 + 307 + 401 + 503)
    assert terms.working_set_bytes == max(b.working_set_bytes for b in dag)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("4 GiB", 4 * 2**30), ("1.5 kB", 1500), (1009, 1009), (3.0, 3), (None, None), ("17", 17)],
)
def test_a_limit_is_bytes_or_a_text(limit: int | float | str | None, expected: int | None):
    assert bytes_of(limit) == expected


@pytest.mark.parametrize("limit", ["four", "4 gigglebytes", 0, -1, "0 B", float("nan"), float("inf"), [4]])
def test_anything_else_is_refused(limit: object):
    with pytest.raises(ArgumentError, match="^memory_limit: must be"):
        bytes_of(limit)  # type: ignore[arg-type]


def test_a_budget_below_the_floor_is_refused_with_what_would_do():
    _, _, dag = partitioned(tiled_cholesky(5, 257))
    terms = budget(dag, None, threads=3, transfer_bytes=1009, base_bytes=2003)
    block = max(dag, key=lambda b: b.working_set_bytes)
    with pytest.raises(BudgetError) as refused:
        budget(dag, terms.floor_bytes - 1, threads=3, transfer_bytes=1009, base_bytes=2003)
    message = str(refused.value)
    assert f"memory_limit is {terms.floor_bytes - 1:,} bytes" in message
    assert f"base 2,003 + transfers 1,009 + 3 threads x working set {block.working_set_bytes:,}" in message
    assert f"block {block.index} ({block.label}), recorded at model.py:1" in message
    assert (
        f"Give at least {terms.floor_bytes:,} bytes, fewer threads per worker, or smaller chunks" in message
    )
    exact = budget(dag, terms.floor_bytes, threads=3, transfer_bytes=1009, base_bytes=2003)
    assert exact.store_bytes == 0


def test_the_base_is_what_this_process_holds():
    _, _, dag = partitioned(tiled_cholesky(2, 17))
    assert budget(dag, None, threads=1).base_bytes == pytest.approx(resident_bytes(), rel=0.5)


def test_threads_must_be_positive():
    _, _, dag = partitioned(tiled_cholesky(2, 17))
    with pytest.raises(ArgumentError, match="threads must be at least 1, got 0"):
        budget(dag, None, threads=0)


def test_an_empty_dag_needs_its_base_only():
    _, _, dag = partitioned(Program().graph())
    with pytest.raises(BudgetError, match="give at least 2,003 bytes"):
        budget(dag, 2002, threads=1, base_bytes=2003)
