"""Products of arrays, and dask.array.linalg."""

from typing import Any

import autograd.scipy.linalg as asl

from tests.dask_programs.program import Program

SQUARE: Any = {"shapes": ((6, 6), (6,)), "chunks": (((2, 2, 2), (2, 2, 2)), ((2, 2, 2),))}
TALL: Any = {"shapes": ((11, 5), (5,)), "chunks": (((3, 1, 7), (5,)), ((2, 3),))}
WIDE: Any = {"shapes": ((5, 11), (11,)), "chunks": (((5,), (5, 6)), ((2, 9),))}


def triangular(np: Any, x: Any) -> tuple[Any, Any]:
    """Q and R of a deep matrix, R with a positive diagonal: autograd has no rule for QR."""
    r = np.transpose(np.linalg.cholesky(x.T @ x))
    return np.transpose(np.linalg.solve(np.transpose(r), np.transpose(x))), r


def signless(np: Any, factors: Any, y: Any) -> Any:
    """A function of the factors that does not change with the signs of their columns and rows."""
    q, r = factors
    return np.sum(np.abs(r) ** 3) + np.sum((q * q[0]) ** 3 @ y)


PROGRAMS = {
    "matmul": Program(lambda np, x, y: np.sum(np.sin(x.T @ x) @ y) + np.sum(np.matmul(x, y) ** 2), free=True),
    "batched matmul": Program(
        lambda np, x, y: np.sum(np.matmul(np.reshape(x, (1, 11, 7)), np.reshape(y, (1, 7, 1))) ** 2)
    ),
    "dot": Program(lambda np, x, y: np.dot(np.dot(x, y), np.dot(x, y)), free=True),
    "vdot": Program(
        lambda np, x, y: np.vdot(x, np.sin(x)) + np.vdot(y, y * y),
        lambda np, x, y: np.sum(x * np.sin(x)) + np.sum(y**3),
    ),
    "tensordot": Program(
        lambda np, x, y: np.sum(np.tensordot(x, x, axes=([1], [1])) ** 2) + np.sum(np.tensordot(x, y, 1)),
        free=True,
    ),
    "einsum": Program(
        lambda np, x, y: np.sum(np.einsum("ij,kj->ik", x, x) ** 2) + np.einsum("ij,j->", x, y), free=True
    ),
    "einsum of three": Program(
        lambda np, x, y: (
            np.einsum("ij,j,j->", x, y, y) + np.sum(np.einsum("ij->ji", x) ** 2) + np.einsum("ij,ij->", x, x)
        )
    ),
    "einsum of a repeated letter": Program(
        lambda np, x, y: np.einsum("ii->", x) + np.sum(np.einsum("ii->i", x) * y),
        lambda np, x, y: np.trace(x) + np.sum(np.diag(x) * y),
        **SQUARE,
    ),
    "outer": Program(lambda np, x, y: np.sum(np.outer(y, np.sin(y)) ** 2) + np.sum(x), free=True),
    "linalg.cholesky": Program(
        lambda da, x, y: da.sum(da.linalg.cholesky(x @ x.T) ** 3) + da.sum(y),
        lambda np, x, y: np.sum(np.linalg.cholesky(x @ x.T) ** 3) + np.sum(y),
        spd=True,
        **SQUARE,
    ),
    "Gaussian process": Program(
        lambda da, x, y: likelihood(
            da,
            da.linalg.cholesky((x + x.T) / 2, lower=True),
            lambda l: da.linalg.solve_triangular(l, y, lower=True),
        ),
        lambda np, x, y: likelihood(
            np, np.linalg.cholesky((x + x.T) / 2), lambda l: asl.solve_triangular(l, y, lower=True)
        ),
        spd=True,
        **SQUARE,
    ),
    "linalg.solve_triangular, upper": Program(
        lambda da, x, y: da.sum(da.linalg.solve_triangular(da.triu(x), y) ** 2),
        lambda np, x, y: np.sum(asl.solve_triangular(np.triu(x), y) ** 2),
        spd=True,
        **SQUARE,
    ),
    "linalg.solve of a positive definite matrix": Program(
        lambda da, x, y: da.sum(da.linalg.solve((x + x.T) / 2, y, assume_a="pos") ** 2),
        lambda np, x, y: np.sum(np.linalg.solve((x + x.T) / 2, y) ** 2),
        spd=True,
        **SQUARE,
    ),
    "linalg.solve": Program(
        lambda da, x, y: da.sum(da.linalg.solve(x, y) ** 2),
        lambda np, x, y: np.sum(np.linalg.solve(x, y) ** 2),
        spd=True,
        **SQUARE,
    ),
    "linalg.inv": Program(
        lambda da, x, y: da.sum(da.linalg.inv(x) ** 2 @ y),
        lambda np, x, y: np.sum(np.linalg.inv(x) ** 2 @ y),
        spd=True,
        **SQUARE,
    ),
    "linalg.lu": Program(
        lambda da, x, y: da.sum(da.linalg.lu(x)[2] ** 2) + da.sum(da.linalg.lu(x)[1] ** 3) + da.sum(y),
        lambda np, x, y: np.sum(doolittle(np, x)[1] ** 2) + np.sum(doolittle(np, x)[0] ** 3) + np.sum(y),
        spd=True,
        **SQUARE,
    ),
    "linalg.qr": Program(
        lambda da, x, y: signless(da, da.linalg.qr(x), y),
        lambda np, x, y: signless(np, triangular(np, x), y),
        **TALL,
    ),
    "linalg.tsqr": Program(
        lambda da, x, y: signless(da, da.linalg.tsqr(x), y),
        lambda np, x, y: signless(np, triangular(np, x), y),
        **TALL,
    ),
    "linalg.sfqr": Program(
        lambda da, x, y: da.sum(da.abs(da.linalg.sfqr(x)[1]) ** 3) + da.sum(y),
        lambda np, x, y: wide_r(np, x) + np.sum(y),
        **WIDE,
    ),
    "linalg.svd": Program(
        lambda da, x, y: (
            da.sum(da.linalg.svd(x)[1] ** 3)
            + da.sum(da.abs(da.linalg.svd(x)[0] * da.linalg.svd(x)[2][0, 0]) ** 3)
            + da.sum(y)
        ),
        lambda np, x, y: (
            np.sum(thin(np, x)[1] ** 3)
            + np.sum(np.abs(thin(np, x)[0] * thin(np, x)[2][0, 0]) ** 3)
            + np.sum(y)
        ),
        **TALL,
    ),
    "linalg.svd_compressed": Program(
        lambda da, x, y: da.sum(da.linalg.svd_compressed(x, 5, n_power_iter=1, seed=1)[1] ** 3) + da.sum(y),
        lambda np, x, y: np.sum(thin(np, x)[1] ** 3) + np.sum(y),
        **TALL,
    ),
    "linalg.lstsq": Program(
        lambda da, x, y: da.sum(da.linalg.lstsq(x, da.sin(x[:, 0]))[0] ** 2 * y),
        lambda np, x, y: np.sum(np.linalg.solve(x.T @ x, x.T @ np.sin(x[:, 0])) ** 2 * y),
        **TALL,
    ),
}


def thin(np: Any, x: Any) -> Any:
    return np.linalg.svd(x, full_matrices=False)


def wide_r(np: Any, x: Any) -> Any:
    q, r = triangular(np, x[:, :5])
    return np.sum(np.abs(r) ** 3) + np.sum(np.abs(q.T @ x[:, 5:]) ** 3)


def doolittle(np: Any, x: Any) -> Any:
    """L and U without pivots, from a diagonal that dominates."""
    n = x.shape[0]
    l, u = [], []
    rest = x
    for k in range(n):
        row, column = rest[k], rest[:, k] / rest[k, k]
        u.append(row)
        l.append(column)
        rest = rest - np.outer(column, row)
    return np.transpose(np.stack(l)), np.stack(u)


def likelihood(np: Any, l: Any, solve: Any) -> Any:
    z = solve(l)
    return np.sum(z * z) + 2 * np.sum(np.log(np.diag(l)))
