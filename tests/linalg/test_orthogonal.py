"""QR, LQ and SVD by SciPy's signatures: its results on plain arrays, and gradients through every door."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
import scipy.linalg

import dagsolve as ds
from dagsolve.errors import ArgumentError, FactorisationError, UnsupportedError
from dagsolve.sampling import random_array

SHAPES = [(5, 5), (7, 3), (3, 7)]


def same(found, expected):
    assert len(found) == len(expected)
    for y, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pivoting", [False, True])
def test_qr_equals_scipys(shape, dtype, pivoting, rng):
    a = random_array(rng, *shape, dtype=dtype)
    kept = a.copy()
    for mode in ("economic", "r", *(("full",) if shape[0] <= shape[1] else ())):
        options: dict[str, Any] = {"mode": mode, "pivoting": pivoting}
        found = ds.linalg.qr(a, overwrite_a=True, check_finite=False, lwork=99, **options)
        same(found, scipy.linalg.qr(a, **options))
    np.testing.assert_array_equal(a, kept)
    default = ds.linalg.qr(a) if shape[0] <= shape[1] else ds.linalg.qr(a, mode="economic")
    same(default, scipy.linalg.qr(a, mode="economic"))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
def test_lq_is_the_mirror_of_qr(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    q, r = scipy.linalg.qr(np.conj(a.T), mode="economic")
    same(ds.linalg.lq(a, overwrite_a=True, check_finite=False), (np.conj(r.T), np.conj(q.T)))
    q, r, p = scipy.linalg.qr(np.conj(a.T), mode="economic", pivoting=True)
    same(ds.linalg.lq(a, pivoting=True), (np.conj(r.T), np.conj(q.T), p))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
def test_svd_equals_scipys_up_to_signs(shape, dtype, rng):
    a = random_array(rng, *shape, dtype=dtype)
    expected = scipy.linalg.svd(a, full_matrices=False)
    u, s, vh = ds.linalg.svd(
        a, full_matrices=shape[0] == shape[1], lapack_driver="gesvd", overwrite_a=True, check_finite=False
    )
    np.testing.assert_allclose(s, expected[1], rtol=1e-13)
    np.testing.assert_allclose((u * s) @ vh, a, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(np.abs(u), np.abs(expected[0]), rtol=1e-10, atol=1e-12)
    for values in (
        ds.linalg.svdvals(a, overwrite_a=True, check_finite=False),
        ds.linalg.svd(a, compute_uv=False),
    ):
        np.testing.assert_allclose(values, expected[1], rtol=1e-13)


def test_whole_numbers_are_taken(rng):
    a = rng.integers(-9, 9, (5, 3))
    same(ds.linalg.qr(a, mode="economic"), scipy.linalg.qr(a, mode="economic"))
    same(ds.linalg.qr(a, mode="economic", pivoting=True), scipy.linalg.qr(a, mode="economic", pivoting=True))
    np.testing.assert_allclose(ds.linalg.svdvals(a), scipy.linalg.svdvals(a), rtol=1e-13)


def test_pivots_tell_the_rank_of_a_plain_array(rng):
    a = rng.standard_normal((7, 2)) @ rng.standard_normal((2, 5))
    _, r, p = ds.linalg.qr(a, mode="economic", pivoting=True)
    assert np.sum(np.abs(np.diagonal(r)) > 1e-10) == 2
    np.testing.assert_array_equal(p, scipy.linalg.qr(a, mode="r", pivoting=True)[1])
    with pytest.raises(FactorisationError, match="pivoted_qr: a .* must have full rank"):
        ds.grad(lambda a: np.sum(ds.linalg.qr(a, mode="economic", pivoting=True)[0]), scheduler="sync")(a)


PROGRAMS = {
    "qr": lambda a: ds.linalg.qr(a, mode="economic"),
    "r": lambda a: ds.linalg.qr(a, mode="r"),
    "np.r": lambda a: np.linalg.qr(a, mode="r"),
    "pivoted": lambda a: ds.linalg.qr(a, mode="economic", pivoting=True)[:2],
    "pivoted r": lambda a: ds.linalg.qr(a, mode="r", pivoting=True)[0],
    "lq": ds.linalg.lq,
    "pivoted lq": lambda a: ds.linalg.lq(a, pivoting=True)[:2],
    "svd": lambda a: ds.linalg.svd(a, full_matrices=False),
    "np.svd": lambda a: tuple(y**2 for y in np.linalg.svd(a, full_matrices=False)),  # without signs
    "svdvals": ds.linalg.svdvals,
    "np.svdvals": lambda a: (np.linalg.svdvals(a), np.linalg.svd(a, compute_uv=False)),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_derivatives_through_the_public_names(program, shape, rng):
    a = rng.standard_normal(shape) + 2 * np.eye(*shape)
    ds.testing.check_grads(program, (a,), order=1, scheduler="sync")


@pytest.mark.parametrize("name", ["qr", "r", "pivoted", "lq", "svd", "svdvals"])
def test_chunks_change_nothing(name, rng):
    a = rng.standard_normal((7, 5))

    def f(a):
        made = PROGRAMS[name](a)
        return sum(np.sum(np.sin(y) ** 2) for y in (made if isinstance(made, tuple) else (made,)))

    expected = ds.grad(f, scheduler="sync")(a)
    np.testing.assert_allclose(ds.grad(f, chunks=3, scheduler="sync")(a), expected, rtol=1e-9, atol=1e-10)
    lazy = da.from_array(a, chunks=(7, 5))
    for y, other in zip(PROGRAMS["qr"](lazy), PROGRAMS["qr"](a), strict=True):
        np.testing.assert_allclose(y.compute(scheduler="sync"), other, rtol=1e-12, atol=1e-13)


def test_numpys_named_tuple_of_svd(rng):
    value, _ = ds.vjp(np.linalg.svd, rng.standard_normal((3, 3)))
    assert type(value) is type(np.linalg.svd(np.eye(2)))


def test_factors_without_a_derivative_are_refused_with_the_reason(rng):
    deep = rng.standard_normal((5, 3))
    for refused in (
        lambda a: ds.linalg.qr(a),
        lambda a: ds.linalg.qr(a, pivoting=True),
        lambda a: ds.linalg.svd(a),
        lambda a: np.linalg.svd(a),
        lambda a: np.linalg.qr(a, mode="complete"),
    ):
        with pytest.raises(UnsupportedError, match="that complete .* have no derivative"):
            ds.grad(lambda a, refused=refused: np.sum(refused(a)[0]))(deep)
    for name in ("schur", "qz", "hessenberg", "null_space", "orth"):
        with pytest.raises(UnsupportedError, match=f"^{name}: has no derivative, since .* Use "):
            getattr(ds.linalg, name)(np.eye(3), np.eye(3))
    with pytest.raises(UnsupportedError, match="hermitian=True"):
        ds.grad(lambda a: np.linalg.svd(a, hermitian=True)[1][0])(np.eye(3))
    with pytest.raises(ArgumentError, match="lapack_driver must be"):
        ds.linalg.svd(np.eye(3), lapack_driver="gesdx")
