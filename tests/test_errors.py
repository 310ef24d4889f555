"""Every mistake of a user: one of our errors, at once; who, which, what must be, what came, what to do."""

import math
import time

import dask.array as da
import numpy as np
import pytest
import scipy.linalg
import scipy.special
from dask.delayed import delayed
from distributed import Client

import dagsolve as ds
from dagsolve.errors import (
    ArgumentError,
    BudgetError,
    DagsolveError,
    DtypeError,
    FactorisationError,
    MissingAttributeError,
    SchedulerError,
    ShapeError,
    TraceError,
    UnknownSpecError,
    UnsupportedError,
)

SECONDS = 10.0
X = np.array([0.5, 1.25, 2.0])
ONES = da.ones(3)
UNKNOWN = ONES[ONES > 0]
SPD = np.diag([1.0, 2.0, 3.0, 4.0, 5.0])
HERE = "test_errors.py:"  # the user's source line


def cholesky_trace(a):
    return np.trace(np.linalg.cholesky(a))


def solved(t, b):
    return np.sum(ds.linalg.solve_triangular(t, b, lower=True))


def branch(x):
    return np.sum(x) if x[0] > 0 else 0.0


def loop(x):
    while x[0] < 3:
        x = 2 * x
    return np.sum(x)


def assigned_to_data(x):
    k = np.zeros((3, 3))
    k[0, 1] = x[0]
    return np.sum(k)


def assigned_to_tracer(x):
    x[0] = 1.0
    return np.sum(x)


def added_in_place(x):
    total = np.zeros(3)
    total += x
    return np.sum(total)


def written_by_out(x):
    y = np.empty(3)
    np.exp(x, out=y)
    return np.sum(y)


def wrote_into_large_data(x):
    data = np.arange(200_003.0) ** 0.5
    y = x[0] * data
    data[0] = 1.0
    return np.sum(y)


def leaked():
    kept = []

    def keep(x):
        kept.append(x)
        return np.sum(x)

    ds.grad(keep)(X)
    return kept[0] + 1.0


def of(f, *args, **options):
    """Calls the gradient of f when the test runs."""
    return lambda: ds.grad(f, **options)(*args)


BY_VALUE = [
    (of(branch, X), TraceError, ["shape ()", "`if`", HERE, "in branch", "np.where(condition, a, b)"]),
    (of(loop, X), TraceError, ["`while`", HERE, "in loop", "np.where"]),
    (of(lambda x: np.sum(x) * np.array_equal(x, X), X), TraceError, ["np.array_equal", HERE, "np.where"]),
    (of(lambda x: np.sum(x) if np.allclose(x, 0) else 0.0, X), TraceError, ["np.allclose", HERE, "np.where"]),
    (of(lambda x: float(x[0]), X), TraceError, ["float(x)", "shape ()", HERE, "keep the array"]),
    (of(lambda x: int(x[0]) * x[1], X), TraceError, ["int(x)", HERE, "outside the traced function"]),
    (of(lambda x: math.exp(x[0]), X), TraceError, ["math function", HERE, "np.exp for math.exp"]),
    (of(lambda x: x[0] * sum(range(x[1])), X), TraceError, ["as an index", HERE, "plain integers"]),
    (of(lambda x: np.sum(np.array([x[0], x[1]])), X), TraceError, ["np.array([t0, t1])", HERE, "np.stack"]),
    (of(lambda x: np.sum(np.asarray(x)), X), TraceError, ["NumPy array", "shape (3,)", HERE, "np.stack"]),
    (of(lambda x: np.sum(X[x > 0]), X), TraceError, ["data[t]", "shape (3,)", HERE, "np.where for masks"]),
    (of(lambda x: np.sum(x[x > 0]), X), UnsupportedError, ["traced array as an index", HERE, "np.where"]),
    (
        of(lambda x: np.sum(x[np.where(x > 0)]), X),
        UnsupportedError,
        ["np.where", "one argument", HERE, "both"],
    ),
    (
        of(assigned_to_data, X),
        TraceError,
        ["grad", "K[i, j] = t", HERE, "assigned_to_data", "np.where, np.stack"],
    ),
    (of(assigned_to_tracer, X), TraceError, ["shape (3,)", "x[i] = y", HERE, "np.concatenate"]),
    (of(added_in_place, X), UnsupportedError, ["np.add", "in-place", HERE, "x = x + y"]),
    (of(written_by_out, X), UnsupportedError, ["np.exp", "out=", HERE, "in written_by_out"]),
    (
        of(lambda x: np.sum(x, out=np.empty(())), X),
        UnsupportedError,
        ["np.sum", "out=", HERE, "result that it returns"],
    ),
    (
        of(wrote_into_large_data, X),
        TraceError,
        ["grad", "writes into an array", "read-only", "Make a new array"],
    ),
    (leaked, TraceError, ["add", "after the function", "had returned", HERE, "Return values"]),
]
WITHOUT_RULE = [
    (
        of(lambda x: np.sum(np.unwrap(x)), X),
        UnsupportedError,
        ["np.unwrap", "no derivative rule", HERE, "functions that have one"],
    ),
    (
        of(lambda x: np.sum(np.nextafter(x, 1)), X),
        UnsupportedError,
        ["nextafter", "no derivative rule", HERE],
    ),
    (of(lambda x: np.sum(scipy.special.jv(1, x)), X), UnsupportedError, ["jv", "no derivative rule", HERE]),
    (of(lambda x: scipy.special.logsumexp(x), X), TraceError, ["SciPy function", HERE, "ds.special"]),
    (of(lambda a: np.sum(scipy.linalg.cholesky(a)), SPD), TraceError, ["SciPy function", HERE, "ds.linalg"]),
    (of(lambda x: np.sum(np.add.accumulate(x)), X), UnsupportedError, ["add.accumulate", HERE]),
    (
        of(lambda x: np.sum(x, where=X > 1), X),
        UnsupportedError,
        ["np.sum", "'where'", HERE, "Leave that argument out"],
    ),
    (
        of(lambda x: np.sum(np.sin(x, where=X > 1)), X),
        UnsupportedError,
        ["np.sin", "where=", HERE, "np.where"],
    ),
    (of(lambda x: np.sum(x.argsort()), X), MissingAttributeError, ["'argsort'", HERE, "NumPy function"]),
    (
        of(lambda x: np.sum(x * UNKNOWN), X),
        UnknownSpecError,
        ["captured Dask array", "unknown", HERE, "compute_chunk_sizes()"],
    ),
    (
        of(lambda x: np.sum(x * delayed(X)), X),
        UnsupportedError,
        ["Dask Delayed", HERE, "da.from_delayed"],
    ),
    (
        of(lambda x: np.sum(x * np.array([None, 1, 2])), X),
        DtypeError,
        ["numeric array", "object", HERE, "Convert"],
    ),
    (of(lambda x: np.sum(x + "a"), X), DtypeError, ["numeric array", "U1", HERE, "Convert"]),
]
SHAPES = [
    (of(lambda x: np.sum(x + np.ones(4)), X), ShapeError, ["add", "(3,)", "(4,)", "do not broadcast", HERE]),
    (
        of(lambda x: np.sum(x @ np.ones((4, 2))), X),
        ShapeError,
        ["matmul: b", "must have shape", "(4, 2)", HERE],
    ),
    (of(cholesky_trace, np.ones((3, 4))), ShapeError, ["cholesky: a", "(..., n, n)", "(3, 4)", HERE]),
    (of(solved, SPD, np.ones(4)), ShapeError, ["solve_triangular: b", "n = 5", "(4, 1)", HERE]),
    (of(lambda x: np.sum(np.reshape(x, (2, 2))), X), ShapeError, ["reshape", "(3,)", "(2, 2)", HERE]),
    (of(lambda x: np.sum(np.sum(x, axis=1)), X), ShapeError, ["axis 1", "(3,)", HERE]),
    (of(lambda x: np.sum(np.concatenate([SPD, x])), X), ShapeError, ["concatenate", "(5, 5)", "(3,)", HERE]),
    (
        of(lambda x: np.sum(np.einsum("ij,j->i", x, x)), X),
        ArgumentError,
        ["einsum", "'ij,j->i'", "(3,)", HERE],
    ),
    (of(lambda x: x[7], X), ArgumentError, ["index 7", "length 3", HERE]),
    (of(lambda x: x[1.5], X), ArgumentError, ["index must be an integer", "1.5", HERE]),
    (of(lambda a: a[X, 0], SPD), ArgumentError, ["index array must hold integers", "float64", HERE]),
    (lambda: ds.vjp(np.sin, X)[1](np.ones(4)), ShapeError, ["vjp pullback: cotangent", "(3,)", "got (4,)"]),
    (
        lambda: ds.vjp(np.sin, X)[1]([X]),
        ArgumentError,
        ["vjp pullback: cotangent", "containers of the value"],
    ),
    (
        lambda: ds.jvp(np.sin, (X,), (np.ones(4),)),
        ShapeError,
        ["jvp: tangent of argument 0", "(3,)", "got (4,)"],
    ),
]
ARGUMENTS = [
    (
        of(np.sum, np.arange(3)),
        DtypeError,
        ["grad: argument 0", "must be a floating", "int64", ".astype(float)"],
    ),
    (of(lambda x: x * x, 3), DtypeError, ["grad: argument 0", "must be", "got int", "argnums"]),
    (of(lambda d: d["a"][1], {"a": [1.0, "b"]}), DtypeError, ["argument 0['a'][1]", "must be", "got str"]),
    (
        of(np.sum, {"a": [delayed(X)]}),
        ArgumentError,
        ["grad: argument 0['a'][0]", "must be an array", "Dask Delayed", "da.from_delayed"],
    ),
    (
        of(np.sum, UNKNOWN),
        UnknownSpecError,
        ["grad: the shape (nan,) of argument 0", "unknown", "compute_chunk_sizes()"],
    ),
    (of(np.sum, da.ones(3, dtype=int)), DtypeError, ["grad: argument 0", "floating", "int64", "astype"]),
    (of(np.sum, da.ones(3), chunks=2), ArgumentError, ["grad: chunks=", "Dask arguments", ".rechunk("]),
    (
        of(np.sum, da.ones(3), memory_limit="1 GiB"),
        ArgumentError,
        ["grad: memory_limit=", "lazy", "ds.compute(*results, memory_limit="],
    ),
    (of(np.sum, da.ones(3), scheduler="sync"), ArgumentError, ["scheduler=", "lazy", "ds.compute("]),
    (of(np.sum, da.ones(3), progress=False), ArgumentError, ["progress=", "lazy", "ds.compute("]),
    (
        lambda: ds.grad(np.sum, chunks=2).plan(da.ones(3)),
        ArgumentError,
        ["grad: chunks=", "Dask arguments", ".rechunk("],
    ),
    (
        lambda: ds.vjp(np.sin, X, scheduler="sync")[1](da.ones(3)),
        ArgumentError,
        ["vjp: scheduler=", "lazy", "ds.compute("],
    ),
    (
        lambda: ds.jacobian(np.sin, scheduler="sync")(da.ones(3)),
        ArgumentError,
        ["jacobian: scheduler=", "lazy", "ds.compute("],
    ),
    (lambda: ds.freeze(np.sin, X)(da.from_array(X)), UnsupportedError, ["frozen sin", "ds.vjp(frozen"]),
    (
        lambda: ds.gradients(da.ones(3), da.ones(3), cotangent=np.ones(4)),
        ShapeError,
        ["gradients: cotangent", "(3,)", "got (4,)"],
    ),
    (of(np.sin, X), ShapeError, ["grad: sin", "must return a scalar", "(3,)", "ds.vjp"]),
    (of(lambda x: (np.sum(x), 1.0), X), ShapeError, ["must return one scalar", "got tuple", "ds.vjp"]),
    (of(lambda x: 1j * np.sum(x), X), DtypeError, ["must return a real", "complex128", "np.real"]),
    (of(lambda x: np.sum(x > 0), X), DtypeError, ["must return a real floating", "int64", ".astype(float)"]),
    (of(lambda x: None, X), ArgumentError, ["must return arrays and numbers", "NoneType"]),
    (of(np.sum, X, has_aux=True), ArgumentError, ["must return a pair (value, aux)", "has_aux=True"]),
    (of(None, X), ArgumentError, ["grad: f must be a function", "NoneType"]),
    (of(np.sum, X, argnums=1), ArgumentError, ["grad: argnums holds 1", "only 1 arguments"]),
    (lambda: ds.grad(np.sum, argnums=-1), ArgumentError, ["argnums must be a non-negative int", "-1"]),
    (lambda: ds.grad(np.sum, argnums=()), ArgumentError, ["argnums must be a non-negative int", "()"]),
    (
        lambda: ds.grad(np.sum, chunk=3),
        ArgumentError,
        ["grad: option 'chunk'", "options are chunks, memory_limit"],
    ),
    (lambda: ds.vjp(np.sum, X, tile=3), ArgumentError, ["vjp: option 'tile'", "options are"]),
    (
        lambda: ds.grad(np.sum, scheduler="processes"),
        ArgumentError,
        ["scheduler must be", '"threads"', "'processes'"],
    ),
    (of(np.sum, X, scheduler=3), ArgumentError, ["scheduler must be", "distributed.Client", "got 3"]),
    (of(np.sum, X, chunks=0), ArgumentError, ["argument 0: chunks must be", "got 0"]),
    (of(np.sum, X, chunks="big"), ArgumentError, ["argument 0: chunks must be", '"auto"', "'big'"]),
    (of(np.sum, X, chunks=2.5), ArgumentError, ["argument 0: chunks must be", "2.5"]),
    (of(np.sum, X, chunks={1: 2}), ArgumentError, ["chunks: argument 1", "these are [0]"]),
    (of(np.sum, X, chunks={0: ((1, 1),)}), ArgumentError, ["(1, 1)", "length 3", "got 2"]),
    (of(np.sum, X, chunks={0: (("a",),)}), ArgumentError, ["positive ints", "'a'"]),
    (lambda: ds.grad(np.sum, memory_limit="lots"), ArgumentError, ["memory_limit", '"4 GiB"', "'lots'"]),
    (of(np.sum, ds.spec(3)), ArgumentError, ["needs arrays", "spec((3,), float64)", ".plan(...)"]),
    (lambda: ds.jvp(np.sin, X, X), ArgumentError, ["jvp: primals", "must be tuples", "ndarray", "(x,)"]),  # type: ignore[arg-type]
    (lambda: ds.jvp(np.sin, (X,), ()), ArgumentError, ["jvp: tangents", "one per primal", "0 for 1"]),
    (
        lambda: ds.operator_matrix(ds.trace(np.sum, X)),
        ArgumentError,
        ["operator_matrix", "1 inputs", "0 arrays"],
    ),
]
NUMBERS = [
    (of(cholesky_trace, -SPD), FactorisationError, ["cholesky: a", "(5, 5)", "order 1", "identity", HERE]),
    (of(cholesky_trace, -SPD, chunks=2), FactorisationError, ["cholesky: a", "(2, 2)", "not positive", HERE]),
    (of(cholesky_trace, SPD * np.nan), FactorisationError, ["cholesky: a", "NaN", "look for NaN", HERE]),
    (of(solved, np.diag([1.0, 0.0, 2.0]), X), FactorisationError, ["solve_triangular: t", "index 1", HERE]),
    (
        of(np.sum, X, memory_limit="1 kB"),
        BudgetError,
        ["1,000 bytes", "projected", "(sum)", HERE, "at least"],
    ),
]
TABLE = [*BY_VALUE, *WITHOUT_RULE, *SHAPES, *ARGUMENTS, *NUMBERS]


@pytest.mark.parametrize(
    ("call", "error", "words"), TABLE, ids=[f"{k}-{words[0]}" for k, (_, _, words) in enumerate(TABLE)]
)
def test_mistake_is_named(call, error, words):
    start = time.monotonic()
    with pytest.raises(DagsolveError) as raised:
        call()
    assert time.monotonic() - start < SECONDS
    assert type(raised.value) is error, raised.value
    message = str(raised.value)
    assert [word for word in words if word not in message] == [], message


def test_traced_arrays_say_which_attributes_they_lack():
    """So libraries that ask with `hasattr` go their general way."""
    seen = []

    def f(x):
        seen.append((hasattr(x, "todense"), hasattr(x, "flags"), hasattr(x, "shape"), hasattr(x, "sum")))
        return np.sum(x)

    ds.trace(f, X)
    assert seen == [(False, False, True, True)]


def test_errors_of_the_users_own_go_through_unchanged():
    with pytest.raises(ZeroDivisionError):
        ds.grad(lambda x: np.sum(x) * (1 / 0))(X)
    with pytest.raises(KeyError, match="absent"):
        ds.grad(lambda d: d["absent"])({"a": X})


def test_error_inside_a_trace_leaves_no_trace_behind():
    """Large captured arrays are writeable again, and the next gradient starts outside any trace."""
    data = np.arange(200_003.0) ** 0.5

    def f(x):
        y = x[0] * data
        return float(np.sum(y))

    with pytest.raises(TraceError):
        ds.grad(f)(X)
    assert data.flags.writeable
    np.testing.assert_array_equal(ds.grad(np.sum)(X), np.ones(3))


@pytest.mark.parametrize("scheduler", ["sync", "threads", "cluster"])
@pytest.mark.parametrize("chunks", [None, 2])
def test_a_block_that_fails_keeps_its_class_and_the_users_line(scheduler, chunks, request):
    start = time.monotonic()
    if scheduler != "cluster":
        run = ds.grad(cholesky_trace, scheduler=scheduler, chunks=chunks)
        with pytest.raises(
            FactorisationError, match=r"cholesky: a .*identity.*test_errors\.py:\d+ in cholesky_trace"
        ):
            run(-SPD)
    else:
        with Client(request.getfixturevalue("two_processes"), set_as_default=False) as client:
            start = time.monotonic()
            run = ds.grad(cholesky_trace, scheduler=client, chunks=chunks)
            with pytest.raises(
                FactorisationError, match=r"cholesky: a .*test_errors\.py:\d+ in cholesky_trace"
            ) as raised:
                run(-SPD)
            assert "on a worker" in str(raised.value.__cause__)
    assert time.monotonic() - start < SECONDS


def test_a_client_that_is_closed_is_named(two_processes):
    client = Client(two_processes, set_as_default=False)
    client.close()
    start = time.monotonic()
    with pytest.raises(
        SchedulerError, match=r"the scheduler at .* is gone: the client is closed; connect a new Client"
    ):
        ds.grad(np.sum, scheduler=client)(X)
    assert time.monotonic() - start < SECONDS
