"""A program written with dask.array, the same with NumPy functions, and the arrays that go in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import autograd
import autograd.numpy
import dask.array as da
import numpy as np

Chunks = tuple[tuple[int, ...], ...]
UNEVEN = ((3, 1, 7), (2, 5))  # chunks of the matrices (11, 7)


@dataclass(frozen=True)
class Program:
    """One scalar function of two arrays, which begins both doors.

    build      (namespace, x, y) -> scalar; the namespace is dask.array or autograd.numpy
    reference  the same with autograd.numpy where NumPy's spelling differs
    covers     names of dask.array that the program calls otherwise than as `da.name(…)`
    shapes     of x and y
    chunks     of x and y
    spd        x is symmetric and positive definite
    free       works for any shapes (m, n) and (n,) in any chunks
    """

    build: Callable[[Any, Any, Any], Any]
    reference: Callable[[Any, Any, Any], Any] | None = None
    covers: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((11, 7), (7,))
    chunks: tuple[Chunks, Chunks] = (UNEVEN, ((2, 5),))
    spd: bool = False
    free: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Arrays to begin with: standard normal, so no two items are equal."""
        x, y = (rng.standard_normal(shape) for shape in self.shapes)
        if self.spd:
            n = self.shapes[0][0]
            x = x @ x.T / n + np.diag(np.arange(1.0, n + 1))
        return x, y

    def lazily(self, arrays: tuple[Any, Any]) -> tuple[Any, Any]:
        """The arrays as Dask arrays in the program's chunks."""
        x, y = (da.from_array(a, chunks=c) for a, c in zip(arrays, self.chunks, strict=True))
        return x, y

    def expected(self, arrays: tuple[Any, Any]) -> tuple[float, tuple[Any, Any]]:
        """Value and gradients by autograd, of the program on NumPy arrays."""
        run = self.reference or self.build
        value, bars = autograd.value_and_grad(lambda xs: run(autograd.numpy, *xs))(arrays)
        return float(value), bars


@dataclass
class Watched:
    """A namespace that notes which of its functions meet arrays computed from the inputs."""

    module: Any
    inputs: frozenset[str]  # names of the input arrays
    prefix: str = ""
    seen: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.module, name)
        if name in ("linalg", "fft") and not self.prefix:
            return Watched(found, self.inputs, f"{name}.", self.seen, self.called)
        if not callable(found) or isinstance(found, type):
            return found

        def noted(*args: Any, **kwargs: Any) -> Any:
            self.called.add(self.prefix + name)
            if any(self.inputs & set(a.dask.layers) for a in _arrays((args, tuple(kwargs.values())))):
                self.seen.add(self.prefix + name)
            return found(*args, **kwargs)

        return noted


def _arrays(tree: Any) -> Iterator[Any]:
    if isinstance(tree, da.Array):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for entry in tree:
            yield from _arrays(entry)


def watched(*inputs: Any) -> Watched:
    """dask.array, noting the functions that are called with arrays computed from these."""
    return Watched(da, frozenset(x.name for x in inputs))
