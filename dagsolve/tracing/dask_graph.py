"""The Dask door: tasks of a Dask graph interpreted on tracers.

Chunks that the gradient is asked for become tracers, the function of every task that depends on one runs on
them, and tile-level nodes come out. Tasks that depend on none stay ordinary Dask tasks: where a traced task
reads one, it becomes a constant whose spec is known from its data or its layer, and loading never runs while
tracing. The graph is taken unoptimised, since fusion duplicates work and can swallow a chunk.
"""

import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import getitem
from typing import Any

import numpy as np
import scipy.linalg
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef, convert_legacy_graph
from dask.array.dispatch import (
    concatenate_lookup,
    divide_lookup,
    einsum_lookup,
    numel_lookup,
    take_lookup,
    tensordot_lookup,
)
from dask.highlevelgraph import HighLevelGraph
from dask.utils import apply as apply_legacy
from toolz.functoolz import Compose  # type: ignore[import-untyped]

from dagsolve import linalg
from dagsolve.errors import DagsolveError, UnknownSpecError, UnsupportedError
from dagsolve.linalg.tiled.anchors import Anchored, Group
from dagsolve.primitives.derived import apply, find
from dagsolve.specs import Spec, spec, spec_of
from dagsolve.tracing.anchors import recorded
from dagsolve.tracing.capture import COPY_BYTES
from dagsolve.tracing.dask_functions import DASK_FUNCTIONS
from dagsolve.tracing.record import Recorder
from dagsolve.tracing.tracer import Tracer

Key = Any  # a Dask key: text, or a tuple of text and numbers
_PATCHED = {name: getattr(linalg, name) for name in ("cholesky", "lu", "solve_triangular")}
_PATCH_LOCK = threading.RLock()
_CREATION = (np.full_like, np.zeros_like, np.ones_like, np.full, np.zeros, np.ones, np.eye, np.arange)
_REFUSED = {"_getitem_with_mask", "rechunk_transfer", "rechunk_unpack"}

concatenate_lookup.register(Tracer, np.concatenate)
tensordot_lookup.register(Tracer, np.tensordot)
einsum_lookup.register(Tracer, np.einsum)
take_lookup.register(Tracer, np.take)
divide_lookup.register(Tracer, np.divide)


@numel_lookup.register(Tracer)  # type: ignore[untyped-decorator]
def _numel(x: Tracer, **options: Any) -> Any:
    axis, keepdims = options.get("axis"), options.get("keepdims", False)
    count = np.sum(np.broadcast_to(np.ones(()), x.shape), axis=axis, keepdims=keepdims)
    return np.asarray(count, dtype=options.get("dtype", np.float64))


class ExternalKey:
    """A constant that is the result of an ordinary Dask task."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key


def task_reference(key: Key) -> TaskRef:
    """What stands for a task's result among the arguments of another."""
    return TaskRef(key)


class DaskGraph:
    """An unoptimised Dask graph: its nodes by key, and the specs that its layers declare."""

    def __init__(self, graph: Any) -> None:
        tasks = dict(graph)
        self.nodes: dict[Key, GraphNode] = convert_legacy_graph(tasks)
        for key in tasks.keys() - self.nodes.keys():  # futures of persisted chunks
            self.nodes[key] = DataNode(key, tasks[key])
        layers = graph.layers if isinstance(graph, HighLevelGraph) else {}
        self.groups: dict[Key, Anchored] = {
            key: node.func
            for key, node in self.nodes.items()
            if isinstance(node, Task) and isinstance(node.func, Anchored)
        }
        self._annotations = {name: layer.collection_annotations or {} for name, layer in layers.items()}
        self._specs: dict[Key, Spec | None] = {}
        self._parts: dict[Key, tuple[Spec, ...]] = {}  # of tasks that make several arrays

    def order(self, keys: Sequence[Key]) -> list[Key]:
        """The keys' ancestors and the keys themselves, each after what it depends on."""
        done: dict[Key, None] = {}
        groups: set[Group] = set()  # whose tiles are all done
        stack: list[tuple[Key, bool]] = [(key, False) for key in reversed(keys)]
        while stack:
            key, expanded = stack.pop()
            if key in done:
                continue
            if expanded:
                done[key] = None
                if key in self.groups:
                    groups.add(self.groups[key].group)
                continue
            if key not in self.nodes:
                raise UnknownSpecError(
                    f"key {key!r} is not in the Dask graph: was it built from another collection?"
                )
            stack.append((key, True))
            if key in self.groups and self.groups[key].group in groups:
                continue
            # sorted: sets of texts differ from process to process, and sums would be taken in another order
            stack.extend((d, False) for d in sorted(self.dependencies(key), key=str) if d not in done)
        return list(done)

    def dependencies(self, key: Key) -> Collection[Key]:
        """What a task is interpreted from: what it reads, and of an anchored tile the whole group."""
        anchored = self.groups.get(key)
        return self.nodes[key].dependencies if anchored is None else anchored.group.keys

    def declared_spec(self, key: Key) -> Spec | None:
        """The spec of a task's result, from its data or what its layer declares; None where neither says."""
        if key not in self._specs:
            self._specs[key] = self._declared(key)
        return self._specs[key]

    def _declared(self, key: Key) -> Spec | None:
        node = self.nodes[key]
        if isinstance(node, DataNode):
            value = node.value
            known = hasattr(value, "dtype") or isinstance(value, (int, float, complex))
            return spec_of(value) if known else self._annotated_spec(key)
        if isinstance(node, Alias):
            return self.declared_spec(node.target) or self._annotated_spec(key)
        if key in self.groups:
            (tile,) = node.dependencies
            return self.declared_spec(tile)
        if _makes_constants(node):
            return spec_of(node({}))
        return self._taken_spec(node) or self._abstract_spec(node) or self._annotated_spec(key)

    def _abstract_spec(self, node: GraphNode) -> Spec | None:
        """The spec found by running a task on tracers of what it reads, which loads nothing.

        It goes before the layer's word: Dask lets partial reductions keep the chunks of what they reduce.
        """
        made = self._abstract(node)
        return made.spec if isinstance(made, Tracer) else None

    def _taken_spec(self, node: GraphNode) -> Spec | None:
        """The spec of a result that a task takes out of a tuple of them."""
        if not (isinstance(node, Task) and node.func is getitem and isinstance(node.args[-1], int)):
            return None
        (whole,) = node.dependencies
        if whole not in self._parts:
            made = self._abstract(self.nodes[whole])
            several = isinstance(made, tuple) and all(isinstance(x, Tracer) for x in made)
            self._parts[whole] = tuple(x.spec for x in made) if several else ()
        return self._parts[whole][node.args[-1]] if self._parts[whole] else None

    def _abstract(self, node: GraphNode) -> Any:
        """The result of a task on tracers of what it reads; None where it cannot run on them."""
        operands = {d: self.declared_spec(d) for d in node.dependencies}
        if not operands or any(of is None for of in operands.values()):
            return None
        with Recorder() as scratch:
            try:
                return _run(
                    node.key, node, {d: scratch.input(of) for d, of in operands.items() if of is not None}
                )
            except DagsolveError:
                return None

    def _annotated_spec(self, key: Key) -> Spec | None:
        if not (isinstance(key, tuple) and key and isinstance(key[0], str)):
            return None
        annotations = self._annotations.get(key[0], {})
        chunks, dtype = annotations.get("chunks"), annotations.get("dtype")
        index = key[1:]
        if chunks is None or dtype is None or len(chunks) != len(index):
            return None
        lengths = [lengths[k] for lengths, k in zip(chunks, index, strict=True)]
        if any(n != n for n in lengths):
            raise UnknownSpecError(
                f"key {key!r}: its chunk sizes are unknown (NaN). "
                "Call compute_chunk_sizes() on the Dask array first."
            )
        return spec(lengths, dtype)


def interpret(
    recorder: Recorder,
    graph: DaskGraph,
    outputs: Sequence[Key],
    leaves: Mapping[Key, Tracer],
    scope_of: Callable[[Key], int | None] = lambda key: None,
    apart: Collection[Key] = (),
) -> dict[Key, Any]:
    """Values of the output keys: tracers where they depend on a leaf.

    Keys `apart` get values of their own, also where their tasks hand on a value as it is.
    Raises UnsupportedError naming the task and its function, UnknownSpecError for an operand of unknown
    shape.
    """
    values: dict[Key, Any] = dict(leaves)
    groups: dict[Group, tuple[Any, ...]] = {}
    with _scipy_names():
        for key in graph.order(outputs):
            node = graph.nodes[key]
            if key in values:
                continue
            generator = _generator(node)
            if generator is not None:
                values[key] = recorder.record(find(generator.args[0]), (), generator.keywords)
            anchored = graph.groups.get(key)
            if anchored is not None and anchored.group in groups:
                values[key] = groups[anchored.group][anchored.k]
                continue
            dependencies = graph.dependencies(key)
            if not any(d in values for d in dependencies):
                continue
            read = {d: values[d] if d in values else _outside(recorder, graph, d) for d in dependencies}
            recorder.scope = scope_of(key)
            count = recorder.columns.value_count
            if anchored is None:
                values[key] = _run(key, node, read)
            else:
                made = groups[anchored.group] = recorded(recorder, anchored.group, read.__getitem__)
                values[key] = made[anchored.k]
            if key in apart and values[key].id < count:
                values[key] = values[key] * 1.0
    recorder.scope = None
    return {key: values[key] if key in values else None for key in outputs}


def _run(key: Key, node: GraphNode, read: Mapping[Key, Any]) -> Any:
    name = function_name(node)
    if name in _REFUSED:
        raise UnsupportedError(f"Dask task {key!r} calls {name}, which cannot be traced.")
    if name == "run_program":
        raise UnsupportedError(
            f"Dask task {key!r} is a block of a gradient that dagsolve made, and these are not "
            "differentiated again. Take the second derivative inside of one NumPy function: ds.grad(g)(x) "
            "takes Dask arrays, and g may call ds.grad(f)."
        )
    try:
        return _mapped(node)(read)
    except DagsolveError as fault:
        fault.add_note(f"while tracing Dask task {key!r}, function {name}")
        raise
    except Exception as fault:
        raise UnsupportedError(
            f"Dask task {key!r}: its function {name} cannot run on traced chunks "
            f"({type(fault).__name__}: {fault}). Write the step with dask.array functions that dagsolve "
            "records, or take it out of the differentiated part."
        ) from fault


def function_name(node: GraphNode) -> str:
    """Name of the function that a task calls."""
    func = getattr(node, "func", None)
    func = getattr(node, "kwargs", {}).get("function", func)  # where another only enforces its dtype
    while isinstance(func, functools.partial):
        func = func.func
    return getattr(func, "__name__", type(node).__name__ if func is None else repr(func))


def _mapped(node: GraphNode) -> GraphNode:
    if isinstance(node, Task):
        func = _mapped_function(node.func)
        # elemwise hands the function itself to the one that enforces the result's dtype
        kwargs = {name: _mapped_function(x) if callable(x) else x for name, x in node.kwargs.items()}
        if func is not node.func or any(kwargs[name] is not x for name, x in node.kwargs.items()):
            return Task(node.key, func, *node.args, **kwargs)
    return node


def _mapped_function(func: Any) -> Any:
    if isinstance(func, functools.partial):
        inner = _mapped_function(func.func)
        return func if inner is func.func else functools.partial(inner, *func.args, **func.keywords)
    if isinstance(func, Compose):
        parts = (func.first, *func.funcs)
        mapped = tuple(map(_mapped_function, parts))
        return func if mapped == parts else Compose(mapped[::-1])
    try:
        return _FUNCTIONS.get(func, func)
    except TypeError:  # an unhashable callable
        return func


_ORIGINAL = {name: getattr(scipy.linalg, name) for name in _PATCHED}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{original: _PATCHED[name] for name, original in _ORIGINAL.items()},
    **DASK_FUNCTIONS,
}


def _generator(node: GraphNode) -> Any:
    """The call of one of our generators (zero tiles and the like) that a task is, or None."""
    func = node.func if isinstance(node, Task) and not node.args else None
    return func if isinstance(func, functools.partial) and func.func is apply else None


def _makes_constants(node: GraphNode) -> bool:
    """Whether a task only makes zeros, ones or the like: it is run while tracing, for it loads nothing."""
    if not isinstance(node, Task) or node.dependencies:
        return False
    func = node.args[0] if node.func is apply_legacy else node.func
    return any(func is known for known in _CREATION)


def _is_small(value: Any) -> bool:
    """Whether data in the graph is read as a constant: quantiles' levels, edges of bins, indices."""
    return isinstance(value, np.ndarray) and value.nbytes <= COPY_BYTES


def _outside(recorder: Recorder, graph: DaskGraph, key: Key) -> Any:
    """A value that depends on no leaf: literal data as it is, anything else as a constant read by key."""
    node = graph.nodes[key]
    if isinstance(node, DataNode) and (graph.declared_spec(key) is None or _is_small(node.value)):
        return node.value
    if _makes_constants(node):
        return node({})
    found = graph.declared_spec(key)
    if found is None:
        raise UnknownSpecError(
            f"Dask task {key!r} ({function_name(node)}): the shape and dtype of its result are not known. "
            "Build it with da.from_array, da.from_delayed(shape=…, dtype=…) or da.map_blocks(meta=…)."
        )
    return recorder.external(ExternalKey(key), found)


@contextmanager
def _scipy_names() -> Iterator[None]:
    """`scipy.linalg` names that `dask.array.linalg` looks up at run time, replaced while interpreting."""
    with _PATCH_LOCK:
        for name, ours in _PATCHED.items():
            setattr(scipy.linalg, name, ours)
        try:
            yield
        finally:
            for name, original in _ORIGINAL.items():
                setattr(scipy.linalg, name, original)
