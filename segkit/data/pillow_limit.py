"""Pillow's limit of pixels, which is global, for all threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from PIL import Image

_lock = Lock()
_users = 0
_limit: int | None = None  # as the process has set it


@contextmanager
def without_pillow_limit() -> Iterator[None]:
    """Pillow neither refuses images nor warns of them, while any thread is inside."""
    global _users, _limit
    with _lock:
        if not _users:
            _limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                Image.MAX_IMAGE_PIXELS = _limit
