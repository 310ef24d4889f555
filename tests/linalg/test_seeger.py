"""The operators of Seeger et al. are what BLAS, NumPy and the paper say, on every kind of array."""

from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import pytest
import scipy.linalg
from scipy.linalg import blas

import dagsolve as ds
from dagsolve import linalg
from dagsolve.errors import FactorisationError, ShapeError
from dagsolve.sampling import random_array, random_separated, random_spd, random_triangular

FLAGS = list(product([False, True], repeat=3))


@pytest.mark.parametrize(("transpose", "right", "lower"), FLAGS)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_triangular_products_and_solutions_are_those_of_blas(transpose, right, lower, dtype, rng):
    a = random_triangular(rng, n=5, lower=lower, dtype=dtype)
    noise = np.triu(np.ones((5, 5)), 1)
    b = random_array(rng, *((3, 5) if right else (5, 3)), dtype=dtype)
    stored = a + (noise if lower else noise.T)
    letter = "z" if dtype == np.complex128 else "d"
    for name in ("trmm", "trsm"):
        peer = getattr(blas, letter + name)
        for unit in (False, True):
            options = {"side": int(right), "lower": int(lower), "trans_a": int(transpose), "diag": int(unit)}
            expected = peer(-1.5, stored, b, **options)
            found = getattr(linalg, name)(stored, b, transpose, right, lower, -1.5, unit_diagonal=unit)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
            lazy = getattr(linalg, name)(
                da.from_array(stored, chunks=2), da.from_array(b, chunks=2), transpose, right, lower, -1.5,
                unit_diagonal=unit,
            )  # fmt: skip
            np.testing.assert_allclose(lazy.compute(scheduler="sync"), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_factorisations_reconstruct_their_matrix(dtype, rng):
    a, wide = random_spd(rng, 2, n=5, dtype=dtype), random_array(rng, 2, 3, 7, dtype=dtype)
    for lower in (True, False):
        f = linalg.potrf(a, lower)
        fh = np.conj(np.swapaxes(f, -1, -2))
        np.testing.assert_allclose(f @ fh if lower else fh @ f, a, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(linalg.potri(f, lower), np.linalg.inv(a), rtol=1e-11, atol=1e-12)
    q, l = linalg.gelqf(wide)
    assert not np.any(np.triu(l, 1))
    np.testing.assert_allclose(l @ q, wide, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(q @ np.conj(np.swapaxes(q, -1, -2)), np.stack([np.eye(3)] * 2), atol=1e-12)
    u, w = linalg.syevd(a)
    np.testing.assert_allclose(
        np.conj(np.swapaxes(u, -1, -2)) @ (w[..., None] * u), a, rtol=1e-11, atol=1e-11
    )
    assert np.all(np.diff(w) > 0)


@pytest.mark.parametrize("lower", [False, True])
def test_upper_factor_reads_the_upper_triangle(lower, rng):
    a = random_spd(rng, n=5)
    stored = np.tril(a) if lower else np.triu(a)
    np.testing.assert_allclose(linalg.potrf(stored, lower), scipy.linalg.cholesky(a, lower=lower), rtol=1e-12)
    np.testing.assert_allclose(linalg.cholesky(stored, lower=lower), scipy.linalg.cholesky(a, lower=lower))
    c = random_array(rng, 5, 5)
    found = ds.grad(lambda a: np.sum(c * linalg.potrf(a, lower)), scheduler="sync")(a)
    np.testing.assert_allclose(found, found.T, rtol=1e-12)
    ds.testing.check_grads(lambda a: linalg.potrf(a, lower), (a,), hermitian=True, order=1, scheduler="sync")


def test_products(rng):
    a, b, c = random_array(rng, 3, 5, dtype=complex), random_array(rng, 7, 5), random_array(rng, 3, 7)
    np.testing.assert_allclose(linalg.syrk(a, alpha=2.0), 2 * a @ a.T)
    np.testing.assert_allclose(linalg.syrk(a, transpose=True), a.T @ a)
    np.testing.assert_allclose(linalg.herk(a), a @ a.conj().T)
    np.testing.assert_allclose(linalg.herk(a, transpose=True, alpha=-1.0), -a.conj().T @ a)
    np.testing.assert_allclose(linalg.gemm2(a, b, transpose_b=True, alpha=3.0), 3 * a @ b.T)
    np.testing.assert_allclose(linalg.gemm2(a, c, transpose_a=True), a.T @ c)
    np.testing.assert_allclose(linalg.gemm(a, b, c, False, True, 3.0, -0.5), 3 * a @ b.T - 0.5 * c)


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("lower", [False, True])
def test_parts_of_matrices_and_back(offset, lower, rng):
    a = random_array(rng, 2, 5, 5)
    below = offset < 0 or (offset == 0 and lower)
    triangle = np.tril(a, offset) if below else np.triu(a, offset)
    indices = np.tril_indices(5, offset) if below else np.triu_indices(5, offset)
    for x in (a, da.from_array(a, chunks=(1, 3, 3))):
        d = linalg.extractdiag(x, offset)
        np.testing.assert_array_equal(d, np.diagonal(a, offset, -2, -1))
        np.testing.assert_array_equal(linalg.makediag(d, offset), a * np.eye(5, k=offset))
        v = linalg.extracttrian(x, offset, lower)
        np.testing.assert_array_equal(v, a[:, *indices])
        np.testing.assert_array_equal(linalg.maketrian(v, offset, lower), triangle)


def test_sum_of_logarithms_is_half_a_log_determinant(rng):
    a = random_spd(rng, 3, n=5)
    np.testing.assert_allclose(2 * linalg.sumlogdiag(linalg.potrf(a)), linalg.logdet(a))


CALLS: dict[str, tuple[Any, Any]] = {
    "potrf": (linalg.potrf, lambda rng: (random_spd(rng, n=3),)),
    "potri": (linalg.potri, lambda rng: (random_triangular(rng, n=3),)),
    "gelqf": (linalg.gelqf, lambda rng: (random_array(rng, 2, 3),)),
    "syevd": (linalg.syevd, lambda rng: (random_separated(rng, n=3),)),
    "trmm": (lambda a, b: linalg.trmm(a, b, True, alpha=2.0), lambda rng: random_array(rng, 2, 3, 3)),
    "trsm": (
        lambda a, b: linalg.trsm(a, b, True, True, alpha=2.0),
        lambda rng: (random_triangular(rng, n=3, dtype=complex), random_array(rng, 2, 3)),
    ),
    "syrk": (linalg.syrk, lambda rng: (random_array(rng, 3, 2, dtype=complex),)),
    "herk": (lambda a: linalg.herk(a, True), lambda rng: (random_array(rng, 3, 2, dtype=complex),)),
    "gemm": (
        lambda a, b, c: linalg.gemm(a, b, c, True, False, 2.0, 0.5),
        lambda rng: random_array(rng, 3, 3, 3),
    ),
    "gemm2": (linalg.gemm2, lambda rng: random_array(rng, 2, 3, 3)),
    "sumlogdiag": (linalg.sumlogdiag, lambda rng: (random_triangular(rng, 2, n=3),)),
    "extractdiag": (lambda a: linalg.extractdiag(a, 1), lambda rng: (random_array(rng, 2, 3, 3),)),
    "makediag": (lambda d: linalg.makediag(d, -2), lambda rng: (random_array(rng, 2, 3),)),
    "extracttrian": (linalg.extracttrian, lambda rng: (random_array(rng, 2, 3, 3),)),
    "maketrian": (lambda v: linalg.maketrian(v, 1), lambda rng: (random_array(rng, 2, 6),)),
}


@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, rng):
    f, draw = CALLS[name]
    args = tuple(draw(rng))
    hermitian = name in ("potrf", "syevd")
    ds.testing.check_grads(f, args, order=1, hermitian=hermitian, scheduler="sync")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linalg.gelqf(np.ones((3, 2))), ShapeError, r"gelqf: a must have .* m <= n, got \(3, 2\)"),
        (lambda: linalg.maketrian(np.ones(5)), ShapeError, r"maketrian: v must have .* got \(5,\)"),
        (lambda: linalg.extractdiag(np.ones((3, 3)), 3), ShapeError, "offset must lie between -2 and 2"),
        (lambda: linalg.extracttrian(np.ones((3, 2))), ShapeError, r"extracttrian: a must have .*\(3, 2\)"),
        (lambda: linalg.potri(np.zeros((2, 2))), FactorisationError, "cholesky_inverse: l .* without zeros"),
        (lambda: linalg.trsm(np.zeros((2, 2)), np.ones((2, 1))), FactorisationError, "without zeros"),
    ],
)
def test_faults_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
