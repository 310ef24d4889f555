"""Functions of the user's own on blocks, and da.fft."""

from typing import Any

import dask.array as da
import numpy as np

from tests.dask_programs.program import Program

WEIGHTS = np.linspace(0.5, 1.5, 7)


def scaled(block: Any) -> Any:
    return np.exp(-block * block) * 0.5


def weighted(block: Any, weights: Any, power: int = 2) -> Any:
    return np.sum(block**power * weights, axis=1, keepdims=True)


def placed(block: Any, block_info: Any = None) -> Any:
    """A block times the place of its first row, as block_info tells it."""
    (start, _), _ = block_info[0]["array-location"]
    return block * (1.0 + start)


def numbered(block: Any, block_id: Any = None) -> Any:
    return block * float(1 + block_id[0] + 2 * block_id[1])


def smoothed(block: Any) -> Any:
    """Mean of each row and its neighbours; the first and last rows are for the trim."""
    return np.concatenate([block[:1], (block[:-2] + block[1:-1] + block[2:]) / 3, block[-1:]])


def cropped(block: Any) -> Any:
    return block[1:] - block[:-1]


def overlapped(boundary: Any) -> Program:
    """A neighbourhood mean with what the boundary puts beside the first and the last row."""

    def reference(np: Any, x: Any, y: Any) -> Any:
        first, last = {
            "reflect": (x[:1], x[-1:]),  # dask's reflect repeats the edge
            "nearest": (x[:1], x[-1:]),
            "periodic": (x[-1:], x[:1]),
        }.get(boundary, (0.25 + 0 * x[:1], 0.25 + 0 * x[:1]))
        wide = np.concatenate([first, x, last])
        return np.sum(((wide[:-2] + wide[1:-1] + wide[2:]) / 3) ** 2 * y)

    return Program(
        lambda da, x, y: da.sum(
            da.map_overlap(smoothed, x, depth={0: 1}, boundary={0: boundary}, dtype=float) ** 2 * y
        ),
        reference,
        chunks=(((3, 2, 6), (2, 5)), ((2, 5),)),
    )


def open_reference(np: Any, x: Any, y: Any) -> Any:
    inner = (x[:-2] + x[1:-1] + x[2:]) / 3
    return np.sum(np.concatenate([x[:1], inner, x[-1:]]) ** 2 * y)


def convolved(np: Any, x: Any, y: Any) -> Any:
    wide = np.concatenate([0 * y[:2], y, 0 * y[:2]])
    return np.sum(
        (0.2 * wide[:-4] - 0.5 * wide[1:-3] + wide[2:-2] + 0.5 * wide[3:-1] + 0.1 * wide[4:]) ** 2
    ) + np.sum(x)


def taps(block: Any) -> Any:
    n = block.shape[0]
    kernel = (0.2, -0.5, 1.0, 0.5, 0.1)
    inner = sum(kernel[k] * block[k : n - 4 + k] for k in range(5))
    return np.concatenate([np.zeros(2), inner, np.zeros(2)])


ROWS: Any = {"chunks": (((3, 1, 7), (7,)), ((7,),))}  # the transformed axis in one chunk

PROGRAMS = {
    "map_blocks": Program(
        lambda da, x, y: da.sum(da.map_blocks(scaled, x, dtype=float) ** 2 * y),
        lambda np, x, y: np.sum((np.exp(-x * x) / 2) ** 2 * y),
        free=True,
    ),
    "map_blocks with captured data": Program(
        lambda da, x, y: (
            da.sum(
                da.map_blocks(
                    lambda b: weighted(b, WEIGHTS, power=3),
                    x.rechunk((4, 7)),
                    chunks=((4, 4, 3), (1,)),
                    dtype=float,
                )
                ** 2
            )
            + da.sum(y)
        ),
        lambda np, x, y: np.sum(np.sum(x**3 * WEIGHTS, axis=1) ** 2) + np.sum(y),
    ),
    "map_blocks of two arrays": Program(
        lambda da, x, y: da.sum(da.map_blocks(lambda a, b: np.sin(a) * b + a, x, y, dtype=float) ** 2),
        lambda np, x, y: np.sum((np.sin(x) * y + x) ** 2),
    ),
    "map_blocks that drops an axis": Program(
        lambda da, x, y: (
            da.sum(
                da.map_blocks(lambda b: np.sum(b * b, axis=1), x.rechunk((4, 7)), drop_axis=1, dtype=float)
                ** 2
            )
            + da.sum(y)
        ),
        lambda np, x, y: np.sum(np.sum(x * x, axis=1) ** 2) + np.sum(y),
    ),
    "map_blocks with block_info": Program(
        lambda da, x, y: da.sum(da.map_blocks(placed, x, dtype=float, meta=np.empty((0, 0))) * y),
        lambda np, x, y: np.sum(x * y * np.repeat([1.0, 4.0, 5.0], [3, 1, 7])[:, None]),
    ),
    "map_blocks with block_id": Program(
        lambda da, x, y: da.sum(da.map_blocks(numbered, x, dtype=float, meta=np.empty((0, 0))) * y),
        lambda np, x, y: np.sum(
            x * y * (np.repeat([1.0, 2.0, 3.0], [3, 1, 7])[:, None] + np.repeat([0.0, 2.0], [2, 5]))
        ),
    ),
    "blockwise": Program(
        lambda da, x, y: (
            da.sum(da.blockwise(np.multiply, "ij", da.sin(x), "ij", y, "j", dtype=float) ** 2)
            + da.sum(
                da.blockwise(
                    lambda a, b: np.einsum("ij,j->i", a, b),
                    "i",
                    x,
                    "ij",
                    y,
                    "j",
                    dtype=float,
                    concatenate=True,
                )
                ** 2
            )
        ),
        lambda np, x, y: np.sum((np.sin(x) * y) ** 2) + np.sum((x @ y) ** 2),
    ),
    **{
        f"map_overlap, {boundary}": overlapped(boundary)
        for boundary in ("reflect", "nearest", "periodic", 0.25)
    },
    "map_overlap, none": Program(
        lambda da, x, y: da.sum(
            da.map_overlap(smoothed, x, depth={0: 1}, boundary={0: "none"}, dtype=float) ** 2 * y
        ),
        open_reference,
        chunks=(((3, 2, 6), (2, 5)), ((2, 5),)),
    ),
    "convolution by overlap": Program(
        lambda da, x, y: da.sum(da.map_overlap(taps, y, depth=2, boundary=0.0, dtype=float) ** 2) + da.sum(x),
        convolved,
    ),
    "gradient": Program(
        lambda da, x, y: (
            da.sum(da.gradient(x.rechunk((11, 7)), axis=0) ** 2 * y)
            + da.sum(da.gradient(y.rechunk(7), 0.5)[0] ** 2)
        ),
        lambda np, x, y: np.sum(central(np, x) ** 2 * y) + np.sum((central(np, y) / 0.5) ** 2),
    ),
    "gradient across chunks": Program(
        lambda da, x, y: da.sum(da.gradient(x, axis=0) ** 2 * y),
        lambda np, x, y: np.sum(central(np, x) ** 2 * y),
        chunks=(((3, 2, 6), (2, 5)), ((2, 5),)),
    ),
    "apply_along_axis": Program(
        lambda da, x, y: (
            da.sum(
                da.apply_along_axis(lambda row: np.sum(np.sin(row) ** 2), 1, x, dtype=float, shape=()) ** 2
            )
            + da.sum(y)
        ),
        lambda np, x, y: np.sum(np.sum(np.sin(x) ** 2, axis=1) ** 2) + np.sum(y),
    ),
    "apply_over_axes": Program(
        lambda da, x, y: da.sum(da.apply_over_axes(np.sum, x * x, [0, 1]) ** 2) + da.sum(y),
        lambda np, x, y: np.sum(x * x) ** 2 + np.sum(y),
    ),
    "apply_gufunc": Program(
        lambda da, x, y: da.sum(
            da.apply_gufunc(lambda v, w: np.sum(v * w, axis=-1), "(i),(i)->()", x, y, output_dtypes=float)
            ** 3
        ),
        lambda np, x, y: np.sum((x @ y) ** 3),
        **ROWS,
    ),
    "gufunc": Program(
        lambda module, x, y: (
            da.sum(da.gufunc(np.sin, signature="()->()", output_dtypes=float)(x) * y)
            + da.sum(
                da.as_gufunc(signature="(i)->()", output_dtypes=float)(lambda v: np.sum(v * v, axis=-1))(x)
                ** 2
            )
        ),
        lambda np, x, y: np.sum(np.sin(x) * y) + np.sum(np.sum(x * x, axis=1) ** 2),
        covers=("gufunc", "as_gufunc"),
        **ROWS,
    ),
    "searchsorted, digitize": Program(
        lambda da, x, y: (
            da.sum(da.digitize(x, np.array([-1.0, 0.0, 1.0])) * x * y)
            + da.sum(da.searchsorted(da.from_array(np.array([-1.0, 0.0, 1.0]), chunks=2), y) * y)
        ),
        lambda np, x, y: (
            np.sum(np.where(x < -1, 0.0, np.where(x < 0, 1.0, np.where(x < 1, 2.0, 3.0))) * x * y)
            + np.sum(np.where(y < -1, 0.0, np.where(y < 0, 1.0, np.where(y < 1, 2.0, 3.0))) * y)
        ),
    ),
    "leaves": Program(
        lambda da, x, y: (
            da.sum(
                (x - da.linspace(0, 1, 7, chunks=3)) ** 2 * da.ones(7, chunks=4) + da.arange(7, chunks=2) * y
            )
            + da.sum(x @ da.eye(7, chunks=3) * da.full((11, 7), 2.0, chunks=5))
            + da.sum(da.indices((11, 7), chunks=(4, 4))[0] * x)
            + da.sum(da.tri(11, 7, chunks=4) * x)
            + da.sum(da.fromfunction(lambda i: i * 1.0, shape=(7,), chunks=3, dtype=float) * y)
        ),
        lambda np, x, y: (
            np.sum((x - np.linspace(0, 1, 7)) ** 2 + np.arange(7) * y)
            + 2 * np.sum(x)
            + np.sum(np.arange(11.0)[:, None] * x)
            + np.sum(np.tri(11, 7) * x)
            + np.sum(np.arange(7.0) * y)
        ),
    ),
}


def central(np: Any, x: Any) -> Any:
    return np.concatenate([x[1:2] - x[:1], (x[2:] - x[:-2]) / 2, x[-1:] - x[-2:-1]])


def power(np: Any, z: Any, y: Any) -> Any:
    return (
        np.sum(np.abs(z) ** 2 * (1 + np.arange(z.shape[-1])))
        + np.sum(np.real(z) ** 3)
        + np.sum(np.imag(z) * 2)
        + np.sum(y * y)
    )


TRANSFORMS = {
    "fft": (lambda np, f, x: f(x, axis=1)),
    "ifft": (lambda np, f, x: f(x, axis=1)),
    "rfft": (lambda np, f, x: f(x, axis=1)),
    "irfft": (lambda np, f, x: f(x + 1j * np.sin(x), axis=1)),
    "fft2": (lambda np, f, x: f(x)),
    "ifft2": (lambda np, f, x: f(x)),
    "rfft2": (lambda np, f, x: f(x)),
    "irfft2": (lambda np, f, x: f(x * (1 + 0.5j))),
    "fftn": (lambda np, f, x: f(x)),
    "ifftn": (lambda np, f, x: f(x)),
    "rfftn": (lambda np, f, x: f(x)),
    "irfftn": (lambda np, f, x: f(x * (1 + 0.5j))),
    "fftshift": (lambda np, f, x: np.cumsum(f(x, axes=1), axis=1)),
    "ifftshift": (lambda np, f, x: np.cumsum(f(x, axes=1), axis=1)),
}
WHOLE: Any = {"chunks": (((11,), (7,)), ((7,),))}


def transform(name: str, use: Any) -> Program:
    return Program(
        lambda np, x, y: power(np, use(np, getattr(np.fft, name), x), y),
        (lambda np, x, y: power(np, half(np, name, x), y)) if name.startswith("r") else None,
        **(WHOLE if name[-1] in "2n" else ROWS),
    )


def half(np: Any, name: str, x: Any) -> Any:
    """The transform of real numbers as a part of the whole one: autograd has no rule for odd lengths."""
    return np.fft.fft(x, axis=1)[:, :4] if name == "rfft" else np.fft.fft2(x)[:, :4]


PROGRAMS["fft.hfft, fft.ihfft"] = Program(
    lambda np, x, y: (
        np.sum(np.fft.hfft(x * (1 + 2j), axis=1) ** 2)
        + np.sum(np.abs(np.fft.ihfft(x, axis=1)) ** 3 + 0 * y[:4])
    ),
    lambda np, x, y: (
        np.sum(np.real(np.fft.fft(hermitian(np, x * (1 + 2j)), axis=1)) ** 2)
        + np.sum(np.abs(np.fft.fft(x, axis=1)[:, :4] / 7) ** 3)
        + 0 * np.sum(y)
    ),
    **ROWS,
)
PROGRAMS |= {f"fft.{name}": transform(name, use) for name, use in TRANSFORMS.items()}


def hermitian(np: Any, x: Any) -> Any:
    """The spectrum of twelve real numbers of which x is the half: its first and last entries are real."""
    ends = (np.real(x[:, :1]) + 0j, np.real(x[:, -1:]) + 0j)
    middle = x[:, 1:-1]
    return np.concatenate([ends[0], middle, ends[1], np.conj(middle[:, ::-1])], axis=1)
