"""Layouts: how one array is cut into tiles, and which value of a graph each tile is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError
from dagsolve.namespace import Array, namespace_of
from dagsolve.specs import Shape, Spec, spec

Chunks = tuple[tuple[int, ...], ...]
AUTO_SMALL, AUTO_LARGE = 512, 1024  # tile lengths: below 8192 the smaller one keeps both cores busy


@dataclass(frozen=True)
class Layout:
    """An array's chunks per axis and the value id of each tile, in C order of the grid."""

    chunks: Chunks
    values: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        return tuple(map(sum, self.chunks))

    def split(self, array: Array) -> Iterator[tuple[int, Array]]:
        """(value id, tile) for every tile; tiles are C-contiguous, whole arrays are handed over as is."""
        if len(self.values) == 1:
            yield self.values[0], array
            return
        xp = namespace_of(array)
        for value, index in zip(self.values, slices(self.chunks), strict=True):
            yield (
                value,
                xp.ascontiguousarray(array[index]) if hasattr(xp, "ascontiguousarray") else array[index],
            )

    def join(self, tiles: Mapping[int, Array]) -> Array:
        """The array put together from its tiles."""
        if len(self.values) == 1:
            return tiles[self.values[0]]
        xp = namespace_of(*(tiles[value] for value in self.values))  # a tile of zeros may lie on the host
        out = xp.empty(self.shape, dtype=tiles[self.values[0]].dtype)
        for value, index in zip(self.values, slices(self.chunks), strict=True):
            out[index] = xp.asarray(tiles[value])
        return out


def slices(chunks: Chunks) -> Iterator[tuple[slice, ...]]:
    """The slices of every tile, in C order of the grid."""
    edges = [list(accumulate(lengths, initial=0)) for lengths in chunks]
    yield from product(*([slice(a, b) for a, b in zip(e[:-1], e[1:], strict=True)] for e in edges))


def tile_specs(of: Spec, chunks: Chunks) -> Iterator[Spec]:
    """The spec of every tile, in C order of the grid."""
    for lengths in product(*chunks):
        yield spec(lengths, of.dtype)


def whole(shape: Shape) -> Chunks:
    """Chunks of an array in one tile."""
    return tuple((n,) for n in shape)


def normalised_chunks(chunks: Any, shape: Shape, who: str) -> Chunks:
    """Chunks per axis from None, an int (cuts axes longer than it), "auto", or one entry per axis.

    Raises ArgumentError for anything else, or lengths that do not add up to the axis.
    """
    if chunks is None:
        return whole(shape)
    if chunks == "auto":
        chunks = AUTO_SMALL if max(shape, default=0) <= 8192 else AUTO_LARGE
    if isinstance(chunks, (int, np.integer)) and not isinstance(chunks, bool):
        return tuple(_cut(n, int(chunks), who) for n in shape)
    if isinstance(chunks, Sequence) and not isinstance(chunks, str) and len(chunks) == len(shape):
        made = []
        for entry, n in zip(chunks, shape, strict=True):
            if isinstance(entry, (int, np.integer)):
                made.append(_cut(n, int(entry), who))
                continue
            if not isinstance(entry, Sequence) or not all(
                isinstance(k, (int, np.integer)) and k > 0 for k in entry
            ):
                raise ArgumentError(f"{who}: chunks of an axis must be positive ints, got {entry!r}")
            if sum(entry) != n:
                raise ArgumentError(
                    f"{who}: chunks {entry} must add up to the axis of length {n}, got {sum(entry)}"
                )
            made.append(tuple(int(k) for k in entry))
        return tuple(made)
    raise ArgumentError(
        f'{who}: chunks must be None, a positive int, "auto" or one entry per axis of {shape}, got {chunks!r}'
    )


def _cut(n: int, length: int, who: str) -> tuple[int, ...]:
    if length < 1:
        raise ArgumentError(f"{who}: chunks must be a positive int, got {length}")
    if n <= length:
        return (n,)
    return (length,) * (n // length) + ((n % length,) if n % length else ())
