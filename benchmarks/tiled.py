"""Tiled factorisations of Dask arrays beside dask.array.linalg, JAX and LAPACK, in turns.

Shares are of the flops that NumPy's matrix product reaches with all cores in the same run. `python -m
benchmarks.tiled` takes n = 8,192 in tiles of 512; -n and --tile make it smaller.
"""

import argparse
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.base import compute
from distributed import Client, LocalCluster, wait
from threadpoolctl import threadpool_limits

import dagsolve as ds
from benchmarks.cholesky_gradient import jax_gradient, objective, problem
from benchmarks.measure import alternated, dgemm_flops

Row = dict[str, object]

one_blas_thread = threadpool_limits.wrap(limits=1)  # per task, as tiles that run side by side want it


def factored(cholesky: Callable[..., object], a: object, **schedule: object) -> Callable[[], object]:
    """The whole factor computed where the tiles are, nothing gathered."""
    factor = cholesky(a, lower=True)
    tiles = factor.to_delayed().ravel().tolist()  # type: ignore[attr-defined]
    return one_blas_thread(lambda: compute(tiles, **schedule))


def beside_dask(n: int, tile: int, rounds: int, flops: float) -> list[Row]:
    """Cholesky on threads, and on two processes of one thread each with the tiles persisted there."""
    a, _ = problem(n)
    rows = []
    lazy = da.from_array(a, chunks=tile)
    contenders = {
        "dagsolve": factored(ds.linalg.cholesky, lazy, scheduler="threads"),
        "dask": factored(da.linalg.cholesky, lazy, scheduler="threads"),
    }
    rows.append(_row("cholesky, threads", alternated(contenders, rounds), n**3 / 3, flops))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            placed = made_there(n, tile).persist()
            wait(placed)

            def run(cholesky: Callable[..., object]) -> Callable[[], object]:
                def call() -> None:
                    made = cholesky(placed, lower=True).persist()  # type: ignore[attr-defined]
                    client.gather(client.compute(made.sum()))

                return call

            ours, theirs = run(ds.linalg.cholesky), run(da.linalg.cholesky)
            medians = alternated({"dagsolve": ours, "dask": theirs}, rounds)
    rows.append(_row("cholesky, two processes", medians, n**3 / 3, flops))
    return rows


def made_there(n: int, tile: int) -> Any:
    """A positive definite matrix drawn by tasks, so that no process sends it."""
    drawn = da.random.default_rng(0).normal(size=(n, n), chunks=tile) / n
    return drawn + drawn.T + da.eye(n, chunks=tile)


def gradient(n: int, tile: int, rounds: int, flops: float) -> Row:
    """Value and gradient of vᵀ chol(A) v on threads, beside JAX."""
    a, v = problem(n)
    ours = ds.value_and_grad(objective, chunks=tile, scheduler="threads", progress=False)
    contenders: dict[str, Callable[[], object]] = {"dagsolve": lambda: ours(a, v)}
    try:
        contenders["jax"] = jax_gradient(a, v)
    except ImportError:
        pass
    return _row("its gradient, threads", alternated(contenders, rounds), n**3, flops)


def orthogonal(n: int, tile: int, rounds: int, flops: float) -> Row:
    """Q and R with chunks in both dimensions, on threads, beside LAPACK on one array."""
    a = np.random.default_rng(0).normal(size=(n, n))
    lazy = ds.linalg.qr(da.from_array(a, chunks=tile), mode="economic")
    contenders = {
        "dagsolve": one_blas_thread(lambda: compute(*lazy, scheduler="threads")),
        "lapack": lambda: np.linalg.qr(a),
    }
    return _row("QR in both dimensions", alternated(contenders, rounds), 8 * n**3 / 3, flops)


def general(n: int, tile: int, rounds: int, flops: float) -> Row:
    """A general system with one right-hand side, on threads; Dask's pivots lie inside a tile."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, n)) + n**0.5 * np.eye(n), rng.normal(size=n)
    x, y = da.from_array(a, chunks=tile), da.from_array(b, chunks=tile)
    contenders = {
        "dagsolve": one_blas_thread(lambda: ds.linalg.solve(x, y).compute(scheduler="threads")),
        "dask": one_blas_thread(lambda: da.linalg.solve(x, y).compute(scheduler="threads")),
        "lapack": lambda: np.linalg.solve(a, b),
    }
    row = _row("general system, threads", alternated(contenders, rounds), 2 * n**3 / 3, flops)
    for name, call in contenders.items():
        row[f"residual, {name}"] = f"{np.linalg.norm(a @ call() - b) / np.linalg.norm(b):.0e}"
    return row


def _row(what: str, medians: dict[str, float], work: float, flops: float) -> Row:
    ours = medians["dagsolve"]
    row: Row = {"what": what, "dagsolve s": f"{ours:.2f}", "dgemm share": f"{work / ours / flops:.0%}"}
    for name, seconds in medians.items():
        if name != "dagsolve":
            row[f"{name} / dagsolve"] = f"{seconds / ours:.2f}"
    return row


def main(n: int = 8192, tile: int = 512, rounds: int = 3) -> list[Row]:
    flops = dgemm_flops()
    small = min(n, 4096)  # of what takes many times the flops of a Cholesky factor
    return [
        *beside_dask(n, tile, rounds, flops),
        gradient(n, tile, rounds, flops),
        general(small, tile, rounds, flops),
        orthogonal(small, tile, rounds, flops),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=8192)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for found in main(options.n, options.tile, options.rounds):
        for key, text in found.items():
            print(f"{key:32} {text}")
        print()
