"""Tracer: stands for an array while user code runs; knows shape and dtype, no values, no derivatives.

Operators, array methods, ufuncs and NumPy functions on a tracer are recorded. Questions that only a value
can answer raise TraceError with the user's line and the remedy.
"""

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dagsolve.errors import MissingAttributeError, TraceError
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import Spec
from dagsolve.tracing import calls
from dagsolve.tracing.scope import source_scope

if TYPE_CHECKING:
    from dagsolve.tracing.record import Recorder


def _unary(name: str) -> Any:
    primitive = PRIMITIVES[name]

    def method(self: "Tracer") -> Any:
        return self.recorder.unary(primitive, self)

    return method


def _binary(name: str) -> Any:
    primitive = PRIMITIVES[name]

    def method(self: "Tracer", other: Any) -> Any:
        return self.recorder.binary(primitive, (self, other))

    return method


def _reflected(name: str) -> Any:
    primitive = PRIMITIVES[name]

    def method(self: "Tracer", other: Any) -> Any:
        return self.recorder.binary(primitive, (other, self))

    return method


class Tracer:
    """An array that is being recorded."""

    __slots__ = ("code", "id", "recorder")

    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    def __init__(self, recorder: "Recorder", value: int, code: int) -> None:
        self.recorder, self.id, self.code = recorder, value, code

    @property
    def spec(self) -> Spec:
        """Shape and dtype."""
        return self.recorder.specs[self.code]

    @property
    def __dagsolve_recorder__(self) -> "Recorder":
        return self.recorder

    shape = property(lambda self: self.spec.shape)
    dtype = property(lambda self: self.spec.dtype)
    ndim = property(lambda self: self.spec.ndim)
    size = property(lambda self: self.spec.size)
    nbytes = property(lambda self: self.spec.nbytes)
    itemsize = property(lambda self: self.spec.dtype.itemsize)

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __neg__, __abs__ = _unary("negative"), _unary("absolute")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __eq__, __ne__ = _binary("equal"), _binary("not_equal")

    def __and__(self, other: Any) -> Any:
        return calls.bitwise_and(self, other)

    def __or__(self, other: Any) -> Any:
        return calls.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Any:
        return calls.bitwise_xor(self, other)

    def __invert__(self) -> Any:
        return calls.invert(self)

    def __pos__(self) -> "Tracer":
        return self

    def __pow__(self, other: Any) -> Any:
        return calls.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return calls.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return calls.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return calls.matmul(other, self)

    def __getitem__(self, index: Any) -> Any:
        return calls.getitem(self, index)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:  # the short way
            primitive = calls.BY_UFUNC.get(ufunc)
            if primitive is not None and len(inputs) == 1:
                return self.recorder.unary(primitive, self)
            if primitive is not None and len(inputs) == 2:
                return self.recorder.binary(primitive, inputs)
        return calls.call_ufunc(self, ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return calls.call_function(self, func, args, kwargs)

    T = property(lambda self: calls.transpose(self))
    mT = property(lambda self: calls.matrix_transpose(self))
    real, imag = property(_unary("real")), property(_unary("imag"))
    flat = property(lambda self: calls.reshape(self, -1))

    def __getattr__(self, name: str) -> Any:
        method = calls.METHODS.get(name)
        if method is None:
            if name.startswith("__"):
                raise AttributeError(name)
            raise MissingAttributeError(
                f"a traced array has no method or attribute {name!r} (at {self._line()}). "
                "Use a NumPy function that dagsolve records; the README lists them."
            )
        return lambda *args, **kwargs: method(self, *args, **kwargs)

    def __len__(self) -> int:
        if not self.spec.shape:
            raise TypeError("len() of a 0-d array")
        return self.spec.shape[0]

    def __iter__(self) -> Any:
        if not self.spec.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(self.spec.shape[0]))

    def __bool__(self) -> NoReturn:
        self._refuse(
            "its truth (`if`, `while`, `and`, `not`)", "Use np.where(condition, a, b) to choose by value."
        )

    def __float__(self) -> NoReturn:
        self._refuse(
            "float(x) or a math function",
            "Use the NumPy function of the same name (np.exp for math.exp) and keep the array.",
        )

    def __int__(self) -> NoReturn:
        self._refuse("int(x)", "Compute integers from shapes or from data outside the traced function.")

    def __complex__(self) -> NoReturn:
        self._refuse("complex(x)", "Keep the array; use `x + 0j` for a complex array.")

    def __index__(self) -> NoReturn:
        self._refuse("its value as an index", "Index with plain integers, slices or integer NumPy arrays.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        self._refuse(
            "a NumPy array (np.array([t0, t1]), data[t], or a SciPy function)",
            "Use np.stack or np.concatenate to join traced values, np.where for masks, and ds.linalg or "
            "ds.special for SciPy functions.",
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        self._refuse(
            "an assignment into it (x[i] = y)", "Build the array with np.where, np.stack or np.concatenate."
        )

    def __reduce__(self) -> NoReturn:
        self._refuse("pickling", "Return values from the function instead of storing them outside it.")

    def __repr__(self) -> str:
        return f"Tracer({self.spec.shape}, {self.spec.dtype})"

    def _line(self) -> str:
        return str(source_scope())

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise TraceError(
            f"a traced array of shape {self.spec.shape} has no value yet: "
            f"{what} was asked for at {self._line()}. {remedy}"
        )
