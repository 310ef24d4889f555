"""Params on file are the very same values: types, signs of zeros, NaN; nothing else is understood."""

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given

from dagsolve.errors import GraphError
from dagsolve.graph.params import decoded, encoded, is_plain
from tests.graph.generated import PARAMS, identical


@given(PARAMS)
@example((math.nan, [-math.inf, -0.0], complex(math.inf, math.nan)))
def test_params_come_back_identical(value: Any) -> None:
    text = json.dumps(encoded(value), allow_nan=False)
    assert identical(decoded(json.loads(text)), value)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), [1]), ("1", 1), (None, "null"), ({}, ())]
)
def test_values_that_look_alike_differ_on_file(one: Any, other: Any) -> None:
    assert json.dumps(encoded(one)) != json.dumps(encoded(other))


@pytest.mark.parametrize(
    "value", [Fraction(1, 3), {1, 2}, object(), np.zeros(2), np.dtype([("a", "f8")]), len, np.dtype(object)]
)
def test_other_types_are_refused_by_name(value: Any) -> None:
    with pytest.raises(GraphError, match=f"{type(value).__qualname__}"):
        encoded((value,))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"slice": [0, 1]},
        {"slice": [0, 1, 2], "list": []},
        {"float": "1e3"},
        {"float": 1.0},
        {"dtype": "O"},
        {"dtype": "<f8, <f8"},
        {"dtype": "<f3"},
        {"dtype": ["<f8"]},
        {"complex": [1, 2]},
        {"complex": [1.0]},
        {"scalar": ["<f8", "00"]},
        {"scalar": ["<f8", "zz"]},
        {"scalar": ["|O", "0000000000000000"]},
        {"dict": [[["list"], {"list": []}, 3]]},
        {"dict": [[{"list": []}, 3]]},
        {"dict": {"a": 1}},
        {"list": {"tuple": 3}},
        {"ellipsis": 1},
        {"__class__": "os.system"},
        [1, {"eval": "1"}],
    ],
)
def test_content_that_was_never_written_is_refused(content: Any) -> None:
    with pytest.raises(GraphError):
        decoded(content)


def test_dtypes_whose_name_says_less_than_all_are_not_plain() -> None:
    assert is_plain(np.dtype("M8[ns]"))
    assert not is_plain(np.dtype([("a", "i4")]))
    assert not is_plain(np.dtype("V4"))
