"""Formulas shared by adjoints: traceable, on the last two axes, array library first."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import FactorisationError
from dagsolve.namespace import Array, Arrays, Namespace, failures_raised


def is_complex(x: Array) -> bool:
    """Whether the array holds complex numbers."""
    kind = getattr(x.dtype, "kind", None)  # NumPy's dtypes have it
    return bool(kind == "c") if kind else "complex" in str(x.dtype)


def conjugate(xp: Namespace, x: Array) -> Array:
    """x̄; a real array itself, so that tracing real code records nothing."""
    return xp.conj(x) if is_complex(x) else x


def transposed(xp: Namespace, a: Array) -> Array:
    """Aᵀ of every matrix in a stack."""
    return xp.matrix_transpose(a)


def adjoint(xp: Namespace, a: Array) -> Array:
    """Aᴴ of every matrix in a stack."""
    return conjugate(xp, xp.matrix_transpose(a))


def hermitian(xp: Namespace, a: Array) -> Array:
    """(A + Aᴴ) / 2."""
    return 0.5 * (a + adjoint(xp, a))


def phi(xp: Namespace, m: Array) -> Array:
    """Φ(M): the lower triangle of M, its diagonal halved."""
    return 0.5 * (xp.tril(m) + xp.tril(m, k=-1))


def copyltu(xp: Namespace, m: Array) -> Array:
    """The Hermitian matrix with the lower triangle of M and the real part of its diagonal."""
    half = phi(xp, m)
    return half + adjoint(xp, half)


def total(*terms: Array | None) -> Array | None:
    """Sum of the terms that are not None; None, which stands for zero, where all are."""
    given = [term for term in terms if term is not None]
    if not given:
        return None
    out = given[0]
    for term in given[1:]:
        out = out + term
    return out


def outer(xp: Namespace, x: Array, y: Array) -> Array:
    """X Yᴴ."""
    return xp.matmul(x, adjoint(xp, y))


def named(batch: Sequence[int], name: str = "a") -> str:
    """How errors call the matrix of a stack at this place: `a[1, 2]`, or `a` where it is the only one."""
    return f"{name}[{', '.join(map(str, batch))}]" if batch else name


def factored(
    xp: Namespace,
    who: str,
    a: Array,
    factorise: Callable[[], Any],
    failure: str = "cannot be factored: the iteration did not converge",
) -> Arrays:
    """The factors that a call of the array library makes of a.

    Raises FactorisationError, whichever way the library tells of a failure: an exception, NaN, or (CuPy) a
    status that it looks at when asked.
    """
    try:
        with failures_raised(xp):
            made = factorise()
        factors = tuple(made) if isinstance(made, tuple) else (made,)
        if all(xp.all(xp.isfinite(factor)) for factor in factors):
            return factors
    except np.linalg.LinAlgError:
        pass
    finite = xp.isfinite(a)
    if not a.size or xp.all(finite):
        raise FactorisationError(f"{who}: a {tuple(a.shape)} {a.dtype} {failure}")
    *batch, i, j = (int(found[0]) for found in xp.nonzero(~finite))
    raise FactorisationError(
        f"{who}: {named(batch)} {tuple(a.shape[-2:])} {a.dtype} cannot be factored: it must be finite, got"
        f" {a[(*batch, i, j)]} at ({i}, {j}); look for NaN in the data"
    )
