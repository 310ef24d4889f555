"""Peak memory of a Cholesky gradient in one block, in matrices of n² doubles beyond its argument."""

import json
import sys

import numpy as np
import scipy.linalg  # noqa: F401  is loaded before the peak is looked at

import dagsolve as ds
from benchmarks.decomposition_cases import CASES, positive
from dagsolve.executor import ResidentMemory


def main(n: int) -> dict[str, object]:
    operands = positive(np.random.default_rng(0), n)
    gradient = ds.value_and_grad(CASES[0].ours, scheduler="sync", progress=False)
    gradient(*positive(np.random.default_rng(0), 64))  # modules and buffers of BLAS are there
    memory = ResidentMemory()
    gradient(*operands)
    peak = memory.peak_growth_bytes() / operands[0].nbytes
    row: dict[str, object] = {"function": CASES[0].name, "n": n, "dtype": "float64", "threads": 1}
    return row | {"peak, n² doubles": f"{peak:.2f}"}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))  # noqa: T201
