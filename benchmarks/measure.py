"""Timing in turns: every contender once per round, so that a noisy machine is noisy for all of them."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

IDLE = {"OPENBLAS_THREAD_TIMEOUT": "20"}  # idle threads of BLAS spin for 0.4 ms, not for 30 of the next one's
RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "numpy", "scipy", "dask", "distributed", "jax", "autograd", "torch", "cupy-cuda12x", "cupy-cuda13x",
)  # fmt: skip


def alternated(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    warmups: int = 1,
    limit_seconds: float = float("inf"),
) -> dict[str, float]:
    """Median seconds of each contender over so many rounds, taken in turns after warm-up rounds.

    No round begins after `limit_seconds`, except that there is always one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    begin = time.perf_counter()
    for turn in range(-warmups, rounds):
        if turn > 0 and time.perf_counter() - begin > limit_seconds:
            break
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def dgemm_flops(n: int = 2048, rounds: int = 3) -> float:
    """Flops per second of NumPy's matrix product with all cores: the limit of everything here."""
    import numpy as np

    a = np.random.default_rng(0).normal(size=(n, n))
    best = min(alternated({"dgemm": lambda: a @ a}, rounds).values())
    return 2 * n**3 / best


def environment() -> dict[str, str]:
    """Date, machine and versions, kept with every result."""
    found = {"date": date.today().isoformat(), "machine": platform.machine(), "cores": str(os.cpu_count())}
    found["python"] = platform.python_version()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(name: str, rows: list[dict[str, object]], **besides: str) -> Path:
    """Keep rows and environment as JSON under benchmarks/results; `besides` goes with the environment."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"environment": {**environment(), **besides}, "rows": rows}, indent=1) + "\n")
    return path


def table(rows: list[dict[str, object]]) -> str:
    """Rows as a Markdown table."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(str(row.get(h, "")) for h in heads) + " |" for row in rows]
    return "\n".join(lines)
