"""TileStore is a mapping, keeps its budget, and gives back what it was given."""

import os
import pathlib
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from math import inf

import dask
import dask.array
import dask.threaded
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dagsolve.errors import ArgumentError, StorageError
from dagsolve.storage import TileStore

TILE = 8 * 7 * 11  # bytes of one tile below


def tile(number):
    return np.full((7, 11), float(number))


def files(path):
    return sorted(pathlib.Path(path).rglob("*.npy"))


def same(a, b):
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        alike = type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
        return alike and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


@pytest.mark.parametrize("budget", [None, 0, TILE, 3 * TILE])
def test_it_is_a_mapping(tmp_path, budget):
    """The contract of zict's check_mapping, with tiles for values."""
    with TileStore(tmp_path, budget_bytes=budget) as z:
        assert isinstance(z, MutableMapping)
        assert "TileStore" in repr(z)
        assert not z
        assert list(z) == list(z.keys()) == list(z.values()) == list(z.items()) == []
        z["a"], z["b"] = tile(1), tile(2)
        z["c"] = "no array"
        assert len(z) == 3
        assert list(z) == [k for k, _ in z.items()]
        assert {k: np.max(v) if k != "c" else v for k, v in z.items()} == {"a": 1, "b": 2, "c": "no array"}
        assert "a" in z
        assert "a" in z.keys()
        assert "x" not in z
        assert object() not in z
        with pytest.raises(KeyError):
            z["x"]
        with pytest.raises(KeyError):
            del z["x"]
        z.update({"a": tile(3), "d": (tile(4), tile(5))})
        z.update(iter([("c", tile(6))]))  # from no array to an array
        z.update(b="to no array")
        assert len(z) == 4
        assert same(dict(z), {"a": tile(3), "b": "to no array", "c": tile(6), "d": (tile(4), tile(5))})
        assert same(z.pop("d"), (tile(4), tile(5)))
        assert z.pop("d", None) is None
        del z["a"]
        assert set(z) == {"b", "c"}
        z.clear()
        assert len(z) == 0
        assert z.statistics.ram_bytes == 0
        assert not files(tmp_path)
    assert not os.listdir(tmp_path)


ODD_VALUES = {
    "complex": np.arange(6).reshape(2, 3) * (1 + 2j),
    "Fortran": np.asfortranarray(np.arange(35.0).reshape(5, 7)),
    "strided": np.arange(70.0).reshape(7, 10)[::2, ::-3],
    "0-d": np.array(3.5),
    "float32": np.linspace(0, 1, 13, dtype=np.float32),
    "big-endian": np.arange(5, dtype=">i4"),
    "boolean": np.array([True, False, True]),
    "time": np.array(["2026-11-21", "NaT"], dtype="datetime64[D]"),
    "text": np.array(["a", "bcd"]),
    "empty": np.empty((0, 3)),
    "broadcast": np.broadcast_to(2.0, (1000, 1000)),
    "objects": np.array([{}, None], dtype=object),
    "record": np.zeros(3, dtype=[("a", "f8"), ("b", "i4")]),
    "masked": np.ma.masked_array([1.0, 2.0], [False, True]),
    "mixed": (np.arange(3.0), None, "text", [1, 2]),
    "list": [np.arange(3.0), np.arange(5)],
    "nested": ((np.arange(3.0),), np.arange(2.0)),
    "number": 3.25,
    "none": None,
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_any_value_comes_back_as_it_was(tmp_path, name):
    value = ODD_VALUES[name]
    with TileStore(tmp_path, budget_bytes=0) as z:
        z["k"] = value
        for _ in range(2):
            back = z["k"]
            assert type(back) is type(value)
            if name not in ("masked", "objects"):
                assert same(back, value)
            if isinstance(value, np.ndarray) and value.flags.f_contiguous:
                assert isinstance(back, np.ndarray)
                assert back.flags.f_contiguous  # BLAS takes another path otherwise: not bit-identical
        assert z.statistics.ram_bytes == 0


def test_loaded_arrays_are_the_callers_own(tmp_path):
    with TileStore(tmp_path, budget_bytes=0) as z:
        z["k"] = tile(1)
        z["k"][:] = 7  # a copy of what is on disk
        assert same(z["k"], tile(1))


def test_budget_holds_at_every_moment_and_statistics_add_up(tmp_path, rng):
    with TileStore(tmp_path, budget_bytes=3 * TILE) as z:
        for i in range(10):
            z[i] = tile(i)
            assert z.statistics.ram_bytes <= 3 * TILE
        assert z.statistics.peak_ram_bytes == 3 * TILE
        assert z.statistics.spilled_bytes == 7 * TILE
        assert z.spilled_total == (7 * TILE, 7 * TILE)
        for i in rng.permutation(10):
            assert same(z[i], tile(i))
        assert z.statistics.peak_ram_bytes == 3 * TILE
        z.budget_bytes = TILE
        assert z.statistics.ram_bytes == TILE


def test_value_above_the_budget_goes_to_file_at_once_and_evicts_nobody(tmp_path):
    with TileStore(tmp_path, budget_bytes=3 * TILE) as z:
        z["small"] = tile(1)
        z["large"] = np.ones((29, 31))
        assert list(z.fast) == ["small"]
        assert same(z["large"], np.ones((29, 31)))
        assert list(z.fast) == ["small"]


def test_least_recently_used_goes_first_without_hints(tmp_path):
    with TileStore(tmp_path, budget_bytes=3 * TILE) as z:
        for k in "abc":
            z[k] = tile(1)
        z["a"]
        z["d"] = tile(4)
        assert set(z.fast) == {"a", "c", "d"}


def test_farthest_next_use_goes_first_with_hints(tmp_path):
    with TileStore(tmp_path, budget_bytes=2 * TILE) as z:
        z.set_next_use({"a": [1, 9], "b": [5], "c": [7], "d": [8, 10]})
        z["a"], z["b"] = tile(1), tile(2)
        z["c"] = tile(3)  # used after both: not worth their place
        assert set(z.fast) == {"a", "b"}
        z["a"]  # its next use is now 9
        z["d"] = tile(4)
        assert set(z.fast) == {"b", "d"}
        z["b"]  # no use is left
        z["c"]
        assert set(z.fast) == {"c", "d"}


def test_hints_load_less_than_recency(tmp_path):
    """Two reads forward, as a recomputed sweep does: recency then evicts what is read next."""
    n, room = 23, 7
    loaded = {}
    for hinted in (False, True):
        with TileStore(tmp_path, budget_bytes=room * TILE) as z:
            if hinted:
                z.set_next_use({i: [n + i, 2 * n + i] for i in range(n)})
            for i in range(n):
                z[i] = tile(i)
            for i in [*range(n), *range(n)]:
                assert same(z[i], tile(i))
            loaded[hinted] = z.statistics.loaded_bytes
    assert loaded[False] == 2 * n * TILE  # recency never finds one in RAM
    assert loaded[True] == 2 * (n - room) * TILE  # Belady's rule finds as many as there is room for


def test_clean_tile_is_not_written_twice(tmp_path):
    with TileStore(tmp_path, budget_bytes=TILE) as z:
        z["a"], z["b"] = tile(1), tile(2)
        for _ in range(3):
            z["a"], z["b"] = z["a"], z["b"]
        for _ in range(5):
            z["a"]
            z["b"]
        before = z.statistics.spilled_bytes
        for _ in range(5):
            z["a"]
            z["b"]
        assert z.statistics.spilled_bytes == before


def test_array_shared_by_two_values_is_counted_once(tmp_path):
    """A tuple and a projection of it, as while a block's results are being handed on."""
    with TileStore(tmp_path, budget_bytes=2 * TILE) as z:
        pair = (tile(1), tile(2))
        z["pair"] = pair
        z["first"] = pair[0]
        assert z.statistics.ram_bytes == 2 * TILE
        assert z.statistics.spilled_bytes == 0
        del z["pair"]
        assert z.statistics.ram_bytes == TILE
        del z["first"]
        assert z.statistics.ram_bytes == 0


def test_values_without_arrays_live_in_others(tmp_path):
    others = {"old": tile(1), "text": "x"}
    with TileStore(tmp_path, budget_bytes=0, others=others) as z:
        assert same(z["old"], tile(1))
        z["frame"] = {"column": 1}
        z["text"] = tile(2)
        assert set(others) == {"old", "frame"}
        assert len(z) == 3
        del z["old"]
        assert set(others) == {"frame"}
    assert set(others) == {"frame"}


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        flip_a_byte,
        os.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'broken"),
        lambda path: path.write_bytes(b"\x80\x04K\x01."),  # a pickle is not even opened
    ],
    ids=["flipped bit", "removed", "cut", "emptied", "header", "pickle"],
)
def test_damaged_file_is_named(tmp_path, harm):
    with TileStore(tmp_path, budget_bytes=0) as z:
        z["the key"] = tile(1)
        z["other"] = tile(2)
        harm(files(tmp_path)[0])
        with pytest.raises(StorageError, match=r"key 'the key': .*\.npy \(616 bytes\) is damaged"):
            z["the key"]
        assert same(z["other"], tile(2))
        del z["the key"]
        assert list(z) == ["other"]


def test_refused_write_is_named_and_loses_nothing(tmp_path):
    store = TileStore(tmp_path / "absent", budget_bytes=TILE)
    store["a"] = tile(1)
    with pytest.raises(StorageError, match=r"key 'a': a tile of 616 bytes could not be written to .*absent"):
        store["b"] = tile(2)
    assert same(dict(store), {"a": tile(1)})
    assert store.evict() == -1
    store.close()


def test_evict_moves_one_value_and_says_its_bytes(tmp_path):
    with TileStore(tmp_path) as z:
        assert z.evict() == -1
        z["a"], z["b"] = tile(1), tile(2)
        assert z.evict() == TILE
        assert list(z.fast) == ["b"]


def test_negative_budget_is_refused():
    with pytest.raises(ArgumentError, match="at least 0, got -1"):
        TileStore(budget_bytes=-1)


def test_directory_is_made_at_the_first_spill_and_goes_with_the_store(tmp_path):
    store = TileStore(tmp_path, budget_bytes=TILE)
    store["a"] = tile(1)
    assert not os.listdir(tmp_path)
    store["b"] = tile(2)
    assert files(tmp_path)
    del store
    assert not os.listdir(tmp_path)


def test_many_threads_on_one_store(tmp_path):
    """Own keys behave as in a dictionary of one's own; the budget holds for all together."""
    with TileStore(tmp_path, budget_bytes=5 * TILE) as z:

        def work(who):
            for i in range(60):
                z[who, i % 7] = tile(100 * who + i)
                assert same(z[who, i % 7], tile(100 * who + i))
                if i % 3 == 0:
                    del z[who, i % 7]
                    assert (who, i % 7) not in z
                assert len(z) <= 28
                for _ in z:
                    pass

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, who) for who in range(4)]:
                done.result()
        assert z.statistics.peak_ram_bytes <= 5 * TILE


def test_dask_threads_compute_through_a_bounded_store(tmp_path, rng):
    a = rng.standard_normal((53, 53))
    x = dask.array.from_array(a, chunks=11)
    y = (x @ x.T + x).sum(axis=0)
    with TileStore(tmp_path, budget_bytes=20 * 11 * 11 * 8) as z:
        keys = y.__dask_keys__()
        parts = dask.threaded.get(dict(y.__dask_graph__()), keys, cache=z)
        np.testing.assert_allclose(np.concatenate(parts), (a @ a.T + a).sum(axis=0), rtol=1e-12)
        assert z.statistics.spilled_bytes > 0
        assert len(z) >= len(keys)


class StoreAgainstDict(RuleBasedStateMachine):
    """Whatever is done to it, a store answers as a dictionary does, within its budget."""

    keys = st.integers(0, 5)

    def __init__(self):
        super().__init__()
        self.store, self.model = TileStore(budget_bytes=3 * TILE), {}

    @rule(
        key=keys,
        numbers=st.lists(st.integers(0, 99), min_size=1, max_size=3),
        kind=st.sampled_from("alts"),
    )
    def put(self, key, numbers, kind):
        tiles = [tile(n) for n in numbers]
        value = {"a": tiles[0], "l": tiles, "t": tuple(tiles), "s": numbers}[kind]
        self.store[key] = self.model[key] = value

    @rule(key=keys, other=keys)
    def share(self, key, other):
        if key in self.model:
            self.store[other] = self.model[other] = self.store[key]

    @rule(key=keys)
    def get(self, key):
        assert same(self.store.get(key), self.model.get(key))

    @rule(key=keys)
    def remove(self, key):
        assert (key in self.store) == (key in self.model)
        assert same(self.store.pop(key, None), self.model.pop(key, None))

    @rule(key=keys, moments=st.lists(st.integers(0, 50), max_size=3))
    def hint(self, key, moments):
        self.store.set_next_use({key: sorted(moments)})

    @rule(tiles=st.integers(0, 9))
    def budget(self, tiles):
        self.store.budget_bytes = None if tiles == 9 else tiles * TILE

    @rule()
    def evict(self):
        self.store.evict()

    @invariant()
    def agree(self):
        assert set(self.store) == set(self.model)
        held = self.store.statistics.ram_bytes
        assert held <= (self.store.budget_bytes if self.store.budget_bytes is not None else held)
        tiles = {id(a): a.nbytes for e in self.store._entries.values() if e.in_ram for a in e.items}
        assert held == sum(tiles.values())

    @invariant()
    def next_to_go(self):
        """The queue's answer is that of a search through all values in RAM."""
        entries, uses = self.store._entries, self.store._next_use
        ranks = {k: (-(uses.get(k) or [inf])[0], e.used) for k, e in entries.items() if e.in_ram}
        assert self.store._farthest() == min(ranks, key=ranks.__getitem__, default=None)

    def teardown(self):
        self.store.close()


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
