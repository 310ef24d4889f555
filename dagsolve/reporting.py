"""What one looks at: pictures of blocks, plans, runs and simulations, and the report of a run."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from dagsolve.blocks.structure import BlockDag
from dagsolve.errors import ArgumentError, MissingPackageError
from dagsolve.planning.actions import Plan
from dagsolve.planning.cost import dense_flops
from dagsolve.reports import RunReport
from dagsolve.scheduler.simulation import Simulation
from dagsolve.scheduler.worker import blas_threads


def plot(what: Any, *, workers: int | None = None) -> Any:
    """A matplotlib Figure of a plan, of blocks, or of a run; notebooks show it, `.savefig(path)` writes it.

    Plan        projected memory in the plan's order with its limits, and the blocks on the workers' threads
    BlockDag    the pattern of the block matrix I - L
    Simulation  the same as of a run; of many workers, how many blocks run at a time
    RunReport   the blocks as they ran, seconds and peaks beside the projections; also for whatever
                `report` takes
    workers     for a Plan: how many to draw; None: as many as it was made for

    Raises MissingPackageError without matplotlib (the extra `viz`), ArgumentError for anything else.
    """
    if workers is not None and (not isinstance(what, Plan) or workers < 1):
        raise ArgumentError(
            f"plot: workers must be at least 1 and is for plans, got {workers} for a {type(what).__name__}"
        )
    match what:
        case BlockDag():
            return _drawing("matrix", "matrix_picture")(what)
        case Plan():
            return _drawing("plans", "plan_picture")(what, what.workers if workers is None else workers)
        case Simulation():
            return _drawing("runs", "simulation_picture")(what)
        case _:
            return _drawing("runs", "run_picture")(
                _report_of("plot", what, "a Plan, a BlockDag, a Simulation, ")
            )


def report(run: Any) -> RunReport:
    """What a run took, with the share of the rate of matrix products that it reached on this machine.

    run   a transformed function that was called (`fn`), its report (`fn.last_report`), or a lazy result of
          `gradients` that `compute` has run

    The rate is that of one thread of this process, measured once in a few milliseconds. Raises ArgumentError
    for a function that has not run.
    """
    found = _report_of("report", run)
    with blas_threads():
        return replace(found, dense_flops=dense_flops())


def _report_of(who: str, run: Any, others: str = "") -> RunReport:
    if isinstance(run, RunReport):
        return run
    ran = getattr(run, "_dagsolve_run", run)  # lazy arrays of one call share their run
    if not hasattr(ran, "last_report"):
        raise ArgumentError(
            f"{who}: must be {others}a RunReport, a transformed function or a result of ds.gradients, "
            f"got {type(run).__name__}"
        )
    if ran.last_report is None:
        raise ArgumentError(f"{who}: {run!r} has not run yet; call it (a lazy array: by ds.compute) first")
    found: RunReport = ran.last_report
    return found


def _drawing(module: str, name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(import_module(f"dagsolve.drawing.{module}"), name)
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingPackageError(
            "plot: matplotlib is not installed; install it, or dagsolve with its extra: "
            "pip install 'dagsolve[viz]'"
        ) from fault
    return found
