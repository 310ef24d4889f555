"""The page of covered functions says what the programs show."""

from tests.dask_programs import coverage


def test_the_page_is_what_the_programs_show() -> None:
    assert coverage.PAGE.read_text() == coverage.text(), "run python -m tests.dask_programs.coverage"


def test_no_function_has_two_classes() -> None:
    public = set(coverage.public())
    classes = (coverage.CONSTANT, coverage.LEAVES, coverage.OUTSIDE)
    assert sum(map(len, classes)) == len(set().union(*classes))
    assert set().union(*classes) <= public
