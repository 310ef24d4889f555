"""docs/coverage.md from the programs: `python -m tests.dask_programs.coverage` writes it.

A function is differentiable, or constant, because a program in `table` calls it with arrays computed from
the inputs; it is refused because `refused` calls it. What neither does is said to be untried.
"""

import inspect
import warnings
from pathlib import Path
from types import ModuleType

import dask.array as da
import numpy as np

from tests.dask_programs.program import watched
from tests.dask_programs.refused import REFUSED
from tests.dask_programs.table import PROGRAMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"
# No derivative: truths, places, counts, and what is constant between jumps. Their values enter.
CONSTANT = set(
    "all allclose any argmax argmin argtopk bitwise_and bitwise_not bitwise_or bitwise_xor ceil "
    "count_nonzero digitize empty_like equal fix floor floor_divide full_like greater greater_equal "
    "invert iscomplex isclose isfinite isin isinf isnan isneginf isnull isposinf isreal less less_equal "
    "logical_and logical_not logical_or logical_xor nanargmax nanargmin not_equal notnull ones_like "
    "around round rint searchsorted sign signbit trunc zeros_like".split()
)
# Arrays from nothing or from storage: ordinary Dask tasks beside the gradient's.
LEAVES = set(
    "arange empty eye from_array from_delayed from_npy_stack from_tiledb from_zarr fromfunction full "
    "indices linspace ones tri tril_indices tril_indices_from triu_indices triu_indices_from zeros "
    "fft.fftfreq fft.rfftfreq".split()
)
LOADED = {"from_array", "from_delayed", "from_npy_stack", "from_zarr"}  # test_refusals.py, every program
# No array of the program comes out: settings, storing, asking for shapes, making functions.
OUTSIDE = set(
    "array_expr_enabled assert_eq atop compute ndim optimize register_chunk_type result_type shape "
    "store to_hdf5 to_npy_stack to_tiledb to_zarr fft.fft_wrap linalg.compression_level".split()
)
NOTES = {
    "push": "needs the package bottleneck",
    "linalg.compression_matrix": "a part of linalg.svd_compressed, which is tried",
}


def public() -> list[str]:
    """Names of the callables of dask.array, its linalg and its fft."""
    return [
        *_callables(da, "", lambda f: True),
        *_callables(da.linalg, "linalg.", lambda f: f.__module__ == "dask.array.linalg"),
        *_callables(da.fft, "fft.", lambda f: hasattr(np.fft, f.__name__) or f.__name__ == "fft_wrap"),
    ]


def _callables(module: ModuleType, prefix: str, own: object) -> list[str]:
    assert callable(own)
    return [
        prefix + name
        for name, f in sorted(vars(module).items())
        if not name.startswith("_") and callable(f) and not inspect.isclass(f) and own(f)
    ]


def evidence() -> tuple[dict[str, list[str]], set[str]]:
    """(programs by the function that they call with traced arrays, functions that any program calls)."""
    found: dict[str, list[str]] = {}
    called: set[str] = set()
    rng = np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, program in PROGRAMS.items():
            x, y = program.lazily(program.draw(rng))
            namespace = watched(x, y)
            program.build(namespace, x, y)
            for function in sorted(namespace.seen | set(program.covers)):
                found.setdefault(function, []).append(name)
            called |= namespace.called
    return found, called


def rows() -> list[tuple[str, str, str]]:
    """(function, status, evidence), by name."""
    found, called = evidence()
    methods = [name for name in (*found, *REFUSED) if name.startswith("Array.")]
    made = []
    for name in (*public(), *methods):
        if name in REFUSED:
            made.append((name, "refused", REFUSED[name].reason))
        elif name in OUTSIDE:
            made.append((name, "outside", ""))
        elif name in LEAVES:
            tried = name in LOADED or name in called
            made.append((name, "leaf", "tried" if tried else "not tried"))
        elif name in found:
            shown = [p for p in found[name] if p == name] or found[name][:2]
            made.append((name, "constant" if name in CONSTANT else "differentiable", "; ".join(shown)))
        else:
            made.append((name, "not tried", NOTES.get(name, "")))
    return made


def text() -> str:
    table = rows()
    count = {status: sum(s == status for _, s, _ in table) for _, status, _ in table}
    lines = [
        "# Functions of dask.array under `ds.gradients`",
        "",
        "Written by `python -m tests.dask_programs.coverage`; a test holds it to the programs.",
        "",
        f"{len(PROGRAMS)} programs are compared with autograd on the same NumPy program, to 1e-9, on",
        "threads and two processes; a part of them in drawn shapes and chunks. The last column names them.",
        "",
        f"- **differentiable** ({count['differentiable']}): a program calls it on traced arrays.",
        f"- **constant** ({count['constant']}): truths, places, rounding.",
        f"- **leaf** ({count['leaf']}): from nothing or from storage; ordinary Dask tasks, as",
        "  all of `da.random` is.",
        f"- **refused** ({count['refused']}): an error names the task, its function and what to do.",
        f"- **outside** ({count['outside']}): no array of the program comes out.",
        f"- **not tried** ({count.get('not tried', 0)}).",
        "",
        "| function | status | programs, or why |",
        "|---|---|---|",
        *(f"| `{name}` | {status} | {why} |" for name, status, why in table),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text())
