"""Shapes, places and chunks: what moves items without computing."""

from typing import Any

import dask
import numpy as np

from tests.dask_programs.program import Program

PICKED = np.array([0, 4, 4, 10])


def assigned(x: Any, y: Any) -> Any:
    """x with parts replaced, as assignments into a Dask array do it."""
    z = x * 1.0
    z[2:5, 1] = 3.0
    z[::4] = y
    z[-1, :3] = y[:3] * 2
    return z


def assigned_reference(np: Any, x: Any, y: Any) -> Any:
    rows, columns = np.arange(11)[:, None], np.arange(7)
    z = np.where((rows >= 2) & (rows < 5) & (columns == 1), 3.0, x)
    z = np.where(rows % 4 == 0, y + 0 * z, z)
    return np.where((rows == 10) & (columns < 3), 2 * y + 0 * z, z)


def by_place(da: Any, x: Any, y: Any) -> Any:
    """Points, not crossings of rows and columns."""
    return da.sum(x.vindex[[0, 3, 3, 10], [6, 1, 1, 2]] ** 2) + da.sum(x.vindex[:, [1, 5]] ** 3) + da.sum(y)


def gathered(x: Any, method: str) -> Any:
    with dask.config.set({"array.rechunk.method": method}):
        return x.rechunk((4, 3))


def blocks(da: Any, x: Any, y: Any) -> Any:
    return da.sum(x.blocks[1:, 0] ** 2) + da.sum(x.blocks[0] * y)


PROGRAMS = {
    "slices": Program(
        lambda np, x, y: np.sum(x[2:9, ::2] ** 2) * np.sum(y[::-1][:4]) + x[-1, 3] ** 2 + np.sum(x[..., 2:]),
    ),
    "negative steps": Program(lambda np, x, y: np.sum(x[::-2, ::-1] ** 2 * y) + np.sum(x[8:1:-3] ** 3)),
    "index array": Program(lambda np, x, y: np.sum(x[PICKED] ** 3 * y) + np.sum(x[:, [5, 0, 5]] ** 2)),
    "a known mask": Program(
        lambda da, x, y: da.sum(x[np.isin(np.arange(11), PICKED)] ** 2 * y),
        lambda np, x, y: np.sum(x[[0, 4, 10]] ** 2 * y),
    ),
    "take": Program(
        lambda np, x, y: np.sum(np.take(x, PICKED, axis=0) ** 2 * y) + np.sum(np.take(y, [6, 0, 0])),
        lambda np, x, y: np.sum(x[PICKED] ** 2 * y) + np.sum(y[[6, 0, 0]]),
    ),
    "vindex": Program(
        by_place,
        lambda np, x, y: np.sum(x[[0, 3, 3, 10], [6, 1, 1, 2]] ** 2) + np.sum(x[:, [1, 5]] ** 3) + np.sum(y),
        covers=("Array.vindex",),
    ),
    "blocks": Program(
        blocks,
        lambda np, x, y: np.sum(x[3:, :2] ** 2) + np.sum(x[:3] * y),
        covers=("Array.blocks",),
    ),
    "assignment": Program(
        lambda da, x, y: da.sum(assigned(x, y) ** 2 * (y + 2)),
        lambda np, x, y: np.sum(assigned_reference(np, x, y) ** 2 * (y + 2)),
        covers=("Array.__setitem__",),
    ),
    "assignment by mask": Program(
        lambda da, x, y: da.sum(where_assigned(x) * y),
        lambda np, x, y: np.sum(np.where(x > 0.5, 2.0, x) * y),
        covers=("Array.__setitem__",),
    ),
    "compress": Program(
        lambda da, x, y: da.sum(da.compress(np.arange(11) % 3 == 1, x, axis=0) ** 2 * y),
        lambda np, x, y: np.sum(x[1::3] ** 2 * y),
    ),
    "delete": Program(
        lambda np, x, y: np.sum(np.delete(x, [1, 5], axis=0) ** 2 * y),
        lambda np, x, y: np.sum(x[[0, 2, 3, 4, 6, 7, 8, 9, 10]] ** 2 * y),
    ),
    "insert": Program(
        lambda da, x, y: da.sum(da.insert(x, [2, 5], 1.5, axis=0) ** 3 * y),
        lambda np, x, y: np.sum(x**3 * y) + 2 * 1.5**3 * np.sum(y),
    ),
    "rechunk by tasks": Program(
        lambda da, x, y: da.sum(gathered(da.sin(x), "tasks") ** 2 * y),
        lambda np, x, y: np.sum(np.sin(x) ** 2 * y),
        covers=("rechunk",),
    ),
    "rechunk from peer to peer": Program(
        lambda da, x, y: da.sum(gathered(da.sin(x), "p2p") ** 2 * y),
        lambda np, x, y: np.sum(np.sin(x) ** 2 * y),
        covers=("rechunk",),
    ),
    "reshape": Program(
        lambda np, x, y: (
            np.sum(np.reshape(x, (77,)) ** 2 * np.sin(np.reshape(x, (77,))))
            + np.sum(np.reshape(y, (7, 1)) * y)
        )
    ),
    "reshape of blocks": Program(
        lambda da, x, y: da.sum(da.reshape_blockwise(x.rechunk((11, 7)), (77,)) ** 3) + da.sum(y),
        lambda np, x, y: np.sum(x**3) + np.sum(y),
    ),
    "ravel": Program(
        lambda np, x, y: np.sum(np.ravel(x) ** 3) + np.sum(x.ravel()[::5]) * np.sum(y), free=True
    ),
    "transpose": Program(
        lambda np, x, y: np.sum(np.transpose(x) * np.reshape(y, (-1, 1))) + np.sum(x.T[1] ** 2)
    ),
    "swapaxes, moveaxis, rollaxis": Program(
        lambda np, x, y: (
            np.sum(np.swapaxes(x, 0, 1)[1] ** 2) * np.sum(np.moveaxis(x, 0, -1)[0] ** 2)
            + np.sum(np.rollaxis(x, 1)[2] * y[1])
        )
    ),
    "broadcast_to": Program(
        lambda np, x, y: (
            np.sum(np.broadcast_to(y, (3, 7)) ** 2) + np.sum(np.broadcast_to(x, (2, 11, 7)) ** 3)
        ),
        lambda np, x, y: 3 * np.sum(y**2) + 2 * np.sum(x**3),
    ),
    "broadcast_arrays": Program(
        lambda np, x, y: (
            np.sum(np.broadcast_arrays(x, y)[1] ** 2) + np.sum(np.broadcast_arrays(x, y)[0] ** 3)
        ),
        lambda np, x, y: 11 * np.sum(y**2) + np.sum(x**3),
    ),
    "new axes": Program(
        lambda np, x, y: (
            np.sum((y[:, None] - y[None, :]) ** 2) * np.sum(np.expand_dims(x, 1) ** 2)
            + np.sum(np.squeeze(np.expand_dims(y, 0)) ** 3)
        )
    ),
    "at least so many axes": Program(
        lambda np, x, y: (
            np.sum(np.atleast_2d(y) ** 2) + np.sum(np.atleast_3d(x) ** 3) + np.sum(np.atleast_1d(y) ** 3)
        ),
        lambda np, x, y: np.sum(y**2) + np.sum(x**3) + np.sum(y**3),
    ),
    "roll": Program(lambda np, x, y: np.sum(np.roll(x, 3, axis=0) * x) + np.sum(np.roll(x, -2) ** 2 * y)),
    "flip": Program(
        lambda np, x, y: (
            np.sum(np.flip(x, 0) * x) + np.sum(np.flipud(x) * x * y) + np.sum(np.fliplr(x) ** 2 * y)
        ),
        lambda np, x, y: np.sum(x[::-1] * x) + np.sum(x[::-1] * x * y) + np.sum(x[:, ::-1] ** 2 * y),
    ),
    "rot90": Program(
        lambda np, x, y: np.sum(np.rot90(x)[:, 2] * y) + np.sum(np.rot90(x, 2) * x),
        lambda np, x, y: np.sum(x[2, ::-1] * y) + np.sum(x[::-1, ::-1] * x),
    ),
    "pad": Program(
        lambda np, x, y: (
            np.sum(np.pad(x, ((2, 1), (0, 3)), mode="constant") ** 2)
            + np.sum(np.cumsum(np.pad(y, 2, mode="constant", constant_values=1.5)) ** 2)
        ),
        lambda np, x, y: (
            np.sum(x**2) + np.sum(np.cumsum(np.concatenate([1.5 * np.ones(2), y, 1.5 * np.ones(2)])) ** 2)
        ),
    ),
    "pad by what is there": Program(
        lambda np, x, y: (
            np.sum(np.pad(y, 2, mode="reflect") ** 3)
            + np.sum(np.pad(y, 3, mode="symmetric") ** 3)
            + np.sum(np.pad(x, ((1, 2), (0, 0)), mode="edge") ** 2)
            + np.sum(np.pad(x, ((0, 0), (2, 1)), mode="wrap") ** 2)
        ),
        lambda np, x, y: (
            np.sum(y[[2, 1, 0, 1, 2, 3, 4, 5, 6, 5, 4]] ** 3)
            + np.sum(y[[2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 6, 5, 4]] ** 3)
            + np.sum(x[[0, *range(11), 10, 10]] ** 2)
            + np.sum(x[:, [5, 6, *range(7), 0]] ** 2)
        ),
    ),
    "pad by statistics": Program(
        lambda np, x, y: (
            np.sum(np.pad(y, 2, mode="mean") ** 3)
            + np.sum(np.pad(y, 1, mode="maximum") ** 2)
            + np.sum(np.pad(y, 2, mode="linear_ramp", end_values=0.5) ** 2)
            + np.sum(x)
        ),
        lambda np, x, y: (
            np.sum(y**3)
            + 4 * np.mean(y) ** 3
            + np.sum(y**2)
            + 2 * np.max(y) ** 2
            + np.sum(y**2)
            + 2 * 0.25
            + (0.5 + (y[0] - 0.5) / 2) ** 2
            + (0.5 + (y[-1] - 0.5) / 2) ** 2
            + np.sum(x)
        ),
    ),
    "repeat": Program(
        lambda np, x, y: np.sum(np.cumsum(np.repeat(y, 3)) ** 2) + np.sum(np.repeat(x, 2, axis=0) ** 3),
        lambda np, x, y: np.sum(np.cumsum(y[np.arange(21) // 3]) ** 2) + 2 * np.sum(x**3),
    ),
    "tile": Program(
        lambda np, x, y: np.sum(np.cumsum(np.tile(y, 3)) ** 2) + np.sum(np.tile(x, (2, 1)) ** 3),
        lambda np, x, y: np.sum(np.cumsum(y[np.arange(21) % 7]) ** 2) + 2 * np.sum(x**3),
    ),
    "concatenate": Program(
        lambda np, x, y: np.sum(np.concatenate([x, np.sin(x[:3]), x * 2.0], axis=0) ** 2 * y)
    ),
    "stack": Program(
        lambda np, x, y: np.sum(np.sum(np.stack([y, y * y, np.sin(y)]), axis=1) ** 2) + np.sum(x), free=True
    ),
    "block": Program(
        lambda np, x, y: (
            np.sum(np.cumsum(np.block([[x, x * x], [2 * x, np.sin(x)]]), axis=1) ** 2) + np.sum(y)
        ),
        lambda np, x, y: (
            np.sum(np.cumsum(np.vstack([np.hstack([x, x * x]), np.hstack([2 * x, np.sin(x)])]), axis=1) ** 2)
            + np.sum(y)
        ),
    ),
    "vstack, hstack, dstack": Program(
        lambda np, x, y: (
            np.sum(np.vstack([x, y]) ** 2)
            + np.sum(np.cumsum(np.hstack([x, x * x]), axis=1) ** 2)
            + np.sum(np.dstack([x, np.sin(x)]) ** 3)
        ),
        lambda np, x, y: (
            np.sum(x**2)
            + np.sum(y**2)
            + np.sum(np.cumsum(np.hstack([x, x * x]), axis=1) ** 2)
            + np.sum(x**3)
            + np.sum(np.sin(x) ** 3)
        ),
    ),
    "append": Program(
        lambda np, x, y: np.sum(np.cumsum(np.append(y, y * y)) ** 2) + np.sum(np.append(x, x, axis=0) ** 2),
        lambda np, x, y: np.sum(np.cumsum(np.concatenate([y, y * y])) ** 2) + 2 * np.sum(x**2),
    ),
    "meshgrid": Program(
        lambda np, x, y: np.sum(np.meshgrid(x[:, 0], y)[0] * np.meshgrid(x[:, 0], y)[1] ** 2),
        lambda np, x, y: np.sum(x[:, 0]) * np.sum(y**2),
    ),
    "unify_chunks": Program(
        lambda np, x, y: np.sum(np.unify_chunks(x, "ij", y.rechunk(3), "j")[1][0] ** 2) + np.sum(y * y),
        lambda np, x, y: np.sum(x**2) + np.sum(y * y),
    ),
    "shuffle": Program(
        lambda np, x, y: np.sum(np.shuffle(x, [[5, 0, 1], [3, 10], [2, 9, 4, 6, 7, 8]], axis=0)[:4] ** 2 * y),
        lambda np, x, y: np.sum(x[[5, 0, 1, 3]] ** 2 * y),
    ),
    "tril, triu": Program(
        lambda np, x, y: (
            np.sum(np.tril(x.T @ x) ** 2 * y) + np.sum(np.triu(x, 1) ** 2) + np.sum(np.tril(x, -2) ** 3)
        )
    ),
    "diag": Program(
        lambda np, x, y: (
            np.sum(np.diag(x.T @ x) ** 2 * y)
            + np.sum(np.diag(y) ** 2)
            + np.sum(np.diag(x[:7], 2) ** 3)
            + np.sum(np.diag(y, -1) ** 3)
        )
    ),
    "diagonal, trace": Program(
        lambda np, x, y: (
            np.sum(np.diagonal(x, 1) ** 2)
            + np.trace(x) ** 2
            + np.trace(x, 2)
            + np.sum(np.diagonal(x, -3) ** 3)
            + np.sum(y)
        ),
        lambda np, x, y: (
            np.sum(np.eye(11, 7, 1) * x**2)
            + np.sum(np.eye(11, 7) * x) ** 2
            + np.sum(np.eye(11, 7, 2) * x)
            + np.sum(np.eye(11, 7, -3) * x**3)
            + np.sum(y)
        ),
    ),
    "diff": Program(lambda np, x, y: np.sum(np.diff(x, axis=0) ** 2 * y) + np.sum(np.diff(y, 2) ** 2)),
    "ediff1d": Program(
        lambda np, x, y: np.sum(np.ediff1d(y) ** 2) + np.sum(x),
        lambda np, x, y: np.sum(np.diff(y) ** 2) + np.sum(x),
    ),
    "zeros, ones and others alike": Program(
        lambda np, x, y: (
            np.sum((x + np.ones_like(x) + np.full_like(y, 2.0)) ** 2 + np.zeros_like(x) * y)
            + np.sum(0 * np.where(x > 9, np.empty_like(x), 1.0))
        )
    ),
    "asarray": Program(
        lambda np, x, y: np.sum(np.asarray(x) ** 2 * np.asanyarray(y) * np.array(y)),
        lambda np, x, y: np.sum(x**2 * y * y),
    ),
}


def where_assigned(x: Any) -> Any:
    z = x * 1.0
    z[x > 0.5] = 2.0
    return z
