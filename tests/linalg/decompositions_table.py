"""The decompositions and systems of docs/decompositions.md: shapes, assumptions, a call that is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import dagsolve as ds

FLAT, FALSE_STEP = np.ones((3, 3)), np.eye(3, k=1)
STEEP = np.outer([1.0, 2.0, 4.0], np.ones(3))  # of rank one, without ties among pivots
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
    refused: Callable[..., Any] | None  # its value and gradient at the operand raise FactorisationError
    operand: Any
    message: str  # a part of what it says


SQUARE = (((1, 1),),)
ANY = (((1, 1),), ((4, 1),), ((1, 4),))
SYSTEM = (((1, 1), (1, 0)),)
HALF = "lower triangle of A is read; gradient of a Hermitian A, given whole"

SINGULAR = "a pivot is zero, or 8 √n ε of what it is left of: which one"

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
        SYSTEM, "nothing more than an invertible A", SINGULAR,
        lambda a: np.linalg.solve(a, SIDES), FLAT, "singular: pivot 1",
    ),
    Row(
        "LU A[p] = L U", "`ds.linalg.lu`, `lu_factor`", "lu",
        ANY, "the row interchanges stay as they are; ties: see *Degenerate*",
        "gradient only: one of the first min(m, n) pivots is zero",
        lambda a: ds.linalg.lu(a, p_indices=True)[2], STEEP, "diagonal without zeros",
    ),
    Row(
        "inverse", "`np.linalg.inv`; `ds.linalg.inv`", "inv",
        SQUARE, "nothing more than an invertible A", SINGULAR,
        np.linalg.inv, FLAT, "singular: pivot 1",
    ),
    Row(
        "log-determinant, general", "`np.linalg.slogdet`; `ds.linalg.slogdet`", "slogdet",
        SQUARE, "the sign has no derivative; a phase has", f"gradient only: {SINGULAR} (of a zero: −∞)",
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
        "QR with pivots", "`ds.linalg.qr(…, pivoting=True)`; `lq`, of the adjoint", "pivoted_qr",
        ANY, "the order of the columns stays as it is; ties: see *Degenerate*",
        "a pivot is at most max(m, n) ε of the first",
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
        "triangular product", "`ds.linalg.trmm`", "triangular_product",
        (((1, 1), (1, 1)),), "a triangle, of which the other half is not read", "never", None, None, "",
    ),
    Row(
        "product", "`ds.linalg.gemm`, `gemm2`, `syrk`, `herk`; `@`", "matmul",
        (((1, 1), (1, 1)),), "nothing", "never", None, None, "",
    ),
    Row(
        "determinant", "`np.linalg.det`; `ds.linalg.det`", "det", SQUARE,
        "nothing: the adjugate, of a singular A too", "NaN or infinity; second derivative: A is singular",
        np.linalg.det, UNKNOWN, "must be finite",
    ),
    Row(
        "pseudo-inverse", "`np.linalg.pinv`; `ds.linalg.pinv`", "pinv",
        ANY, "full rank", "a singular value is at most `atol + rtol σ₁`",
        np.linalg.pinv, FLAT, "full rank",
    ),
    Row(
        "polar factors A = U P", "`ds.linalg.polar`", "polar",
        (((1, 1),), ((4, 1),)), "full rank; a wide A goes by its adjoint", "A does not have full rank",
        lambda a: ds.linalg.polar(a)[0], FLAT, "full rank",
    ),
    Row(
        "exponential", "`ds.linalg.expm`", "expm", SQUARE, "nothing", "NaN, infinity, or an overflow",
        ds.linalg.expm, UNKNOWN, "must be finite",
    ),
    Row(
        "its derivative along E", "`ds.linalg.expm_frechet`", "expm_frechet",
        (((1, 1), (1, 1)),), "nothing", "as the exponential",
        lambda a: ds.linalg.expm_frechet(a, a, compute_expm=False), UNKNOWN, "finite",
    ),
    Row(
        "square root", "`ds.linalg.sqrtm`, `signm`", "sqrtm", SQUARE,
        "no eigenvalue on the negative real axis (of A², for `signm`)", "one is there, or zero, to rounding",
        ds.linalg.sqrtm, -np.eye(3), "zero or negative within rounding",
    ),
    Row(
        "f(A) = V diag(f(w)) Vᴴ", "`ds.linalg.funm_psd`", "spectral", (((1, 1), (1,), (1,)),),
        HALF + "; f has the slope `df`; second derivatives: distinct eigenvalues",
        "f is not finite at an eigenvalue; gradient only: `df` is not",
        lambda a: ds.linalg.funm_psd(a, np.sqrt, lambda w: 0.5 / np.sqrt(w)), 0 * FLAT, "must be finite",
    ),
    Row(
        "A X + X B = Q", "`ds.linalg.solve_sylvester`, `solve_continuous_lyapunov`", "solve_sylvester",
        (((1, 1), (1, 1), (1, 1)),), "one solution", "A and -B have a common eigenvalue, to rounding",
        lambda a: ds.linalg.solve_sylvester(a, -a, FLAT), np.eye(3), "solve_sylvester: ",
    ),
    Row(
        "X - A X Aᴴ = Q", "`ds.linalg.solve_discrete_lyapunov`", "solve_discrete_lyapunov",
        (((1, 1), (1, 1)),), "one solution", "eigenvalues with λ conj μ = 1, to rounding",
        lambda a: ds.linalg.solve_discrete_lyapunov(a, FLAT), np.eye(3), "solve_discrete_lyapunov: ",
    ),
    Row(
        "Toeplitz system", "`ds.linalg.solve_toeplitz`", "solve_toeplitz",
        (((1,), (1,), (1, 0)),), "leading minors that are not zero", "a leading minor is zero",
        lambda c: ds.linalg.solve_toeplitz(c, SIDES), np.zeros(3), "solve_toeplitz: ",
    ),
    Row(
        "eigenvalues, general A = V diag(w) V⁻¹", "`np.linalg.eig`, `eigvals`", "eig",
        SQUARE, "A has a basis of eigenvectors; equal values: see *Degenerate*",
        "A is defective to half the digits",
        lambda a: np.abs(np.linalg.eig(a)[1]), FALSE_STEP, "defective",
    ),
)  # fmt: skip
