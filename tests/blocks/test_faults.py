"""What a failing block says, and where NumPy's warnings come from."""

import pickle
import warnings

import numpy as np
import pytest

from dagsolve.blocks.evaluate import run_block
from dagsolve.errors import BlockError, FactorisationError
from dagsolve.graph import Scope
from dagsolve.primitive import Primitive
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec
from tests.blocks.recorded import Recorded


def failing(monkeypatch, name, fault):
    def forward(xp, a):
        raise fault

    rule = Primitive(name, "a(n,n) -> y(n,n)", forward, specs=lambda a: (a,))
    monkeypatch.setitem(PRIMITIVES, name, rule)
    r = Recorded()
    return r.block(r(name, r("exp", r.leaf(5, 5, dtype=np.float32))))


def test_fault_names_primitive_operands_and_line(monkeypatch):
    block = failing(monkeypatch, "shattered", IndexError("out of glue"))
    words = r"shattered\(\(5, 5\) float32\) failed: IndexError: out of glue; recorded at model.py:2 in model"
    with pytest.raises(BlockError, match=words) as caught:
        run_block(block, [np.ones((5, 5), np.float32)])
    assert isinstance(caught.value.__cause__, IndexError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_own_errors_keep_their_class(monkeypatch):
    block = failing(monkeypatch, "singular", FactorisationError("singular: a is singular"))
    with pytest.raises(FactorisationError, match=r"a is singular; in singular\(.*recorded at model.py:2"):
        run_block(block, [np.ones((5, 5), np.float32)])


@pytest.mark.parametrize(
    ("given_input", "words"),
    [
        (np.ones((5, 3)), r"input 0 must be \(3, 5\) float64, got \(5, 3\) float64"),
        (np.ones((3, 5), np.float32), r"input 0 must be \(3, 5\) float64, got \(3, 5\) float32"),
        (2.0, r"input 0 must be \(3, 5\) float64, got float"),
    ],
)
def test_input_of_another_spec_is_refused(given_input, words):
    r = Recorded()
    with pytest.raises(BlockError, match=words):
        run_block(r.block(r("exp", r.leaf(3, 5))), [given_input])
    with pytest.raises(BlockError, match="reads 1 values, got 0"):
        run_block(r.block(r("exp", r.inputs[0])), [])


def logarithm_of_zero(file):
    r = Recorded()
    x = r.leaf(3)
    r.columns.scope_table.entries[0] = Scope("model", file, 17)
    y = r.columns.append(
        r.columns.names.add("log"), r.columns.param_table.add(()), 0, 0, (x,), [r.columns.specs.add(spec(3))]
    )
    return r.block(y)


def test_warnings_come_from_the_users_line_once():
    block = logarithm_of_zero("once.py")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            run_block(block, [np.zeros(3)])
    shown = [(w.category, str(w.message), w.filename, w.lineno) for w in caught]
    assert shown == [(RuntimeWarning, "divide by zero encountered in log", "once.py", 17)]


def test_warnings_obey_filters_and_error_states():
    block = logarithm_of_zero("obeys.py")
    with pytest.raises(RuntimeWarning, match="divide by zero encountered in log"):  # this suite's filter
        run_block(block, [np.zeros(3)])
    with np.errstate(divide="ignore"):
        assert np.isneginf(run_block(block, [np.zeros(3)])[0]).all()
    with np.errstate(divide="raise"), pytest.raises(BlockError, match="FloatingPointError: divide by zero"):
        run_block(block, [np.zeros(3)])
    heard = []
    with np.errstate(divide="call", call=lambda kind, flag: heard.append(kind)):
        run_block(block, [np.zeros(3)])
    assert heard == ["divide by zero"]
