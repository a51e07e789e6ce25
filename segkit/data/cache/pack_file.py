"""Pack files of decoded images and masks, memory-mapped for reading.

A pack holds rows (the bytes of an image, then those of its mask), an index with the key and the SHA-256 of
each row's pixels, and a footer with the sizes.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import time
import uuid
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from segkit.core.errors import DataError
from segkit.core.types import Pixels
from segkit.data.cache.errors import CorruptPackError, as_write_error

ENDING, UNFINISHED = ".pack", ".unfinished"
_ENTRY = np.dtype([("key", "V32"), ("digest", "V32")])
_FOOTER = struct.Struct("<8sQQQ32s")  # the fields of _Footer
_MAGIC = b"segkit 1"


@dataclass(frozen=True)
class Layout:
    """Shapes of image and mask of a row.

    Args:
        image: (H, W, C).
        mask: (H, W), or (H, W, K) for multilabel.
    """

    image: tuple[int, ...]
    mask: tuple[int, ...]

    @property
    def image_bytes(self) -> int:
        """Bytes of an image."""
        return prod(self.image)

    @property
    def row_bytes(self) -> int:
        """Bytes of an image and its mask."""
        return prod(self.image) + prod(self.mask)


def pixel_digest(image: Pixels, mask: Pixels) -> bytes:
    """SHA-256 over the bytes of an image and its mask."""
    return hashlib.sha256(image.tobytes() + mask.tobytes()).digest()


class Pack:
    """A memory-mapped pack; after unpickling it is mapped again at the first access.

    Args:
        path: pack file, checked with `read_index`.
        layout: shapes of image and mask.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout

    @cached_property
    def pixels(self) -> Pixels:
        """(N, bytes of a row), read-only; mapped at the first access, so that the file may be removed then.

        Raises:
            DataError: if the file is gone.
        """
        try:
            with self.path.open("rb") as file:
                count, row_bytes = _footer(file).rows, self.layout.row_bytes
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return np.frombuffer(mapped, np.uint8, count * row_bytes).reshape(count, row_bytes)
        except (OSError, CorruptPackError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(
                f"the cached images can no longer be read: {reason}",
                where=str(self.path),
                hint="was the cache cleared? start the run again",
            ) from None

    @property
    def images(self) -> PackedRows:
        """(N, H, W, C)."""
        return PackedRows(self, 0, self.layout.image)

    @property
    def masks(self) -> PackedRows:
        """(N, H, W), or (N, H, W, K) for multilabel."""
        return PackedRows(self, self.layout.image_bytes, self.layout.mask)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "layout": self.layout}


class PackedRows:
    """The images or the masks of a pack, by row.

    Args:
        pack: pack to read.
        start: offset in a row, in bytes.
        shape: shape of an image or mask.
    """

    def __init__(self, pack: Pack, start: int, shape: tuple[int, ...]) -> None:
        self.row_shape = shape
        self._pack = pack
        self._span = slice(start, start + prod(shape))

    def __getitem__(self, row: int) -> Pixels:
        return self._pack.pixels[row, self._span].reshape(self.row_shape)


def read_index(path: Path, layout: Layout) -> npt.NDArray[Any]:
    """Check a pack and read the key and the digest of every row, 32 bytes each.

    Size, index and footer are always checked; the pixels only if the file's modification time differs from
    that in the footer.

    Raises:
        CorruptPackError: if it is incomplete or damaged.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        footer = _footer(file)
        if footer.row_bytes != layout.row_bytes:
            raise CorruptPackError("its rows have another size")
        if status.st_size != footer.rows * (footer.row_bytes + _ENTRY.itemsize) + _FOOTER.size:
            raise CorruptPackError("it is truncated")
        file.seek(footer.rows * footer.row_bytes)
        index = file.read(footer.rows * _ENTRY.itemsize)
    if hashlib.sha256(index).digest() != footer.digest:
        raise CorruptPackError("its index has changed")
    entries = np.frombuffer(index, _ENTRY)
    if status.st_mtime_ns != footer.written * 10**9:
        for row, digest in zip(Pack(path, layout).pixels, entries["digest"], strict=True):
            if hashlib.sha256(row).digest() != digest.tobytes():
                raise CorruptPackError("its pixels have changed")
        with contextlib.suppress(OSError):
            os.utime(path, (footer.written, footer.written))
    return entries


def rows_in(path: Path) -> int:
    """Number of rows in the footer of a pack; 0 if it is not a pack."""
    with contextlib.suppress(OSError, CorruptPackError), path.open("rb") as file:
        return _footer(file).rows
    return 0


class PackWriter:
    """Writer of a pack, which gets its final name when it is complete.

    Args:
        folder: folder of the pack.
        layout: shapes of image and mask.

    Raises:
        CacheWriteError: in every method, such as for a full disk.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._layout = layout
        self._entries: list[bytes] = []
        self._path = folder / f"{uuid.uuid4().hex}{UNFINISHED}"
        with as_write_error():
            self._file = self._path.open("xb")

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return len(self._entries) * self._layout.row_bytes

    def add(self, key: bytes, pixels: bytes, digest: bytes) -> None:
        """Append a row with its key and digest, 32 bytes each."""
        with as_write_error():
            self._file.write(pixels)
        self._entries.append(key + digest)

    def finish(self) -> Path | None:
        """Complete the pack, with fsync, and return its path; None if it has no rows."""
        if not self._entries:
            self.discard()
            return None
        index = b"".join(self._entries)
        # Even seconds, which every file system can store as modification time.
        written = int(time.time()) // 2 * 2
        footer = _Footer(
            _MAGIC, len(self._entries), self._layout.row_bytes, written, hashlib.sha256(index).digest()
        )
        final = self._path.with_suffix(ENDING)
        with as_write_error():
            self._file.seek(self.size)  # overwrites an incomplete row
            self._file.write(index + _FOOTER.pack(*footer))
            self._file.truncate()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.utime(self._path, (written, written))
            self._path.replace(final)
        return final

    def discard(self) -> None:
        """Remove the incomplete pack."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


class _Footer(NamedTuple):
    magic: bytes
    rows: int
    row_bytes: int
    written: int
    digest: bytes


def _footer(file: BinaryIO) -> _Footer:
    if file.seek(0, os.SEEK_END) >= _FOOTER.size:
        file.seek(-_FOOTER.size, os.SEEK_END)
        footer = _Footer(*_FOOTER.unpack(file.read(_FOOTER.size)))
        if footer.magic == _MAGIC:
            return footer
    raise CorruptPackError("it is truncated or not a pack")
