"""Every short program of the examples runs, learns if it learns, and draws a picture that one can read."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

PROGRAMS = (
    "kalman", "bayesian_regression", "gp_ard", "pca_lda_cca", "least_squares", "sparse_gp", "tensor_train",
    "dimensions", "design", "deep_kernel", "mlp_blr", "deep_gp",
)  # fmt: skip
LINES = 70


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_learns_and_draws(name, program, tmp_path, capsys):
    program(name).main(["--output", str(tmp_path), "--iterations", "3"])
    for start, end in re.findall(r"(\S+) at the start, (\S+) after", capsys.readouterr().out):
        assert float(end) < float(start)
    picture = imread(tmp_path / f"{name}.png")
    assert min(picture.shape[:2]) > 300
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_short_and_in_the_index(name, program):
    file = program(name).__file__
    with open(file) as lines:
        assert len(list(lines)) <= LINES
