"""Error messages for full disks, unwritable files and too little memory. No torch."""

from __future__ import annotations

import errno
from pathlib import Path

from segkit.core.errors import TrainingError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (*_FULL, errno.EROFS, errno.EIO)
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
    cure = "free some space" if error.errno in _FULL else "make the location writable"
    return TrainingError(
        f"cannot write: {_reason(error)}",
        where=str(error.filename or place or ""),
        hint=f"{cure}; then {again}",
    )


def in_words(error: BaseException) -> TrainingError | None:
    """A readable error if `error` means too little memory or a full disk, else None."""
    if is_out_of_memory(error):
        lines = str(error).splitlines()
        return TrainingError(
            f"this machine has too little memory{f' ({lines[0]})' if lines else ''}",
            hint="close other programs, raise the memory limit, or use a smaller data.size, data.batch_size "
            "or data.eval_batch_size. Continue a run that had started with segkit resume",
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return cannot_write(error, None, "the same command again")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine's memory, or the limit of this process, is exhausted."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in message for sign in _NO_MEMORY)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
