"""The laws that every primitive of the table obeys, on its own examples.

The pullback is checked against the pushforward by inner products, the pushforward against differences of
forward, and nothing against the formula it was written from.
"""

import zlib
from itertools import combinations
from typing import Any

import array_api_strict
import numpy as np
import pytest

from dagsolve.primitive import Saved
from dagsolve.primitives import PRIMITIVES, special
from dagsolve.specs import spec_of
from dagsolve.testing import check_grads

SEED = 20261121


def cases(table):
    """Every primitive with every example of its own: name, operands, params.

    Each has its own generator, so that a new primitive draws nobody else other numbers.
    """
    for name, primitive in table.items():
        rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
        if primitive.examples is None:
            continue  # generators: nothing goes in
        for k, example in enumerate(primitive.examples(rng)):
            *operands, params = example if isinstance(example[-1], dict) else (*example, {})
            for x in operands:
                if isinstance(x, np.ndarray):
                    x.flags.writeable = False  # operands, and below cotangents, are never written to
            yield pytest.param(primitive, tuple(operands), params, id=f"{name}-{k}")


CASES = list(cases(PRIMITIVES))
DIFFERENTIABLE = [case for case in CASES if case.values[0].differentiable]
PULLED_BY_KERNEL = [case for case in CASES if case.values[0].pullback_kernel is not None]
RUN_BY_KERNEL = [case for case in CASES if case.values[0].forward_kernel is not None]
RUN_IN_PART = [case for case in CASES if case.values[0].forward_needed is not None]
# What the array API standard lacks: adding at repeated indices, mixed kinds of powers, SciPy's functions.
BEYOND_STANDARD = {
    "add_at",
    "take",
    "add_along",
    "take_along",
    "power",
    "exp2",
    "cbrt",
    *(p.name for p in special.PRIMITIVES),
}
STANDARD = [case for case in DIFFERENTIABLE if case.values[0].name not in BEYOND_STANDARD]
STACKED = [
    case
    for case in DIFFERENTIABLE
    if any(case.values[0].parsed.core_ndims)
    and (case.values[0].specs is None or len(case.values[0].results) > 1)
]
ARRANGING = [
    case
    for case in DIFFERENTIABLE
    if case.values[0].name
    in {
        "reshape",
        "transpose",
        "broadcast_to",
        "concatenate",
        "getitem",
        "place",
        "take",
        "add_at",
        "add_along",
    }
]
SEVERAL = [case for case in DIFFERENTIABLE if len(case.values[0].results) > 1]
SMALL: dict[str, Any] = {}  # the first example of each primitive that is small enough for second differences
TWICE = []  # all that are; those behind the first are slow together
for case in DIFFERENTIABLE:
    if sum(map(np.size, case.values[1])) <= 60:
        first = SMALL.setdefault(case.values[0].name, case) is case
        TWICE.append(pytest.param(*case.values, id=case.id, marks=() if first else pytest.mark.slow))


class Call:
    """One call of a primitive with its residuals: what the laws are stated in."""

    def __init__(self, primitive, operands, params):
        self.primitive, self.operands, self.params = primitive, operands, params
        self.results = as_tuple(primitive.forward(np, *operands, **params))
        self.operand_specs = tuple(map(spec_of, operands))
        self.result_specs = tuple(map(spec_of, self.results))
        self.specs = primitive.named_specs(self.operand_specs, self.result_specs)
        self.wanted = tuple(
            name
            for name, spec in zip(primitive.operand_names(len(operands)), self.operand_specs, strict=True)
            if primitive.carries_derivative(name) and spec.dtype.kind in "fc"
        )

    def saved(self, wanted):
        return self.primitive.saved(self.operands, self.results, self.specs, wanted)

    def push(self, tangents):
        saved = self.saved(self.wanted)
        return self.primitive.push(np, saved, tangents, self.params)

    def pull(self, cotangents, wanted=None, kernel=False):
        wanted = self.wanted if wanted is None else wanted
        return self.primitive.pull(np, self.saved(wanted), cotangents, wanted, self.params, kernel=kernel)

    def draw_tangents(self, rng):
        names = self.primitive.operand_names(len(self.operands))
        drawn = tuple(
            draw(rng, spec) if name in self.wanted else None
            for name, spec in zip(names, self.operand_specs, strict=True)
        )
        admissible = self.primitive.tangent_space
        return drawn if admissible is None else admissible(np, drawn)

    def draw_cotangents(self, rng, *extra):
        return tuple(draw(rng, spec, *extra) for spec in self.result_specs)


def as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def draw(rng, spec, *extra):
    """A random direction of that spec."""
    drawn = rng.standard_normal((*extra, *spec.shape))
    if spec.dtype.kind == "c":
        drawn = drawn + 1j * rng.standard_normal((*extra, *spec.shape))
    drawn = np.asarray(drawn, dtype=spec.dtype)
    drawn.flags.writeable = False
    return drawn


def inner(xs, ys):
    """Re⟨x, y⟩ summed over pairs; None is zero."""
    pairs = zip(xs, ys, strict=True)
    return sum(np.real(np.vdot(x, y)) for x, y in pairs if x is not None and y is not None)


def moved(call, tangents, step):
    shifted = tuple(
        x if x_dot is None else x + step * x_dot for x, x_dot in zip(call.operands, tangents, strict=True)
    )
    return as_tuple(call.primitive.forward(np, *shifted, **call.params))


def lowered(x):
    return x.astype({"d": "f", "D": "F"}.get(x.dtype.char, x.dtype.char))


@pytest.mark.parametrize(("primitive", "operands", "params"), CASES)
def test_shape_rule_predicts_forward(primitive, operands, params):
    for converted in (operands, tuple(map(lowered, operands))):
        specs = tuple(map(spec_of, converted))
        results = as_tuple(primitive(*converted, **params))
        assert primitive.result_specs(specs, params) == tuple(map(spec_of, results))
        cost = primitive.costs(specs, tuple(map(spec_of, results)), params)
        assert min(cost) >= 0


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_pushforward_is_the_derivative_of_forward(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    tangents = call.draw_tangents(rng)
    step = 1e-4
    near = zip(moved(call, tangents, step), moved(call, tangents, -step), strict=True)
    far = zip(moved(call, tangents, 2 * step), moved(call, tangents, -2 * step), strict=True)
    for name, y_dot, (a, b), (c, d) in zip(primitive.results, call.push(tangents), near, far, strict=True):
        if name in primitive.auxiliary:
            assert y_dot is None
            continue
        expected = (8 * (a - b) - (c - d)) / (12 * step)
        np.testing.assert_allclose(0 if y_dot is None else y_dot, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_pullback_is_the_adjoint_of_the_pushforward(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    tangents, cotangents = call.draw_tangents(rng), call.draw_cotangents(rng)
    left = inner(call.push(tangents), cotangents)
    right = inner([x_dot for x_dot in tangents if x_dot is not None], call.pull(cotangents))
    assert left == pytest.approx(right, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_maps_are_sums_over_operands(primitive, operands, params, rng):
    """One operand at a time, with only the residuals that it names, gives the same."""
    call = Call(primitive, operands, params)
    tangents, cotangents = call.draw_tangents(rng), call.draw_cotangents(rng)
    together = call.pull(cotangents)
    for name, x_bar in zip(call.wanted, together, strict=True):
        (alone,) = call.pull(cotangents, (name,))
        np.testing.assert_equal(alone, x_bar)
    names = primitive.operand_names(len(operands))
    parts = [
        call.push(tuple(t if n == name else None for n, t in zip(names, tangents, strict=True)))
        for name in call.wanted
    ]
    for y_dot, *y_dots in zip(call.push(tangents), *parts, strict=True):
        expected = sum(0 if part is None else part for part in y_dots)
        np.testing.assert_allclose(0 if y_dot is None else y_dot, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_cotangents_have_the_specs_of_operands_behind_extra_axes(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    cotangents = call.draw_cotangents(rng, 2, 3)
    stacked = call.pull(cotangents)
    for i, j in np.ndindex(2, 3):
        single = call.pull(tuple(y_bar[i, j] for y_bar in cotangents))
        for name, many, one in zip(call.wanted, stacked, single, strict=True):
            assert (many is None) == (one is None)
            if one is not None:
                assert spec_of(one) == call.specs[name]
                assert many.dtype == one.dtype
                np.testing.assert_allclose(many[i, j], one, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_single_precision_agrees_with_double(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    single = Call(primitive, tuple(map(lowered, operands)), params)
    cotangents, tangents = call.draw_cotangents(rng), call.draw_tangents(rng)
    low = tuple(y_bar.astype(s.dtype) for y_bar, s in zip(cotangents, single.result_specs, strict=True))
    pulled = zip(call.pull(cotangents), single.pull(low), call.wanted, strict=True)
    low = tuple(x_dot if x_dot is None else lowered(x_dot) for x_dot in tangents)
    pushed = zip(call.push(tangents), single.push(low), primitive.results, strict=True)
    for expected, found, name in (*pulled, *pushed):
        if expected is not None:
            assert found.dtype == single.specs[name].dtype
            scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(("primitive", "operands", "params"), ARRANGING)
def test_arrangements_of_complex_numbers_are_those_of_their_parts(primitive, operands, params, rng):
    """What only moves numbers, in either direction: no part is dropped, none conjugated."""
    other = tuple(
        x if spec_of(x).dtype.kind not in "fc" else x[..., ::-1] if np.ndim(x) else -x for x in operands
    )
    mixed = tuple(
        x + 1j * y if spec_of(x).dtype.kind == "f" else x for x, y in zip(operands, other, strict=True)
    )
    calls = [Call(primitive, xs, params) for xs in (operands, other, mixed)]
    for real, imaginary, both in zip(*(call.results for call in calls), strict=True):
        np.testing.assert_array_equal(both, real + 1j * imaginary)
    pushed, pulled = [call.push for call in calls], [call.pull for call in calls]
    for draws, maps in ((Call.draw_tangents, pushed), (Call.draw_cotangents, pulled)):
        u, v = draws(calls[0], rng), draws(calls[0], rng)
        w = tuple(a if a is None else a + 1j * b for a, b in zip(u, v, strict=True))
        for real, imaginary, both in zip(maps[0](u), maps[1](v), maps[2](w), strict=True):
            np.testing.assert_allclose(both, real + 1j * imaginary, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_residuals_are_not_written_to(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    kept = [np.array(y) for y in call.results]
    call.pull(call.draw_cotangents(rng), kernel=True)
    for before, after in zip(kept, call.results, strict=True):
        np.testing.assert_equal(after, before)


@pytest.mark.parametrize(("primitive", "operands", "params"), RUN_BY_KERNEL)
def test_forward_kernel_equals_forward(primitive, operands, params):
    by_rule = as_tuple(primitive.forward(np, *operands, **params))
    for y, expected in zip(as_tuple(primitive.forward_kernel(np, *operands, **params)), by_rule, strict=True):
        assert spec_of(y) == spec_of(expected)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("primitive", "operands", "params"), RUN_IN_PART)
def test_needed_results_are_those_of_forward(primitive, operands, params):
    """Whichever are needed; the others may be left out."""
    by_rule = dict(zip(primitive.results, primitive.forward(np, *operands, **params), strict=True))
    for count in range(1, len(by_rule) + 1):
        for needed in combinations(by_rule, count):
            made = primitive.forward_needed(np, needed, *operands, **params)
            for y, (name, expected) in zip(made, by_rule.items(), strict=True):
                if name in needed:
                    assert spec_of(y) == spec_of(expected)
                    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("primitive", "operands", "params"), PULLED_BY_KERNEL)
@pytest.mark.parametrize("extra", [(), (2,)])
def test_pullback_kernel_equals_pullback(primitive, operands, params, extra, rng):
    call = Call(primitive, operands, params)
    cotangents = call.draw_cotangents(rng, *extra)
    by_kernel = call.pull(cotangents, kernel=True)
    for x_bar, expected in zip(by_kernel, call.pull(cotangents), strict=True):
        assert spec_of(x_bar) == spec_of(expected)
        np.testing.assert_allclose(x_bar, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("primitive", "operands", "params"), STACKED)
def test_leading_axes_are_a_batch(primitive, operands, params, rng):
    """A stack made by repeating the operands with new values gives the stack of results and cotangents."""
    other = tuple(x if spec_of(x).dtype.kind not in "fc" else 1.25 * x for x in operands)
    calls = Call(primitive, operands, params), Call(primitive, other, params)
    ndims = [len(s.shape) for s in calls[0].operand_specs]
    # New axes go before the batch, so operands with shorter batches are padded with axes of length one.
    leads = [n - core for n, core in zip(ndims, primitive.parsed.core_ndims, strict=True)]
    missing = [(1,) * (max(leads) - lead) for lead in leads]
    padded = [
        tuple(x.reshape(ones + x.shape) for x, ones in zip(call.operands, missing, strict=True))
        for call in calls
    ]
    stacked = Call(primitive, tuple(np.stack(pair) for pair in zip(*padded, strict=True)), params)
    for k, y in enumerate(stacked.results):
        for row, call in zip(y, calls, strict=True):
            row = row.reshape(np.shape(call.results[k]))  # factors of one operand have its padding
            np.testing.assert_allclose(row, call.results[k], rtol=1e-12, atol=1e-12)
    cotangents = tuple(draw(rng, s) for s in stacked.result_specs)
    x_bars = stacked.pull(cotangents)
    for row, call in enumerate(calls):
        expected = call.pull(tuple(y_bar[row] for y_bar in cotangents))
        for x_bar, one in zip(x_bars, expected, strict=True):
            np.testing.assert_allclose(x_bar[row].reshape(one.shape), one, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("primitive", "operands", "params"), STANDARD)
def test_maps_use_the_array_api_standard_only(primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    xp = array_api_strict
    strict = [xp.asarray(np.array(x)) for x in operands]
    results = as_tuple(primitive.forward(xp, *strict, **params))
    for y, expected in zip(results, call.results, strict=True):
        np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-12, atol=1e-12)
    saved = Saved(dict(primitive.saved(strict, results, call.specs, call.wanted).items()), call.specs)
    tangents, cotangents = call.draw_tangents(rng), call.draw_cotangents(rng)
    pushed = primitive.push(xp, saved, in_library(xp, tangents), params)
    pulled = primitive.pull(xp, saved, in_library(xp, cotangents), call.wanted, params)
    for found, expected in ((pushed, call.push(tangents)), (pulled, call.pull(cotangents))):
        for direction, other in zip(found, expected, strict=True):
            assert (direction is None) == (other is None)
            if other is not None:
                assert spec_of(np.asarray(direction)) == spec_of(other)
                np.testing.assert_allclose(np.asarray(direction), other, rtol=1e-11, atol=1e-11)


def test_every_differentiable_primitive_has_a_small_example():
    assert SMALL.keys() == {case.values[0].name for case in DIFFERENTIABLE}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("full", {"shape": (3, 5), "dtype": "<f4", "value": 2.5}),
        ("eye", {"rows": 3, "columns": 5, "offset": 1, "dtype": "<f8"}),
        ("arange", {"start": 1.0, "step": 0.5, "length": 7, "dtype": "<f8"}),
    ],
)
def test_generators_use_the_array_api_standard_only(name, params):
    primitive = PRIMITIVES[name]
    expected = primitive.run(np, (), params)
    assert primitive.result_specs((), params) == (spec_of(expected),)
    found = np.asarray(primitive.run(array_api_strict, (), params))
    assert spec_of(found) == spec_of(expected)
    np.testing.assert_array_equal(found, expected)


def in_library(xp, arrays):
    return tuple(None if x is None else xp.asarray(np.array(x)) for x in arrays)


@pytest.mark.parametrize(("primitive", "operands", "params"), SEVERAL)
def test_absent_cotangents_are_zero(primitive, operands, params, rng):
    """Of several results, one alone may have a cotangent; the pullback is a sum over results."""
    call = Call(primitive, operands, params)
    cotangents = call.draw_cotangents(rng)
    count = len(cotangents)
    parts = [call.pull(tuple(cotangents[k] if k == j else None for j in range(count))) for k in range(count)]
    for x_bar, *x_bars in zip(call.pull(cotangents), *parts, strict=True):
        given = [part for part in x_bars if part is not None]
        np.testing.assert_allclose(sum(given), x_bar, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("primitive", "operands", "params"), TWICE)
def test_second_derivatives(primitive, operands, params):
    """The maps are differentiable themselves, in both modes: recorded, and held against differences."""

    def function(*xs):
        made = primitive(*xs, **params)
        return made[: len(made) - len(primitive.auxiliary)] if primitive.auxiliary else made

    if primitive.tangent_space is not None:  # one matrix, given twice
        check_grads(lambda a: primitive(a, np.conj(a.T)), (operands[0] @ operands[1],), scheduler="sync")
    else:
        check_grads(function, operands, order=2, scheduler="sync")
