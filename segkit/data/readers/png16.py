"""PNGs of 16 bits and several channels, of which Pillow would keep 8 bits."""

from __future__ import annotations

import logging
from pathlib import Path

from segkit.data.readers.raster import Numbers

# Its log messages about damaged files would be printed beside segkit's errors.
logging.getLogger("imagecodecs").addHandler(logging.NullHandler())


def decode_png(path: Path) -> Numbers:
    """(H, W, C) as stored: grey or RGB, with opacity as the last channel of 2 or 4."""
    import imagecodecs  # slow to import

    return imagecodecs.png_decode(path.read_bytes())
