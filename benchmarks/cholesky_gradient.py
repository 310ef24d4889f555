"""Gradient of a function of a Cholesky factor: tiles on threads, beside JAX's compiled gradient and dgemm.

φ(A) = vᵀ L v with A = L Lᵀ. The forward sweep takes n³/3 flops, the reverse 2n³/3.
"""

import argparse
import statistics
from collections.abc import Sequence

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated, dgemm_flops


def objective(a, v):
    l = np.linalg.cholesky(a)
    return v @ (l @ v)


def problem(n: int):
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(n, n))
    return factor @ factor.T / n + np.eye(n), rng.normal(size=n)


def jax_gradient(a, v):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    gradient = jax.jit(jax.value_and_grad(lambda a, v: v @ (jnp.linalg.cholesky(a) @ v)))
    a, v = jnp.asarray(a), jnp.asarray(v)
    return lambda: jax.block_until_ready(gradient(a, v))


def torch_gradient(a, v):
    import torch

    a, v = torch.tensor(a, requires_grad=True), torch.tensor(v)

    def gradient():
        a.grad = None
        (v @ (torch.linalg.cholesky(a) @ v)).backward()
        return a.grad

    return gradient


PEERS = {"jax": jax_gradient, "torch": torch_gradient}
SIZES = ((1024, 256), (2048, 256), (4096, 512))


def main(sizes: Sequence[tuple[int, int]] = SIZES, rounds: int = 5) -> list[dict[str, object]]:
    return [measured(n, tile, rounds) for n, tile in sizes]


def measured(n: int, tile: int, rounds: int) -> dict[str, object]:
    a, v = problem(n)
    ours = ds.value_and_grad(objective, chunks=tile, scheduler="threads", progress=False)
    contenders = {"dagsolve": lambda: ours(a, v)}
    for name, gradient_of in PEERS.items():
        try:
            contenders[name] = gradient_of(a, v)
        except ImportError:
            continue
    medians = alternated(contenders, rounds)
    value, gradient = ours(a, v)
    report = ours.last_report
    plan = ours.plan(a, v)
    sweeps = [[b for b in plan.dag.blocks if b.sweep == s] for s in (0, 1)]
    flops = [sum(b.flops for b in blocks) for blocks in sweeps]
    row: dict[str, object] = {
        "n": n,
        "tile": tile,
        "dagsolve s": f"{medians['dagsolve']:.3f}",
        "dgemm share": f"{n**3 / medians['dagsolve'] / dgemm_flops():.0%}",
        "reverse / forward flops": f"{flops[1] / flops[0]:.2f}",
        "blocks": " + ".join(str(len(blocks)) for blocks in sweeps),
        "median block ms": f"{1e3 * statistics.median(report.durations):.0f}",
        "written by reverse (matrices)": f"{sum(b.write_bytes for b in sweeps[1]) / a.nbytes:.2f}",
    }
    for name in [name for name in medians if name != "dagsolve"]:
        row[f"{name} s"] = f"{medians[name]:.3f}"
        row[f"{name} / dagsolve"] = f"{medians[name] / medians['dagsolve']:.2f}"
    if "jax" in medians:
        expected = np.asarray(contenders["jax"]()[1])
        row["difference from jax"] = f"{np.max(np.abs(gradient - expected)) / np.max(np.abs(expected)):.0e}"
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=4096)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for found in main(((options.n, options.tile),), options.rounds):
        for key, text in found.items():
            print(f"{key:32} {text}")  # noqa: T201
