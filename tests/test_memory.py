"""Projected memory holds: measured in fresh processes, with distinct prime sizes."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import json, sys
import numpy as np, psutil
import dagsolve as ds
from dagsolve.planning.budget import resident_bytes

n, tile, limit = (int(k) for k in sys.argv[1:4])

def nll(theta, x, y):
    d = x[:, None] - x[None, :]
    k = theta[0] ** 2 * np.exp(-(d**2) / theta[1] ** 2) + theta[2] ** 2 * np.eye(len(x))
    l = np.linalg.cholesky(k)
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * np.sum(z**2) + np.sum(np.log(np.diag(l)))

rng = np.random.default_rng(7)
x = np.sort(rng.normal(size=n))
arguments = np.array([1.1, 0.7, 0.9]), x, np.sin(3 * x)
fn = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False)
plan = fn.plan(*arguments)
base = resident_bytes()
if limit:
    less = plan.projected_bytes - limit * 2**20
    fn = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False, memory_limit=less)
    plan = fn.plan(*arguments)
value, gradient = fn(*arguments)
report = fn.last_report
print(json.dumps({
    "projected": plan.projected_bytes, "base": base, "growth": max(report.peak_bytes.values()),
    "spilled": report.spilled_bytes, "gradient": gradient.tolist(), "store": report.store_peak_bytes,
    "store_bytes": plan.store_bytes,
}))
"""


def measured(n: int, tile: int, less_mebibytes: int) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, str(n), str(tile), str(less_mebibytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("n", "tile"), [(1499, 307), (2003, 509)])
def test_measured_peak_is_within_the_projection(n, tile):
    found = measured(n, tile, 0)
    assert found["base"] + found["growth"] <= 1.1 * found["projected"] + 200e6


def test_smaller_budget_spills_and_gives_the_same_gradient():
    """The store's share cut by 24 MiB: tiles go to disk, memory stays within it, not a bit changes."""
    n, tile = 1499, 307
    free, bound = measured(n, tile, 0), measured(n, tile, 24)
    assert free["spilled"] == 0
    assert bound["spilled"] > 0
    assert bound["store"] <= bound["store_bytes"]
    assert bound["gradient"] == free["gradient"]
    assert bound["base"] + bound["growth"] <= 1.1 * bound["projected"] + 200e6
