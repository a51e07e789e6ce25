"""What the system says of disks and memory, in words: the problem, where, what to try. No torch."""

from __future__ import annotations

import errno
from pathlib import Path

from segkit.core.errors import TrainingError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (*_FULL, errno.EROFS, errno.EIO)
# The system, and its loader of libraries; torch, oneDNN and C++; Python's threads; OpenCV.
_NO_MEMORY = (
    "cannot allocate memory", "failed to map segment", "can't allocate memory", "std::bad_alloc",
    "could not create a primitive", "can't start new thread", "insufficient memory",
)  # fmt: skip


def cannot_write(error: OSError, place: Path | None, again: str) -> TrainingError:
    """What the system says of a file that it does not write, in words.

    Args:
        error: as it was raised.
        place: what was written to, where the error names no file; None if nobody knows.
        again: what to do when the reason is mended.
    """
    cure = "make room there" if error.errno in _FULL else "see to it that it can be written to"
    return TrainingError(
        f"this cannot be written: {_reason(error)}",
        where=str(error.filename or place or ""),
        hint=f"{cure}; then {again}",
    )


def in_words(error: BaseException) -> TrainingError | None:
    """An error that came from anywhere, if it tells of memory that has run out, or of a disk that is full."""
    if is_out_of_memory(error):
        said = str(error).splitlines()
        return TrainingError(
            f"this machine has too little memory{f' ({said[0]})' if said else ''}",
            hint="end other programs, or raise the limit on memory; or a smaller data.size, data.batch_size "
            "or data.eval_batch_size. A run that had begun goes on with segkit resume",
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return cannot_write(error, None, "the same command again")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine's memory, or what a process may have of it, has run out."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in _NO_MEMORY)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
