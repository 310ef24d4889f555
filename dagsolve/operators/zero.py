"""Arithmetic in which None is zero: a cotangent that is not there costs nothing."""

from typing import Any


def plus(a: Any, b: Any) -> Any:
    """a + b."""
    if a is None:
        return b
    return a if b is None else a + b


def minus(a: Any, b: Any) -> Any:
    """a - b."""
    if b is None:
        return a
    return -b if a is None else a - b


def negative(a: Any) -> Any:
    """-a."""
    return None if a is None else -a
