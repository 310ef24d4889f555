"""The frame of the short programs: their options, how they learn, and their picture."""

import argparse
import contextlib
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from optree.integrations.numpy import tree_ravel
from scipy.optimize import minimize

import dagsolve as ds

INK, BLUE, ORANGE, GREEN, GREY = "#222222", "#0072b2", "#d55e00", "#009e73", "#999999"


def options(description, arguments=None, iterations=100):
    """What the command line says: `output`, a folder that exists, and `iterations` of learning."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the picture (here)")
    parser.add_argument("--iterations", type=int, default=iterations, help=f"at most ({iterations})")
    chosen = parser.parse_args(arguments)
    chosen.output.mkdir(parents=True, exist_ok=True)
    return chosen


def learn(f, start, *args, iterations=100):
    """Arguments of f, from `start`, that L-BFGS-B finds least, and f's value at each iteration.

    start  an array, or arrays in nested lists and dictionaries; complex ones are moved in both parts
    args   further arguments of f, which stay
    """
    flat, unravel = tree_ravel(start)
    gradient = ds.value_and_grad(ds.freeze(f, start, *args), scheduler="sync", progress=False)

    def objective(reals):
        value, bar = gradient(unravel(reals.view(flat.dtype)), *args)
        return value, tree_ravel(bar)[0].view(float)  # of complex: by the real part and by the imaginary

    values = [gradient(start, *args)[0]]
    found = minimize(
        objective,
        flat.view(float),
        method="L-BFGS-B",
        jac=True,
        callback=lambda intermediate_result: values.append(intermediate_result.fun),
        options={"maxiter": iterations, "maxcor": 20},
    )
    print(f"{f.__name__} {values[0]:.6g} at the start, {values[-1]:.6g} after {len(values) - 1} iterations")
    return unravel(found.x.view(flat.dtype)), np.array(values)


@contextlib.contextmanager
def panels(path, *texts):
    """Axes beside each other, one per "title|label of x|label of y"; written when the block ends."""
    figure = Figure(figsize=(4.8 * len(texts), 3.6), layout="constrained")
    axes = figure.subplots(1, len(texts), squeeze=False)[0]
    for one, text in zip(axes, texts, strict=True):
        title, xlabel, ylabel = text.split("|")
        one.set(title=title, xlabel=xlabel, ylabel=ylabel)
        one.grid(alpha=0.25)
        one.set_axisbelow(True)
    yield axes
    for one in axes:
        if one.get_legend_handles_labels()[0]:
            one.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    print(f"Wrote {path}")
