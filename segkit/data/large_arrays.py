"""Arrays of large images: in temporary files instead of memory, and worked on in strips.

The resident memory of a process includes the pages of mapped files that it has touched. A thread gives those
of large mappings back to the system once they are many; the next access maps them again.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from segkit.core.paths import cache_folder
from segkit.utils.machine import mapped_memory

THREAD = "segkit gives pages back"
_LARGE = 1 << 28  # bytes
_STRIP = 1 << 24  # bytes
_MAX_RESIDENT = 1 << 26  # bytes of pages that are kept
_SECONDS = 0.05
_mappings: WeakSet[mmap.mmap] = WeakSet()
_lock = threading.Lock()
_thread: threading.Thread | None = None
_others = 0  # resident bytes of other files, such as libraries
Array = npt.NDArray[Any]


def is_large(size: int) -> bool:
    """Whether an array of that many bytes is better not held in memory."""
    return size > _LARGE


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An array to be written to; a large one lies in a temporary file, which is gone with it.

    If the disk has no room for it, it lies in memory.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not is_large(size):
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=_folder()) as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):  # else writing to it would end the process
                os.posix_fallocate(file.fileno(), 0, size)
            mapping = mmap.mmap(file.fileno(), size)
    except OSError:
        return np.empty(shape, dtype)
    keep_out_of_memory(mapping)
    return np.ndarray(shape, dtype, mapping)


def keep_out_of_memory(mapping: mmap.mmap) -> None:
    """Let the pages of a large mapping be given back when they are many."""
    global _thread, _others
    if sys.platform == "win32" or not is_large(len(mapping)):
        return
    with _lock:
        _mappings.add(mapping)
        if _thread is None:
            _others = mapped_memory() or 0
            _thread = threading.Thread(target=_watch, name=THREAD, daemon=True)
            _thread.start()


def give_back_pages() -> None:
    """Give the pages of large mappings back, if they are many."""
    if sys.platform == "win32" or _thread is None:
        return
    if (mapped_memory() or sys.maxsize) - _others <= _MAX_RESIDENT:
        return
    with _lock:
        for mapping in _mappings:
            if not mapping.closed:
                mapping.madvise(mmap.MADV_DONTNEED)


def is_in_file(array: Array) -> bool:
    """Whether an array lies in a mapped file."""
    return isinstance(_owner(array), mmap.mmap)


def strips(array: Array) -> Iterator[slice]:
    """Slices of the rows of an array, of about 16 MB each; a small array is one."""
    if not is_large(array.nbytes):
        yield slice(0, len(array))
        return
    rows = max(1, _STRIP * len(array) // array.nbytes)
    for top in range(0, len(array), rows):
        yield slice(top, min(top + rows, len(array)))
        give_back_pages()


def subsampled(array: Array, step: int) -> Array:
    """Every `step`-th row and column of an array (H, W, ...), without the pages of all others in memory."""
    parts = [array[rows][-rows.start % step :: step, ::step].copy() for rows in strips(array)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def by_strips(function: Callable[[Array], Array], array: Array) -> Array:
    """`function` of an array (H, ...), computed for the rows of each strip: (H, ...).

    The array itself, if that is what the function returns.
    """
    if not is_large(array.nbytes):
        return function(array)
    result: Array | None = None
    for rows in strips(array):
        strip = array[rows]
        part = function(strip)
        if part is strip:
            return array
        if result is None:
            result = empty((len(array), *part.shape[1:]), part.dtype)
        result[rows] = part
    assert result is not None
    return result


def _folder() -> Path | None:
    folder = cache_folder()  # has room for it; the folder of temporary files may be in memory
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else None


def _owner(array: Any) -> Any:
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array


def _watch() -> None:
    """For the time in which decoders and other libraries work on whole arrays."""
    global _thread
    pause = threading.Event()
    while True:
        with _lock:
            if not _mappings:
                _thread = None
                return
        give_back_pages()
        pause.wait(_SECONDS)


def _restart() -> None:
    """Threads do not survive a fork, as of worker processes."""
    global _lock, _thread
    _lock, _thread = threading.Lock(), None
    for mapping in [*_mappings]:
        keep_out_of_memory(mapping)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart)
