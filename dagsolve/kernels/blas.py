"""BLAS and LAPACK on views of tiles, without Python's lock.

SciPy's `scipy.linalg.blas` holds the GIL and copies views; its Cython pointers, called through ctypes, do
neither. The functions here work in place on float32 and float64 NumPy matrices with unit stride along one
axis, such as a rectangle of a C-contiguous tile, and read transposed views (`a.T`) without copying.

BLAS is column-major: a row-major matrix is handed over as its transpose, with the sides, triangles and
transpositions of the problem exchanged. Outputs must have unit stride along an axis (DtypeError or
ShapeError otherwise); inputs that have none are copied.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dagsolve.errors import DtypeError, FactorisationError, ShapeError
from dagsolve.kernels.fortran import LETTER, routine
from dagsolve.namespace import Array

_REAL = {"f": ctypes.c_float, "d": ctypes.c_double}
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))  # of native byte order


class _Matrix(NamedTuple):
    """How a matrix lies in memory: its address, whether rows are contiguous, the stride of the other axis."""

    address: int
    rows: bool
    stride: ctypes.c_int
    owner: Array  # keeps a copy alive during the call


def supports(*arrays: Array) -> bool:
    """Whether the arrays are NumPy arrays of one real floating dtype that BLAS knows."""
    dtype = arrays[0].dtype
    return dtype in _DTYPES and all(isinstance(a, np.ndarray) and a.dtype == dtype for a in arrays)


def gemm(a: Array, b: Array, c: Array, *, alpha: float = 1.0, beta: float = 1.0) -> None:
    """c := beta c + alpha a b, for a (m, k), b (k, n), c (m, n)."""
    _agree("gemm", a=a, b=b, c=c)
    (m, k), n = a.shape, b.shape[1]
    _expect("gemm", "b", b, (k, n))
    _expect("gemm", "c", c, (m, n))
    if not c.size:
        return
    out = _output("gemm", "c", c)
    left, right = _input(a), _input(b)
    if out.rows:  # cᵀ := beta cᵀ + alpha bᵀ aᵀ
        left, right, m, n = right, left, n, m
    _function("gemm", c)(
        b"N" if left.rows == out.rows else b"T",
        b"N" if right.rows == out.rows else b"T",
        _int(m),
        _int(n),
        _int(k),
        _number(c, alpha),
        left.address,
        left.stride,
        right.address,
        right.stride,
        _number(c, beta),
        out.address,
        out.stride,
    )


def syrk(a: Array, c: Array, *, alpha: float = 1.0, beta: float = 1.0) -> None:
    """Lower triangle of c := beta c + alpha a aᵀ, for a (n, k), c (n, n); what is above it stays."""
    _agree("syrk", a=a, c=c)
    n, k = a.shape
    _expect("syrk", "c", c, (n, n))
    if not n:
        return
    out, factor = _output("syrk", "c", c), _input(a)
    _function("syrk", c)(
        b"U" if out.rows else b"L",
        b"T" if factor.rows else b"N",
        _int(n),
        _int(k),
        _number(c, alpha),
        factor.address,
        factor.stride,
        _number(c, beta),
        out.address,
        out.stride,
    )


def symm(a: Array, b: Array, c: Array, *, right: bool = False, alpha: float = 1.0, beta: float = 1.0) -> None:
    """c := beta c + alpha a b (b a if `right`), for a symmetric, of which the lower triangle is read."""
    _agree("symm", a=a, b=b, c=c)
    m, n = c.shape
    order = n if right else m
    _expect("symm", "a", a, (order, order))
    _expect("symm", "b", b, (m, n))
    if not c.size:
        return
    out, symmetric, factor = _output("symm", "c", c), _input(a), _input(b)
    if factor.rows != out.rows:
        factor = _input(np.array(b, order="C" if out.rows else "F"))
    if out.rows:
        m, n = n, m
    _function("symm", c)(
        b"R" if right != out.rows else b"L",
        b"U" if symmetric.rows else b"L",
        _int(m),
        _int(n),
        _number(c, alpha),
        symmetric.address,
        symmetric.stride,
        factor.address,
        factor.stride,
        _number(c, beta),
        out.address,
        out.stride,
    )


def trsm(
    t: Array,
    b: Array,
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
    alpha: float = 1.0,
) -> None:
    """b := alpha op(t)⁻¹ b (alpha b op(t)⁻¹ if `right`), op(t) = t or tᵀ; of t the named triangle is read."""
    _triangular("trsm", t, b, lower, transposed, right, unit_diagonal, alpha)


def trmm(
    t: Array,
    b: Array,
    *,
    lower: bool = True,
    transposed: bool = False,
    right: bool = False,
    unit_diagonal: bool = False,
    alpha: float = 1.0,
) -> None:
    """b := alpha op(t) b (alpha b op(t) if `right`), op(t) = t or tᵀ; of t the named triangle is read."""
    _triangular("trmm", t, b, lower, transposed, right, unit_diagonal, alpha)


def potrf(a: Array, *, name: str = "potrf: a", start: int = 0, whole: int | None = None) -> None:
    """Lower triangle of a := l with a = l lᵀ; what is above the diagonal is neither read nor written.

    Raises FactorisationError, beginning with `name`, with the order of the leading minor that is not
    positive, or where NaN or infinity was met; of a matrix of order `whole` if a is its tile from `start` on.
    """
    _agree("potrf", a=a)
    n = a.shape[0]
    _expect("potrf", "a", a, (n, n))
    if not n:
        return
    out, info = _output("potrf", "a", a), ctypes.c_int(0)
    _function("potrf", a)(b"U" if out.rows else b"L", _int(n), out.address, out.stride, info)
    bad = np.flatnonzero(~np.isfinite(np.diagonal(a)))  # LAPACK may let NaN through
    if info.value == 0 and not bad.size:
        return
    order = info.value or int(bad[0]) + 1
    lower = a[np.tril_indices(order)]
    finite = bool(np.all(np.isfinite(lower)))
    why = "is not positive" if finite else "holds NaN or infinity"
    remedy = "add a small multiple of the identity" if finite else "look for NaN in the data"
    raise FactorisationError(
        f"{name} ({whole or n}, {whole or n}) {a.dtype} is not positive definite: its leading minor of order"
        f" {start + order} {why}; {remedy}"
    )


def _triangular(
    routine: str, t: Array, b: Array, lower: bool, transposed: bool, right: bool, unit: bool, alpha: float
) -> None:
    _agree(routine, t=t, b=b)
    m, n = b.shape
    order = n if right else m
    _expect(routine, "t", t, (order, order))
    if not b.size:
        return
    out, triangle = _output(routine, "b", b), _input(t)
    if out.rows:
        m, n = n, m
    _function(routine, b)(
        b"R" if right != out.rows else b"L",
        b"L" if lower != triangle.rows else b"U",
        b"T" if transposed ^ out.rows ^ triangle.rows else b"N",
        b"U" if unit else b"N",
        _int(m),
        _int(n),
        _number(b, alpha),
        triangle.address,
        triangle.stride,
        out.address,
        out.stride,
    )


def _agree(routine: str, **arrays: Array) -> None:
    for name, a in arrays.items():
        if a.ndim != 2:
            raise ShapeError(f"{routine}: {name} must be a matrix, got shape {a.shape}")
    if not supports(*arrays.values()):
        dtypes = ", ".join(f"{name} {a.dtype}" for name, a in arrays.items())
        raise DtypeError(f"{routine}: arrays must all be float32 or all float64, got {dtypes}")


def _expect(routine: str, name: str, a: Array, shape: tuple[int, int]) -> None:
    if a.shape != shape:
        raise ShapeError(f"{routine}: {name} must have shape {shape}, got {a.shape}")


def _layout(a: Array) -> _Matrix | None:
    """The layout of a matrix; None where BLAS cannot walk it."""
    item = a.itemsize
    if not a.size:  # its strides mean nothing
        return _Matrix(a.ctypes.data, True, ctypes.c_int(max(1, a.shape[1])), a)
    for rows, view in ((True, a), (False, a.T)):
        (count, length), (far, near) = view.shape, view.strides
        contiguous = length == 1 or near == item
        stride = far // item if count > 1 else max(1, length)
        if contiguous and (count <= 1 or (far % item == 0 and stride >= max(1, length))):
            return _Matrix(a.ctypes.data, rows, ctypes.c_int(stride), a)
    return None


def _input(a: Array) -> _Matrix:
    found = _layout(a) or _layout(np.array(a, order="C"))
    assert found is not None
    return found


def _output(routine: str, name: str, a: Array) -> _Matrix:
    found = _layout(a)
    if found is None:
        raise ShapeError(
            f"{routine}: {name} is overwritten and must have unit stride along an axis, got strides "
            f"{a.strides} of items of {a.itemsize} bytes; pass a contiguous copy"
        )
    if not a.flags.writeable:
        raise DtypeError(f"{routine}: {name} is overwritten and must be writable, got a read-only array")
    return found


_int = ctypes.c_int


def _number(a: Array, value: float) -> Any:
    """Reference to a number of the array's dtype."""
    return ctypes.byref(_REAL[a.dtype.char](value))


def _function(name: str, a: Array) -> Callable[..., None]:
    return routine(LETTER[a.dtype.char] + name)
