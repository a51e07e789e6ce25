"""HEIC, by pillow-heif, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segkit.core.errors import DataError
from segkit.data.readers.raster import Extent, Header, ImageFile, Raster, check_size


class _HeifFile:
    """The main image of a file, which libheif turns upright itself."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self.stored: Extent = image.size[1], image.size[0]

    @property
    def header(self) -> Header:
        name, *deep = self._image.mode.split(";")
        kind = "uint16" if deep else "uint8"
        return Header("HEIC", name, self.stored, len(name), kind, name[-1] in "Aa", lossy=True)

    def raster(self) -> Raster:
        pixels = np.asarray(self._image)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return Raster(pixels, "HEIC", opacity=self.header.opacity, lossy=True)


@contextmanager
def open_heif(path: Path, max_pixels: int) -> Iterator[ImageFile]:
    """Open an image of at most 16 bits without decoding it; of more than 8 bits it keeps the numbers.

    Raises:
        DataError: if pillow-heif is not installed, or the image has more than `max_pixels`.
        Exception: of many types if it is damaged.
    """
    try:
        import pillow_heif
    except ImportError as error:
        problem = f"HEIC files are read by pillow-heif, which cannot be imported: {error}"
        hint = "pip install 'segkit-torch[heic]', or convert the file to PNG or JPEG"
        raise DataError(problem, where=str(path), hint=hint) from None
    images = pillow_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = images[images.primary_index]
    check_size((image.size[1], image.size[0]), 8, path, max_pixels)
    yield _HeifFile(image)
