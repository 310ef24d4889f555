"""Products of traced arrays: matmul, dot, tensordot and einsum brought to two-operand primitives."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from dagsolve.errors import ArgumentError, ShapeError, UnsupportedError
from dagsolve.primitives import PRIMITIVES
from dagsolve.tracing.scope import source_scope


def _array(x: Any) -> Any:
    return x if hasattr(x, "shape") else np.asarray(x)


def matmul(a: Any, b: Any) -> Any:
    """a @ b; vectors become matrices of one row or column for the product."""
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"matmul: operands must have at least one axis, got {a.shape} and {b.shape} (at {source_scope()})"
        )
    left = np.reshape(a, (1, -1)) if a.ndim == 1 else a
    right = np.reshape(b, (-1, 1)) if b.ndim == 1 else b
    product = PRIMITIVES["matmul"](left, right)
    if a.ndim > 1 and b.ndim > 1:
        return product
    shape = tuple(product.shape)
    lead, (m, n) = shape[:-2], shape[-2:]
    return np.reshape(product, lead + (() if a.ndim == 1 else (m,)) + (() if b.ndim == 1 else (n,)))


def dot(a: Any, b: Any, out: None = None) -> Any:
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        return PRIMITIVES["multiply"](a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=([-1], [-1 if b.ndim == 1 else -2]))


def inner(a: Any, b: Any) -> Any:
    a, b = _array(a), _array(b)
    return PRIMITIVES["multiply"](a, b) if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, axes=([-1], [-1]))


def outer(a: Any, b: Any, out: None = None) -> Any:
    return PRIMITIVES["multiply"](np.reshape(_array(a), (-1, 1)), np.reshape(_array(b), (1, -1)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes, as one matrix product of reshaped operands."""
    a, b = _array(a), _array(b)
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([int(ax)] if isinstance(ax, (int, np.integer)) else list(ax) for ax in axes)
    left, right = [int(k) % a.ndim for k in left], [int(k) % b.ndim for k in right]
    if [a.shape[k] for k in left] != [b.shape[k] for k in right]:
        raise ShapeError(
            f"tensordot: axes {axes} of {a.shape} and {b.shape} differ in length (at {source_scope()})"
        )
    free_a = [k for k in range(a.ndim) if k not in left]
    free_b = [k for k in range(b.ndim) if k not in right]
    k = int(np.prod([a.shape[x] for x in left], dtype=int))
    rows = np.reshape(np.transpose(a, free_a + left), (-1, k))
    columns = np.reshape(np.transpose(b, right + free_b), (k, -1))
    shape = [a.shape[x] for x in free_a] + [b.shape[x] for x in free_b]
    return np.reshape(PRIMITIVES["matmul"](rows, columns), shape)


def einsum(*operands: Any, out: None = None, optimize: Any = False, dtype: Any = None, **options: Any) -> Any:
    """Explicit or implicit einsum; more than two operands are contracted from the left."""
    if options or not operands or not isinstance(operands[0], str):
        raise UnsupportedError(
            f"np.einsum with {sorted(options) or 'index lists'} (at {source_scope()}). "
            "Use a subscripts string."
        )
    text, arrays = operands[0].replace(" ", ""), [_array(x) for x in operands[1:]]
    if dtype is not None:
        arrays = [x if x.dtype == dtype else np.astype(x, np.dtype(dtype)) for x in arrays]
    if "." in text:
        raise UnsupportedError(
            f"np.einsum with an ellipsis in {text!r} (at {source_scope()}). Name all axes."
        )
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if not arrow:
        result = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    if len(terms) != len(arrays) or any(len(t) != x.ndim for t, x in zip(terms, arrays, strict=False)):
        shapes = ", ".join(str(tuple(x.shape)) for x in arrays)
        raise ArgumentError(
            f"np.einsum: subscripts {text!r} do not describe operands of shapes {shapes} "
            f"(at {source_scope()})"
        )
    if len(set(result)) != len(result):
        raise UnsupportedError(
            f"np.einsum with a letter repeated in the result of {text!r} (at {source_scope()}). Use np.diag."
        )
    terms, arrays = map(list, zip(*map(_distinct, terms, arrays), strict=True))
    term, value = terms[0], arrays[0]
    for k, (right, array) in enumerate(zip(terms[1:], arrays[1:], strict=True), start=1):
        later = set("".join(terms[k + 1 :])) | set(result)
        kept = "".join(c for c in dict.fromkeys(term + right) if c in later)
        kept = result if k == len(terms) - 1 else kept
        value = PRIMITIVES["einsum"](value, array, subscripts=f"{term},{right}->{kept}")
        term = kept
    return value if len(arrays) > 1 else _one_operand(value, term, result)


def _distinct(term: str, value: Any) -> tuple[str, Any]:
    """An operand with the diagonals that its repeated letters name, each letter once."""
    for c in dict.fromkeys(c for c in term if term.count(c) > 1):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            value = np.diagonal(value, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return term, value


def _one_operand(value: Any, term: str, result: str) -> Any:
    gone = tuple(k for k, c in enumerate(term) if c not in result)
    value = np.sum(value, axis=gone) if gone else value
    kept = [c for c in term if c in result]
    return np.transpose(value, [kept.index(c) for c in result])


def cross_products(arrays: Sequence[Any], out: None = None) -> Any:
    return reduce(matmul, arrays)
