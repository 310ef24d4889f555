"""The JSON of a stored graph: its tables, inputs and outputs, and what the column files hold.

Its checksum is that of the one canonical text of its content, so no single changed character goes unseen;
a file that was written on purpose with a right checksum is still taken apart entry by entry.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dagsolve.errors import GraphError, StorageError
from dagsolve.graph.columns import Columns, Params, Scope
from dagsolve.graph.params import decoded, encoded, is_plain, plain_dtype
from dagsolve.specs import Spec, spec

FORMAT, VERSION = "dagsolve graph", 1
_LARGEST = 2**63 - 1  # id, length or bytes of an array


class ColumnFile(NamedTuple):
    """What the file of a column holds."""

    dtype: str
    length: int
    checksum: str  # of the whole file, hexadecimal


class Place(NamedTuple):
    """Where the bytes of a constant are."""

    value: int
    offset: int
    order: str  # "C" or "F"


class Document(NamedTuple):
    """Everything in `graph.json`."""

    files: Mapping[str, ColumnFile]  # by column
    names: tuple[str, ...]
    params: tuple[Params, ...]
    scopes: tuple[Scope, ...]
    specs: tuple[Spec, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[Place, ...]


def document_text(
    columns: Columns,
    inputs: Sequence[int],
    outputs: Sequence[int],
    files: Mapping[str, ColumnFile],
    constants: Sequence[Place],
) -> str:
    """The text of `graph.json`, in ASCII.

    Raises GraphError for a param or dtype that has no form on file.
    """
    body = {
        "files": {name: list(file) for name, file in files.items()},
        "names": list(columns.names),
        "params": [_encoded_params(entry) for entry in columns.param_table],
        "scopes": [list(scope) for scope in columns.scope_table],
        "specs": [_encoded_spec(of) for of in columns.specs],
        "inputs": [int(v) for v in inputs],
        "outputs": [int(v) for v in outputs],
        "constants": [list(place) for place in constants],
    }
    try:
        text = _canonical(body)
    except (ValueError, RecursionError) as fault:
        raise GraphError(f"Graph.save: the params cannot be written as JSON: {fault}") from None
    start = f'{{"format":"{FORMAT}","version":{VERSION},"checksum":"{_checksum(text)}","graph":'
    return f"{start}{text}}}\n"


def read_document(content: bytes) -> Document:
    """What the text of `graph.json` says.

    Raises StorageError for a foreign file, another version, a changed character or an impossible entry.
    """
    try:
        body = _body(json.loads(content.decode("ascii"), parse_constant=_refuse))
        return Document(
            {str(name): _file(*entry) for name, entry in body["files"].items()},
            tuple(_names(body["names"])),
            tuple(_params(entry) for entry in body["params"]),
            tuple(_scope(*entry) for entry in body["scopes"]),
            tuple(_spec(*entry) for entry in body["specs"]),
            tuple(map(_whole, body["inputs"])),
            tuple(map(_whole, body["outputs"])),
            tuple(_place(*entry) for entry in body["constants"]),
        )
    except (GraphError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as fault:
        raise StorageError(f"graph.json: {fault}") from None


# Each of the following raises ValueError or TypeError for what was never written.


def _body(found: Any) -> dict[str, Any]:
    if type(found) is not dict or found.get("format") != FORMAT:
        raise ValueError(f"it does not say that its format is {FORMAT!r}")
    version = found.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(f"version {version!r:.80} of the format, this dagsolve reads version {VERSION}")
    body = found.get("graph")
    if set(found) != {"format", "version", "checksum", "graph"} or type(body) is not dict:
        raise ValueError("entries are missing, or there are foreign ones")
    if _checksum(_canonical(body)) != found["checksum"]:
        raise ValueError("its checksum differs from the one that was written")
    held = {"files", *Document._fields}
    if set(body) != held:
        raise ValueError(f"it must hold {sorted(held)}, it holds {sorted(body)!r:.200}")
    return body


def _file(dtype: Any, length: Any, checksum: Any) -> ColumnFile:
    if dtype not in ("<i4", "<i8", "<f8", "|u1") or type(checksum) is not str:
        raise ValueError(f"no column is of dtype {dtype!r:.40} with checksum {checksum!r:.40}")
    return ColumnFile(dtype, _whole(length), checksum)


def _names(entries: Any) -> list[str]:
    if not all(type(x) is str for x in entries) or len({*entries}) < len(entries):
        raise ValueError("names must be different strings")
    return list(entries)


def _params(entry: Any) -> Params:
    found = decoded(entry)
    if type(found) is not tuple or not all(
        type(pair) is tuple and len(pair) == 2 and type(pair[0]) is str for pair in found
    ):
        raise ValueError(f"{entry!r:.80} are no params")
    return found


def _scope(function: Any, file: Any, line: Any) -> Scope:
    if type(function) is not str or type(file) is not str or type(line) is not int:
        raise ValueError(f"{[function, file, line]!r:.80} is no scope")
    return Scope(function, file, line)


def _spec(lengths: Any, text: Any) -> Spec:
    shape, dtype = tuple(map(_whole, lengths)), plain_dtype(text)
    if math.prod(shape) * dtype.itemsize > _LARGEST:
        raise ValueError(f"no array has shape {shape} and dtype {dtype}")
    return spec(shape, dtype)


def _place(value: Any, offset: Any, order: Any) -> Place:
    if order not in ("C", "F"):
        raise ValueError(f"{order!r:.80} is no order of an array")
    return Place(_whole(value), _whole(offset), order)


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number <= _LARGEST:
        raise ValueError(f"{number!r:.80} is no id or length")
    return number


def _encoded_params(params: Params) -> Any:
    try:
        return encoded(params)
    except GraphError as fault:
        raise GraphError(f"Graph.save: {fault} (in {params!r:.200})") from None
    except RecursionError:
        raise GraphError(f"Graph.save: params are nested too deep: {params!r:.200}") from None


def _encoded_spec(of: Spec) -> list[Any]:
    if not is_plain(of.dtype):
        raise GraphError(f"Graph.save: dtype {of.dtype!r} has no form on file")
    return [list(of.shape), of.dtype.str]


def _canonical(body: Any) -> str:
    """The one text of a body: equal bodies have equal checksums."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(text: str) -> str:
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
