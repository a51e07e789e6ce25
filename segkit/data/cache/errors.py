"""Errors of the image cache; none of them reaches the user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class CannotWrite(Exception):
    """The cache cannot be written to; says why."""


class Damaged(Exception):
    """A file is not the pack that was written."""


@contextlib.contextmanager
def as_write_error() -> Iterator[None]:
    """Turn an `OSError` into `CannotWrite`."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(error.strerror or str(error)) from error
