"""Damaged, foreign and forged files are refused by name, at once; nothing crashes, hangs or loads wrongly."""

import hashlib
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import GraphError, StorageError
from dagsolve.graph import Graph, npy, open_graph

Files = dict[str, bytes]
DAMAGED = 10_000


@pytest.fixture
def stored(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A small graph with every kind of file: labels and weights, too."""

    def f(x: Any, y: Any) -> Any:
        return np.sum(np.exp(x[1:, ::2] * 3.5) * np.array([[0.5, 1.5]])) + y

    graph = ds.trace(f, rng.normal(size=(3, 3)), 1.0)
    weight = rng.normal(size=graph.edge_count)
    labels = np.arange(len(graph))[::-1].copy()
    Graph(graph.columns, graph.inputs, graph.outputs, graph.captured, labels, weight).save(tmp_path / "g")
    return tmp_path / "g"


def read(path: Path) -> Files:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def write(path: Path, files: Files, before: Files) -> None:
    """Makes the directory hold these files; those that it held before are known."""
    for name in before.keys() | files.keys():
        if name not in files:
            (path / name).unlink()
        elif before.get(name) != files[name]:
            (path / name).write_bytes(files[name])


def answers(graph: Graph) -> tuple[Any, ...]:
    """Everything that the files say, by way of compiled passes too."""
    n = len(graph)
    return (
        graph.digest,
        {value: array.tobytes() for value, array in graph.captured.items()},
        None if graph.labels is None else graph.labels.tolist(),
        None if graph.weight is None else graph.weight.tolist(),
        graph.levels().tolist(),
        graph.ancestors(n - 1).tolist() if n else [],
        graph.descendants(0).tolist() if n else [],
        graph.critical_path(1.0).nodes.tolist(),
        graph.solve(np.ones(n), 0.5).tolist(),
        [str(node) for node in graph.nodes()],
    )


# Damage: from the files of a graph to others, without a checksum made right


def flipped_bits(files: Files, rng: np.random.Generator) -> Files:
    name = some(files, rng)
    content = bytearray(files[name])
    for _ in range(rng.integers(1, 4)):
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return {**files, name: bytes(content)}


def truncated(files: Files, rng: np.random.Generator) -> Files:
    name = some(files, rng)
    return {**files, name: files[name][: rng.integers(len(files[name]))]}


def extended(files: Files, rng: np.random.Generator) -> Files:
    name = some(files, rng)
    return {**files, name: files[name] + rng.bytes(int(rng.integers(1, 65)))}


def overwritten(files: Files, rng: np.random.Generator) -> Files:
    """A stretch of zeros, as after a crash of the machine."""
    name = some(files, rng)
    start, length = int(rng.integers(len(files[name]))), int(rng.integers(1, 65))
    content = files[name][:start] + bytes(length) + files[name][start + length :]
    return {**files, name: content[: len(files[name])]}


def swapped(files: Files, rng: np.random.Generator) -> Files:
    a, b = rng.choice(sorted(files), 2, replace=False).tolist()
    return {**files, a: files[b], b: files[a]}


def missing(files: Files, rng: np.random.Generator) -> Files:
    name = some(files, rng)
    return {other: content for other, content in files.items() if other != name}


def edited(files: Files, rng: np.random.Generator) -> Files:
    """JSON with another entry, the checksum as it was."""
    found = json.loads(files["graph.json"])
    change(found["graph"], rng)
    return {**files, "graph.json": json.dumps(found).encode()}


def forged(files: Files, rng: np.random.Generator) -> Files:
    """JSON with other entries and a right checksum: somebody meant it."""
    found = json.loads(files["graph.json"])
    for _ in range(rng.integers(1, 4)):
        change(found["graph"], rng)
    return {**files, "graph.json": signed(found["graph"])}


def forged_column(files: Files, rng: np.random.Generator) -> Files:
    """Another number in a column, all checksums right."""
    name = some({n: c for n, c in files.items() if n.endswith(".npy")}, rng)
    content = bytearray(files[name])
    width = 8 if name == "weight.npy" else 4
    at = len(content) - width * int(rng.integers(1, 1 + (len(content) - 128) // width))
    number = int(rng.choice([-(2**31), -1, 0, 1, 2, 3, 7, 10**6, 2**31 - 1]))
    content[at : at + 4] = number.to_bytes(4, "little", signed=True)
    found = json.loads(files["graph.json"])
    found["graph"]["files"][name[:-4]][2] = hashlib.blake2b(content, digest_size=16).hexdigest()
    return {**files, name: bytes(content), "graph.json": signed(found["graph"])}


DAMAGES: tuple[Callable[[Files, np.random.Generator], Files], ...] = (
    flipped_bits, flipped_bits, truncated, extended, overwritten, swapped, missing, edited,
)  # fmt: skip
FORGERIES = (forged, forged_column)
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 10**6, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, "", "add", "<f8", "|O", "F",
    [], {}, [[]], [0], {"slice": [0]}, {"list": [1]}, {"dtype": "<i8"}, {"float": "nan"},
)  # fmt: skip


def some(files: Files, rng: np.random.Generator) -> str:
    return str(rng.choice(sorted(files)))


def signed(body: Any) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    checksum = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    head = {"format": "dagsolve graph", "version": 1, "checksum": checksum}
    return json.dumps({**head, "graph": body}).encode()


def change(body: Any, rng: np.random.Generator) -> None:
    """Replaces, removes or doubles an entry somewhere in the JSON."""
    at = body
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            if isinstance(at, list):
                at.append(0)
            return
        key = keys[rng.integers(len(keys))]
        if isinstance(at[key], (dict, list)) and rng.random() < 0.8:
            at = at[key]
            continue
        kind = rng.integers(4)
        if kind == 0:
            del at[key]
        elif kind == 1 and isinstance(at, list):
            at.insert(key, at[key])
        elif kind == 2 and isinstance(at[key], int):
            at[key] += int(rng.choice([-1, 1]))
        else:
            at[key] = deepcopy(ODD[rng.integers(len(ODD))])
        return


def graph_or_refusal(path: Path, verify: bool) -> Graph | str:
    try:
        return open_graph(path, verify=verify)
    except StorageError as fault:
        return str(fault)


def test_ten_thousand_damaged_graphs(stored: Path, rng: np.random.Generator) -> None:
    """Damage is refused, whatever it is; a forgery is refused or is a lawful graph; by errors of ours."""
    whole = read(stored)
    expected = answers(open_graph(stored))
    results: Counter[str] = Counter()
    held = whole
    for k in range(DAMAGED):
        damage = (*DAMAGES, *FORGERIES)[k % (len(DAMAGES) + len(FORGERIES))]
        files = damage(whole, rng)
        write(stored, files, held)
        held = files
        graph = graph_or_refusal(stored, verify=damage not in FORGERIES or k % 20 < 10)
        if isinstance(graph, str):
            assert graph.startswith(f"open_graph: {stored} cannot be used: ")
            assert any(name in graph for name in (*whole, "columns"))
            results[damage.__name__ + " refused"] += 1
        elif damage in FORGERIES:
            answers(graph.check())
            results[damage.__name__ + " lawful"] += 1
        else:  # not damaged at all: a bit flipped twice, 1e-9 as 1E-9, equal files swapped
            assert answers(graph) == expected
            results[damage.__name__ + " harmless"] += 1
    for damage in (*DAMAGES, *FORGERIES):
        assert results[damage.__name__ + " refused"] > 100
    assert results["missing harmless"] + results["extended harmless"] == 0
    assert results["forged_column lawful"] > 0


def test_unverified_damage_of_columns_stays_lawful(stored: Path, rng: np.random.Generator) -> None:
    """Without checksums wrong numbers may come in, but none that a compiled pass would follow outside."""
    whole = read(stored)
    held, opened = whole, 0
    for _ in range(500):
        files = {**flipped_bits(whole, rng), "graph.json": whole["graph.json"]}
        write(stored, files, held)
        held = files
        try:
            graph = open_graph(stored, verify=False)
        except StorageError:
            continue
        answers(graph)
        opened += 1
    assert opened > 0


# Foreign things


def replaced(stored: Path, name: str, content: bytes) -> None:
    (stored / name).write_bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "graph.json: it has 0 bytes"),
        (b"[" * 100_000, "graph.json: "),
        (b"[" * 100_000 + b"]" * 100_000, "graph.json: "),
        (b'{"format": NaN}', "graph.json: NaN is no JSON"),
        (b"9" * 10_000, "graph.json: "),
        (b"\xff\xfe", "graph.json: .*ascii"),
        (b"[]", "graph.json: it does not say that its format is 'dagsolve graph'"),
        (b'{"format": "zarr"}', "graph.json: it does not say that its format is 'dagsolve graph'"),
        (b'{"format": "dagsolve graph", "version": 2}', "graph.json: version 2 of the format, .* version 1"),
        (b'{"format": "dagsolve graph", "version": true}', "graph.json: version True"),
        (b'{"format": "dagsolve graph", "version": 1, "graph": {}}', "graph.json: entries are missing"),
    ],
    ids=range(11),
)
def test_foreign_json_is_refused(stored: Path, content: bytes, words: str) -> None:
    replaced(stored, "graph.json", content)
    with pytest.raises(StorageError, match=words):
        open_graph(stored)


def pickled(stored: Path, name: str) -> bytes:
    """A `.npy` file of objects, of the size that is expected: loading it would run code."""
    start = b"\x93NUMPY\x01\x00"
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    size = (stored / name).stat().st_size
    head = head.ljust(117) + b"\n"
    return (start + len(head).to_bytes(2, "little") + head + pickle.dumps([print])).ljust(size, b"\0")[:size]


@pytest.mark.parametrize("verify", [True, False])
def test_pickles_are_not_loaded(stored: Path, verify: bool) -> None:
    replaced(stored, "operands.npy", pickled(stored, "operands.npy"))
    with pytest.raises(StorageError, match=r"operands\.npy: it does not begin as a \.npy file of int32"):
        open_graph(stored, verify=verify)


def test_column_of_another_dtype_is_refused_though_its_size_is_right(stored: Path) -> None:
    column = np.load(stored / "sweep.npy")
    np.save(stored / "sweep.npy", column.view(np.float32))
    with pytest.raises(StorageError, match=r"sweep\.npy: it does not begin as a \.npy file of int32"):
        open_graph(stored, verify=False)


def test_pipe_in_the_place_of_a_file_does_not_hang(stored: Path) -> None:
    for name in ("operands.npy", "graph.json"):
        (stored / name).unlink()
        os.mkfifo(stored / name)
        with pytest.raises(StorageError, match=f"{name}: it is not a regular file"):
            open_graph(stored)


def test_folder_in_the_place_of_a_file_is_refused(stored: Path) -> None:
    (stored / "spec.npy").unlink()
    (stored / "spec.npy").mkdir()
    with pytest.raises(StorageError, match=r"spec\.npy: it is not a regular file"):
        open_graph(stored)


def test_huge_claims_are_compared_with_the_file_before_anything_is_made(stored: Path) -> None:
    body = json.loads((stored / "graph.json").read_bytes())["graph"]
    for name in ("primitive", "params", "scope", "sweep"):
        body["files"][name][1] = 2**62
    replaced(stored, "graph.json", signed(body))
    with pytest.raises(StorageError, match=r"\.npy: it has \d+ bytes where 18,446,744,073,709,551,744 are"):
        open_graph(stored)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [1, 2, 3], [0, 1, 2, 3]])
def test_labels_must_number_the_nodes(labels: list[int], tmp_path: Path) -> None:
    columns = Graph.from_edges([0, 1], [1, 2]).columns
    Graph(columns, (), (), labels=np.array(labels)).save(tmp_path / "g")
    with pytest.raises(StorageError, match=r"labels\.npy: it does not number the nodes"):
        open_graph(tmp_path / "g")


def test_weights_must_be_those_of_the_edges(tmp_path: Path) -> None:
    columns = Graph.from_edges([0, 1], [1, 2]).columns
    Graph(columns, (), (), weight=np.ones(3)).save(tmp_path / "g")
    with pytest.raises(StorageError, match=r"weight\.npy: 3 weights for 2 edges"):
        open_graph(tmp_path / "g")


@pytest.mark.parametrize(("inputs", "outputs"), [((3,), ()), ((), (0, 3)), ((-1,), ())])
def test_inputs_and_outputs_must_be_values(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match="graph: an input or output is not a value of the graph"):
        Graph(Graph.from_edges([0, 1], [1, 2]).columns, inputs, outputs).check()


@pytest.mark.parametrize("what", ["nothing", "file", "empty folder"])
def test_what_is_no_directory_of_a_graph_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "g"
    if what == "file":
        path.write_bytes(b"")
    elif what == "empty folder":
        path.mkdir()
    with pytest.raises(
        StorageError, match=r"open_graph: .*/g (is no stored graph|cannot be used: graph.json)"
    ):
        open_graph(path)


def test_header_is_that_of_numpy(tmp_path: Path) -> None:
    """What is compared with a file's first bytes is what NumPy reads, for any shape."""
    for dtype, shape in (("<i4", (0,)), ("<i8", (10**12,)), ("<f8", ()), ("|u1", (2, 3))):
        (tmp_path / "h").write_bytes(npy.header(np.dtype(dtype), shape))
        with open(tmp_path / "h", "rb") as file:
            assert np.lib.format.read_magic(file) == (1, 0)
            assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype(dtype))
            assert file.tell() % 64 == 0
            assert file.read() == b""


@pytest.mark.parametrize(
    ("column", "at", "number", "words"),
    [
        ("indptr", 0, 1, "indptr does not describe"),
        ("indptr", -1, 2, "indptr does not describe"),
        ("first_value", 1, 0, "a node without values"),
        ("primitive", 2, 1, "column primitive reaches out of its table of 1 entries"),
        ("spec", 0, -1, "column spec reaches out"),
        ("sweep", 1, -1, "column sweep holds a negative"),
        ("operands", 0, 4, "an operand is not a value of the graph: node 1"),
        ("operands", 0, -1, "an operand is not a value of the graph: node 1"),
        ("operands", 1, 2, "an edge does not go from a lower to a higher node: node 2"),
        ("sweep", 0, 1, "a node reads a value of a later sweep: node 1"),
    ],
)
def test_broken_law_is_named(column: str, at: int, number: int, words: str) -> None:
    """
    0 → 1 → 2 → 3, with one number changed.
    """
    columns = Graph.from_edges([0, 1, 2], [1, 2, 3]).columns
    broken = getattr(columns, column).copy()
    broken[at] = number
    with pytest.raises(GraphError, match=f"graph: .*{words}"):
        Graph(replace(columns, **{column: broken}), (), ()).check()
