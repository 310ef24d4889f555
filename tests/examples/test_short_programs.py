"""Every short program of the examples runs, learns if it learns, and draws a picture that one can read."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

QUICK = (
    "gp_ard",
    "pca_lda_cca",
    "least_squares",
    "sparse_gp",
    "dimensions",
    "deep_kernel",
    "mlp_blr",
    "deep_gp",
)
LONGER = (
    "kalman",
    "bayesian_regression",
    "tensor_train",
    "design",
)  # their mathematics is tested beside this
LINES = 60  # that are not blank


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LONGER)])
def test_program_learns_and_draws(name, program, tmp_path, capsys):
    program(name).main(["--output", str(tmp_path), "--iterations", "3"])
    for start, end in re.findall(r"(\S+) at the start, (\S+) after", capsys.readouterr().out):
        assert float(end) < float(start)
    picture = imread(tmp_path / f"{name}.png")
    assert min(picture.shape[:2]) > 300
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


@pytest.mark.parametrize("name", QUICK + LONGER)
def test_program_is_short_and_in_the_index(name):
    lines = (EXAMPLES / f"{name}.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LINES
    assert f"[{name}.py]({name}.py)" in (EXAMPLES / "README.md").read_text()
