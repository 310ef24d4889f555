"""Params as JSON that gives back the very same Python values: a tuple is not a list, 1 is not 1.0 or True.

    None, booleans, strings, integers, finite floats      themselves
    tuple                                                 [items]
    anything else                                         {kind: content}, e.g. {"slice": [0, null, 2]}

Nothing is run or looked up by name while decoding, so a foreign file can only be refused.
"""

import math
import re
from typing import Any

import numpy as np

from dagsolve.errors import GraphError

_PLAIN = (type(None), bool, str, int)
_DTYPE = re.compile(r"[<>|=][?biufcSUmM]\d{1,9}(\[\w{1,12}\])?", re.ASCII)


def encoded(value: Any) -> Any:
    """The value as what `json` writes; `decoded` gives it back.

    Raises GraphError for a type that has no such form.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if kind is tuple:
        return [encoded(entry) for entry in value]
    if kind is list:
        return {"list": [encoded(entry) for entry in value]}
    if kind is dict:
        return {"dict": [[encoded(key), encoded(entry)] for key, entry in value.items()]}
    if kind is complex:
        return {"complex": [encoded(value.real), encoded(value.imag)]}
    if kind is slice:
        return {"slice": [encoded(value.start), encoded(value.stop), encoded(value.step)]}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, np.dtype) and is_plain(value):
        return {"dtype": value.str}
    if isinstance(value, np.generic) and is_plain(value.dtype):
        return {"scalar": [value.dtype.str, value.tobytes().hex()]}
    raise GraphError(
        f"a param of type {kind.__module__}.{kind.__qualname__} has no form on file: {value!r:.80}"
    )


def decoded(content: Any) -> Any:
    """The value that was encoded.

    Raises GraphError for what `encoded` never makes.
    """
    kind = type(content)
    if kind in _PLAIN or kind is float:
        return content
    if kind is list:
        return tuple([decoded(entry) for entry in content])
    if kind is dict and len(content) == 1:
        ((name, inner),) = content.items()
        rule = _RULES.get(name)
        if rule is not None:
            try:
                return rule(inner)
            except (TypeError, ValueError, OverflowError) as fault:
                raise GraphError(f"no {name} can be made from {inner!r:.80}: {fault}") from None
    raise GraphError(f"no param looks like {content!r:.80}")


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype's `str` says all of it."""
    return _DTYPE.fullmatch(dtype.str) is not None and np.dtype(dtype.str) == dtype


def plain_dtype(text: Any) -> np.dtype[Any]:
    """The dtype of that `str`.

    Raises GraphError for what is no plain dtype's.
    """
    try:
        if isinstance(text, str) and _DTYPE.fullmatch(text):
            return np.dtype(text)
    except (TypeError, ValueError):
        pass
    raise GraphError(f"{text!r:.80} is no dtype")


def _float(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError("finite floats are written as numbers")
    return float(text)


def _list(content: Any) -> list[Any]:
    if type(content) is not list:
        raise ValueError("items are missing")
    return [decoded(entry) for entry in content]


def _dict(content: Any) -> dict[Any, Any]:
    return {key: entry for key, entry in (_exactly(2, pair) for pair in _items(content))}


def _complex(content: Any) -> complex:
    real, imag = _exactly(2, content)
    if type(real) is not float or type(imag) is not float:
        raise ValueError("two floats are needed")
    return complex(real, imag)


def _slice(content: Any) -> slice:
    return slice(*_exactly(3, content))


def _ellipsis(content: Any) -> Any:
    if content is not None:
        raise ValueError("nothing may follow")
    return Ellipsis


def _scalar(content: Any) -> Any:
    text, data = _exactly(2, content)
    dtype = plain_dtype(text)
    raw = bytes.fromhex(data)
    if len(raw) != dtype.itemsize:
        raise ValueError(f"{len(raw)} bytes where {dtype.itemsize} are needed")
    return np.frombuffer(raw, dtype)[0] if raw else dtype.type()


def _items(content: Any) -> list[Any]:
    if type(content) is not list:
        raise ValueError("items are missing")
    return content


def _exactly(count: int, content: Any) -> list[Any]:
    found = _list(content)
    if len(found) != count:
        raise ValueError(f"{count} items are needed, not {len(found)}")
    return found


_RULES = {
    "float": _float,
    "list": _list,
    "dict": _dict,
    "complex": _complex,
    "slice": _slice,
    "ellipsis": _ellipsis,
    "dtype": plain_dtype,
    "scalar": _scalar,
}
