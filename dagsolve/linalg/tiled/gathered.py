"""A primitive on Dask arrays in one chunk: for what has no loop over tiles."""

from functools import partial
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from dagsolve.primitives.derived import apply, find
from dagsolve.specs import spec


def in_one_chunk(name: str, *operands: Any, **params: Any) -> tuple[Any, ...]:
    """Results of one task on whole arrays; several are taken apart by a task each."""
    primitive = find(name)
    arrays = [x.rechunk(x.shape) if x.ndim else x for x in operands]
    specs = primitive.result_specs(tuple(spec(x.shape, x.dtype) for x in arrays), params)
    layer = f"{name}-{tokenize(params, *(x.name for x in arrays))}"
    task = (
        partial(apply, name, **params),
        *((x.name, *index) for x in arrays for index in np.ndindex(*map(len, x.chunks))),
    )
    layers: dict[str, dict[Any, Any]]
    if len(specs) == 1:
        taken = [layer]
        layers = {layer: {(layer, *(0,) * specs[0].ndim): task}}
    else:
        taken = [f"{layer}-{k}" for k in range(len(specs))]
        layers = {layer: {layer: task}}
        for k, of in enumerate(specs):
            layers[taken[k]] = {(taken[k], *(0,) * of.ndim): (getitem, layer, k)}
    below = HighLevelGraph.from_collections(layer, layers[layer], dependencies=arrays)
    dependencies = {**below.dependencies, **{above: {layer} for above in layers if above != layer}}
    graph = HighLevelGraph({**below.layers, **layers}, dependencies)
    return tuple(
        da.Array(graph, part, tuple((n,) for n in of.shape), dtype=of.dtype)
        for part, of in zip(taken, specs, strict=True)
    )
