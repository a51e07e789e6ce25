"""Internal errors of the image cache."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class CacheWriteError(Exception):
    """The cache cannot be written."""


class CorruptPackError(Exception):
    """A pack file is incomplete or damaged."""


@contextlib.contextmanager
def as_write_error() -> Iterator[None]:
    """Turn an `OSError` into a `CacheWriteError`."""
    try:
        yield
    except OSError as error:
        raise CacheWriteError(error.strerror or str(error)) from error
