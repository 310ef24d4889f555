"""Factorisations on a GPU: gradients as on the CPU, and failures that raise.

CuPy looks at the status of its solvers only when asked, and returns a half-made factor otherwise.
"""

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError
from dagsolve.namespace import is_host, to_device, to_host
from dagsolve.primitives.cholesky import cholesky
from dagsolve.primitives.eigh import eigh
from dagsolve.primitives.qr import qr
from dagsolve.primitives.solve_triangular import solve_triangular
from dagsolve.sampling import random_array, random_separated, random_spd, random_triangular

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::UserWarning:cupy")]


def of_cholesky(a):
    l = np.linalg.cholesky(a)
    return np.sum(np.real(l) ** 3) + np.sum(np.log(np.abs(np.diagonal(l))))


def of_qr(a):
    """Free of R's signs."""
    q, r = np.linalg.qr(a)
    return np.sum(np.cos(np.abs(r))) + np.sum(np.real(q @ np.conj(q.T)) ** 2 * np.arange(a.shape[0]))


def of_eigh(a):
    w, v = np.linalg.eigh(a)
    return np.sum(np.sin(w)) + np.sum(np.real(v) ** 3)


def of_solve(t, b):
    x = ds.linalg.solve_triangular(t, b, lower=True)
    return np.sum(np.cos(np.real(ds.linalg.solve_triangular(t, x, trans="C", lower=True))))


def problems(rng, dtype):
    yield of_cholesky, (random_spd(rng, n=67, dtype=dtype),)
    for m, n in ((31, 31), (41, 13), (13, 41)):
        yield of_qr, (random_array(rng, m, n, dtype=dtype),)
    yield of_eigh, (random_separated(rng, n=31, dtype=dtype),)
    yield of_solve, (random_triangular(rng, n=67, dtype=dtype), random_array(rng, 67, 5, dtype=dtype))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("options", [{}, {"chunks": 17, "scheduler": "threads"}], ids=["whole", "tiles"])
def test_gradients_equal_numpys(cupy, dtype, options, rng):
    for f, args in problems(rng, dtype):
        everything = tuple(range(len(args)))
        expected = ds.value_and_grad(f, everything, scheduler="sync")(*args)
        value, found = ds.value_and_grad(f, everything, **options)(*map(to_device, args))
        assert float(to_host(value)) == pytest.approx(float(expected[0]), rel=1e-9)
        for x_bar, other in zip(found, expected[1], strict=True):
            assert not is_host(x_bar)
            np.testing.assert_allclose(to_host(x_bar), other, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_indefinite_matrices_raise(cupy, dtype, rng):
    """Also where only the last minor is not positive, and in a stack of which one matrix is at fault."""
    a = random_spd(rng, n=5).astype(dtype)
    late = a.copy()
    late[-1, -1] = -1.0
    for bad in (late, -a, np.stack([a, late, a])):
        with pytest.raises(FactorisationError, match="cholesky: a .* is not positive definite"):
            cholesky(to_device(bad))
    np.testing.assert_allclose(to_host(cholesky(to_device(a))), cholesky(a), rtol=1e-4)


@pytest.mark.parametrize("primitive", [cholesky, qr, eigh], ids=lambda p: p.name)
def test_nan_raises(cupy, primitive):
    for a in (np.full((5, 5), np.nan), np.stack([np.eye(5), np.full((5, 5), np.nan)])):
        with pytest.raises(FactorisationError, match=f"{primitive.name}: a "):
            primitive(to_device(a))


def test_zero_on_the_diagonal_raises(cupy, rng):
    t = random_triangular(rng, 3, n=5)
    t[1, 2, 2] = 0.0
    with pytest.raises(FactorisationError, match=r"solve_triangular: t\[1\] .* at index 2"):
        solve_triangular(to_device(t), to_device(rng.standard_normal((3, 5, 2))))


def test_failure_in_a_traced_function_names_the_users_line(cupy):
    with pytest.raises(FactorisationError, match=r"test_factorisations\.py:"):
        ds.grad(of_cholesky, scheduler="sync")(to_device(-np.eye(5)))


def test_cupys_own_error_state_stays(cupy):
    cupyx = pytest.importorskip("cupyx")
    before = cupyx.geterr()
    with pytest.raises(FactorisationError):
        cholesky(to_device(-np.eye(3)))
    assert cupyx.geterr() == before
