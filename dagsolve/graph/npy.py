"""Arrays as `.npy` files that are mapped, not read: their first bytes are compared, never interpreted.

What a file must begin with follows from the dtype and shape that its reader expects, so a foreign header
meets no parser. The files are ordinary `.npy` version 1.0; NumPy, DuckDB and others read them.
"""

import hashlib
import math
import mmap
import os
import stat
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.errors import StorageError

_ALIGNMENT = 64  # of the data in the file, hence in memory


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes of a `.npy` file before its data, for an array in C order."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(len(text) + 11) % _ALIGNMENT
    content = (text + " " * padding + "\n").encode("ascii")
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


def write(path: str, dtype: np.dtype[Any], shape: tuple[int, ...], pieces: Iterable[npt.NDArray[Any]]) -> str:
    """Checksum of the file (hexadecimal), once it has been written and has reached the disk.

    The pieces are C-contiguous and make up the array one after the other. Raises OSError when the file
    cannot be written or is there already.
    """
    h = _hash()
    parts: list[Iterable[bytes | memoryview]] = [(header(dtype, shape),), map(_bytes, pieces)]
    with open(path, "xb", buffering=0) as file:
        for part in chain.from_iterable(parts):
            h.update(part)
            rest = memoryview(part)
            while rest:
                rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    return h.hexdigest()


def mapped(
    directory: int, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], checksum: str | None
) -> npt.NDArray[Any]:
    """The array of a file in an opened directory: read-only, mapped from the file.

    With a checksum, all of the file is read once and compared. Raises StorageError for a file that is
    absent, of another size, dtype or shape, or damaged.
    """
    first = header(dtype, shape)
    content = content_of(directory, name, len(first) + math.prod(shape) * dtype.itemsize)
    if content[: len(first)] != first:
        raise StorageError(f"{name}: it does not begin as a .npy file of {dtype} {shape} does")
    if checksum is not None:
        h = _hash()
        h.update(content)
        if h.hexdigest() != checksum:
            raise StorageError(f"{name}: its checksum differs from the one that was written")
    return np.ndarray(shape, dtype, buffer=content, offset=len(first))


def content_of(directory: int, name: str, size: int | None = None) -> mmap.mmap:
    """The bytes of a regular file of that size (None: any but empty), mapped read-only.

    Raises StorageError where there is no such file.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise StorageError(f"{name}: it is not a regular file")
            if status.st_size != size and (size is not None or status.st_size == 0):
                needed = "some" if size is None else f"{size:,}"
                raise StorageError(f"{name}: it has {status.st_size:,} bytes where {needed} are needed")
            return mmap.mmap(file, status.st_size, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
    except StorageError:  # an OSError too
        raise
    except OSError as fault:
        raise StorageError(f"{name}: {fault.strerror or fault}") from None


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _hash() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16)
