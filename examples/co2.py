"""Exact Gaussian-process regression of the weekly CO₂ record of Mauna Loa, its gradient computed on Dask.

The negative log-likelihood below is ordinary NumPy. dagsolve cuts its covariance matrix into tiles and runs
both sweeps of the gradient as blocks on a local cluster; L-BFGS-B learns the eleven hyperparameters. Value
and gradient must equal scikit-learn's. Writes co2.png (the regression and its forecast of ten years) and
co2_matrix.png (the block matrix that was solved). Start it by `make demo`; `--help` lists its options.

Model: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), section 5.4.3.
"""

import argparse
import contextlib
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from distributed import Client, LocalCluster
from drawing import draw_regression
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import approx_fprime, minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ExpSineSquared, RationalQuadratic, WhiteKernel
from statsmodels.datasets import co2

import dagsolve as ds

ORIGIN = 1980  # years are counted from the middle of the record: differences of large numbers lose digits
FORECAST_YEARS = 10
FACTOR = 100  # a hyperparameter may leave its start by at most this
VALUE_TOLERANCE, GRADIENT_TOLERANCE = 1e-9, 1e-6  # relative, against scikit-learn
KERNEL = (  # scikit-learn's form of the covariance, and where learning starts; in ppm² and years
    50.0**2 * RBF(50.0)  # the rise over decades
    + 2.0**2 * RBF(100.0) * ExpSineSquared(1.0, 1.0, periodicity_bounds="fixed")  # seasons that slowly change
    + 0.5**2 * RationalQuadratic(length_scale=1.0, alpha=1.0)  # irregularities of a few years
    + 0.5**2 * RBF(0.1)  # weather of some weeks
    + WhiteKernel(0.5**2)  # each observation's own error
)


def signal(theta, a, b):
    """Covariance of the air's CO₂ at the times a (m,) and b (n,) in years: ppm², (m, n).

    theta (11,) are logarithms of the hyperparameters, in scikit-learn's order.
    """
    trend, length, season, decay, smoothness, medium, mixture, medium_length = np.exp(theta[:8])
    t = a[:, None] - b[None, :]
    squared = t**2
    return (
        trend * np.exp(-0.5 * squared / length**2)
        + season * np.exp(-0.5 * squared / decay**2 - 2 * (np.sin(np.pi * t) / smoothness) ** 2)
        + medium * (1 + squared / (2 * mixture * medium_length**2)) ** -mixture
    )


def noise(theta, x):
    """Covariance of what observations at the times x (n,) have beside the signal: ppm², (n, n)."""
    short, length, white = np.exp(theta[8:])
    return short * np.exp(-0.5 * (x[:, None] - x[None, :]) ** 2 / length**2) + white * np.eye(len(x))


def nll(theta, x, y):
    """Negative log-likelihood of the observations y (n,) in ppm, mean zero, at the times x (n,) in years."""
    l = np.linalg.cholesky(signal(theta, x, x) + noise(theta, x))
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l))) + 0.5 * len(y) * np.log(2 * np.pi)


def record(every=1):
    """Times in years since ORIGIN and CO₂ in ppm of every so manieth observation that is not missing."""
    observed = co2.load_pandas().data["co2"].dropna().iloc[::every]
    days = observed.index
    x = days.year + (days.day_of_year - 1) / np.where(days.is_leap_year, 366, 365) - ORIGIN
    return np.asarray(x, dtype=float), observed.to_numpy(dtype=float)


def forecast(theta, x, y, times):
    """Mean of the signal, and standard deviation of a new observation, at each of these times, in ppm."""
    l = np.linalg.cholesky(signal(theta, x, x) + noise(theta, x))
    between = signal(theta, times, x)
    mean = between @ cho_solve((l, True), y)
    prior = signal(theta, times[:1], times[:1])[0, 0] + noise(theta, times[:1])[0, 0]
    return mean, np.sqrt(prior - np.sum(solve_triangular(l, between.T, lower=True) ** 2, axis=0))


def timed(f, *args, repeat=1):
    """f(*args) and the seconds it took, at best."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        found = f(*args)
        seconds.append(time.perf_counter() - start)
    return found, min(seconds)


def describe(plan, report, before):
    """Prints the plan of a gradient, and beside its projections what the first run measured."""
    peak = max(before.get(name, 0) + grown for name, grown in report.peak_bytes.items()) / 2**20
    block = 1e3 * sum(report.seconds.values()) / sum(report.blocks.values())
    print(f"{plan}\n")
    print(f"Peak of a worker: {plan.projected_bytes / 2**20:,.0f} MiB projected, {peak:,.0f} MiB measured")
    print(f"Mean time of a block: {block:.0f} ms")


def compare(gradient, theta, x, y):
    """Prints the seconds of a gradient by three ways; ends the program unless scikit-learn's is the same."""
    # alpha=0: the errors are in the kernel, nothing else is added to the diagonal
    reference = GaussianProcessRegressor(KERNEL, alpha=0.0, optimizer=None).fit(x[:, None], y)
    (value, bar), ours = timed(gradient, theta, x, y, repeat=3)
    (likelihood, slope), theirs = timed(reference.log_marginal_likelihood, theta, True, repeat=2)
    differences, by_values = timed(approx_fprime, theta, lambda t: nll(t, x, y), 1e-6)
    value_error = abs(value / -likelihood - 1)
    gradient_error, difference_error = (np.max(np.abs(g / -slope - 1)) for g in (bar, differences))
    print("\nAt the start, relative difference from scikit-learn (of the gradient: its worst component)")
    print(f"  log-likelihood {-value:,.6f}: {value_error:.1e}, gradient: {gradient_error:.1e}")
    print("\nSeconds for value and gradient")
    print(f"  dagsolve           {ours:6.2f}")
    print(f"  scikit-learn       {theirs:6.2f}")
    print(f"  finite differences {by_values:6.2f}  ({len(theta) + 1} values; error {difference_error:.0e})")
    if not (value_error <= VALUE_TOLERANCE and gradient_error <= GRADIENT_TOLERANCE):
        sys.exit(f"co2: values must agree to {VALUE_TOLERANCE:g}, gradients to {GRADIENT_TOLERANCE:g}")


def learn(gradient, theta, x, y, iterations):
    """Hyperparameters after at most so many iterations of L-BFGS-B, and their value; prints each."""
    slopes, number, start = [], itertools.count(1), time.perf_counter()

    def objective(theta):
        value, bar = gradient(theta, x, y)
        slopes.append(np.max(np.abs(bar)))
        return value, bar

    def show(intermediate_result):
        value, seconds = intermediate_result.fun, time.perf_counter() - start
        row = f"{next(number):11} {value:12.3f} {slopes[-1]:13.2e} {len(slopes):10} {seconds:8.1f}"
        print(row, flush=True)

    print("\nLearning\n  iteration        value  |gradient|∞  gradients  seconds")
    bounds = np.stack([theta - np.log(FACTOR), theta + np.log(FACTOR)], axis=1)
    limits = {"bounds": bounds, "options": {"maxiter": iterations}}
    best = minimize(objective, theta, method="L-BFGS-B", jac=True, callback=show, **limits)
    return best.x, best.fun


@contextlib.contextmanager
def workers(count):
    """A client of so many local processes, or "threads" of this process if count is 0."""
    if count == 0:
        yield "threads"
    else:
        cluster = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster) as client:
            yield client


def resident_bytes(scheduler):
    """Bytes of memory of each process that computes, by the name that run reports use."""
    if scheduler == "threads":
        return {"this process": psutil.Process().memory_info().rss}
    return scheduler.run(lambda: psutil.Process().memory_info().rss)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Gaussian-process regression of the Mauna Loa CO₂ record")
    parser.add_argument("--tiles", type=int, default=5, help="tiles along each side of the matrix (5)")
    parser.add_argument("--iterations", type=int, default=30, help="of L-BFGS-B, at most (30)")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: threads of this process (2)")
    parser.add_argument("--every", type=int, default=1, help="1: every observation, 2: every second, … (1)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the pictures (here)")
    chosen = parser.parse_args(arguments)

    x, ppm = record(chosen.every)
    theta, level, n, tiles, folder = KERNEL.theta, ppm.mean(), len(x), chosen.tiles, chosen.output
    y, chunks = ppm - level, -(-n // tiles)
    print(
        f"{n:,} observations: a matrix of {n:,} × {n:,} in {tiles} × {tiles} tiles of {chunks} × {chunks}\n"
    )
    with workers(chosen.workers) as scheduler:
        gradient = ds.value_and_grad(nll, chunks=chunks, scheduler=scheduler, progress=False)
        plan, before = gradient.plan(theta, x, y), resident_bytes(scheduler)
        start, _ = gradient(theta, x, y)
        describe(plan, gradient.last_report, before)
        compare(gradient, theta, x, y)
        learned, end = learn(gradient, theta, x, y, chosen.iterations)
    print(f"\nNegative log-likelihood {start:.3f} at the start, {end:.3f} at the end, with the covariance")
    print("   ", "\n  + ".join(str(KERNEL.clone_with_theta(learned)).split(" + ")))

    times = np.arange(x[0], x[-1] + FORECAST_YEARS, 1 / 52)
    mean, deviation = forecast(learned, x, y, times)
    residual = y - forecast(learned, x, y, x)[0]
    folder.mkdir(parents=True, exist_ok=True)
    draw_regression(folder / "co2.png", x + ORIGIN, ppm, residual, times + ORIGIN, mean + level, deviation)
    ds.plot(plan.dag).savefig(folder / "co2_matrix.png", dpi=110, bbox_inches="tight", pad_inches=0.12)
    print(f"\nWrote co2.png and co2_matrix.png into {folder.resolve()}")


if __name__ == "__main__":
    main()
