"""Graphs as directories: one `.npy` file per column, mapped when opened, and `graph.json` for the rest.

    graph.json      format, version, checksum, and: names, params, scopes, specs, inputs, outputs, which
                    constants are stored where, and dtype, shape and checksum of every column
    NAME.npy        a column of the graph: 4 bytes per entry where all ids fit, else 8
    constants.npy   the bytes of captured constants one after the other, each at a multiple of 64

A directory is there whole or not at all: it is written beside its place and renamed. Nothing is unpickled,
and no primitive is looked up: a stored graph opens without the rules.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dagsolve.errors import ArgumentError, GraphError, StorageError
from dagsolve.graph import npy
from dagsolve.graph.columns import Columns, Ints
from dagsolve.graph.document import ColumnFile, Place, document_text, read_document
from dagsolve.graph.laws import broken_law, is_permutation
from dagsolve.graph.params import is_plain
from dagsolve.specs import spec

CONSTANT_BYTES = 1 << 26  # of captured constants that a file takes along, unless told otherwise

_IDS = ("primitive", "params", "scope", "sweep", "indptr", "operands", "first_value", "spec")
_OTHERS = ("labels", "weight", "constants")  # where there are any
_FILES = frozenset(("graph.json", *(name + ".npy" for name in (*_IDS, *_OTHERS))))
_ALIGNMENT = 64


class Stored(NamedTuple):
    """What a directory holds: the fields of a `Graph`."""

    columns: Columns
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    captured: Mapping[int, Any]
    labels: Ints | None
    weight: npt.NDArray[Any] | None


def write_graph(
    path: str | os.PathLike[str], stored: Stored, overwrite: bool, constant_bytes: int | None
) -> None:
    """Writes the directory.

    Raises ArgumentError when the path is taken, or is taken by something else than a stored graph that
    may be overwritten; GraphError for a broken law or a param that has no form on file; StorageError when
    the disk refuses.
    """
    target = _real_path("Graph.save", path)
    law = broken_law(stored.columns, stored.inputs, stored.outputs)
    if law is not None:
        raise GraphError(f"Graph.save: {law}")
    _check_free(target, overwrite)
    beside = f"{target}.{secrets.token_hex(6)}"
    try:
        os.mkdir(beside + ".part")
        try:
            _write_files(beside + ".part", stored, constant_bytes)
            _sync(beside + ".part")
            if os.path.lexists(target):
                os.rename(target, beside + ".old")
            try:
                os.rename(beside + ".part", target)
            except OSError:
                if os.path.lexists(beside + ".old"):
                    os.rename(beside + ".old", target)
                raise
            _sync(os.path.dirname(target))
        finally:
            shutil.rmtree(beside + ".part", ignore_errors=True)
        shutil.rmtree(beside + ".old", ignore_errors=True)
    except OSError as fault:
        raise StorageError(
            f"Graph.save: {target} could not be written: {fault}; free space there, or name another path"
        ) from fault


def read_graph(path: str | os.PathLike[str], verify: bool) -> Stored:
    """The graph of a directory, its columns mapped from the files.

    Raises StorageError naming the file and what is wrong with it.
    """
    target = _real_path("open_graph", path)
    try:
        directory = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        raise StorageError(f"open_graph: {target} is no stored graph: {fault.strerror}") from None
    try:
        return _read(directory, verify)
    except (GraphError, StorageError) as fault:
        raise StorageError(
            f"open_graph: {target} cannot be used: {fault}. Take another copy of it, or save the graph again."
        ) from None
    finally:
        os.close(directory)


# Writing


def _write_files(folder: str, stored: Stored, constant_bytes: int | None) -> None:
    c = stored.columns
    ids: dict[str, npt.NDArray[Any]] = {name: getattr(c, name) for name in _IDS}
    if stored.labels is not None:
        ids["labels"] = stored.labels
    top = max((int(column.max()) for column in ids.values() if len(column)), default=0)
    width = "<i4" if top < 2**31 else "<i8"
    files = {name: _write_column(folder, name, column, width) for name, column in ids.items()}
    if stored.weight is not None:
        kind = "<i8" if stored.weight.dtype.kind in "biu" else "<f8"
        files["weight"] = _write_column(folder, "weight", stored.weight, kind)
    arrays, places, size = _placed_constants(stored, constant_bytes)
    if places:
        path = os.path.join(folder, "constants.npy")
        files["constants"] = ColumnFile(
            "|u1", size, npy.write(path, np.dtype("|u1"), (size,), _pieces(arrays))
        )
    text = document_text(c, stored.inputs, stored.outputs, files, places)
    with open(os.path.join(folder, "graph.json"), "x", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_column(folder: str, name: str, column: npt.NDArray[Any], dtype: str) -> ColumnFile:
    array = np.ascontiguousarray(column, dtype=dtype)
    checksum = npy.write(os.path.join(folder, name + ".npy"), array.dtype, (len(array),), (array,))
    return ColumnFile(dtype, len(array), checksum)


def _placed_constants(stored: Stored, limit: int | None) -> tuple[list[npt.NDArray[Any]], list[Place], int]:
    """The constants to store, the smallest first, where each goes, and the bytes of all."""
    c = stored.columns
    found = []
    for value, constant in stored.captured.items():
        # Tracers, references to tasks and arrays on a device mean something in this process only.
        if isinstance(constant, (np.ndarray, np.generic)) and is_plain(constant.dtype):
            array = np.asarray(constant)
            if spec(array.shape, array.dtype) is c.specs[c.spec[value]]:
                found.append((array.nbytes, int(value), array))
    arrays, places, end = [], [], 0
    for nbytes, value, array in sorted(found, key=lambda row: row[:2]):
        if limit is not None and end + nbytes > limit:
            break
        by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
        arrays.append(array.T if by_columns else array)
        places.append(Place(value, end, "F" if by_columns else "C"))
        end += nbytes + -nbytes % _ALIGNMENT
    return arrays, places, end


def _pieces(arrays: Sequence[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
    for array in arrays:
        yield np.ascontiguousarray(array)
        yield np.zeros(-array.nbytes % _ALIGNMENT, dtype=np.uint8)


def _check_free(target: str, overwrite: bool) -> None:
    """Raises ArgumentError for a path that may not be written."""
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise ArgumentError(
            f"Graph.save: path {target} exists; name another one, or pass overwrite=True to replace a graph"
        )
    held = set(os.listdir(target)) if os.path.isdir(target) else {"a file"}
    if held and not ("graph.json" in held and held <= _FILES):  # whatever else it is, it is not ours
        raise ArgumentError(
            f"Graph.save: path {target} holds something else than a stored graph; name another one, or "
            "remove it yourself"
        )


def _sync(folder: str) -> None:
    """Makes the names in a folder reach the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


# Reading


def _read(directory: int, verify: bool) -> Stored:
    document = read_document(bytes(npy.content_of(directory, "graph.json")))
    if not set(_IDS) <= set(document.files) <= {*_IDS, *_OTHERS}:
        raise StorageError(
            f"graph.json: it must tell of the columns {', '.join(_IDS)}; it tells of "
            f"{', '.join(sorted(document.files)) or 'none'}"
        )
    found = {name: _column(directory, name, file, verify) for name, file in document.files.items()}
    columns = Columns(
        found["primitive"], found["params"], found["scope"], found["sweep"],
        found["indptr"], found["operands"], found["first_value"], found["spec"],
        document.names, document.params, document.scopes, document.specs,
    )  # fmt: skip
    law = broken_law(columns, document.inputs, document.outputs)
    if law is not None:
        raise StorageError(f"the columns do not belong together: {law}")
    labels, weight = found.get("labels"), found.get("weight")
    if labels is not None and not is_permutation(labels, len(columns.primitive)):
        raise StorageError("labels.npy: it does not number the nodes")
    if weight is not None and len(weight) != len(columns.operands):
        raise StorageError(f"weight.npy: {len(weight):,} weights for {len(columns.operands):,} edges")
    captured = _constants(columns, found.get("constants"), document.constants)
    return Stored(columns, document.inputs, document.outputs, captured, labels, weight)


def _column(directory: int, name: str, file: ColumnFile, verify: bool) -> npt.NDArray[Any]:
    allowed = {"weight": ("<f8", "<i8"), "constants": ("|u1",)}.get(name, ("<i4", "<i8"))
    if file.dtype not in allowed:
        raise StorageError(
            f"graph.json: column {name} must be of dtype {' or '.join(allowed)}, not {file.dtype}"
        )
    checksum = file.checksum if verify else None
    return npy.mapped(directory, name + ".npy", np.dtype(file.dtype), (file.length,), checksum)


def _constants(
    columns: Columns, packed: npt.NDArray[Any] | None, places: Sequence[Place]
) -> dict[int, npt.NDArray[Any]]:
    captured: dict[int, npt.NDArray[Any]] = {}
    for value, offset, order in places:
        if packed is None or value >= len(columns.spec) or value in captured:
            raise StorageError(f"constants.npy: there is no constant {value} at byte {offset}")
        of = columns.specs[columns.spec[value]]
        if offset % _ALIGNMENT or offset + of.nbytes > len(packed):
            raise StorageError(f"constants.npy: constant {value}, {of}, is not at byte {offset}")
        captured[value] = np.ndarray(
            of.shape, of.dtype, buffer=packed.data, offset=offset, order="F" if order == "F" else "C"
        )
    return captured


# Both


def _real_path(who: str, path: Any) -> str:
    try:
        return os.path.realpath(os.fsdecode(path))
    except (TypeError, ValueError) as fault:
        raise ArgumentError(f"{who}: path must be a path, got {path!r:.80} ({fault})") from None
