"""The C heap of a worker during a run: freed tiles are used again instead of going back to the system.

Dask's nanny sets MALLOC_TRIM_THRESHOLD_ to 64 KiB, which also stops glibc from adapting its limit for
memory maps. Every tile is then mapped, faulted in page by page and unmapped for each operation on it, which
costs more than the operation. The nanny's thresholds are put back and the heap is trimmed after the run.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_VARIABLE = "MALLOC_TRIM_THRESHOLD_"  # glibc's, set by the nanny
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt's parameters, from malloc.h
_DEFAULT_MMAP_BYTES = 128 * 1024
_KEPT_BYTES = 32 * 1024**2  # the most that glibc allows for a block; four times that may stay free


@contextmanager
def kept_heap() -> Iterator[None]:
    """Keeps freed memory in the heap while inside; does nothing where no nanny set glibc's thresholds."""
    trim_bytes = os.environ.get(_TRIM_VARIABLE, "")
    if not (sys.platform == "linux" and trim_bytes.isdigit()):
        yield
        return
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # another C library than glibc
        yield
        return
    libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, 4 * _KEPT_BYTES)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_THRESHOLD, _DEFAULT_MMAP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, int(trim_bytes))
        libc.malloc_trim(0)
