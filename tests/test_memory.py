"""Projected memory holds: measured in fresh processes, with distinct prime sizes."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

PROGRAM = """
import json, sys
import numpy as np, psutil
import dagsolve as ds
from dagsolve.planning.budget import resident_bytes

n, tile, store_bytes = (int(k) for k in sys.argv[1:4])

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
if store_bytes:  # the first budget whose store holds no more than this
    for share in np.arange(0.9, 0.1, -0.02):
        limit = int(base + share * (plan.projected_bytes - base))
        fn = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False, memory_limit=limit)
        if fn.plan(*arguments).store_bytes <= store_bytes:
            break
    plan = fn.plan(*arguments)
value, gradient = fn(*arguments)
report = fn.last_report
print(json.dumps({
    "projected": plan.projected_bytes, "base": base, "growth": max(report.peak_bytes.values()),
    "spilled": report.spilled_bytes, "gradient": gradient.tolist(), "store": report.store_peak_bytes,
    "store_bytes": plan.store_bytes,
}))
"""


def measured(n: int, tile: int, store_bytes: int) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, str(n), str(tile), str(store_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("n", "tile"), [(1499, 307), (2003, 509)])
def test_measured_peak_is_within_the_projection(n, tile):
    found = measured(n, tile, 0)
    assert found["base"] + found["growth"] <= 1.1 * found["projected"] + 200e6


def test_smaller_budget_spills_and_gives_the_same_gradient():
    """A store of a quarter of what the run would keep, less than cannot be computed again from little.

    Tiles go to disk, memory stays within the budget.
    """
    n, tile = 1499, 307
    free = measured(n, tile, 0)
    bound = measured(n, tile, free["store"] // 4)
    assert free["spilled"] == 0
    assert bound["spilled"] > 0
    assert bound["store"] <= bound["store_bytes"]
    assert bound["base"] + bound["growth"] <= 1.1 * bound["projected"] + 200e6
    np.testing.assert_allclose(bound["gradient"], free["gradient"], rtol=1e-12)
