"""`ds.degenerate`: one word says what is done where a derivative depends on a choice left open."""

import pickle
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client

import dagsolve as ds
from dagsolve.errors import ArgumentError, FactorisationError, GaugeError, GaugeWarning

A, C = np.eye(5), np.sin(np.arange(25.0)).reshape(5, 5)
HERE = "test_gauge.py"


def vectors(a):
    return np.sum(C * np.linalg.eigh(a)[1])  # the line of the warning


def space(a):
    v = np.linalg.eigh(a)[1]
    return np.sum(C * (v @ v.T))


LINE = vectors.__code__.co_firstlineno + 1
OPTIONS = [
    {"scheduler": "sync"},
    {"scheduler": "threads"},
    {"scheduler": "sync", "chunks": 3},
    {"scheduler": "threads", "chunks": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_warning_stands_at_the_users_line_and_says_how_much(options):
    gradient = ds.grad(vectors, **options)
    with pytest.warns(GaugeWarning, match=r"eigh: eigenvalues .* equal to .* of the cotangent") as caught:
        gradient(A)
    assert {(w.filename.endswith(HERE), w.lineno) for w in caught} == {(True, LINE)}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_word_does_what_it_says(options):
    gradient = ds.grad(vectors, **options)
    with ds.degenerate("ignore"):
        ignored = gradient(A)
    with ds.degenerate("raise"), pytest.raises(GaugeError, match=rf"equal to rounding.*{HERE}:{LINE}"):
        gradient(A)
    with pytest.warns(GaugeWarning):
        warned = gradient(A)
    np.testing.assert_array_equal(ignored, warned)
    with ds.degenerate("raise"):
        np.testing.assert_allclose(ds.grad(space, **options)(A), 0, atol=1e-14)


def test_the_innermost_word_counts_and_is_undone():
    gradient = ds.grad(vectors, scheduler="sync")
    with ds.degenerate("ignore"):
        with ds.degenerate("raise"), pytest.raises(GaugeError):
            gradient(A)
        gradient(A)
    with pytest.warns(GaugeWarning):
        gradient(A)
    with pytest.raises(ArgumentError, match="policy must be one of warn, raise, ignore, got 'error'"):
        with ds.degenerate("error"):
            pass


def test_under_w_error_the_warning_is_raised_with_the_line():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scheduler in ("sync", "threads"):
            with pytest.raises(GaugeWarning) as failure:
                ds.grad(vectors, scheduler=scheduler)(A)
            assert f"{HERE}:{LINE}" in failure.value.__notes__[0]


def test_the_size_is_relative_to_the_cotangent():
    """Half of what is asked of two vectors is their rotation: V̄ = E₀₁ against its skew part."""
    for scale in (1e-200, 1.0, 1e200):
        with pytest.warns(GaugeWarning, match=r"and 1 of the cotangent"):
            ds.grad(lambda a, scale=scale: scale * np.linalg.eigh(a)[1][0, 1], scheduler="sync")(np.eye(2))


def test_batches_are_named():
    a = np.stack([np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 2.0, 2.0])])
    with ds.degenerate("raise"), pytest.raises(GaugeError, match=r"eigenvalues of a\[1\] 2 and 2"):
        ds.grad(lambda a: np.sum(C[:3, :3] * np.linalg.eigh(a)[1]), scheduler="sync")(a)


def test_classes():
    assert issubclass(GaugeError, FactorisationError)
    assert issubclass(GaugeWarning, UserWarning)
    for kind in (GaugeError, GaugeWarning):
        assert str(pickle.loads(pickle.dumps(kind("a text")))) == "a text"


def test_second_derivatives_are_told_where_they_are_not_known():
    """The first derivative of a projector at a double eigenvalue is exact; for a second one the two vectors
    would have to be turned along the direction, and nobody knows by how much."""
    a, c = np.diag([1.0, 1.0, 3.0]), C[:3, :3] + np.eye(3)

    def f(a):
        v = np.linalg.eigh(a)[1][:, :2]
        return np.sum(c * (v @ v.T))

    with ds.degenerate("raise"):
        ds.grad(f, scheduler="sync")(a)
        with pytest.raises(GaugeError):
            ds.grad(lambda a: np.sum(C[:3, :3] * ds.grad(f)(a)), scheduler="sync")(a)


def noisy(a, x):
    return vectors(a) + np.sum(np.log(x))


@pytest.fixture(scope="module")
def client(two_processes):
    with Client(two_processes) as client:
        yield client


def test_warnings_of_workers_reach_the_line_of_the_user(client):
    x = np.array([0.0, 1.0])
    gradient = ds.grad(noisy, argnums=(0, 1), scheduler=client)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gradient(A, x)
    found = {(w.category, w.filename.endswith(HERE), w.lineno) for w in caught}
    line = noisy.__code__.co_firstlineno + 1
    assert {(GaugeWarning, True, LINE), (RuntimeWarning, True, line)} <= found
    with np.errstate(divide="ignore", invalid="ignore"), ds.degenerate("ignore"):
        gradient(A, x)  # every warning is an error here
    with np.errstate(divide="raise"), ds.degenerate("ignore"):
        with pytest.raises(FloatingPointError, match=rf"divide by zero.*{HERE}:{line}"):
            gradient(A, x)
    with ds.degenerate("raise"), pytest.raises(GaugeError, match=rf"{HERE}:{LINE}"):
        gradient(A, x)


def test_lazy_gradients_warn_where_they_are_computed():

    d = da.from_array(A, chunks=3)
    y = da.sum(C * ds.linalg.eigh(d)[1])
    with ds.degenerate("raise"):
        lazy = ds.gradients(y, d)
    with dask.config.set(scheduler="sync"), pytest.raises(GaugeError):
        lazy.compute()
    with dask.config.set(scheduler="sync"), pytest.warns(GaugeWarning, match="eigh: eigenvalues"):
        ds.gradients(y, d).compute()


def test_forward_mode_tells_since_it_cannot_know():
    a, direction = np.diag([1.0, 1.0, 3.0]), np.ones((3, 3))
    for f, value in ((lambda a: np.linalg.eigh(a)[1], "eigh"), (lambda a: np.linalg.svd(a)[0], "svd")):
        with ds.degenerate("raise"), pytest.raises(GaugeError, match=rf"{value}: .* of the tangent"):
            ds.jvp(f, (a,), (direction,), scheduler="sync")
        with ds.degenerate("raise"):
            ds.jvp(f, (a,), (np.diag([1.0, 2.0, 3.0]),), scheduler="sync")  # turns nothing
