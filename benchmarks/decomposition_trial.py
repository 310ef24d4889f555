"""One process of `benchmarks.decompositions`: every library in turns, a line of JSON for each row."""

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  its BLAS is there before threads are counted

import dagsolve as ds
from benchmarks.decomposition_cases import CASES, Case
from benchmarks.decompositions import KEPT_BYTES
from benchmarks.measure import alternated

TILE = {1024: 256, 2048: 256, 4096: 512}
MATRICES = 16  # that a contender may hold at once
SPARE = 2**24  # bytes of what the process may keep, for all else on the heap
WARM = 1024  # up to this order there is a round that does not count; beyond, all is compiled beforehand


def touch(order: int) -> None:
    """Fresh pages for some matrices of this order, which the process keeps: no contender pays for them."""
    np.ones(min(MATRICES * order**2, (KEPT_BYTES - SPARE) // 8))


def ours(case: Case, operands):
    gradient = ds.value_and_grad(case.ours, scheduler="sync", progress=False)
    gradient.plan(*operands)
    return lambda: gradient(*operands)


def in_tiles(case: Case, operands):
    n = operands[0].shape[-1]
    gradient = ds.value_and_grad(
        case.ours, chunks=TILE.get(n, max(128, n // 8)), scheduler="threads", progress=False
    )
    gradient.plan(*operands)
    return lambda: gradient(*operands)


def by_jax(case: Case, operands):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import jax.scipy.linalg

    given = [jnp.asarray(x) for x in operands]
    traced = jax.jit(jax.value_and_grad(lambda *x: case.jax(jnp, jax.scipy.linalg, *x)))
    gradient = traced.lower(*given).compile()
    return lambda: jax.block_until_ready(gradient(*given))


def by_torch(case: Case, operands, threads: int):
    import torch

    torch.set_num_threads(threads)
    a, *rest = (torch.tensor(x) for x in operands)
    a.requires_grad_()

    def gradient():
        a.grad = None
        value = case.torch(torch, a, *rest)
        value.backward()
        return value.detach().numpy(), a.grad.numpy()

    return gradient


def measured(
    case: Case, n: int, dtype: str, threads: int, rounds: int, seconds_limit: float
) -> dict[str, object]:
    """Median seconds of value and gradient, ours and the peers', and of our function alone."""
    operands = [np.asarray(x, dtype) for x in case.draw(np.random.default_rng(0), n)]
    contenders = {"one block": ours(case, operands), "forward": lambda: case.ours(*operands)}
    if case.tiles and threads > 1:
        contenders["tiles"] = in_tiles(case, operands)
    for name, made in (("JAX", by_jax), ("PyTorch", lambda *x: by_torch(*x, threads))):
        try:
            contenders[name] = made(case, operands)
        except ImportError:
            continue
    last: dict[str, Any] = {}

    def kept(name: str, call: Callable[[], Any]) -> Callable[[], None]:
        return lambda: last.__setitem__(name, call())

    turns = {name: kept(name, call) for name, call in contenders.items()}
    medians = alternated(turns, rounds, warmups=int(n <= WARM), limit_seconds=seconds_limit)
    best = min((name for name in medians if name in ("one block", "tiles")), key=medians.__getitem__)
    peers = {name: medians[name] for name in ("JAX", "PyTorch") if name in medians}
    row: dict[str, object] = {"function": case.name, "n": n, "dtype": dtype, "threads": threads}
    row["ours, ms"], row["as"] = f"{1e3 * medians[best]:.0f}", best
    row["ours / its forward"] = f"{medians[best] / medians['forward']:.1f}"
    row |= {f"{name}, ms": f"{1e3 * seconds:.0f}" for name, seconds in peers.items()}
    if peers:
        row["best peer / ours"] = f"{min(peers.values()) / medians[best]:.2f}"
        found, expected = (np.asarray(last[name][1]) for name in (best, next(iter(peers))))
        row["difference"] = f"{_difference(case, found, expected):.0e}"
    return row


def _difference(case: Case, found, expected) -> float:
    """Largest, relative to the largest entry; of the Hermitian part where only half of a matrix is read."""
    if case.draw.__name__ in ("positive", "symmetric"):
        found, expected = found + found.T, expected + expected.T
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--dtypes", nargs="+", required=True)
    parser.add_argument("--names", nargs="*", default=())
    parser.add_argument("--tiled-only", action="store_true")
    asked = parser.parse_args()
    chosen = [
        case
        for case in CASES
        if (not asked.names or case.name.startswith(tuple(asked.names)))
        and (case.tiles or not asked.tiled_only)
    ]
    touch(max(asked.sizes))
    for dtype in asked.dtypes:
        for n in asked.sizes:
            for case in chosen:
                row = measured(case, n, dtype, asked.threads, asked.rounds, asked.seconds)
                print(json.dumps(row), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
