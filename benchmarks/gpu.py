"""Gradients on one GPU beside JAX's and PyTorch's on the same card: python -m benchmarks.gpu

Cholesky, QR, Hermitian eigenproblem and an exact Gaussian process, in double precision. The data lie on the
device from the start, every call ends by waiting for the device, and the libraries take turns. Each row says
how far the gradients are apart, so all compute the same thing. Keeps benchmarks/results/gpu.json.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take most of the card's memory

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated, environment, table, write
from dagsolve.namespace import has_device, to_device, to_host

INPUTS = 8  # of the Gaussian process


@dataclass(frozen=True)
class Library:
    """What the functions below need of an array library, and how it differentiates them."""

    name: str
    xp: Any
    eye: Callable[[int], Any]
    solve: Callable[[Any, Any], Any]  # of a lower triangular system with one right-hand side
    prepare: Callable[[Any, list[Any]], Callable[[], Any]]  # (function, host arrays) -> call, on the device
    fetch: Callable[[Any], Any]  # gradient of the first argument, to the host


def cholesky(lib: Library, a, v):
    return v @ (lib.xp.linalg.cholesky(a) @ v)


def qr(lib: Library, a, c):
    """Free of the signs that a library gives R."""
    q, r = lib.xp.linalg.qr(a)
    return lib.xp.sum(lib.xp.log(lib.xp.abs(lib.xp.diagonal(r)))) + lib.xp.sum((q.T @ c) ** 2 * c[: len(r)])


def eigh(lib: Library, a, c):
    """Free of the signs that a library gives the vectors."""
    w, v = lib.xp.linalg.eigh(a)
    return lib.xp.sum(w**2) + lib.xp.sum((v.T @ c) ** 2 / (1.0 + w**2))


def gaussian_process(lib: Library, theta, x, y):
    xp = lib.xp
    scaled = x / xp.exp(theta[:INPUTS])
    squares = xp.sum(scaled**2, axis=1)
    d = squares[:, None] + squares[None, :] - 2 * scaled @ scaled.T
    noise = xp.exp(2 * theta[INPUTS + 1]) * lib.eye(len(y))
    l = xp.linalg.cholesky(xp.exp(2 * theta[INPUTS]) * xp.exp(-0.5 * d) + noise)
    z = lib.solve(l, y)
    return 0.5 * xp.sum(z**2) + xp.sum(xp.log(xp.diagonal(l)))


def problems(sizes: list[int]) -> Iterator[tuple[str, Callable[..., Any], list[Any]]]:
    """(words for the table, function, host arrays)."""
    for n in sizes:
        rng = np.random.default_rng(n)
        square = rng.standard_normal((n, n))
        yield f"Cholesky {n}", cholesky, [square @ square.T / n + np.eye(n), rng.standard_normal(n)]
        deep = rng.standard_normal((4 * n, n))
        yield f"QR {4 * n} × {n}", qr, [deep, rng.standard_normal((4 * n, 1))]
        yield f"eigh {n}", eigh, [(square + square.T) / np.sqrt(n), rng.standard_normal(n)]
        x = rng.standard_normal((n, INPUTS))
        theta = np.concatenate([np.full(INPUTS, 0.5), [0.0, -1.0]])
        yield f"Gaussian process {n}", gaussian_process, [theta, x, np.sin(x.sum(axis=1))]


def ours() -> Library:
    import cupy

    def prepare(f, arrays):
        gradient = ds.value_and_grad(lambda *args: f(library, *args), scheduler="sync", progress=False)
        arguments = [to_device(a) for a in arrays]

        def call():
            found = gradient(*arguments)
            cupy.cuda.get_current_stream().synchronize()
            return found[1]

        return call

    def solve(l, b):
        return ds.linalg.solve_triangular(l, b, lower=True)

    library = Library("dagsolve", np, np.eye, solve, prepare, to_host)
    return library


def jax_library() -> Library | None:
    """JAX, where it is installed and sees the card."""
    try:
        import jax
        import jax.numpy as jnp
        from jax.scipy.linalg import solve_triangular
    except ImportError:
        return None
    if jax.default_backend() != "gpu":
        print("jax has no GPU support here and is left out")
        return None
    jax.config.update("jax_enable_x64", True)

    def prepare(f, arrays):
        gradient = jax.jit(jax.value_and_grad(lambda *args: f(library, *args)))
        arguments = [jnp.asarray(a) for a in arrays]
        return lambda: jax.block_until_ready(gradient(*arguments))[1]

    def solve(l, b):
        return solve_triangular(l, b, lower=True)

    library = Library("jax", jnp, jnp.eye, solve, prepare, np.asarray)
    return library


def torch_library() -> Library | None:
    """PyTorch, where it is installed and sees the card."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        print("torch has no GPU support here and is left out")
        return None

    def prepare(f, arrays):
        first, *rest = (torch.asarray(a, device="cuda") for a in arrays)
        first.requires_grad_(True)

        def call():
            (gradient,) = torch.autograd.grad(f(library, first, *rest), first)
            torch.cuda.synchronize()
            return gradient

        return call

    def eye(n):
        return torch.eye(n, dtype=torch.float64, device="cuda")

    def solve(l, b):
        return torch.linalg.solve_triangular(l, b[:, None], upper=False)[:, 0]

    library = Library("torch", torch, eye, solve, prepare, lambda x: x.cpu().numpy())
    return library


def main(sizes: list[int], rounds: int = 5) -> list[dict[str, object]]:
    libraries = [lib for lib in (ours(), jax_library(), torch_library()) if lib is not None]
    rows = []
    for words, f, arrays in problems(sizes):
        calls = {lib.name: lib.prepare(f, arrays) for lib in libraries}
        medians = alternated(calls, rounds, warmups=2)
        expected = to_host(calls["dagsolve"]())
        row: dict[str, object] = {"gradient": words, "dagsolve ms": f"{1e3 * medians['dagsolve']:.1f}"}
        for lib in libraries[1:]:
            other = lib.fetch(calls[lib.name]())
            difference = np.max(np.abs(other - expected)) / np.max(np.abs(expected))
            row[f"{lib.name} ms"] = f"{1e3 * medians[lib.name]:.1f}"
            row[f"{lib.name} / dagsolve"] = f"{medians[lib.name] / medians['dagsolve']:.2f}"
            row[f"difference to {lib.name}"] = f"{difference:.0e}"
        rows.append(row)
        print(
            f"  {words}: " + ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in medians.items()), flush=True
        )
    return rows


def device() -> dict[str, str]:
    """Name and memory of the card, and versions of what drives it."""
    from cupy.cuda import runtime

    properties = runtime.getDeviceProperties(0)
    return {
        "device": properties["name"].decode(),
        "device memory": f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        "cuda driver": str(runtime.driverGetVersion()),
        "cuda runtime": str(runtime.runtimeGetVersion()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, nargs="+", default=[1024, 2048, 4096], help="orders of the matrices")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not has_device():
        sys.exit(
            "benchmarks.gpu: CuPy finds no CUDA device. Install dagsolve[gpu] (CUDA 12) or "
            "dagsolve[gpu-cuda13] on a machine with an NVIDIA GPU and its driver."
        )
    card = device()
    print({**environment(), **card})
    found = main(options.n, options.rounds)
    print(f"\n{table(found)}\n\nkept in {write('gpu', found, **card)}")
