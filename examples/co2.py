"""Exact Gaussian-process regression of the weekly CO₂ record of Mauna Loa, its gradient computed on Dask.

The negative log-likelihood below is ordinary NumPy. dagsolve cuts its covariance matrix into tiles, runs both
sweeps of the gradient as blocks on a local cluster, and L-BFGS-B learns the eleven hyperparameters. Values and
gradients are compared with scikit-learn's. Writes co2.png (the regression with a ten-year forecast) and
co2_matrix.png (the block matrix that was solved). `make demo`, or `python examples/co2.py --help`.

Model: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), section 5.4.3.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import psutil
from distributed import Client, LocalCluster
from drawing import draw_matrix, draw_regression
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import approx_fprime, minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ExpSineSquared, RationalQuadratic, WhiteKernel
from statsmodels.datasets import co2

import dagsolve as ds

ORIGIN = 1980  # years are counted from the middle of the record: differences of large numbers lose digits
FORECAST_YEARS = 10
FACTOR = 100  # a hyperparameter may leave its start by at most this
KERNEL = (  # scikit-learn's form of the covariance, and where learning starts; in ppm² and years
    50.0**2 * RBF(50.0)  # the rise over decades
    + 2.0**2 * RBF(100.0) * ExpSineSquared(1.0, 1.0, periodicity_bounds="fixed")  # seasons that slowly change
    + 0.5**2 * RationalQuadratic(length_scale=1.0, alpha=1.0)  # irregularities of a few years
    + 0.5**2 * RBF(0.1)  # weather of some weeks
    + WhiteKernel(0.5**2)  # each observation's own error
)


def covariance(theta, a, b):
    """Covariance of CO₂ at the times a (m,) and b (n,) in years: ppm², (m, n), without the observations' errors.

    theta (11,) are logarithms of the hyperparameters, in scikit-learn's order.
    """
    (trend, trend_length, season, decay, smoothness, medium, mixture, medium_length, short, short_length, _) = (
        np.exp(theta)
    )
    t = a[:, None] - b[None, :]
    squared = t**2
    return (
        trend * np.exp(-0.5 * squared / trend_length**2)
        + season * np.exp(-0.5 * squared / decay**2 - 2 * (np.sin(np.pi * t) / smoothness) ** 2)
        + medium * (1 + squared / (2 * mixture * medium_length**2)) ** -mixture
        + short * np.exp(-0.5 * squared / short_length**2)
    )


def nll(theta, x, y):
    """Negative log-likelihood of the observations y (n,) in ppm, of mean zero, at the times x (n,) in years."""
    k = covariance(theta, x, x) + np.exp(theta[10]) * np.eye(len(x))
    l = np.linalg.cholesky(k)
    z = ds.linalg.solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l))) + 0.5 * len(y) * np.log(2 * np.pi)


def record(every=1):
    """Times in years since ORIGIN and CO₂ in ppm of every so manieth observation that is not missing."""
    observed = co2.load_pandas().data["co2"].dropna().iloc[::every]
    days = observed.index
    x = days.year + (days.day_of_year - 1) / np.where(days.is_leap_year, 366, 365) - ORIGIN
    return np.asarray(x, dtype=float), observed.to_numpy(dtype=float)


def forecast(theta, x, y, times):
    """Mean and standard deviation of an observation at each of these times, in ppm, given (x, y)."""
    noise = np.exp(theta[10])
    l = np.linalg.cholesky(covariance(theta, x, x) + noise * np.eye(len(x)))
    between = covariance(theta, times, x)
    mean = between @ cho_solve((l, True), y)
    prior = covariance(theta, times[:1], times[:1])[0, 0] + noise
    return mean, np.sqrt(prior - np.sum(solve_triangular(l, between.T, lower=True) ** 2, axis=0))


def timed(f, *args, repeat=1):
    """f(*args) and the seconds it took, at best."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        found = f(*args)
        seconds.append(time.perf_counter() - start)
    return found, min(seconds)


def compare(gradient, theta, x, y):
    """Checks value and gradient against scikit-learn's; seconds of a gradient by each way to get it."""
    # alpha=0: the errors are in the kernel, nothing else is added to the diagonal
    reference = GaussianProcessRegressor(KERNEL, alpha=0.0, optimizer=None).fit(x[:, None], y)
    (value, bar), ours = timed(gradient, theta, x, y, repeat=3)
    (likelihood, slope), theirs = timed(reference.log_marginal_likelihood, theta, True, repeat=2)
    differences, by_differences = timed(approx_fprime, theta, lambda t: nll(t, x, y))
    value_error = abs(value / -likelihood - 1)
    error = np.max(np.abs(bar / -slope - 1))
    print("\nAt the start, against scikit-learn (largest relative difference of a component)")
    print(f"  log-likelihood {-value:,.6f}: {value_error:.1e}, gradient: {error:.1e}")
    print("\nSeconds for a gradient")
    print(f"  dagsolve              {ours:8.2f}")
    print(f"  scikit-learn          {theirs:8.2f}")
    wrong = np.max(np.abs(differences / -slope - 1))
    print(f"  finite differences    {by_differences:8.2f}   ({len(theta) + 1} values; wrong by {wrong:.0e})")
    if not (value_error <= 1e-9 and error <= 1e-6):
        sys.exit("co2: dagsolve and scikit-learn disagree by more than 1e-9 in the value or 1e-6 in the gradient")


def learn(gradient, theta, x, y, iterations):
    """Hyperparameters after so many iterations of L-BFGS-B, and their value; a line for each iteration."""
    last, start = {}, time.perf_counter()

    def objective(theta):
        (last["value"], last["gradient"]), last["seconds"] = timed(gradient, theta, x, y)
        last["count"] = last.get("count", 0) + 1
        return last["value"], last["gradient"]

    def show(intermediate_result):
        show.iteration += 1
        slope = np.max(np.abs(last["gradient"]))
        print(
            f"  {show.iteration:9} {intermediate_result.fun:12.3f} {slope:12.2e} {last['count']:10}"
            f" {time.perf_counter() - start:10.1f}",
            flush=True,
        )

    show.iteration = 0
    print("\nLearning\n  iteration        value  |gradient|∞  gradients    seconds")
    bounds = [(t - np.log(FACTOR), t + np.log(FACTOR)) for t in theta]
    found = minimize(
        objective, theta, method="L-BFGS-B", jac=True, bounds=bounds, callback=show, options={"maxiter": iterations}
    )
    return found.x, found.fun


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Gaussian-process regression of the Mauna Loa CO₂ record")
    parser.add_argument("--tiles", type=int, default=5, help="tiles along each side of the matrix (5)")
    parser.add_argument("--iterations", type=int, default=30, help="of L-BFGS-B, at most (30)")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: threads of this process (2)")
    parser.add_argument("--every", type=int, default=1, help="use every so manieth observation (1)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the pictures (here)")
    chosen = parser.parse_args(arguments)

    x, ppm = record(chosen.every)
    level = ppm.mean()
    y, theta = ppm - level, KERNEL.theta
    print(f"{len(x):,} observations; a matrix of {len(x):,} × {len(x):,} in {chosen.tiles} × {chosen.tiles} tiles")

    with contextlib.ExitStack() as stack:
        scheduler = "threads"
        if chosen.workers:
            cluster = LocalCluster(n_workers=chosen.workers, threads_per_worker=1, dashboard_address=None)
            scheduler = stack.enter_context(Client(stack.enter_context(cluster)))
        chunks = -(-len(x) // chosen.tiles)
        gradient = ds.value_and_grad(nll, chunks=chunks, scheduler=scheduler, progress=False)
        before = resident_bytes(scheduler)
        plan = gradient.plan(theta, x, y)
        start, _ = gradient(theta, x, y)
        report = gradient.last_report
        print(plan)
        peak = max(before.get(name, 0) + grown for name, grown in report.peak_bytes.items())
        print(f"  measured peak       {peak / 2**20:.0f} MiB in the largest of {len(report.peak_bytes)} processes")
        compare(gradient, theta, x, y)
        learned, end = learn(gradient, theta, x, y, chosen.iterations)

    print(f"\nNegative log-likelihood: {start:.3f} at the start, {end:.3f} at the end, with the covariance")
    print(f"  {KERNEL.clone_with_theta(learned)}")
    times = np.arange(x[0], x[-1] + FORECAST_YEARS, 1 / 52)
    mean, deviation = forecast(learned, x, y, times)
    fitted, _ = forecast(learned, x, y, x)
    chosen.output.mkdir(parents=True, exist_ok=True)
    draw_regression(
        chosen.output / "co2.png", x + ORIGIN, ppm, ppm - level - fitted, times + ORIGIN, mean + level, deviation
    )
    draw_matrix(chosen.output / "co2_matrix.png", plan.dag)
    print(f"Wrote {chosen.output / 'co2.png'} and {chosen.output / 'co2_matrix.png'}")


def resident_bytes(scheduler):
    """Bytes of memory of each process that computes, by the name that run reports use."""
    def own():
        return psutil.Process().memory_info().rss

    return {"this process": own()} if scheduler == "threads" else scheduler.run(own)


if __name__ == "__main__":
    main()
