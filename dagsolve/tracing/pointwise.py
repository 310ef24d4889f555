"""NumPy's elementwise functions composed of primitives, for tracers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dagsolve.errors import UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.scope import source_scope

_P = PRIMITIVES


def sign(x: Any) -> Any:
    """x / |x|, and 0 at 0; constant where x is real, while of a complex x it turns with x."""
    if x.dtype.kind != "c":
        return _P["sign"](x)
    size = _P["absolute"](x)
    return x / _P["where"](size == 0, 1.0, size)


def fmax(a: Any, b: Any) -> Any:
    """The larger; where one is NaN, the other."""
    return _either(_P["maximum"], a, b)


def fmin(a: Any, b: Any) -> Any:
    return _either(_P["minimum"], a, b)


def _either(choose: Any, a: Any, b: Any) -> Any:
    made = _P["where"](np.isnan(b), a, choose(a, b))
    return _P["where"](np.isnan(a), b, made)


def fmod(a: Any, b: Any) -> Any:
    """The remainder with the sign of a."""
    rest = _P["remainder"](_P["absolute"](a), _P["absolute"](b))
    return _P["where"](a < 0, -rest, rest)


def logaddexp2(a: Any, b: Any) -> Any:
    return _P["logaddexp"](a * math.log(2), b * math.log(2)) / math.log(2)


def copysign(a: Any, b: Any) -> Any:
    same = _P["equal"](np.signbit(a), np.signbit(b))
    return _P["where"](same, a, -a)


def modf(x: Any) -> tuple[Any, Any]:
    whole = _P["trunc"](x)
    return x - whole, whole


def divmod_(a: Any, b: Any) -> tuple[Any, Any]:
    return _P["floor_divide"](a, b), _P["remainder"](a, b)


def ldexp(x: Any, exponent: Any) -> Any:
    if hasattr(exponent, "__dagsolve_recorder__"):
        return x * _P["exp2"](_P["astype"](exponent, dtype=x.dtype.name))
    return x * np.ldexp(np.ones((), x.dtype), exponent)


def heaviside(x: Any, at_zero: Any) -> Any:
    return _P["where"](x < 0, 0.0, _P["where"](x > 0, 1.0, _P["where"](x == 0, at_zero, x)))


def _scaled(factor: float) -> Callable[[Any], Any]:
    def scaled(x: Any) -> Any:
        return x * factor

    return scaled


def _truths(name: str) -> Callable[..., Any]:
    """A bitwise function, which on truth values is a logical one."""

    def bitwise(*operands: Any) -> Any:
        if any(getattr(x, "dtype", np.dtype(type(x))).kind != "b" for x in operands):
            raise UnsupportedError(
                f"a bitwise operation on traced integers (at {source_scope()}). Only truth values are traced."
            )
        return _P[name](*operands)

    return bitwise


def sinc(x: Any) -> Any:
    y = _P["where"](x == 0, 1.0, x) * math.pi
    return _P["where"](x == 0, 1.0, _P["sin"](y) / y)


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    large = np.finfo(x.dtype).max if x.dtype.kind in "fc" else 0
    made = _P["where"](np.isnan(x), nan, x)
    made = _P["where"](isposinf(x), float(large) if posinf is None else posinf, made)
    return _P["where"](isneginf(x), float(-large) if neginf is None else neginf, made)


def isposinf(x: Any, out: None = None) -> Any:
    return _P["equal"](x, math.inf)


def isneginf(x: Any, out: None = None) -> Any:
    return _P["equal"](x, -math.inf)


def isreal(x: Any) -> Any:
    return _P["equal"](_P["imag"](x), 0.0) if x.dtype.kind == "c" else np.ones(x.shape, bool)


def iscomplex(x: Any) -> Any:
    return _P["logical_not"](isreal(x))


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    near = _P["less_equal"](_P["absolute"](a - b), atol + rtol * abs(b))
    near = _P["logical_or"](_P["logical_and"](near, np.isfinite(b)), _P["equal"](a, b))
    return _P["logical_or"](near, _P["logical_and"](np.isnan(a), np.isnan(b))) if equal_nan else near


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: None = None
) -> Any:
    """Whether items equal one of some known values."""
    made = np.zeros(element.shape, bool)
    for item in np.unique(np.asarray(test_elements)).tolist():
        made = _P["logical_or"](_P["equal"](element, item), made)
    return _P["logical_not"](made) if invert else made


def angle(z: Any, deg: bool = False) -> Any:
    """Argument of a complex number; of a real one 0 or π, without derivative."""
    if z.dtype.kind == "c":
        made = _P["arctan2"](_P["imag"](z), _P["real"](z))
    else:
        made = _P["where"](z < 0, math.pi, 0.0)
    return made * (180 / math.pi) if deg else made


def around(a: Any, decimals: int = 0, out: None = None) -> Any:
    """Rounded to so many decimals; constant between its jumps."""
    if decimals == 0:
        return _P["rint"](a)
    scale = 10.0 ** abs(decimals)
    return _P["rint"](a * scale) / scale if decimals > 0 else _P["rint"](a / scale) * scale


def choose(a: Any, choices: Sequence[Any], out: None = None, mode: str = "raise") -> Any:
    """The item of the choice that an integer names; numbers outside the choices take the nearest.

    The values are not known while tracing, so none can be refused.
    """
    made = choices[-1]
    for k in reversed(range(len(choices) - 1)):
        made = _P["where"](_P["less_equal"](a, k), choices[k], made)
    return made


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    made = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        made = _P["where"](condition, choice, made)
    return made


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.sign: sign, np.positive: lambda x: x, np.fabs: lambda x: _P["absolute"](x),
    np.deg2rad: _scaled(math.pi / 180), np.radians: _scaled(math.pi / 180),
    np.rad2deg: _scaled(180 / math.pi), np.degrees: _scaled(180 / math.pi),
    np.fmax: fmax, np.fmin: fmin, np.fmod: fmod, np.logaddexp2: logaddexp2, np.copysign: copysign,
    np.modf: modf, np.divmod: divmod_, np.ldexp: ldexp, np.heaviside: heaviside,
    np.invert: _truths("logical_not"), np.bitwise_and: _truths("logical_and"),
    np.bitwise_or: _truths("logical_or"), np.bitwise_xor: _truths("logical_xor"),
}  # fmt: skip
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sinc: sinc, np.nan_to_num: nan_to_num, np.isposinf: isposinf, np.isneginf: isneginf,
    np.isreal: isreal, np.iscomplex: iscomplex, np.isclose: isclose, np.isin: isin,
    np.angle: angle,
    np.around: around, np.round: around, np.choose: choose, np.select: select,
    np.fix: lambda x, out=None: _P["trunc"](x),
}  # fmt: skip
