"""Degenerate matrices through every decomposition: a derivative is finite, refused by name, or warned of.

What NumPy warns of (a division by zero, an overflow) is told too; what is neither finite nor told is a fault.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import dagsolve as ds
from dagsolve.errors import FactorisationError, GaugeWarning, ShapeError

L, N = ds.linalg, 4
RNG = np.random.default_rng(20261121)
LEFT, RIGHT = RNG.standard_normal((N, N)), RNG.standard_normal((N, N))


def of_values(*s: float) -> Any:
    u, v = np.linalg.qr(LEFT)[0], np.linalg.qr(RIGHT)[0]
    return (u * np.array(s)) @ v


def symmetric_of_values(*w: float) -> Any:
    u = np.linalg.qr(LEFT)[0]
    return (u * np.array(w)) @ u.T


MATRICES: dict[str, Any] = {
    "zeros": np.zeros((N, N)),
    "ones": np.ones((N, N)),
    "identity": np.eye(N),
    "minus the identity": -np.eye(N),
    "nilpotent": np.eye(N, k=1),
    "defective": np.eye(N) + np.eye(N, k=1),
    "signs": np.sign(LEFT),
    "a column of zeros": LEFT * [1.0, 1, 0, 1],
    "the same rows": LEFT[[0, 1, 1, 3]],
    "rank one": np.outer(LEFT[0], RIGHT[0]),
    "rank three": of_values(3, 2, 1, 0),
    "equal singular values": of_values(2, 2, 1, 1),
    "nearly singular": of_values(1, 1, 1, 1e-13),
    "projector": symmetric_of_values(1, 1, 0, 0),
    "equal eigenvalues": symmetric_of_values(2, 2, 2, 1),
    "nearly equal eigenvalues": symmetric_of_values(2, 2 + 1e-13, 2 + 1e-9, 1),
    "indefinite": symmetric_of_values(2, 1, -1, -2),
    "uneven columns": LEFT * np.logspace(-90, 90, N),
    "uneven rows": LEFT * np.logspace(-30, 30, N)[:, None],
    "skew": LEFT - LEFT.T,
    "subnormal": LEFT * 1e-310,
}
SIDES = np.cos(np.arange(2.0 * N)).reshape(N, 2)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "cholesky": L.cholesky, "logdet": L.logdet, "potri": L.potri, "det": L.det, "inv": L.inv, "pinv": L.pinv,
    "slogdet": lambda a: L.slogdet(a)[1], "positive": lambda a: L.solve(a, SIDES, assume_a="pos"),
    "solve": lambda a: L.solve(a, SIDES), "hermitian": lambda a: L.solve(a, SIDES, assume_a="her"),
    "triangular": lambda a: L.solve_triangular(a, SIDES), "lu": lambda a: L.lu(a, permute_l=True),
    "lu_solve": lambda a: L.lu_solve(L.lu_factor(a), SIDES), "qr": np.linalg.qr, "lq": L.lq,
    "r": lambda a: L.qr(a, mode="r"), "pivoted": lambda a: L.qr(a, mode="economic", pivoting=True)[:2],
    "pivoted lq": lambda a: L.lq(a, pivoting=True)[:2], "lstsq": lambda a: L.lstsq(a, SIDES)[0],
    "deep lstsq": lambda a: L.lstsq(a[:, :2], SIDES)[:2],
    "wide lstsq": lambda a: L.lstsq(a[:2], SIDES[:2])[0],
    "svd": L.svd, "svdvals": L.svdvals, "eigh": L.eigh, "eigvalsh": L.eigvalsh, "eig": L.eig,
    "eigvals": L.eigvals, "pair": lambda a: L.eigh(a, a @ np.conj(a.T)), "expm": lambda a: L.expm(np.cos(a)),
    "sqrtm": L.sqrtm, "polar": L.polar, "root": lambda a: L.funm_psd(a, np.sqrt, lambda w: 0.5 / np.sqrt(w)),
    "sylvester": lambda a: L.solve_sylvester(a, np.conj(a.T), LEFT),
    "lyapunov": lambda a: L.solve_discrete_lyapunov(a, LEFT),
    "toeplitz": lambda a: L.solve_toeplitz((a[:, 0], a[0]), SIDES), "power": lambda a: L.matrix_power(a, -2),
    **{f"norm {p}": partial(L.norm, ord=p) for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)},
    **{f"cond {p}": partial(L.cond, p=p) for p in (2, -2, 1)},
    **{f"norms {p}": partial(L.norm, ord=p, axis=0) for p in (None, 0, 1, 2, 3, 0.5, -1, -2, -np.inf)},
}  # fmt: skip
OVERFLOWING = ("uneven columns", "uneven rows", "subnormal")  # products of such numbers may be no numbers


def weighed(results: Any) -> Any:
    """A real function of all results, that no symmetry leaves without a derivative."""
    results = results if isinstance(results, tuple) else (results,)
    total: Any = 0.0
    for k, y in enumerate(results):
        weights = np.sin(1.0 + k + np.arange(y.size)).reshape(y.shape)
        total = total + np.sum(np.real(y) * weights)
    return total


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_degenerate_matrices(name, dtype):
    for matrix, a in MATRICES.items():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                value, gradient = ds.value_and_grad(
                    lambda a: weighed(FUNCTIONS[name](a)), scheduler="sync", progress=False
                )(a.astype(dtype))
            except FactorisationError:
                continue
        finite = np.isfinite(value) and np.all(np.isfinite(gradient))
        assert {w.category for w in told} <= {GaugeWarning, RuntimeWarning}, matrix
        assert finite or (matrix in OVERFLOWING and told), (matrix, value, gradient)


def test_factors_that_are_not_square_are_refused():
    with pytest.raises(ShapeError, match=r"lu_solve: lu must have shape \(\.\.\., n, n\), got \(3, 2\)"):
        L.lu_solve(L.lu_factor(np.ones((3, 2))), np.ones(3))
