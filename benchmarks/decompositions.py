"""Values and gradients of functions of dense decompositions, beside JAX's and PyTorch's.

    python -m benchmarks.decompositions --sizes 1024 2048 4096 --dtypes float64 float32

A process for each number of threads, with BLAS and the peers limited to it; in it, the libraries take turns.
Ours is `value_and_grad(f, scheduler="sync")`: one block, whose calls of BLAS and LAPACK have the threads.
Some are also run in tiles on as many Python threads as there are cores, each with one thread of BLAS. The
best of ours is set against the best peer; which it was stands in the table, and how far the gradients differ.

Rows are printed as they come and are kept under benchmarks/results, where a row replaces an older one of the
same function, size, dtype and number of threads: a long table can be made in parts, of which
`python -m benchmarks.page` makes docs/measurements.md.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.measure import IDLE, RESULTS, environment, table, write

SIZES, DTYPES, ROUNDS, SECONDS = (1024,), ("float64",), 3, 30.0
LARGE = 2048  # the default adds this size for factorisations with tiles
MEMORY_SIZE = 2048
KEPT = RESULTS / "decompositions.json"

KEPT_BYTES = 2**31 - 1  # of freed memory, the most that malloc can be told
SETTINGS = {
    **IDLE,
    "MALLOC_MMAP_MAX_": "0",  # freed memory stays in the process: in a virtual machine fresh pages may
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),  # take longer than a factorisation, whoever touches them
}

Row = dict[str, object]


def main(
    sizes: Sequence[int] = SIZES,
    dtypes: Sequence[str] = DTYPES,
    threads: Sequence[int] = (),
    names: Sequence[str] = (),
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    large: Sequence[int] = (LARGE,),
) -> list[Row]:
    """All rows kept by now: new ones for each function, size, dtype and number of threads, and a peak."""
    processes = [("benchmarks.decomposition_memory", [str(MEMORY_SIZE)], 1)]
    for count in threads or sorted({1, os.cpu_count() or 1}):
        for of, tiled_only in ((sizes, False), (large, True)):
            if of:
                options = ["--threads", str(count), "--rounds", str(rounds), "--seconds", str(seconds)]
                options += ["--sizes", *map(str, of), "--dtypes", *dtypes, "--names", *names]
                options += ["--tiled-only"] if tiled_only else []
                processes.append(("benchmarks.decomposition_trial", options, count))
    rows: list[Row] = []
    for module, options, count in processes:
        for row in process(module, options, count):
            print({name: value for name, value in row.items() if value}, flush=True)  # noqa: T201
            rows = keep(row)
    return rows


def process(module: str, arguments: Sequence[str], threads: int) -> Iterator[Row]:
    """The rows that a fresh Python process prints, with so many threads of BLAS, on so many cores."""
    settings = SETTINGS if module.endswith("trial") else {}  # a peak is that of memory as it is
    limits = {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL")}
    cores = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command,
        env={**settings, **os.environ, **limits},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)


def keep(row: Row) -> list[Row]:
    """All rows kept by now, this one among them with its date."""
    found = json.loads(KEPT.read_text())["rows"] if KEPT.exists() else []
    kept = {_key(row): row for row in [*found, {**row, "date": environment()["date"]}]}
    rows = sorted(kept.values(), key=lambda row: _key(row)[:3])
    write(KEPT.stem, rows)
    return rows


def _key(row: Row) -> tuple[object, ...]:
    return "peak, n² doubles" in row, row["dtype"], (row["n"], row["threads"]), row["function"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--dtypes", nargs="+", default=DTYPES)
    parser.add_argument("--threads", type=int, nargs="+", default=())
    parser.add_argument("--names", nargs="+", default=(), help="beginnings of the functions' names")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no round of a function begins later")
    asked = parser.parse_args()
    large = () if asked.names or asked.sizes != SIZES else (LARGE,)
    taken = main(asked.sizes, asked.dtypes, asked.threads, asked.names, asked.rounds, asked.seconds, large)
    print(table(taken))  # noqa: T201
