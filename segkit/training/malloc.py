"""The C library's memory, kept for the next training step."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER, _STEP_BYTES = 2**31 - 1, 64 << 20


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed, instead of giving it back to the system.

    glibc maps every large block anew and unmaps it when it is freed. A training step frees and asks for the
    same tensors again and again, and each time the system has to hand out, and zero, their pages one by one.

    Returns:
        Whether it does; only glibc can be told to.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _STEP_BYTES}
    return all(libc.mallopt(key, value) for key, value in settings.items())
