"""BLAS through pointers equals NumPy on every memory layout, and touches nothing else."""

import itertools

import numpy as np
import pytest

from dagsolve.errors import DtypeError, FactorisationError, ShapeError
from dagsolve.kernels import blas
from dagsolve.sampling import random_spd, random_triangular

LAYOUTS = ("rows", "columns", "view of rows", "view of columns")
PAIRS = list(itertools.product(LAYOUTS, repeat=2))
TRIPLES = list(itertools.product(LAYOUTS, repeat=3))
BOOLS = (False, True)
FLOATS = (np.float32, np.float64)
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-13}


def laid_out(a, layout):
    """The matrix in that layout, and the array whose memory it lies in."""
    m, n = a.shape
    if layout in ("rows", "columns"):
        x = np.array(a, order="C" if layout == "rows" else "F")
        return x, x
    frame = np.full((m + 5, n + 7) if layout == "view of rows" else (n + 7, m + 5), 77.0, a.dtype)
    x = frame[2 : 2 + m, 3 : 3 + n] if layout == "view of rows" else frame[3 : 3 + n, 2 : 2 + m].T
    x[...] = a
    return x, frame


def check(x, frame, expected, dtype):
    np.testing.assert_allclose(x, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * 10)
    assert frame is x or np.sum(frame == 77.0) == frame.size - x.size  # the frame around a view is whole


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layouts", TRIPLES, ids="-".join)
def test_gemm(layouts, dtype, rng):
    for m, k, n in ((5, 3, 7), (1, 3, 2), (5, 1, 1), (1, 1, 1), (3, 0, 2)):
        a, b, c = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
        (x, _), (y, _), (z, frame) = (laid_out(*pair) for pair in zip((a, b, c), layouts, strict=True))
        blas.gemm(x, y, z, alpha=-2.0, beta=0.5)
        check(z, frame, 0.5 * c - 2 * a @ b, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layouts", PAIRS, ids="-".join)
def test_syrk_updates_the_lower_triangle(layouts, dtype, rng):
    for n, k in ((5, 3), (3, 7), (1, 2)):
        a, c = (rng.standard_normal(s).astype(dtype) for s in ((n, k), (n, n)))
        (x, _), (z, frame) = laid_out(a, layouts[0]), laid_out(c, layouts[1])
        blas.syrk(x, z, alpha=-1.0)
        check(z, frame, np.tril(c - a @ a.T) + np.triu(c, 1), dtype)


@pytest.mark.parametrize("right", BOOLS)
@pytest.mark.parametrize("layouts", TRIPLES, ids="-".join)
def test_symm_reads_the_lower_triangle(layouts, right, rng):
    m, n = 5, 3
    order = n if right else m
    whole = rng.standard_normal((order, order))
    whole = whole + whole.T
    stored = np.where(np.tri(order, dtype=bool), whole, np.nan)
    b, c = rng.standard_normal((2, m, n))
    (s, _), (x, _), (z, frame) = (laid_out(*pair) for pair in zip((stored, b, c), layouts, strict=True))
    blas.symm(s, x, z, right=right, alpha=-1.0)
    check(z, frame, c - (b @ whole if right else whole @ b), np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layouts", PAIRS, ids="-".join)
def test_trsm_and_trmm_read_their_triangle(layouts, dtype, rng):
    for lower, transposed, right, unit in itertools.product(BOOLS, repeat=4):
        for m, n in ((5, 3), (1, 1)):
            order = n if right else m
            t = random_triangular(rng, n=order, lower=lower).astype(dtype)
            named = np.tri(order, dtype=bool) if lower else np.tri(order, dtype=bool).T
            stored = np.where(named & ~(unit & np.eye(order, dtype=bool)), t, np.nan).astype(dtype)
            if unit:
                t = t - np.diag(np.diag(t)) + np.eye(order, dtype=dtype)
            op = t.T if transposed else t
            b = rng.standard_normal((m, n)).astype(dtype)
            options = {"lower": lower, "transposed": transposed, "right": right, "unit_diagonal": unit}
            (s, _), (x, frame) = laid_out(stored, layouts[0]), laid_out(b, layouts[1])
            blas.trmm(s, x, alpha=2.0, **options)
            check(x, frame, 2 * (b @ op if right else op @ b), dtype)
            blas.trsm(s, x, alpha=0.5, **options)
            check(x, frame, b, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_potrf_leaves_the_upper_triangle(layout, dtype, rng):
    for n in (1, 2, 13):
        a = random_spd(rng, n=n).astype(dtype)
        upper = np.triu(rng.standard_normal((n, n)), 1).astype(dtype)
        x, frame = laid_out(np.tril(a) + upper, layout)
        blas.potrf(x)
        l = np.tril(x)
        check(x, frame, l + upper, dtype)
        np.testing.assert_allclose(l @ l.T, a, rtol=TOLERANCE[dtype] * 10, atol=TOLERANCE[dtype] * 10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_potrf_names_the_leading_minor(layout):
    x, _ = laid_out(np.diag([3.0, 2.0, -1.0, 5.0]), layout)
    with pytest.raises(FactorisationError, match=r"potrf: a \(4, 4\) float64 .* order 3 is not positive"):
        blas.potrf(x)


@pytest.mark.parametrize("place", [(0, 0), (3, 1), (4, 4)])
def test_potrf_refuses_nan(place, rng):
    a = random_spd(rng, n=5)
    a[place] = np.nan
    with pytest.raises(FactorisationError, match=rf"minor of order {place[0] + 1} holds NaN"):
        blas.potrf(a)


def test_inputs_without_unit_stride_are_copied_and_outputs_refused(rng):
    a, c = rng.standard_normal((6, 6))[::2, ::2], np.zeros((3, 3))
    blas.gemm(a, a[::-1], c)
    np.testing.assert_allclose(c, a @ a[::-1], rtol=1e-13)
    with pytest.raises(ShapeError, match="gemm: c is overwritten and must have unit stride"):
        blas.gemm(c, c, a)


def test_disagreeing_operands_are_refused():
    a, low = np.eye(3), np.eye(3, dtype=np.float32)
    with pytest.raises(DtypeError, match="must all be float32 or all float64, got a float64, c float32"):
        blas.syrk(a, low)
    with pytest.raises(ShapeError, match=r"trsm: t must have shape \(2, 2\), got \(3, 3\)"):
        blas.trsm(a, np.ones((2, 5)))
    with pytest.raises(ShapeError, match="potrf: a must be a matrix"):
        blas.potrf(np.ones(3))
    fixed = np.eye(3)
    fixed.flags.writeable = False
    with pytest.raises(DtypeError, match="must be writable"):
        blas.potrf(fixed)


def test_empty_matrices_are_left_alone():
    empty = np.zeros((0, 0))
    blas.potrf(empty)
    blas.syrk(np.zeros((0, 3)), empty)
    blas.trsm(empty, np.zeros((0, 3)))
    blas.gemm(np.zeros((0, 2)), np.zeros((2, 3)), np.zeros((0, 3)))
    blas.symm(np.eye(3), np.zeros((3, 0)), np.zeros((3, 0)))
