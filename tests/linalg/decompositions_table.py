"""The decompositions and systems of docs/decompositions.md: shapes, assumptions, a call that is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import dagsolve as ds

FLAT, FALSE_STEP = np.ones((3, 3)), np.eye(3, k=1)
SIDES = np.ones((3, 2))
UNKNOWN = np.full((3, 3), np.nan)


@dataclass(frozen=True)
class Row:
    """One decomposition or system."""

    title: str
    functions: str
    primitive: str
    sizes: tuple[tuple[tuple[int, ...], ...], ...]  # operand shapes in units of n; 0 stands for SIDES columns
    assumes: str
    raised: str
    refused: Callable[..., Any]  # of the operand below: its value and gradient raise FactorisationError
    operand: Any
    message: str  # a part of what it says


SQUARE = (((1, 1),),)
ANY = (((1, 1),), ((4, 1),), ((1, 4),))
SYSTEM = (((1, 1), (1, 0)),)
HALF = "lower triangle of A is read; gradient of a Hermitian A, given whole"

ROWS = (
    Row(
        "Cholesky A = L Lᴴ", "`np.linalg.cholesky`; `ds.linalg.cholesky`, `cho_factor`, `logdet`, `potrf`",
        "cholesky", SQUARE, HALF, "A is not positive definite: order of the leading minor",
        np.linalg.cholesky, -np.eye(3), "leading minor of order 1",
    ),
    Row(
        "(L Lᴴ)⁻¹", "`ds.linalg.potri`", "cholesky_inverse",
        SQUARE, "a triangle, of which the other half is not read", "a zero on the diagonal",
        lambda l: ds.linalg.potri(l), np.zeros((3, 3)), "diagonal without zeros",
    ),
    Row(
        "positive definite system", '`ds.linalg.solve(…, assume_a="pos")`', "positive_solve",
        SYSTEM, HALF, "as Cholesky",
        lambda a: ds.linalg.solve(a, SIDES, assume_a="pos"), -np.eye(3), "leading minor of order 1",
    ),
    Row(
        "triangular system", "`ds.linalg.solve_triangular`, `trsm`", "solve_triangular",
        (((1, 1), (1, 1)), ((1, 1), (1, 0))), "a triangle, of which the other half is not read",
        "a zero, NaN or infinity on the diagonal",
        lambda t: ds.linalg.solve_triangular(t, SIDES, lower=True),
        np.zeros((3, 3)), "diagonal without zeros",
    ),
    Row(
        "system A X = B", "`np.linalg.solve`; `ds.linalg.solve`", "solve",
        SYSTEM, "nothing more than an invertible A", "a pivot is zero: which one, of which row",
        lambda a: np.linalg.solve(a, SIDES), FLAT, "singular: pivot 1",
    ),
    Row(
        "LU A[p] = L U", "`ds.linalg.lu`, `lu_factor`", "lu",
        ANY, "the row interchanges stay as they are",
        "gradient only: one of the first min(m, n) pivots is zero",
        lambda a: ds.linalg.lu(a, p_indices=True)[2], FLAT, "diagonal without zeros",
    ),
    Row(
        "inverse", "`np.linalg.inv`; `ds.linalg.inv`", "inv",
        SQUARE, "nothing more than an invertible A", "a pivot is zero: which one, of which row",
        np.linalg.inv, FLAT, "singular: pivot 1",
    ),
    Row(
        "log-determinant, general", "`np.linalg.slogdet`; `ds.linalg.slogdet`", "slogdet",
        SQUARE, "the sign has no derivative; a phase has", "gradient only: a pivot is zero (the value is −∞)",
        lambda a: np.linalg.slogdet(a)[1], FLAT, "singular: pivot 1",
    ),
    Row(
        "least squares, deep A", "`ds.linalg.lstsq`", "lstsq",
        (((2, 1), (2, 0)),), "full column rank", "a diagonal entry of R is at most `cond` times the largest",
        lambda a: ds.linalg.lstsq(a, np.ones((5, 2)))[0], np.ones((5, 3)), "full rank",
    ),
    Row(
        "least norm, wide A", "`ds.linalg.lstsq`", "minimum_norm",
        (((1, 2), (1, 0)),), "full row rank", "a diagonal entry of L is at most `cond` times the largest",
        lambda a: ds.linalg.lstsq(a, SIDES)[0], np.ones((3, 5)), "full rank",
    ),
    Row(
        "QR A = Q R", "`np.linalg.qr`; `ds.linalg.qr`", "qr",
        ANY, "the first min(m, n) columns are independent; LAPACK's signs stay as they are",
        "gradient only: they are not, which pivot",
        lambda a: np.linalg.qr(a)[0], np.ones((5, 3)), "pivot 1",
    ),
    Row(
        "R of QR", '`ds.linalg.qr(…, mode="r")`', "qr_triangle",
        (((1, 1),), ((4, 1),)), "as QR; Q is not kept: the adjoint factors again", "as QR",
        lambda a: np.linalg.qr(a, mode="r"), np.zeros((3, 3)), "pivot 0",
    ),
    Row(
        "LQ A = L Q", "`ds.linalg.lq`, `gelqf`", "lq",
        ANY, "the first min(m, n) rows are independent; LAPACK's signs stay as they are",
        "gradient only: they are not, which pivot",
        lambda a: ds.linalg.lq(a)[0], np.ones((3, 5)), "pivot 1",
    ),
    Row(
        "QR with pivots", "`ds.linalg.qr(…, pivoting=True)`", "pivoted_qr",
        (((1, 1),), ((4, 1),)), "the order of the columns stays as it is", "as QR",
        lambda a: ds.linalg.qr(a, mode="economic", pivoting=True)[0], np.ones((5, 3)), "pivot 1",
    ),
    Row(
        "eigenvalues, Hermitian A = V diag(w) Vᴴ", "`np.linalg.eigh`, `eigvalsh`; `ds.linalg.eigh`, `syevd`",
        "eigh", SQUARE, HALF + "; eigenvectors: see *Degenerate*",
        "A holds NaN or infinity, or the iteration failed",
        lambda a: np.linalg.eigh(a)[1], UNKNOWN, "must be finite",
    ),
    Row(
        "singular values A = U diag(s) Vᴴ", "`np.linalg.svd`, `svdvals`; `ds.linalg.svd`", "svd",
        ANY, "singular vectors: see *Degenerate*", "A holds NaN or infinity, or the iteration failed",
        lambda a: np.linalg.svd(a, full_matrices=False)[0], UNKNOWN, "must be finite",
    ),
    Row(
        "eigenvalues, general A = V diag(w) V⁻¹", "`np.linalg.eig`, `eigvals`", "eig",
        SQUARE, "A has a basis of eigenvectors; equal values: see *Degenerate*",
        "A is defective to half the digits",
        lambda a: np.abs(np.linalg.eig(a)[1]), FALSE_STEP, "defective",
    ),
)  # fmt: skip
