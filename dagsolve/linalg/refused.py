"""Functions of `scipy.linalg` whose results have no derivative of their own, refused with the reason.

Most of these factors are one of many that an algorithm may end at, and jump between them.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from dagsolve.errors import UnsupportedError

_ORDER = (
    "has no derivative, since the order of the eigenvalues, and so every factor, is the iteration's choice"
)
_BASIS = "has no derivative, since any rotation of the basis is as good"
_PLAIN = "Use eigh, eig or svd, or SciPy's function outside the differentiated function."
_PROJECTOR = "Use the projector: I - pinv(a) @ a onto the null space, a @ pinv(a) onto the range."
_GENERAL = "has no rule for general matrices"

REASONS = {
    "schur": (_ORDER, _PLAIN),
    "rsf2csf": (_ORDER, _PLAIN),
    "qz": (_ORDER, _PLAIN),
    "ordqz": (_ORDER, _PLAIN),
    "hessenberg": (
        "has no derivative, since the form is one of many, by the vector that the reduction starts with",
        _PLAIN,
    ),
    "ldl": (
        "has no derivative, since the pivots' order and sizes, one row or two, jump with the matrix",
        "Use cholesky for positive definite matrices, lu, or eigh.",
    ),
    "null_space": (_BASIS, _PROJECTOR),
    "orth": (f"{_BASIS}, and its size jumps with the rank", _PROJECTOR),
    "logm": (_GENERAL, "For Hermitian matrices: funm_psd(a, np.log, np.reciprocal)."),
    "funm": (_GENERAL, "For Hermitian matrices: funm_psd(a, f, df). expm, sqrtm and matrix_power take any."),
    "fractional_matrix_power": (
        _GENERAL,
        "For Hermitian matrices: funm_psd(a, f, df). sqrtm and matrix_power take any.",
    ),
}


def refusal(name: str) -> Callable[..., NoReturn]:
    """A function of that name which raises UnsupportedError with its reason."""
    reason, remedy = REASONS[name]

    def refused(*operands: Any, **options: Any) -> NoReturn:
        raise UnsupportedError(f"{name}: {reason}. {remedy}")

    refused.__name__ = refused.__qualname__ = name
    refused.__doc__ = f"Raises UnsupportedError: {name} {reason}."
    return refused


schur, rsf2csf, qz, ordqz = (refusal(name) for name in ("schur", "rsf2csf", "qz", "ordqz"))
hessenberg, ldl = refusal("hessenberg"), refusal("ldl")
null_space, orth = refusal("null_space"), refusal("orth")
logm, funm = refusal("logm"), refusal("funm")
fractional_matrix_power = refusal("fractional_matrix_power")
