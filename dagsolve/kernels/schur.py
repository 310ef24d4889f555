"""Matrix equations and square roots by Schur factors, for stacks of NumPy matrices of one dtype.

A = U T Uᴴ with T triangular; a real A has a real T with blocks of two rows for conjugate eigenvalues.
Reference: R. H. Bartels, G. W. Stewart, Commun. ACM 15 (1972) 820-826.
"""

from typing import Any

import numpy as np
import scipy.linalg

from dagsolve.errors import FactorisationError
from dagsolve.kernels.stacks import one_by_one
from dagsolve.namespace import Array, Arrays

MARGIN = 10  # rounding units per row by which computed eigenvalues may be off


def sylvester(who: str, a: Array, b: Array, q: Array) -> Array:
    """X with A X + X B = Q, 25 (m³ + n³) + 5 m n (m + n) flops; half where B is A or Aᴴ.

    Hermitian A and B go by their eigenvectors, 9 (m³ + n³) + 4 m n (m + n) flops in products of matrices.
    Raises FactorisationError for NaN and where an eigenvalue of A is one of -B within rounding.
    """
    dtype = np.result_type(a, b, q)
    a, b, q = (x.astype(dtype, copy=False) for x in (a, b, q))
    _refuse_nonfinite(who, a, b)
    same, adjoint = _equal(a, b), _equal(_adjoint(a), b)
    if _equal(_adjoint(a), a) and (same or _equal(_adjoint(b), b)):
        values, ua = np.linalg.eigh(a)
        others, ub = (values, ua) if same else np.linalg.eigh(b)
        sums = _nonzero_sums(who, values, others)
        return np.asarray(ua @ ((_adjoint(ua) @ q @ ub) / sums) @ _adjoint(ub))
    ta, ua = schur(who, a)
    tb, ub = (ta, ua) if same or adjoint else schur(who, b)
    values, others = eigenvalues(ta), eigenvalues(tb)
    _nonzero_sums(who, values, others.conj() if adjoint else others)
    turned = _adjoint(ua) @ q @ ub
    if not turned.size:
        return turned
    (trsyl,) = scipy.linalg.get_lapack_funcs(("trsyl",), (turned,))
    letter = "N" if same or not adjoint else "C" if dtype.kind == "c" else "T"

    def solved(t: Array, s: Array, f: Array) -> Array:
        y, scale, _ = trsyl(t, s, f, tranb=letter)
        return np.asarray(y * np.asarray(scale, y.real.dtype))

    y = one_by_one(solved, ta, tb, turned, ndims=(2, 2, 2))
    return np.asarray(ua @ y @ _adjoint(ub))


def _equal(a: Array, b: Array) -> bool:
    return a is b or (a.shape == b.shape and bool(np.all(a == b)))


def _nonzero_sums(who: str, values: Array, others: Array) -> Array:
    """λ_i + μ_j, (..., m, n). Raises FactorisationError where one is zero within rounding."""
    sums = np.asarray(values[..., :, None] + others[..., None, :])
    _refuse_zero(who, sums, _largest(values) + _largest(others), "eigenvalues λ of a and -λ of b")
    return sums


def discrete_lyapunov(who: str, a: Array, q: Array, *, direct: bool) -> Array:
    """X with X - A X Aᴴ = Q: by one system of n² unknowns if `direct`, else as a Sylvester equation.

    Raises FactorisationError for NaN and where eigenvalues λ, μ of A have λ conj μ = 1 within rounding.
    """
    dtype = np.result_type(a, q)
    a, q = a.astype(dtype, copy=False), q.astype(dtype, copy=False)
    values = eigenvalues(schur(who, a)[0])
    products = values[..., :, None] * values[..., None, :].conj()
    scale = np.maximum(1.0, _largest(values) ** 2)
    _refuse_zero(who, 1 - products, scale, "eigenvalues λ and 1/conj λ of a")
    n = a.shape[-1]
    if direct:
        product = np.einsum("...ij,...kl->...ikjl", a, a.conj())
        matrix = np.eye(n * n, dtype=dtype) - product.reshape(*a.shape[:-2], n * n, n * n)
        return np.linalg.solve(matrix, q.reshape(*q.shape[:-2], n * n, 1)).reshape(
            *np.broadcast_shapes(a.shape, q.shape)
        )
    one = np.eye(n, dtype=dtype)
    below = np.linalg.solve(a + one, a - one)  # (A + I)⁻¹ (A - I)
    half = np.linalg.solve(a + one, q)
    c = _adjoint(np.linalg.solve(a + one, _adjoint(half)))
    return sylvester(who, below, _adjoint(below), -2 * c)


def square_root(who: str, a: Array) -> Array:
    """The principal square root, eigenvalues in the right half plane, 28 n³ flops.

    Raises FactorisationError for NaN and where an eigenvalue is not positive and real within rounding.
    """

    def root(x: Array) -> Array:
        t, u = schur(who, x.astype(np.result_type(x.dtype, np.complex64)))
        values = eigenvalues(t)
        rounding = MARGIN * max(x.shape[-1], 1) * np.finfo(x.dtype).eps * _largest(values)
        bad = (values.real <= rounding) & (np.abs(values.imag) <= rounding)
        if np.any(bad):
            raise FactorisationError(
                f"{who}: a {tuple(a.shape)} {a.dtype} has the eigenvalue {values[bad][0]:.6g}, zero or "
                "negative within rounding: no principal square root has a derivative there. For a Hermitian "
                "positive semidefinite matrix add a small multiple of the identity."
            )
        y = u @ np.asarray(scipy.linalg.sqrtm(t), t.dtype) @ _adjoint(u)
        return np.asarray(y if x.dtype.kind == "c" else y.real)

    return one_by_one(root, a, ndims=(2,)) if a.size else a


def schur(who: str, a: Array) -> Arrays:
    """T, U of every matrix. Raises FactorisationError for NaN."""
    _refuse_nonfinite(who, a)
    if not a.size:
        return a, a
    pairs = [scipy.linalg.schur(a[index], check_finite=False) for index in np.ndindex(a.shape[:-2])]
    t, u = (np.reshape(np.stack(made), a.shape) for made in zip(*pairs, strict=True))
    return t, u


def eigenvalues(t: Array) -> Array:
    """Eigenvalues (..., n) of Schur forms; their blocks of two rows have equal diagonals, as LAPACK's do."""
    values = np.diagonal(t, axis1=-2, axis2=-1)
    if t.dtype.kind == "c" or t.shape[-1] < 2:
        return values
    crossed = np.diagonal(t, 1, -2, -1) * np.diagonal(t, -1, -2, -1)
    parts = np.sqrt(np.maximum(-crossed, 0.0))
    imaginary = np.zeros_like(values)
    imaginary[..., :-1] += parts
    imaginary[..., 1:] -= parts
    return np.asarray(values + 1j * imaginary)


def _refuse_nonfinite(who: str, *operands: Array) -> None:
    for a in operands:
        if not np.all(np.isfinite(a)):
            raise FactorisationError(
                f"{who}: an operand {tuple(a.shape)} {a.dtype} must be finite; it holds NaN or infinity"
            )


def _largest(values: Array) -> Array:
    return np.asarray(np.max(np.abs(values), axis=-1, initial=0.0, keepdims=True))


def _refuse_zero(who: str, x: Array, scale: Array, what: str) -> None:
    """Raises FactorisationError where an item of x (..., m, n) is zero within rounding of scale (..., 1)."""
    margin: Any = MARGIN * max(x.shape[-2:], default=1) * np.finfo(x.dtype).eps * scale[..., None]
    if np.any(np.abs(x) <= margin):
        raise FactorisationError(
            f"{who}: the equation is singular: it has no unique solution for {what} within rounding"
        )


def _adjoint(a: Array) -> Array:
    return np.asarray(np.swapaxes(a, -1, -2).conj())
