"""`TileDirectory`: arrays in `.npy` files of a private directory, trusted by checksum, never unpickled."""

import os
import shutil
import tempfile
import weakref
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dagsolve.errors import StorageError

_PLAIN_KINDS = "biufcmMSU"  # dtypes whose .npy header gives back the same dtype


@dataclass(frozen=True, slots=True)
class TileFile:
    """One array on disk, and what is needed to trust it again."""

    path: str
    checksum: int
    nbytes: int


def is_tile(item: Any) -> bool:
    """Whether an item can go to file and gains by it: a NumPy array of a plain dtype, not broadcast."""
    return (
        type(item) is np.ndarray
        and item.dtype.kind in _PLAIN_KINDS
        and item.nbytes > 0
        and 0 not in item.strides  # a broadcast item: large on disk, small in memory
    )


class TileDirectory:
    """Files of arrays in a directory of its own under `parent` (None: the system's place for such).

    The directory is made by the first write, and removed by `close`, at garbage collection and at exit.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = tempfile.gettempdir() if parent is None else os.fspath(parent)
        self._path: str | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._names = 0

    def write(self, array: npt.NDArray[Any]) -> TileFile:
        """The file of an array; there whole or not at all. Keeps C and Fortran order.

        Raises StorageError when it cannot be written.
        """
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            array = np.ascontiguousarray(array)
        try:
            path = self._next_path()
            try:
                with open(path + ".part", "wb", buffering=0) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
                os.replace(path + ".part", path)
            except OSError:
                if os.path.exists(path + ".part"):
                    os.unlink(path + ".part")
                raise
        except OSError as fault:
            raise StorageError(
                f"a tile of {array.nbytes:,} bytes could not be written to {self._path or self._parent}:"
                f" {fault}; free space there, or name another directory"
            ) from fault
        return TileFile(path, _checksum(array), array.nbytes)

    @staticmethod
    def read(file: TileFile) -> npt.NDArray[Any]:
        """The array of a file, in memory of its own.

        Raises StorageError unless its bytes are those that were written.
        """
        try:
            array: npt.NDArray[Any] = np.load(file.path, allow_pickle=False)
            fault = None if _checksum(array) == file.checksum else "its checksum differs from the one written"
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            fault = str(error)
        if fault is not None:
            raise StorageError(
                f"the tile file {file.path} ({file.nbytes:,} bytes) is damaged: {fault};"
                " check the disk, or name another directory, and run again"
            )
        return array

    @staticmethod
    def remove(file: TileFile) -> None:
        """Deletes a file, if it is there."""
        try:
            os.unlink(file.path)
        except FileNotFoundError:
            pass  # somebody cleaned up; it is to go anyway

    def close(self) -> None:
        """Removes the directory; the next write makes another."""
        if self._finalizer is not None:
            self._finalizer()
        self._path = self._finalizer = None

    def _next_path(self) -> str:
        if self._path is None:
            self._path = tempfile.mkdtemp(prefix="dagsolve-tiles-", dir=self._parent)
            self._finalizer = weakref.finalize(self, shutil.rmtree, self._path, True)
        self._names += 1
        return os.path.join(self._path, f"{self._names}.npy")


def _checksum(array: npt.NDArray[Any]) -> int:
    flat = array.reshape(-1, order="A")  # a view: the array is contiguous in C or Fortran order
    return zlib.crc32(flat.view(np.uint8).data)
