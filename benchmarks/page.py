"""docs/measurements.md and its picture, made from the results that are kept: `python -m benchmarks.page`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, table

DOCS = RESULTS.parents[1] / "docs"
PAGE, PICTURE = DOCS / "measurements.md", DOCS / "measurements.png"
PEAK = "peak, n² doubles"

INTRODUCTION = """# Measured: dense decompositions

Made by `python -m benchmarks.page` from what `python -m benchmarks.decompositions` and
`python -m benchmarks.seeger` kept under [benchmarks/results](../benchmarks/results). Two cores of a shared
AMD Zen 3 server; the libraries take turns in one process, each with one or two threads; medians of few
rounds, from n = 2,048 on of one or two: differences below 15 % mean nothing. {versions}

![Seconds by size]({picture})
"""

RATIOS = """
## Value and gradient, {dtype}

Milliseconds of ours, and in brackets how many times as long the faster of JAX and PyTorch takes. "tiles": of
blocks on two Python threads, where that was faster than one block. The last column is our value and gradient
over the function's value on NumPy arrays, at the largest size and number of threads: NumPy's decomposition,
where the function calls np.linalg, which works in double precision for some in single.

"""

SEEGER_1 = """
## Seeger et al., Figure 1

Forward and backward; growth is that of backward from the row above. The authors' numbers were read from their
figure: a c4.8xlarge with 36 virtual cores. Times of different machines do not compare; ratios and growth do.

"""

SEEGER_2 = """
## Seeger et al., Figure 2

Criterion and gradient of a sparse Gaussian process on 9,568 observations of 4 inputs, n inducing inputs.

"""


def text() -> str:
    """The page, of the rows kept by now."""
    kept = _kept("decompositions")
    rows = [row for row in kept["rows"] if "best peer / ours" in row]
    parts = [INTRODUCTION.format(versions=_versions(kept["environment"]), picture=PICTURE.name)]
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        parts += [RATIOS.format(dtype=dtype), table(ratios([r for r in rows if r["dtype"] == dtype])), "\n"]
    for row in kept["rows"]:
        if PEAK in row:
            what = f"Peak memory of a {row['function']} gradient in one block, n = {row['n']:,}"
            parts.append(f"\n{what}: {row[PEAK]} matrices of n² doubles beside its argument.\n")
    for figure, words in ((1, SEEGER_1), (2, SEEGER_2)):
        rows = [row for row in _kept("seeger")["rows"] if row.pop("figure") == figure]
        parts += [words, table(rows), "\n"]
    return "".join(parts)


def ratios(rows: Sequence[dict[str, Any]]) -> list[dict[str, object]]:
    """A row for each function, a column for each size and number of threads."""
    columns = sorted({(row["threads"], row["n"]) for row in rows})
    lines: dict[str, dict[str, object]] = {}
    for row in sorted(rows, key=lambda row: (row["threads"], row["n"])):
        heads = {_head(*column): "" for column in columns}
        line = lines.setdefault(row["function"], {"function": row["function"], **heads})
        tiles = ", tiles" if row["as"] == "tiles" else ""
        line[_head(row["threads"], row["n"])] = f"{row['ours, ms']} ({row['best peer / ours']}{tiles})"
        line["over fwd"] = row["ours / its forward"]
    return list(lines.values())


def _head(threads: int, n: int) -> str:
    return f"{n:,}, {threads} thread{'s' * (threads > 1)}"


def draw(path: Path = PICTURE) -> None:
    """Seconds by size for every function, ours and the peers', with two threads in float64."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [r for r in _kept("decompositions")["rows"] if "best peer / ours" in r and r["dtype"] == "float64"]
    most = max(row["threads"] for row in rows)
    rows = [row for row in rows if row["threads"] == most]
    names = list(dict.fromkeys(row["function"] for row in rows))
    across = 5
    figure, axes = plt.subplots(-(-len(names) // across), across, figsize=(13, 7.5), layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        own = [row for row in rows if row["function"] == name]
        for label, colour in (("ours", "#c1440e"), ("JAX", "#4c78a8"), ("PyTorch", "#8a8a8a")):
            points = [(row["n"], float(row[f"{label}, ms"]) / 1e3) for row in own if f"{label}, ms" in row]
            axis.loglog(*zip(*points, strict=True), "o-", label=label, color=colour, markersize=4)
        axis.set_title(name, fontsize=9)
        sizes = [row["n"] for row in own]
        axis.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8)
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    for axis in list(axes.flat)[len(names) :]:
        axis.set_visible(False)
    axes.flat[0].legend(fontsize=8)
    figure.supylabel(f"seconds for value and gradient, {most} threads, float64", fontsize=9)
    figure.supxlabel("n", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _kept(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def _versions(environment: dict[str, str]) -> str:
    names = [name for name in ("python", "numpy", "scipy", "jax", "torch") if name in environment]
    return f"{environment['date']}: {', '.join(f'{name} {environment[name]}' for name in names)}."


if __name__ == "__main__":
    PAGE.write_text(text())
    draw()
