"""The record of a primitive: one operation with its shape rule, its two linear maps and its cost.

A record is made once, in the primitive's own file, and is read by everything above: the tracer asks for
specs, the reverse sweep for pullbacks, the planner for costs and residuals, the executors for kernels.

`forward`, `pushforward` and `pullback` are traceable mathematics: pure, the array library first, only
operations that a tracer records. They see three things:

- `saved`, the residuals by name (`saved.l`), and the specs of all operands and results (`saved.specs`);
- tangents and cotangents, positional, None where zero;
- the params, by keyword.

They may ignore broadcasting: a pullback may return a contribution in any shape that broadcasts with its
operand's, `pull` reduces or broadcasts it to the operand's spec; `push` does so for results. Cotangents
may have extra leading axes (many right-hand sides), so axes are counted from the end.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dagsolve.errors import ShapeError
from dagsolve.kernels.dense import is_complex
from dagsolve.namespace import Array, Arrays, Namespace, namespace_of, native_dtype
from dagsolve.signature import Signature
from dagsolve.specs import Spec, broadcast_shapes, spec

Wanted = tuple[str, ...]
Specs = tuple[Spec, ...]


class Cost(NamedTuple):
    """What one call of a primitive takes."""

    forward_flops: float
    pullback_flops: float  # cotangents of all operands
    workspace_items: float = 0  # beyond operands and results


class Saved:
    """Residuals of one call by name, and the specs of its operands and results."""

    __slots__ = ("_values", "specs")

    def __init__(self, values: Mapping[str, Array], specs: Mapping[str, Spec]) -> None:
        self._values, self.specs = values, specs

    def __getattr__(self, name: str) -> Array:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"residual {name!r} was not saved; saved are {sorted(self._values)}"
            ) from None

    def items(self) -> Iterable[tuple[str, Array]]:
        return self._values.items()


@dataclass(frozen=True, eq=False)
class Primitive:
    """One operation: `PRIMITIVE(*operands, **params)` runs it, or records it when an operand is a tracer.

    signature   "a(n,n) -> l(n,n)": names, core dimensions, leading axes broadcast. `"a, b -> y"` has no
                core dimensions: elementwise. With `...` as dimensions (`"a(...) -> y(...)"`) `specs` must be
                given.
    saves       per operand, the values that its cotangent needs; operands absent carry no derivative
    specs       (operand specs, **params) -> result specs, where the signature does not say it
    forward     (xp, *operands, **params) -> result, or a tuple where the signature names several
    pushforward (xp, saved, tangents, **params) -> result tangent(s)
    pullback    (xp, saved, cotangents, wanted, **params) -> one contribution per wanted operand
    forward_needed  (xp, needed, *operands, **params) -> results, None for those that `needed` does not name;
                taken in blocks of a graph where nobody reads them, such as vectors beside eigenvalues
    *_kernel    numeric twins on concrete arrays, same arguments; untraceable, blocked, in place
    inplace     result -> the operand whose memory it may take at that operand's last use; forward_kernel
                then takes `overwrite=True`, given for an operand of the result's spec that nothing else sees
    auxiliary   results, the last ones, that only kernels of the maps read: a factor in the form that suits
                the array library. They have no derivative, and rules for tiles leave them out
    pullback_inplace  wanted operand -> the result whose cotangent's memory its cotangent may take, likewise;
                for primitives of one result
    ufunc       name of the NumPy function with `out=` that forward is, where it is one
    view        whether forward makes a view on NumPy (no flops, no bytes)
    cost        (operand specs, result specs, **params) -> Cost
    tangent_space  (xp, tangents) -> admissible tangents, where the operands lie in a smaller space
                (Hermitian)
    replaces    NumPy functions that record this primitive when they meet a tracer
    examples    (random generator) -> tuples of operands, with a dict of params last where there are any; the
                laws in tests/primitives/test_contract.py are asserted on them
    """

    name: str
    signature: str
    forward: Callable[..., Any]
    pushforward: Callable[..., Any] | None = None
    pullback: Callable[..., tuple[Array | None, ...]] | None = None
    saves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    specs: Callable[..., Specs] | None = None
    forward_needed: Callable[..., Any] | None = None
    forward_kernel: Callable[..., Any] | None = None
    pullback_kernel: Callable[..., tuple[Array | None, ...]] | None = None
    inplace: Mapping[str, str] = field(default_factory=dict)
    auxiliary: tuple[str, ...] = ()
    pullback_inplace: Mapping[str, str] = field(default_factory=dict)
    ufunc: str | None = None
    view: bool = False
    cost: Callable[..., Cost] | None = None
    tangent_space: Callable[..., tuple[Any, ...]] | None = None
    replaces: tuple[Callable[..., Any], ...] = ()
    examples: Callable[[np.random.Generator], Iterator[tuple[Any, ...]]] | None = None
    parsed: Signature = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parsed", Signature.parse(self.name, self.signature))

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the operands; the last ends in `*` where any number may follow."""
        return self.parsed.operands

    @property
    def results(self) -> tuple[str, ...]:
        return self.parsed.results

    @property
    def differentiable(self) -> bool:
        return self.pullback is not None

    def operand_names(self, count: int) -> tuple[str, ...]:
        """One name per operand of a call with so many operands (`x*` becomes x0, x1, …)."""
        return self.parsed.operand_names(count)

    def taken_position(self, result: str, count: int) -> int | None:
        """Which of `count` operands a result's memory may be taken from; None where no one's may."""
        name = self.inplace.get(result)
        return None if name is None else self.operand_names(count).index(name)

    def saves_for(self, wanted: Wanted) -> tuple[str, ...]:
        """Names of the values that the cotangents of these operands need, in order, each once."""
        return tuple(dict.fromkeys(name for operand in wanted for name in self.saves.get(operand, ())))

    def carries_derivative(self, operand: str) -> bool:
        """Whether the cotangent of this operand can be other than zero."""
        return self.pullback is not None and (operand in self.saves or self.parsed.variadic)

    def result_specs(self, operands: Specs, params: Mapping[str, Any]) -> Specs:
        """Specs of the results: the shape rule.

        Raises ShapeError or DtypeError in the words of the signature.
        """
        if self.specs is not None:
            return self.specs(*operands, **params)
        shapes = self.parsed.result_shapes(tuple(s.shape for s in operands))
        dtypes = self._result_dtypes(operands, params)
        return tuple(spec(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True))

    def _result_dtypes(self, operands: Specs, params: Mapping[str, Any]) -> list[np.dtype[Any]]:
        """Dtypes of the results, found by running forward on arrays of single ones."""
        ones = [np.ones((1,) * k, s.dtype) for k, s in zip(self.parsed.core_ndims, operands, strict=True)]
        with np.errstate(all="ignore"):  # one may be a singularity
            results = self.forward(np, *ones, **params)
        return [np.asarray(y).dtype for y in (results if isinstance(results, tuple) else (results,))]

    def costs(self, operands: Specs, results: Specs, params: Mapping[str, Any]) -> Cost:
        """Flops and workspace of one call; without a rule, a flop per item of the largest array."""
        if self.cost is not None:
            return self.cost(operands, results, **params)
        if self.view:
            return Cost(0, 0)
        size = max((s.size for s in (*operands, *results)), default=0)
        return Cost(size, size)

    def __call__(self, *operands: Array, **params: Any) -> Any:
        for operand in operands:
            recorder = getattr(operand, "__dagsolve_recorder__", None)
            if recorder is not None:
                return recorder.record(self, operands, params)
        return self.run(namespace_of(*operands), operands, params)

    def run(self, xp: Namespace, operands: Arrays, params: Mapping[str, Any]) -> Any:
        """Forward on concrete arrays, by the numeric kernel where there is one."""
        rule = self.forward if self.forward_kernel is None else self.forward_kernel
        return rule(xp, *operands, **params)

    def saved(self, operands: Arrays, results: Arrays, specs: Mapping[str, Spec], wanted: Wanted) -> Saved:
        """The residuals of a call for the cotangents of the wanted operands."""
        named = dict(zip(self.operand_names(len(operands)), operands, strict=True))
        named.update(zip(self.results, results, strict=True))
        return Saved({name: named[name] for name in self.saves_for(wanted)}, specs)

    def named_specs(self, operands: Specs, results: Specs) -> dict[str, Spec]:
        """Specs by operand and result name."""
        names = (*self.operand_names(len(operands)), *self.results)
        return dict(zip(names, (*operands, *results), strict=True))

    def push(
        self, xp: Namespace, saved: Saved, tangents: tuple[Array | None, ...], params: Mapping[str, Any]
    ) -> tuple[Array | None, ...]:
        """Result tangents, one per result, in the results' specs."""
        assert self.pushforward is not None
        made = self.pushforward(xp, saved, tangents, **params)
        made = made if isinstance(made, tuple) else (made,)
        return tuple(
            None if y_dot is None else fit(xp, y_dot, 0, saved.specs[name])
            for name, y_dot in zip(self.results, made, strict=True)
        )

    def pull(
        self,
        xp: Namespace,
        saved: Saved,
        cotangents: tuple[Array | None, ...],
        wanted: Wanted,
        params: Mapping[str, Any],
        *,
        kernel: bool = False,
        overwrite: bool = False,
    ) -> tuple[Array | None, ...]:
        """Operand cotangents, one per wanted operand, in the operands' specs (after extra leading axes).

        `overwrite`: the kernel may use the memory that `pullback_inplace` names.
        """
        rule = self.pullback_kernel if kernel and self.pullback_kernel is not None else self.pullback
        assert rule is not None
        extra = self._extra_axes(saved, cotangents)
        options = {"overwrite": True} if overwrite and kernel else {}
        made = rule(xp, saved, cotangents, wanted, **params, **options)
        return tuple(
            None if x_bar is None else fit(xp, x_bar, extra, saved.specs[name])
            for name, x_bar in zip(wanted, made, strict=True)
        )

    def _extra_axes(self, saved: Saved, cotangents: tuple[Array | None, ...]) -> int:
        for name, y_bar in zip(self.results, cotangents, strict=True):
            if y_bar is not None:
                return len(y_bar.shape) - saved.specs[name].ndim
        raise ShapeError(f"{self.name}: a pullback needs at least one cotangent that is not None")


def handing_on(
    name: str,
    signature: str,
    forward: Callable[..., Any],
    examples: Callable[[np.random.Generator], Iterator[tuple[Any, ...]]],
    *,
    position: int = 0,
) -> Primitive:
    """A primitive that hands on one operand as it is, after a look at it and the others that may raise.

    It costs nothing and its derivatives are identities; the operands beside have none.
    """
    operand = Signature.parse(name, signature).operands[position]
    return Primitive(
        name,
        signature,
        forward,
        lambda xp, saved, tangents, **params: tangents[position],
        lambda xp, saved, cotangents, wanted, **params: cotangents,
        saves={operand: ()},
        specs=lambda *operands, **params: (operands[position],),
        view=True,
        examples=examples,
    )


def fit(xp: Namespace, value: Array, extra: int, target: Spec) -> Array:
    """The value in the shape and dtype of a spec, behind `extra` leading axes.

    Axes along which the target was broadcast are summed; axes of length one that the target has longer
    are broadcast; a real target takes the real part.
    """
    lead, shape = tuple(value.shape[:extra]), tuple(value.shape[extra:])
    if shape != target.shape:
        value = _fit_shape(xp, value, lead, shape, target.shape)
    dtype = native_dtype(xp, target.dtype)
    if value.dtype != dtype:
        if target.dtype.kind != "c" and is_complex(value):
            value = xp.real(value)
        value = value if value.dtype == dtype else xp.astype(value, dtype)
    return value


def _fit_shape(
    xp: Namespace, value: Array, lead: tuple[int, ...], shape: tuple[int, ...], target: tuple[int, ...]
) -> Array:
    skip = len(shape) - len(target)
    if skip > 0:
        value = xp.sum(value, axis=tuple(range(-len(shape), -len(target))))
        shape = shape[skip:]
    padded = (1,) * (len(target) - len(shape)) + shape
    axes = tuple(
        k - len(target) for k, (n, m) in enumerate(zip(padded, target, strict=True)) if m == 1 and n != 1
    )
    if padded != shape:
        value = xp.reshape(value, (*lead, *padded))
    if axes:
        value = xp.sum(value, axis=axes, keepdims=True)
    summed = tuple(1 if m == 1 else n for n, m in zip(padded, target, strict=True))
    if summed != target:
        broadcast_shapes(summed, target)
        value = xp.broadcast_to(value, (*lead, *target))
    return value
