"""glibc malloc settings for training."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER, _STEP_BYTES = 2**31 - 1, 64 << 20


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory instead of returning it to the system.

    By default every large block is mapped, zeroed page by page and unmapped again, although each training
    step allocates the same tensors.

    Returns:
        Whether the settings are active; false without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _STEP_BYTES}
    return all(libc.mallopt(key, value) for key, value in settings.items())
