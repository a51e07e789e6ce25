"""Rows are collected in memory until they fill a pack."""

from __future__ import annotations

import threading
from pathlib import Path

from segkit.data.cache.store import Array, Row, pixel_digest, write_pack

PACK_BYTES = 64 << 20  # a pack is held in memory until it is full, and lost when the process is killed


class StoreWriter:
    """Adds rows to a folder of packs, from any number of threads.

    Args:
        folder: folder of the packs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._bytes = 0

    def add(self, key: bytes, image: Array, mask: Array) -> None:
        """Add a row; it is stored when its pack is full, or at `finish`.

        Args:
            key: 32 bytes.
            image: (H, W, C), of any size and a type of safetensors.
            mask: (H, W), or (H, W, K).

        Raises:
            CacheWriteError: if the rows cannot be written; those of earlier packs stay.
        """
        digest = pixel_digest(image, mask)
        with self._lock:
            self._bytes += image.nbytes + mask.nbytes
            full = self._bytes >= PACK_BYTES
            if not full:  # the caller may use its arrays again
                image, mask = image.copy(), mask.copy()
            self._rows.append(Row(key, digest, image, mask))
            if full:
                self._write()

    def finish(self) -> None:
        """Store the last rows.

        Raises:
            CacheWriteError: if they cannot be written.
        """
        with self._lock:
            if self._rows:
                self._write()

    def _write(self) -> None:
        rows, self._rows, self._bytes = self._rows, [], 0
        write_pack(self._folder, rows)
