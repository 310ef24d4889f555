"""Gradient of an exact Gaussian-process likelihood (RBF-ARD, 8 inputs): tiles on threads, beside JAX's."""

import json
import subprocess
import sys

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated

INPUTS = 8


def nll(theta, x, y, np=np, solve=None):
    scaled = x / np.exp(theta[:INPUTS])
    squares = np.sum(scaled**2, axis=1)
    d = squares[:, None] + squares[None, :] - 2 * scaled @ scaled.T
    k = np.exp(2 * theta[INPUTS]) * np.exp(-0.5 * d) + np.exp(2 * theta[INPUTS + 1]) * np.eye(len(y))
    l = np.linalg.cholesky(k)
    z = (solve or ds.linalg.solve_triangular)(l, y, lower=True)
    return 0.5 * np.sum(z**2) + np.sum(np.log(np.diag(l)))


def problem(n: int):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, INPUTS))
    return np.concatenate([np.full(INPUTS, 0.5), [0.0, -1.0]]), x, np.sin(x.sum(axis=1))


def jax_gradient(*arguments):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax.scipy.linalg import solve_triangular

    fn = jax.jit(jax.value_and_grad(lambda theta, x, y: nll(theta, x, y, jnp, solve_triangular)))
    arguments = [jnp.asarray(a) for a in arguments]
    return lambda: jax.block_until_ready(fn(*arguments))


def torch_gradient(theta, x, y):
    import torch

    x, y, theta = torch.tensor(x), torch.tensor(y), torch.tensor(theta, requires_grad=True)

    def gradient():
        theta.grad = None
        scaled = x / torch.exp(theta[:INPUTS])
        squares = torch.sum(scaled**2, dim=1)
        d = squares[:, None] + squares[None, :] - 2 * scaled @ scaled.T
        noise = torch.exp(2 * theta[INPUTS + 1]) * torch.eye(len(y), dtype=y.dtype)
        l = torch.linalg.cholesky(torch.exp(2 * theta[INPUTS]) * torch.exp(-0.5 * d) + noise)
        z = torch.linalg.solve_triangular(l, y[:, None], upper=False)
        (0.5 * torch.sum(z**2) + torch.sum(torch.log(torch.diagonal(l)))).backward()
        return theta.grad

    return gradient


PEAK = """
import sys, json
import numpy as np, psutil
from benchmarks.gaussian_process import jax_gradient, nll, problem
import dagsolve as ds
from dagsolve.executor import ResidentMemory
who, n, tile = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
arguments = problem(n)
if who == "jax":
    import jax
    fn = jax_gradient(*arguments)
else:
    gradient = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False)
    fn = lambda: gradient(*arguments)
memory = ResidentMemory()
fn()
print(json.dumps(memory.peak_growth_bytes()))
"""


def peak_bytes(who: str, n: int, tile: int) -> int:
    """Growth of a fresh process at the peak of its first gradient, compilation included."""
    command = [sys.executable, "-c", PEAK, who, str(n), str(tile)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def main(sizes: tuple[int, ...] = (1000, 2000, 4000), rounds: int = 3) -> list[dict[str, object]]:
    rows = []
    for n in sizes:
        tile = max(250, -(-n // 8))
        arguments = problem(n)
        ours = ds.value_and_grad(nll, chunks=tile, scheduler="threads", progress=False)
        contenders = {"dagsolve": lambda ours=ours, arguments=arguments: ours(*arguments)}
        for name, gradient_of in (("jax", jax_gradient), ("torch", torch_gradient)):
            try:
                contenders[name] = gradient_of(*arguments)
            except ImportError:
                continue
        medians = alternated(contenders, rounds)
        row: dict[str, object] = {"n": n, "tile": tile, "dagsolve s": f"{medians['dagsolve']:.3f}"}
        row["peak (n² doubles)"] = f"{peak_bytes('dagsolve', n, tile) / (8 * n**2):.1f}"
        if "jax" in medians:
            row["jax s"] = f"{medians['jax']:.3f}"
            row["jax peak (n² doubles)"] = f"{peak_bytes('jax', n, tile) / (8 * n**2):.1f}"
            row["jax / dagsolve"] = f"{medians['jax'] / medians['dagsolve']:.2f}"
            expected = np.asarray(contenders["jax"]()[1])
            row["difference"] = f"{np.max(np.abs(ours(*arguments)[1] / expected - 1)):.0e}"
        if "torch" in medians:
            row["torch s"] = f"{medians['torch']:.3f}"
            row["torch / dagsolve"] = f"{medians['torch'] / medians['dagsolve']:.2f}"
        rows.append(row)
    return rows
