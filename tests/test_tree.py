"""Containers taken apart and put together again."""

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

from dagsolve.tree import flatten, paths, unflatten

Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Kernel:
    scale: object
    lengths: list[object]


@dataclasses.dataclass
class Model:
    kernel: Kernel
    noise: object = 0.5
    cached: object = dataclasses.field(default=None, init=False, compare=False)


VALUES = [
    1.0,
    [1.0, (2.0, [3.0])],
    {"b": 1.0, "a": {"c": [2.0]}},
    OrderedDict([("b", 1.0), ("a", 2.0)]),
    defaultdict(float, {"a": 1.0}),
    Point(1.0, Point(2.0, [3.0])),
    Kernel(1.0, [2.0, 3.0]),
    Model(Kernel(1.0, [2.0, 3.0]), {"n": Kernel(4.0, [])}),
    [],
    (),
    {},
    None,
    [None, 1.0],
    "text",
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_leaves_put_back_give_the_value(value):
    leaves, structure = flatten(value)
    assert all(not isinstance(x, (list, tuple, dict)) and not dataclasses.is_dataclass(x) for x in leaves)
    again = unflatten(structure, leaves)
    assert again == value
    assert type(again) is type(value)
    assert len(paths(value)) == len(leaves)
    assert flatten(again)[1] == structure


def test_leaves_are_replaced_where_they_stand():
    leaves, structure = flatten(VALUES[7])
    made = unflatten(structure, [10 * x for x in leaves])
    assert made == Model(Kernel(10.0, [20.0, 30.0]), {"n": Kernel(40.0, [])})


def test_paths_name_leaves():
    assert paths({"a": [1.0, Kernel(2.0, [3.0])]}) == [
        "['a'][0]",
        "['a'][1]['scale']",
        "['a'][1]['lengths'][0]",
    ]
    assert paths(np.ones(3)) == [""]


def test_arrays_and_none_are_leaves():
    x = np.ones((2, 3))
    leaves, structure = flatten({"x": x, "none": None})
    assert any(leaf is x for leaf in leaves)
    assert None in [leaf for leaf in leaves if not isinstance(leaf, np.ndarray)]
    assert flatten({"x": None, "none": x})[1] == structure  # what a leaf is does not matter


def test_different_containers_differ():
    structures = [
        flatten(value)[1]
        for value in ([1.0], (1.0,), {"a": 1.0}, {"b": 1.0}, Point(1.0, 2.0), Kernel(1.0, []))
    ]
    assert all(a != b for k, a in enumerate(structures) for b in structures[:k])


def test_a_class_of_dataclass_is_a_leaf():
    assert flatten([Kernel])[0] == [Kernel]
