"""Values and gradients of functions of dense decompositions, beside JAX's and PyTorch's.

    python -m benchmarks.decompositions --sizes 1024 2048 4096 --dtypes float64 float32

A process for each number of threads, with BLAS and the peers limited to it; in it, the libraries take turns.
Ours is `value_and_grad(f, scheduler="sync")`: one block, whose calls of BLAS and LAPACK have the threads.
Some are also run in tiles on as many Python threads as there are cores, each with one thread of BLAS. The
best of ours is set against the best peer; which it was stands in the table, and how far the gradients differ.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measure import table

SIZES, DTYPES, ROUNDS = (1024,), ("float64",), 3
LARGE = 2048  # the default adds this size for factorisations with tiles
MEMORY_SIZE = 2048


def main(
    sizes: Sequence[int] = SIZES,
    dtypes: Sequence[str] = DTYPES,
    threads: Sequence[int] = (),
    names: Sequence[str] = (),
    rounds: int = ROUNDS,
    large: Sequence[int] = (LARGE,),
) -> list[dict[str, object]]:
    """A row for each function, size, dtype and number of threads; the last one is a peak of memory."""
    rows = []
    for count in threads or sorted({1, os.cpu_count() or 1}):
        for of, tiled_only in ((sizes, False), (large, True)):
            if of:
                options = ["--threads", str(count), "--rounds", str(rounds), "--sizes", *map(str, of)]
                options += ["--dtypes", *dtypes, *(["--tiled-only"] if tiled_only else [])]
                rows += process("benchmarks.decomposition_trial", [*options, "--names", *names], count)
    return [*rows, *process("benchmarks.decomposition_memory", [str(MEMORY_SIZE)], 1)]


def process(module: str, arguments: Sequence[str], threads: int) -> list[dict[str, object]]:
    """What a fresh Python process prints as JSON, with so many threads of BLAS, on so many cores."""
    limits = {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL")}
    cores = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={"OPENBLAS_THREAD_TIMEOUT": "4", **os.environ, **limits},  # idle threads sleep, not spin
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    rows: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dtypes", nargs="+", default=DTYPES)
    parser.add_argument("--threads", type=int, nargs="+", default=())
    parser.add_argument("--names", nargs="+", default=(), help="beginnings of the functions' names")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    large = () if asked.names or asked.sizes != SIZES else (LARGE,)
    print(table(main(asked.sizes, asked.dtypes, asked.threads, asked.names, asked.rounds, large)))  # noqa: T201
