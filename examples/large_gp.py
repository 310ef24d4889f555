"""Exact Gaussian-process likelihood of 20,000 observations and its gradient, on two processes of 3 GiB each.

The covariance matrix alone has 3.2 GB; its factor, the reverse sweep through it and the derivatives of its
entries are tiles that are made where they are read, spilled where they do not fit, and dropped. Prints the
plan before anything runs and the measured peak beside the projected one. Up to 2,000 observations value and
gradient must equal scikit-learn's; beyond, the slope along one direction must be that of finite differences.

    python examples/large_gp.py -n 6000 --tile 1000      # `--help` lists the options
"""

import argparse
import sys
import time

import numpy as np
from dask.utils import format_bytes
from distributed import Client, LocalCluster
from processes import ProcessWatch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import dagsolve as ds

SCIKIT_ROWS = 2000  # beyond, scikit-learn needs minutes and several matrices at once
STEP = 1e-4  # of the finite difference, in logarithms of hyperparameters
TOLERANCE, SLOPE_TOLERANCE = 1e-8, 1e-5  # relative, against scikit-learn and against the finite difference
KERNEL = ConstantKernel(1.5) * RBF(0.6) + WhiteKernel(0.1)


def observations(n, seed=0):
    """Places x (n, 4) in a cube and noisy values y (n,) of a smooth function there."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 4))
    smooth = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] - np.exp(-(x[:, 3] ** 2))
    return x, smooth - smooth.mean() + 0.3 * rng.standard_normal(n)


def nll(theta, x, y):
    """Negative log-likelihood of y (n,) at x (n, d).

    theta (3,) are the logarithms of the signal's variance, its length scale and the variance of the noise.
    """
    a = x / np.exp(theta[1])
    square = np.sum(a**2, axis=1)
    k = np.exp(theta[0] + a @ a.T - 0.5 * (square[:, None] + square[None, :]))
    l = np.linalg.cholesky(k + np.exp(theta[2]) * np.eye(len(x)))
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l))) + 0.5 * len(y) * np.log(2 * np.pi)


def compare(value, bar, theta, x, y, options):
    """Prints how value and gradient differ from another way to them; ends the program if they do too much."""
    if len(y) <= SCIKIT_ROWS:
        other = GaussianProcessRegressor(KERNEL, alpha=0.0, optimizer=None).fit(x, y)
        likelihood, slope = other.log_marginal_likelihood(theta, eval_gradient=True)
        error = max(abs(value / -likelihood - 1), np.max(np.abs(bar / -slope - 1)))
        tolerance, name = TOLERANCE, "scikit-learn's value and gradient"
    else:
        direction = np.array([0.5, -0.7, 0.5])
        ends = [ds.vjp(nll, theta + sign * STEP * direction, x, y, **options)[0] for sign in (1, -1)]
        error = abs((ends[0] - ends[1]) / (2 * STEP) / (bar @ direction) - 1)
        tolerance, name = SLOPE_TOLERANCE, "a finite difference"
    print(f"Relative difference from {name}: {error:.1e}")
    if not error <= tolerance:
        sys.exit(f"large_gp: they must agree to {tolerance:g}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Gradient of a large exact Gaussian-process likelihood")
    parser.add_argument("-n", type=int, default=20_000, help="observations (20,000)")
    parser.add_argument("--tile", type=int, default=2_000, help="rows of a tile of the matrix (2,000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--memory", default="3 GiB", help="limit of each worker (3 GiB)")
    chosen = parser.parse_args(arguments)
    x, y = observations(chosen.n)
    theta = KERNEL.theta
    cluster_options = {"threads_per_worker": 1, "memory_limit": chosen.memory, "dashboard_address": ":0"}
    with LocalCluster(n_workers=chosen.workers, **cluster_options) as cluster, Client(cluster) as client:
        options = {
            "chunks": chosen.tile,
            "memory_limit": chosen.memory,
            "scheduler": client,
            "progress": False,
        }
        gradient = ds.value_and_grad(nll, **options)
        start = time.perf_counter()
        plan = gradient.plan(theta, x, y)
        print(f"{plan}\n\nPlanned in {time.perf_counter() - start:.1f} s")
        with ProcessWatch(client) as watch:
            value, bar = gradient(theta, x, y)
        report = gradient.last_report
        seconds = report.elapsed_seconds
        print(f"Negative log-likelihood {value:,.6f}, gradient {bar}")
        print(f"{seconds:.1f} s: {plan.flops / seconds / 1e9:,.1f} Gflop/s, {plan.tasks:,} tasks")
        print(f"Moved between workers: {format_bytes(report.moved_bytes)}")
        print(f"Written to disk: {format_bytes(report.spilled_bytes)}")
        measured = ", ".join(map(format_bytes, watch.peak.values()))
        print(f"Peak of a worker: {format_bytes(plan.projected_bytes)} projected, {measured} measured")
        compare(value, bar, theta, x, y, options)
    if max(watch.peak.values()) > plan.projected_bytes:
        sys.exit("large_gp: a worker took more than the plan projected")


if __name__ == "__main__":
    main()
