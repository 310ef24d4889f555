"""Functions of dask.array that gradients refuse: the call, the error, its words, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dagsolve.errors import DagsolveError, TraceError, UnsupportedError

MASK = "the length of the result depends on values: unknown chunks"
COUNTS = "counts items in bins, which has no derivative; with traced weights not written yet"


@dataclass(frozen=True)
class Refusal:
    """A program whose gradient by x is refused."""

    build: Callable[[Any, Any, Any], Any]  # (dask.array, x, y) -> scalar
    reason: str
    words: tuple[str, ...] = ()
    error: type[DagsolveError] = UnsupportedError


def mask(np: Any, x: Any, y: Any) -> Any:
    return np.sum(x[x > 0])


EDGES = [-1.0, 0.0, 1.0]
REFUSED = {
    "Array.__getitem__ by a traced mask": Refusal(mask, MASK, ("traced array as an index", "np.where")),
    "extract": Refusal(lambda da, x, y: da.sum(da.extract(x > 0, x)), MASK, ("traced array as an index",)),
    "argwhere": Refusal(lambda da, x, y: da.sum(da.argwhere(x > 0) * 1.0), MASK, ("as an index",)),
    "flatnonzero": Refusal(lambda da, x, y: da.sum(da.flatnonzero(x) * 1.0), MASK, ("as an index",)),
    "nonzero": Refusal(lambda da, x, y: da.sum(da.nonzero(x)[0] * 1.0), MASK, ("as an index",)),
    "unique": Refusal(lambda da, x, y: da.sum(da.unique(x[0])), MASK, ("np.unique",)),
    "union1d": Refusal(lambda da, x, y: da.sum(da.union1d(x[0], y)), MASK, ("np.unique",)),
    "histogram": Refusal(
        lambda da, x, y: da.sum(da.histogram(x, bins=EDGES, weights=x)[0]), COUNTS, ("np.histogram",)
    ),
    "histogram2d": Refusal(
        lambda da, x, y: da.sum(da.histogram2d(x[:, 0], x[:, 1], bins=[EDGES] * 2, weights=x[:, 0])[0]),
        COUNTS,
        ("np.histogramdd",),
    ),
    "histogramdd": Refusal(
        lambda da, x, y: da.sum(da.histogramdd((x[:, 0], x[:, 1]), bins=[EDGES] * 2, weights=x[:, 0])[0]),
        COUNTS,
        ("np.histogramdd",),
    ),
    "bincount": Refusal(
        lambda da, x, y: da.sum(
            da.bincount(da.arange(7, chunks=3) % 3, weights=x[0].rechunk(3), minlength=3)
        ),
        COUNTS,
        ("np.bincount",),
    ),
    "percentile": Refusal(
        lambda da, x, y: da.sum(da.percentile(x[0], [30, 60])),
        "an approximation that merges chunks by value; quantile and median are exact and differentiable",
        ("percentile",),
    ),
    "nanmedian": Refusal(lambda da, x, y: da.sum(da.nanmedian(x, axis=0)), "not written", ("np.nanmedian",)),
    "nanquantile": Refusal(
        lambda da, x, y: da.sum(da.nanquantile(x, 0.5, axis=0)), "not written", ("np.nanquantile",)
    ),
    "nanpercentile": Refusal(
        lambda da, x, y: da.sum(da.nanpercentile(x, 50, axis=0)), "not written", ("np.nanquantile",)
    ),
    "piecewise": Refusal(
        lambda da, x, y: da.sum(da.piecewise(x, [x > 0], [np.sin, np.cos])),
        "runs a function on chosen items only; da.where, da.select and da.choose are differentiable",
        ("np.piecewise",),
    ),
    "frompyfunc": Refusal(
        lambda da, x, y: da.sum(da.frompyfunc(lambda v: v * v, 1, 1)(x).astype(float)),
        "a Python function of numbers has no rule",
        ("no derivative rule",),
    ),
    "frexp": Refusal(lambda da, x, y: da.sum(da.frexp(x)[0]), "takes numbers apart", ("frexp",)),
    "nextafter": Refusal(lambda da, x, y: da.sum(da.nextafter(x, y)), "takes numbers apart", ("nextafter",)),
    "spacing": Refusal(lambda da, x, y: da.sum(da.spacing(x)), "takes numbers apart", ("spacing",)),
    "left_shift": Refusal(
        lambda da, x, y: da.sum(da.left_shift(da.argmax(x, axis=0), 1) * y), "integers", ("left_shift",)
    ),
    "right_shift": Refusal(
        lambda da, x, y: da.sum(da.right_shift(da.argmax(x, axis=0), 1) * y), "integers", ("right_shift",)
    ),
    "unravel_index": Refusal(
        lambda da, x, y: da.sum(da.unravel_index(da.argmax(x), (11, 7))[0] * y),
        "integers",
        ("np.unravel_index",),
    ),
    "ravel_multi_index": Refusal(
        lambda da, x, y: da.sum(da.ravel_multi_index(da.stack([da.argmax(x, axis=0)] * 2), (11, 11)) * y),
        "integers",
        ("np.ravel_multi_index",),
    ),
    "ma.masked_greater": Refusal(
        lambda da, x, y: da.sum(da.ma.masked_greater(x, 0.5)), "masked arrays", ("no value yet",), TraceError
    ),
    "map_blocks of a function without a rule": Refusal(
        lambda da, x, y: da.sum(da.map_blocks(np.unwrap, x, dtype=float)), "no rule", ("np.unwrap",)
    ),
    "map_blocks of a function that asks for values": Refusal(
        lambda da, x, y: da.sum(
            da.map_blocks(lambda b: b * float(b[0, 0]), x, dtype=float, meta=np.empty((0, 0)))
        ),
        "values must not steer the trace",
        ("float(x)", "np.exp for math.exp"),
        TraceError,
    ),
    "Array.__setitem__ at traced indices": Refusal(
        lambda da, x, y: da.sum(at_traced_places(da, x)),
        "indices that a Dask array holds",
        ("not known while tracing", "da.where"),
    ),
}


def at_traced_places(da: Any, x: Any) -> Any:
    z = x * 1.0
    z[da.argmax(x, axis=0)] = 2.0
    return z
