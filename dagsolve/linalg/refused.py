"""Functions of `scipy.linalg` whose factors have no derivative of their own, refused with the reason.

Each of these factors is one of many that an algorithm may end at, and jumps between them.
"""

from typing import Any, NoReturn

from dagsolve.errors import UnsupportedError


def schur(a: Any, *options: Any, **named: Any) -> NoReturn:
    """Raises UnsupportedError: the factors follow the order in which the iteration finds eigenvalues."""
    _refuse("schur", "the order of the eigenvalues, and so both factors, is the iteration's choice", _EIGH)


def qz(a: Any, b: Any, *options: Any, **named: Any) -> NoReturn:
    """Raises UnsupportedError: the factors follow the order in which the iteration finds eigenvalues."""
    _refuse("qz", "the order of the eigenvalues, and so every factor, is the iteration's choice", _EIGH)


def hessenberg(a: Any, *options: Any, **named: Any) -> NoReturn:
    """Raises UnsupportedError: the form depends on the vector that the reduction starts with."""
    _refuse("hessenberg", "the form is one of many, by the vector that the reduction starts with", _EIGH)


def null_space(a: Any, *options: Any, **named: Any) -> NoReturn:
    """Raises UnsupportedError: any rotation of the basis is as good."""
    _refuse("null_space", "any rotation of the basis is as good", _PROJECTOR)


def orth(a: Any, *options: Any, **named: Any) -> NoReturn:
    """Raises UnsupportedError: any rotation of the basis is as good, and its size jumps with the rank."""
    _refuse("orth", "any rotation of the basis is as good, and its size jumps with the rank", _PROJECTOR)


def _refuse(name: str, reason: str, remedy: str) -> NoReturn:
    raise UnsupportedError(f"{name}: has no derivative, since {reason}. {remedy}")


_EIGH = "Use eigh for Hermitian matrices, svd, or SciPy's function outside the differentiated function."
_PROJECTOR = "Use the projector: I - pinv(a) @ a onto the null space, a @ pinv(a) onto the range."
