"""docs/measurements.md says what the results under benchmarks/results say."""

from benchmarks import page


def test_page_is_made_of_the_kept_results() -> None:
    assert page.PAGE.read_text() == page.text(), "run python -m benchmarks.page"
    assert page.PICTURE.exists()
