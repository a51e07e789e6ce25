"""Packs: files of decoded images and masks, written once, and then mapped into memory to be read.

A pack is its rows, one after the other (the bytes of an image, then those of its mask); an index with, for
each row, the key that it is found by and the SHA-256 of its pixels; and a footer that says how much there is.
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
from segkit.data.cache.errors import Damaged, as_write_error

ENDING, UNFINISHED = ".pack", ".unfinished"
_ENTRY = np.dtype([("key", "V32"), ("digest", "V32")])
_FOOTER = struct.Struct(
    "<8sQQQ32s"
)  # magic, number of rows, bytes of a row, time of writing, SHA-256 of the index
_MAGIC = b"segkit 1"


@dataclass(frozen=True)
class Layout:
    """What a row holds.

    Args:
        image: (H, W, C).
        mask: (H, W), or (H, W, K) for multilabel.
    """

    image: tuple[int, ...]
    mask: tuple[int, ...]

    @property
    def image_bytes(self) -> int:
        """Of one row, which begins with its image."""
        return prod(self.image)

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return prod(self.image) + prod(self.mask)


def pixel_digest(image: Pixels, mask: Pixels) -> bytes:
    """SHA-256 over the bytes of an image and its mask, as a pack has it for a row."""
    return hashlib.sha256(image.tobytes() + mask.tobytes()).digest()


class Pack:
    """A pack that is mapped into memory; where it is sent, it is mapped again when a row is asked for.

    Args:
        path: of the file, whose index was read before.
        layout: of its rows.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout

    def open(self) -> None:
        """Map it now: from then on the file may be removed."""
        _ = self.pixels

    @cached_property
    def pixels(self) -> Pixels:
        """(N, bytes of a row), read-only.

        Raises:
            DataError: if the file is gone.
        """
        try:
            with self.path.open("rb") as file:
                count, row_bytes = _footer(file).rows, self.layout.row_bytes
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return np.frombuffer(mapped, np.uint8, count * row_bytes).reshape(count, row_bytes)
        except (OSError, Damaged, ValueError) as error:  # it was whole when its index was read
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
        return {"path": self.path, "layout": self.layout}  # not the memory


class PackedRows:
    """The images or the masks of a pack, to be taken one by one.

    Args:
        pack: that they are in.
        start: where in a row they begin, in bytes.
        shape: of one.
    """

    def __init__(self, pack: Pack, start: int, shape: tuple[int, ...]) -> None:
        self.row_shape = shape
        self._pack = pack
        self._span = slice(start, start + prod(shape))

    def __getitem__(self, row: int) -> Pixels:
        return self._pack.pixels[row, self._span].reshape(self.row_shape)


def read_index(path: Path, layout: Layout) -> npt.NDArray[Any]:
    """The key and the digest of every row of a pack, 32 bytes each, once the pack is found to be whole.

    Its size, index and footer are looked at, which takes no time. A pack that something changed after it was
    written shows another time of change; then all of its rows are compared with their digests.

    Raises:
        Damaged: if it is not what was written.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        footer = _footer(file)
        if footer.row_bytes != layout.row_bytes:
            raise Damaged("its rows are of another size")
        if status.st_size != footer.rows * (footer.row_bytes + _ENTRY.itemsize) + _FOOTER.size:
            raise Damaged("it is cut off")
        file.seek(footer.rows * footer.row_bytes)
        index = file.read(footer.rows * _ENTRY.itemsize)
    if hashlib.sha256(index).digest() != footer.digest:
        raise Damaged("its index is not what was written")
    entries = np.frombuffer(index, _ENTRY)
    if status.st_mtime_ns != footer.written * 10**9:
        for row, digest in zip(Pack(path, layout).pixels, entries["digest"], strict=True):
            if hashlib.sha256(row).digest() != digest.tobytes():
                raise Damaged("its pixels are not what was written")
        with contextlib.suppress(OSError):
            os.utime(path, (footer.written, footer.written))
    return entries


def rows_in(path: Path) -> int:
    """How many rows a pack says that it has; 0 where it is none."""
    with contextlib.suppress(OSError, Damaged), path.open("rb") as file:
        return _footer(file).rows
    return 0


class PackWriter:
    """A pack that is being written; it appears under its name when it is whole.

    Args:
        folder: to write it to.
        layout: of its rows.

    Raises:
        CannotWrite: here and in every method, such as on a full disk.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._layout = layout
        self._entries: list[bytes] = []
        self._path = folder / f"{uuid.uuid4().hex}{UNFINISHED}"
        with as_write_error():
            self._file = self._path.open("xb")

    @property
    def size(self) -> int:
        """Bytes of the rows so far."""
        return len(self._entries) * self._layout.row_bytes

    def add(self, key: bytes, pixels: bytes, digest: bytes) -> None:
        """Append a row, and what it is found by and known by: 32 bytes each."""
        with as_write_error():
            self._file.write(pixels)
        self._entries.append(key + digest)

    def finish(self) -> Path | None:
        """Put the pack in its place, where it will still be after a power cut; None if it has no rows."""
        if not self._entries:
            self.discard()
            return None
        index = b"".join(self._entries)
        # In even seconds, which every file system can keep as a time of change.
        written = int(time.time()) // 2 * 2
        footer = _Footer(
            _MAGIC, len(self._entries), self._layout.row_bytes, written, hashlib.sha256(index).digest()
        )
        final = self._path.with_suffix(ENDING)
        with as_write_error():
            self._file.seek(self.size)  # a row that was not written to its end is no row
            self._file.write(index + _FOOTER.pack(*footer))
            self._file.truncate()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.utime(self._path, (written, written))
            self._path.replace(final)
        return final

    def discard(self) -> None:
        """Take back what was written."""
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
    raise Damaged("it is cut off, or no pack")
