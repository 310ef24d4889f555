"""Every primitive on CuPy: results, tangents and cotangents as on NumPy, and none of them on the host.

The linear maps get NumPy's residuals, so a factor's free signs do not enter.
"""

import numpy as np
import pytest

from dagsolve.namespace import is_host, namespace_of, to_device, to_host
from dagsolve.primitive import Saved
from dagsolve.primitives import PRIMITIVES
from dagsolve.specs import spec_of
from tests.primitives.test_contract import CASES, DIFFERENTIABLE, Call, as_tuple

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::UserWarning:cupy")]


def on_device(arrays):
    return tuple(None if x is None else to_device(x) for x in arrays)


def assert_same(found, expected):
    """Equal arrays of equal specs, the found ones on the device."""
    for y, other in zip(found, expected, strict=True):
        assert (y is None) == (other is None)
        if other is not None:
            assert not is_host(y)
            assert spec_of(y) == spec_of(other)
            np.testing.assert_allclose(to_host(y), other, rtol=1e-9, atol=1e-10)


def without_signs(primitive, results):
    """Orthonormal factors with a positive diagonal of their triangle, no auxiliaries; others as they are."""
    results = results[: len(results) - len(primitive.auxiliary)]
    if primitive.name == "qr_triangle":
        return (turned(results[0], rows=True)[0],)
    if primitive.name == "qr":
        *others, q, r = results
        r, phase = turned(r, rows=True)
        return *others, q * phase[..., None, :], r
    if primitive.name in ("lq", "minimum_norm"):
        *others, l, q = results
        l, phase = turned(l, rows=False)
        return *others, l, q * phase[..., :, None]
    return results


def turned(triangle, rows):
    """The triangle with a positive diagonal, and what the other factor is multiplied by."""
    k = min(triangle.shape[-2:])
    xp = namespace_of(triangle)
    diagonal = xp.linalg.diagonal(triangle[..., :k, :k])
    phase = diagonal / xp.abs(diagonal)
    back = xp.conj(phase)
    return (triangle * (back[..., :, None] if rows else back[..., None, :])), phase


@pytest.mark.parametrize(("primitive", "operands", "params"), CASES)
def test_forward(cupy, primitive, operands, params):
    """By the kernel as well as by the traceable rule."""
    expected = without_signs(primitive, as_tuple(primitive.forward(np, *operands, **params)))
    moved = on_device(operands)
    xp = namespace_of(*moved)
    for results in (primitive(*moved, **params), primitive.forward(xp, *moved, **params)):
        assert_same(without_signs(primitive, as_tuple(results)), expected)
    for x, before in zip(moved, operands, strict=True):
        np.testing.assert_array_equal(to_host(x), before)


@pytest.mark.parametrize(("primitive", "operands", "params"), DIFFERENTIABLE)
def test_linear_maps(cupy, primitive, operands, params, rng):
    call = Call(primitive, operands, params)
    kept = {name: to_device(x) for name, x in call.saved(call.wanted).items()}
    saved, xp = Saved(kept, call.specs), namespace_of(to_device(np.ones(1)))
    tangents, cotangents = call.draw_tangents(rng), call.draw_cotangents(rng)
    assert_same(primitive.push(xp, saved, on_device(tangents), params), call.push(tangents))
    for kernel in (False, True):
        pulled = primitive.pull(xp, saved, on_device(cotangents), call.wanted, params, kernel=kernel)
        assert_same(pulled, call.pull(cotangents))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("full", {"shape": (3, 5), "dtype": "<f4", "value": 2.5}),
        ("eye", {"rows": 3, "columns": 5, "offset": 1, "dtype": "<f8"}),
        ("arange", {"start": 1.0, "step": 0.5, "length": 7, "dtype": "<f8"}),
    ],
)
def test_generators(cupy, name, params):
    primitive = PRIMITIVES[name]
    made = primitive.run(namespace_of(to_device(np.ones(1))), (), params)
    assert_same((made,), (primitive.run(np, (), params),))
