"""Error messages for full disks, unwritable files and too little memory. No torch."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from segkit.core.errors import SegkitError, TrainingError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (*_FULL, errno.EROFS, errno.EIO)
_UNUSABLE = {
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "remove the links that lead to each other",
    errno.EACCES: "make it readable for you, or give another path",
}
_LONG_PATH = 230  # characters; a temporary file beside it has up to 30 more
# Messages of the system and its loader; torch, C++ and oneDNN; Python; OpenCV; Pillow; ONNX Runtime.
_NO_MEMORY = (
    "cannot allocate memory", "failed to map segment", "can't allocate memory", "std::bad_alloc",
    "could not create a primitive", "can't start new thread", "insufficient memory",
    "out of memory error", "failed to allocate memory",
)  # fmt: skip


def cannot_write(error: OSError, place: Path | None, again: str) -> TrainingError:
    """The error for a file that cannot be written.

    Args:
        error: error as raised.
        place: path that was written to, used if the error names no file.
        again: what to do once the cause is removed.
    """
    where = str(error.filename or place or "")
    return TrainingError(
        f"cannot write: {_reason(error)}", where=where, hint=f"{_cure(error, where)}; then {again}"
    )


def is_broken_pipe(error: BaseException) -> bool:
    """Whether the reader of a pipe has closed it."""
    closed = sys.platform == "win32" and isinstance(error, OSError) and error.errno == errno.EINVAL
    return closed or isinstance(error, BrokenPipeError)


def in_words(error: BaseException) -> SegkitError | None:
    """A readable error for too little memory, a full disk or a path that cannot be used, else None."""
    if is_out_of_memory(error):
        lines = str(error).splitlines()
        return TrainingError(
            f"this machine has too little memory{f' ({lines[0]})' if lines else ''}",
            hint="close other programs, raise the memory limit, or use a smaller data.size, data.batch_size "
            "or data.eval_batch_size. Continue a run that had started with segkit resume",
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return cannot_write(error, None, "the same command again")
    if isinstance(error, OSError) and error.filename and error.errno in _UNUSABLE:
        problem = f"this path cannot be used: {_reason(error)}"
        return SegkitError(problem, where=str(error.filename), hint=_UNUSABLE[error.errno])
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine's memory, or the limit of this process, is exhausted."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in message for sign in _NO_MEMORY)


def is_path_too_long(error: OSError) -> bool:
    """Whether a path is longer than the system takes; Windows tells only that there is no such file."""
    missing = sys.platform == "win32" and isinstance(error, FileNotFoundError)
    return error.errno == errno.ENAMETOOLONG or (missing and len(str(error.filename)) >= _LONG_PATH)


def _cure(error: OSError, where: str) -> str:
    if error.errno in _FULL:
        return "free some space"
    if sys.platform == "win32":
        if len(where) >= _LONG_PATH:
            limit = "Windows takes 259 unless long paths are switched on"
            return f"choose a shorter path (it has {len(where)} characters, {limit})"
        if isinstance(error, PermissionError):
            return "close the programs that have it open, or make the location writable"
    return "make the location writable"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
