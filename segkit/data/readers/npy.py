"""Arrays in files of NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from segkit.core.errors import DataError
from segkit.data.readers.raster import Header, ImageFile, Numbers, Raster, check_size, image_type


class _Array:
    def __init__(self, array: Numbers) -> None:
        self._array = array if array.ndim == 3 else array[..., None]
        height, width, channels = self._array.shape
        self.stored = height, width
        kind = str(image_type(array.dtype))
        self.header = Header("NPY", f"{channels} channels", self.stored, channels, kind)

    def raster(self) -> Raster:
        return Raster(np.array(self._array), "NPY")


@contextmanager
def open_npy(path: Path, max_pixels: int) -> Iterator[ImageFile]:
    """Open an array (H, W) or (H, W, C), mapped into memory; no pickled objects.

    Raises:
        DataError: if it has another shape or more than `max_pixels`.
        ValueError: if it is damaged.
    """
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim not in (2, 3) or not array.size:
        problem = f"an array of shape {array.shape} is not an image"
        raise DataError(problem, where=str(path), hint="save it as (H, W) or (H, W, C)")
    check_size(array.shape[:2], array[0, 0].nbytes, path, max_pixels)
    yield _Array(array)
