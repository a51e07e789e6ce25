"""PNG and JPEG of which Pillow would keep 8 of 16 bits, or hold four bytes per pixel in memory."""

from __future__ import annotations

import logging
import math
import mmap
import struct
from pathlib import Path

import numpy as np

from segkit.data.large_arrays import empty, is_large, keep_out_of_memory
from segkit.data.readers.raster import Numbers

# Its log messages about damaged files would be printed beside segkit's errors.
logging.getLogger("imagecodecs").addHandler(logging.NullHandler())


def decode(path: Path, form: str, shape: tuple[int, int, int], dtype: str) -> Numbers:
    """(H, W, C) as stored: RGB or, in 16 bits, grey, with opacity as the last channel of 2 or 4.

    Args:
        path: file.
        form: "PNG" or "JPEG".
        shape: (H, W, C) by its header.
        dtype: type by its header.
    """
    import imagecodecs  # slow to import

    decoder = imagecodecs.png_decode if form == "PNG" else imagecodecs.jpeg8_decode
    if not is_large(math.prod(shape) * np.dtype(dtype).itemsize):
        pixels: Numbers = decoder(path.read_bytes())
        return pixels if pixels.ndim == 3 else pixels[..., None]
    pixels = empty(shape, dtype)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        keep_out_of_memory(content)
        decoder(content, out=pixels if shape[-1] > 1 else pixels[..., 0])
    return pixels


def exif_of_png(path: Path) -> bytes:
    """EXIF data of a PNG, wherever they are in the file; empty without any."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return file.read(length)
            file.seek(length + 4, 1)
    return b""
