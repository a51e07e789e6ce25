"""Rows that are being added to a cache."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from segkit.core.types import Pixels
from segkit.data.cache.pack_file import Layout, PackWriter

PACK_BYTES = 1 << 30  # what a build that is killed can lose at most


class CacheWriter:
    """Adds rows to a cache, from any number of threads.

    Args:
        folder: of the packs.
        layout: of a row.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder = folder
        self._layout = layout
        self._lock = threading.Lock()
        self._writer: PackWriter | None = None

    def add(self, key: bytes, image: Pixels, mask: Pixels) -> None:
        """Add a row; it is safe once its pack is full, or all is done.

        Raises:
            CannotWrite: on a full disk, say.
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
        """Put the last pack in its place."""
        if self._writer:
            self._writer.finish()

    def discard(self) -> None:
        """Take back the pack that is not finished."""
        if self._writer:
            self._writer.discard()
