"""Text files that name images: their encoding, and the paths in them."""

from __future__ import annotations

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from segkit.core.errors import DataError
from segkit.core.paths import as_stored

MAX_BYTES = 400_000_000


def read_text(file: Path) -> str:
    """Read a text in UTF-8, or in UTF-16 with a byte order mark; line ends are kept.

    Raises:
        DataError: if the file cannot be read, or has another encoding.
    """
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > MAX_BYTES):
            raise DataError(f"this is not a regular file of at most {MAX_BYTES:,} bytes", where=str(file))
        content = file.read_bytes()
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(file)) from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {error}", where=str(file)) from None
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1 if encoding == "utf-8-sig" else 1
        hint = "save it as UTF-8; a spreadsheet calls it CSV UTF-8"
        raise DataError("this is not UTF-8 text", where=f"{file}:{line}", hint=hint) from None


def with_slashes(text: str, folder: Path) -> str:
    """A path as a text names it; a backslash separates folders unless it is part of a file's name."""
    is_name = "\\" not in text or os.path.lexists(as_stored(folder / text))
    return text if is_name else text.replace("\\", "/")
