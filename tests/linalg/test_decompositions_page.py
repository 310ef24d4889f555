"""docs/decompositions.md says what the primitives cost and what they refuse."""

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError
from tests.linalg import decompositions_page
from tests.linalg.decompositions_table import ROWS


def test_the_committed_tables_are_those_of_the_primitives():
    text = decompositions_page.PAGE.read_text()
    assert decompositions_page.page(text) == text, "run python -m tests.linalg.decompositions_page"


@pytest.mark.parametrize("row", [row for row in ROWS if row.refused], ids=lambda row: row.primitive)
def test_what_the_page_says_is_refused_is_refused(row):
    with np.errstate(all="ignore"), pytest.raises(FactorisationError, match=row.message):
        ds.grad(lambda x: np.sum(row.refused(x)), scheduler="sync", progress=False)(row.operand)
