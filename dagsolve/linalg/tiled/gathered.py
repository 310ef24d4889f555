"""A primitive on whole matrices: for stacks of them, and for what has no loop over tiles.

A stack (..., n, n) that is cut along its leading axes goes chunk by chunk, a task each, after every matrix
was brought into one chunk. A single matrix, or an array of another kind, goes in one task.
"""

from collections.abc import Sequence
from functools import partial
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import unify_chunks
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from dagsolve.primitive import Primitive
from dagsolve.primitives.derived import apply, find
from dagsolve.specs import spec


def is_stacked(primitive: Primitive, operands: Sequence[Any]) -> bool:
    """Whether the primitive takes matrices or vectors and one of the operands is a stack of them."""
    core = primitive.parsed.core_ndims
    if primitive.parsed.variadic or any("..." in dims for dims in primitive.parsed.operand_dims):
        return False
    if not any(core) or len(core) != len(operands):
        return False
    extra = [x.ndim - k for x, k in zip(operands, core, strict=True)]
    return bool(min(extra) >= 0 and max(extra) > 0)


def chunk_by_chunk(name: str, *operands: Any, **params: Any) -> tuple[Any, ...]:
    """Results of a primitive on stacks, in the chunks of their leading axes."""
    return _whole(name, operands, find(name).parsed.core_ndims, params)


def in_one_chunk(name: str, *operands: Any, **params: Any) -> tuple[Any, ...]:
    """Results of one task on whole arrays; several are taken apart by a task each."""
    return _whole(name, operands, tuple(x.ndim for x in operands), params)


def _whole(
    name: str, operands: Sequence[Any], core: Sequence[int], params: dict[str, Any]
) -> tuple[Any, ...]:
    """Results chunk by chunk of the leading axes, the last `core` axes of each operand in one chunk."""
    arrays = [
        x.rechunk((*x.chunks[: x.ndim - k], *((n,) for n in x.shape[x.ndim - k :])), method="tasks")
        for x, k in zip(operands, core, strict=True)
    ]
    lead = max((x.ndim - k for x, k in zip(arrays, core, strict=True)), default=0)
    arrays, cuts = _cut_alike(arrays, core, lead)
    specs = find(name).result_specs(tuple(spec(x.shape, x.dtype) for x in arrays), params)
    layer = f"{name}-{tokenize(name, params, *(x.name for x in arrays))}"
    run = partial(apply, name, **params)
    names = [layer] if len(specs) == 1 else [f"{layer}-{k}" for k in range(len(specs))]
    layers: dict[str, dict[Any, Any]] = {layer: {}, **{taken: {} for taken in names}}
    for index in np.ndindex(*map(len, cuts)):
        call = (run, *(_key(x, k, index) for x, k in zip(arrays, core, strict=True)))
        if len(specs) == 1:
            layers[layer][layer, *index, *(0,) * (specs[0].ndim - lead)] = call
            continue
        layers[layer][layer, *index] = call
        for k, (taken, of) in enumerate(zip(names, specs, strict=True)):
            layers[taken][taken, *index, *(0,) * (of.ndim - lead)] = (getitem, (layer, *index), k)
    below = HighLevelGraph.from_collections(layer, layers[layer], dependencies=arrays)
    dependencies = {**below.dependencies, **{above: {layer} for above in layers if above != layer}}
    graph = HighLevelGraph({**below.layers, **layers}, dependencies)
    return tuple(
        da.Array(graph, part, (*cuts, *((n,) for n in of.shape[lead:])), dtype=of.dtype)
        for part, of in zip(names, specs, strict=True)
    )


def _cut_alike(
    arrays: Sequence[Any], core: Sequence[int], lead: int
) -> tuple[list[Any], list[tuple[int, ...]]]:
    """The arrays with leading axes cut alike, and the cuts of each leading axis of the results."""
    if not lead:
        return list(arrays), []
    labels: list[Any] = []
    for number, (x, k) in enumerate(zip(arrays, core, strict=True)):
        of_lead = tuple(range(lead - (x.ndim - k), lead))
        labels += [x, (*of_lead, *(lead + 2 * number + m for m in range(k)))]
    cuts, made = unify_chunks(*labels)
    return list(made), [tuple(cuts[axis]) for axis in range(lead)]


def _key(x: Any, core: int, index: tuple[int, ...]) -> tuple[Any, ...]:
    """The key of the chunk that a result's chunk reads; axes of length one broadcast."""
    own = index[len(index) - (x.ndim - core) :]
    at = (0 if len(lengths) == 1 else k for k, lengths in zip(own, x.chunks, strict=False))
    return (x.name, *at, *(0,) * core)
