"""Thread-safe writer of cache rows."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from segkit.core.types import Pixels
from segkit.data.cache.pack_file import Layout, PackWriter

PACK_BYTES = 1 << 30  # at most this is lost when a process is killed


class CacheWriter:
    """Adds rows to a cache, from any number of threads.

    Args:
        folder: folder of the packs.
        layout: shapes of image and mask.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder = folder
        self._layout = layout
        self._lock = threading.Lock()
        self._writer: PackWriter | None = None

    def add(self, key: bytes, image: Pixels, mask: Pixels) -> None:
        """Add a row; it is stored when its pack is full, or at `finish`.

        Raises:
            CacheWriteError: if the row cannot be written.
        """
        pixels = image.tobytes() + mask.tobytes()
        digest = hashlib.sha256(pixels).digest()
        with self._lock:
            if self._writer is None:
                self._writer = PackWriter(self._folder, self._layout)
            self._writer.add(key, pixels, digest)
            if self._writer.size >= PACK_BYTES:
                self._writer.finish()
                self._writer = None

    def finish(self) -> None:
        """Complete the last pack."""
        if self._writer:
            self._writer.finish()

    def discard(self) -> None:
        """Remove the incomplete pack."""
        if self._writer:
            self._writer.discard()
