"""Logistic regression on rows that no worker can hold: the data lie in Zarr, the gradient runs on Dask.

The loss below is ordinary NumPy on Dask arrays of chunks on disk. Each evaluation loads every chunk once,
takes it through both sweeps and forgets it, inside a memory limit that is proved before the run; L-BFGS-B
learns the weights. The gradient must equal that of a loop over the chunks in NumPy, up to 100,000 rows also
the weights scikit-learn's. Writes logistic_zarr.png: the loss by iterations, and the memory of the workers
beside their limit and the data.

    python examples/logistic_zarr.py --data folder      # 3 GB, two workers of 1 GiB; `--help` lists options
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import dask.array as da
import numpy as np
import zarr
from dask.utils import format_bytes, parse_bytes
from distributed import Client, LocalCluster
from drawing import draw_learning
from processes import ProcessWatch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

import dagsolve as ds

COLUMNS = 64
PENALTY = 1e-4  # beside the mean loss of a row
SCIKIT_ROWS = 100_000  # scikit-learn holds all rows in memory
TOLERANCE = 1e-10  # relative, of value and gradient against NumPy's


def write_rows(folder, rows, chunk, seed=0):
    """Features x (rows, 64) and labels y (rows,) in Zarr, not compressed; kept where they are there already.

    Features are correlated, a sixth of them counts: skewed, in large units. A third of the weights is zero,
    one label in five is 1, and one in fifty is wrong.
    """
    wanted = {"rows": rows, "chunk": chunk, "seed": seed}
    if (folder / "zarr.json").exists() and zarr.open_group(folder, mode="r").attrs.asdict() == wanted:
        return zarr.open_group(folder, mode="r")
    group = zarr.create_group(folder, overwrite=True)
    x = group.create_array("x", shape=(rows, COLUMNS), chunks=(chunk, COLUMNS), dtype="f8", compressors=None)
    y = group.create_array("y", shape=(rows,), chunks=(chunk,), dtype="f8", compressors=None)
    rng = np.random.default_rng(seed)
    mixing = np.eye(COLUMNS) + 0.1 * rng.standard_normal((COLUMNS, COLUMNS))
    weights = rng.standard_normal(COLUMNS) * (rng.random(COLUMNS) < 2 / 3) / 4
    for start in range(0, rows, chunk):
        own = np.random.default_rng((seed, start))
        features = own.standard_normal((min(chunk, rows - start), COLUMNS)) @ mixing
        chance = 1 / (1 + np.exp(2.2 - features @ weights))
        features[:, ::6] = np.exp(0.5 * features[:, ::6])  # counts
        label = own.random(len(features)) < chance
        x[start : start + chunk] = features
        y[start : start + chunk] = label ^ (own.random(len(features)) < 0.02)
    group.attrs.update(wanted)  # last: then it is complete
    return group


def loss_of(x, y):
    """The loss as a function of theta (65,), weights and intercept: mean over rows, and a penalty."""

    def loss(theta):
        t = x @ theta[:-1] + theta[-1]
        return np.mean(np.logaddexp(0.0, t) - y * t) + 0.5 * PENALTY * np.sum(theta[:-1] ** 2)

    return loss


def reference(group, theta):
    """Value and gradient of the loss by a loop over the chunks, in NumPy."""
    x, y = group["x"], group["y"]
    value, bar = 0.0, np.zeros_like(theta)
    for start in range(0, y.size, y.chunks[0]):
        rows, label = x[start : start + y.chunks[0]], y[start : start + y.chunks[0]]
        t = rows @ theta[:-1] + theta[-1]
        value += np.sum(np.logaddexp(0.0, t) - label * t)
        t_bar = 1 / (1 + np.exp(-t)) - label
        bar += np.append(rows.T @ t_bar, np.sum(t_bar))
    penalty = PENALTY * np.append(theta[:-1], 0.0)
    return value / y.size + 0.5 * penalty @ theta, bar / y.size + penalty


def compare(value, bar, theta, group):
    """Prints how far value and gradient are from NumPy's; ends the program where that is too much."""
    expected, slope = reference(group, theta)
    errors = abs(value / expected - 1), np.max(np.abs(bar - slope)) / np.max(np.abs(slope))
    print(f"Relative difference from a loop in NumPy: loss {errors[0]:.1e}, gradient {errors[1]:.1e}")
    if not max(errors) <= TOLERANCE:
        sys.exit(f"logistic_zarr: they must agree to {TOLERANCE:g}")


def compare_weights(theta, group):
    """Prints how far the weights are from scikit-learn's, for data that fit in memory."""
    x, y = group["x"][:], group["y"][:]
    model = LogisticRegression(C=1 / (PENALTY * y.size), tol=1e-8, max_iter=1000).fit(x, y)
    found = np.append(model.coef_, model.intercept_)
    print(f"Weights: {np.max(np.abs(theta - found)):.1e} from scikit-learn's at most")


def learn(gradient, watch, iterations):
    """What L-BFGS-B finds, the losses of its iterations, seconds and loaded bytes of its gradients."""
    losses, seconds, loaded = [], [], []

    def objective(theta):
        before, start = watch.read_bytes(), time.perf_counter()
        value, bar = gradient(theta)
        seconds.append(time.perf_counter() - start)
        loaded.append(0 if before is None else watch.read_bytes() - before)
        return value, bar

    options = {"maxiter": iterations, "gtol": 1e-8, "ftol": 0.0}
    best = minimize(
        objective,
        np.zeros(COLUMNS + 1),
        jac=True,
        method="L-BFGS-B",
        options=options,
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
    )
    return best, losses, np.array(seconds), np.array(loaded)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Logistic regression on Zarr data that no worker can hold")
    parser.add_argument("--data", type=Path, help="folder of the data, written there once (a temporary one)")
    parser.add_argument(
        "--rows", type=int, default=6_000_000, help="of 64 features, 512 bytes each (6,000,000)"
    )
    parser.add_argument("--chunk", type=int, default=50_000, help="rows in a chunk (50,000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--memory", default="1 GiB", help="limit of each worker (1 GiB)")
    parser.add_argument("--iterations", type=int, default=30, help="of L-BFGS-B, at most (30)")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the picture (here)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        run(chosen, write_rows(chosen.data or Path(temporary), chosen.rows, chosen.chunk))


def run(chosen, group):
    """Learns on a cluster of the chosen workers, and prints what that took."""
    rows, size = chosen.rows, group["x"].nbytes + group["y"].nbytes
    loss = loss_of(da.from_zarr(group["x"]), da.from_zarr(group["y"]))
    print(f"{rows:,} rows, {format_bytes(size)}; {chosen.workers} workers of {chosen.memory} each\n")
    options = {"threads_per_worker": 1, "memory_limit": chosen.memory, "dashboard_address": ":0"}
    with LocalCluster(n_workers=chosen.workers, **options) as cluster, Client(cluster) as client:
        gradient = ds.value_and_grad(loss, scheduler=client, memory_limit=chosen.memory, progress=False)
        print(f"{gradient.plan(np.zeros(COLUMNS + 1))}\n")
        gradient(np.zeros(COLUMNS + 1))  # the workers import what they need
        with ProcessWatch(client) as watch:
            best, losses, seconds, loaded = learn(gradient, watch, chosen.iterations)
        found = gradient(best.x)
        moved = gradient.last_report.moved_bytes
    print(f"{len(losses)} iterations: loss {best.fun:.6f}, {len(seconds)} gradients in {seconds.sum():.1f} s")
    print(f"One gradient: {np.median(seconds):.2f} s, {rows / np.median(seconds):,.0f} rows/s")
    print(f"  loaded {format_bytes(np.median(loaded))}, between workers {format_bytes(moved)}")
    peaks, limit = watch.peak.values(), parse_bytes(chosen.memory)
    print(f"Peak of the workers: {', '.join(map(format_bytes, peaks))}")
    compare(*found, best.x, group)
    if rows <= SCIKIT_ROWS:
        compare_weights(best.x, group)
    chosen.output.mkdir(parents=True, exist_ok=True)
    draw_learning(chosen.output / "logistic_zarr.png", losses, watch, size, limit)
    print(f"Wrote logistic_zarr.png into {chosen.output.resolve()}")
    if max(peaks) > limit:
        sys.exit("logistic_zarr: a worker took more than its limit")


if __name__ == "__main__":
    main()
