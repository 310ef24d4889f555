"""What docs/linalg.md says: its program prints what stands beside it, its counts are those of the graphs."""

import contextlib
import io
import re
from pathlib import Path

import dask.array as da
import pytest

import dagsolve as ds
from dagsolve.linalg.tiled import factor, inverse, substitution

TEXT = (Path(__file__).parents[2] / "docs" / "linalg.md").read_text()
TILES = (10, 20, 40)


def test_the_program_prints_what_it_says():
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    promised = re.findall(r"^print\(.*\)  # (.*)$", program, re.MULTILINE)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(program, "docs/linalg.md", "exec"), {})
    assert shown.getvalue().splitlines() == promised
    assert len(promised) == program.count("print(") == 5


def calls(result, *given):
    """Tasks of a lazy result that call something, without those of what was given."""
    known = set().union(*(x.dask for x in given))
    return sum(
        not isinstance(task, tuple) or callable(task[0])
        for key, task in dict(result.dask).items()
        if key not in known
    )


def keys(result, *given):
    """Keys of a lazy result's graph, names of other tasks among them, without those of what was given."""
    return len(set(result.dask).difference(*(x.dask for x in given)))


def matrix(p):
    return da.ones((2 * p, 2 * p), chunks=2)


def vector(p):
    return da.ones(2 * p, chunks=2)


def column(p):
    return da.ones((2 * p, 1), chunks=(2, 1))


def tasks(loop, *makers):
    found = []
    for p in TILES:
        given = [make(p) for make in makers]
        found.append(keys(loop(*given), *given))
    return " / ".join(f"{n:,}" for n in found)


COUNTED = {
    "cholesky": lambda: tasks(lambda a: factor.cholesky(a, calls=1), matrix),
    "solve_triangular": lambda: tasks(
        lambda t, b: substitution.solve_triangular(t, b, calls=1), matrix, column
    ),
    "inv\\(assume_a": lambda: tasks(lambda c: inverse.cholesky_inverse(c, calls=1), matrix),
    "lu": lambda: tasks(lambda a: ds.linalg.lu(a, p_indices=True)[2], matrix),
    "solve": lambda: tasks(lambda a, b: ds.linalg.solve(a, b), matrix, column),
}
DASKS = {
    "cholesky": lambda: tasks(lambda a: da.linalg.cholesky(a, lower=True), matrix),
    "solve_triangular": lambda: tasks(lambda t, b: da.linalg.solve_triangular(t, b), matrix, vector),
    "lu": lambda: tasks(lambda a: da.linalg.lu(a)[2], matrix),
    "solve": lambda: tasks(lambda a, b: da.linalg.solve(a, b), matrix, vector),
}


def row(name):
    (line,) = re.findall(rf"^\| `{name}`.*$", TEXT.replace('="pos")', ""), re.MULTILINE)[:1]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", COUNTED)
def test_tasks_of_our_loops(name):
    assert row(name)[2] == COUNTED[name]()


@pytest.mark.parametrize("name", DASKS)
def test_tasks_of_dasks_loops(name):
    assert row(name)[4] == DASKS[name]()


@pytest.mark.parametrize("p", TILES)
def test_cholesky_takes_the_tasks_of_the_textbook(p):
    """p(p+1)(p+2)/6 calls, a task each; and p(p-1)/2 names for one tile of zeros."""
    a = matrix(p)
    l = factor.cholesky(a, calls=1)
    textbook = p * (p + 1) * (p + 2) // 6
    assert calls(l, a) == textbook + 1
    assert len(l.dask.layers[l.name]) == textbook + 1 + p * (p - 1) // 2


def test_calls_on_small_tiles_share_tasks():
    a = da.ones((8000, 8000), chunks=200)
    said = int(re.findall(r"200 × 200 at p = 40: ([\d,]+)\)", TEXT)[0].replace(",", ""))
    assert calls(factor.cholesky(a), a) - 1 == said


@pytest.mark.parametrize("p", [1, 2, 5, 8])
@pytest.mark.parametrize("calls_per_task", [1, 100])
def test_critical_path_of_cholesky(p, calls_per_task):
    """3p - 2 tasks, one call each; 2p - 1 where each tile is finished in one task."""
    l = factor.cholesky(matrix(p), calls=calls_per_task)
    layer = dict(l.dask.layers[l.name])
    depth: dict[object, int] = {}
    for key, task in layer.items():  # in the order of the loop: what a task reads stands before it
        if callable(task[0]):
            depth[key] = 1 + max((depth.get(read, 0) for read in task[1:]), default=0)
    assert max(depth.values()) == (3 * p - 2 if calls_per_task == 1 else 2 * p - 1)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (5, 1), (4, 3)])
def test_tasks_of_substitution(p, q):
    """p q solves and q p(p-1)/2 products; 2p - 1 of them in a row."""
    t, b = matrix(p), da.ones((2 * p, 2 * q), chunks=2)
    x = substitution.solve_triangular(t, b, calls=1)
    assert calls(x, t, b) == p * q + q * p * (p - 1) // 2
