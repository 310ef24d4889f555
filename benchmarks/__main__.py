"""All benchmarks, one after the other: prints Markdown tables and keeps them under benchmarks/results."""

import os
import sys

from benchmarks.measure import IDLE, environment, table, write  # which imports no NumPy yet

# Peers and matrix products get all cores; dagsolve itself limits BLAS to a thread per task while it runs.
os.environ.update({f"{name}_NUM_THREADS": str(os.cpu_count()) for name in ("OPENBLAS", "OMP", "MKL")})
os.environ.update({**IDLE, **os.environ})

from benchmarks import (
    cholesky_gradient,
    decompositions,
    executors,
    gaussian_process,
    perceptron,
    placement,
    recording,
    second_call,
    seeger,
    simulation,
    tiled,
)

PARTS = {
    "recording": recording.main,
    "second_call": second_call.main,
    "executors": executors.main,
    "cholesky_gradient": cholesky_gradient.main,
    "decompositions": decompositions.main,
    "seeger": seeger.main,
    "gaussian_process": gaussian_process.main,
    "perceptron": perceptron.main,
    "tiled": tiled.main,
    "simulation": simulation.main,
    "placement": placement.main,
}


def main(names: list[str]) -> None:
    print(environment())  # noqa: T201
    for name in names or PARTS:
        rows = PARTS[name]()
        write(name, rows)
        print(f"\n{name}\n{table(rows)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
