"""Matrices in files of MATLAB, by SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from segkit.core.errors import DataError
from segkit.data.readers.raster import Extent, Header, ImageFile, Raster, check_size, image_type

_TYPES = {"double": "float64", "single": "float32", "logical": "bool"}
_NUMBERS = (*_TYPES, "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


class _Matrix:
    def __init__(self, path: Path, name: str, stored: Extent, kind: str) -> None:
        self._path, self._name = path, name
        self.stored = stored
        self.header = Header("MAT", "1 channel", stored, 1, str(image_type(np.dtype(_TYPES.get(kind, kind)))))

    def raster(self) -> Raster:
        import scipy.io

        content = scipy.io.loadmat(self._path, variable_names=[self._name], mat_dtype=True)
        return Raster(content[self._name][..., None], "MAT")


@contextmanager
def open_mat(path: Path, max_pixels: int) -> Iterator[ImageFile]:
    """Open the only matrix of a file without reading its numbers.

    Raises:
        DataError: if there is none or several, or if the file is of version 7.3.
        Exception: of many types if it is damaged.
    """
    import scipy.io

    with path.open("rb") as file:
        if b"7.3" in file.read(16):
            problem, hint = "MATLAB files of version 7.3 are not read", "save it with -v7, or as PNG"
            raise DataError(problem, where=str(path), hint=hint)
    matrices = [
        (name, shape, kind)
        for name, shape, kind in scipy.io.whosmat(path)
        if kind in _NUMBERS and len(shape) == 2 and min(shape) > 1
    ]
    if len(matrices) != 1:
        sizes = ", ".join(f"{name} ({height}x{width})" for name, (height, width), _ in matrices)
        problem = f"the file holds {len(matrices)} matrices{': ' * bool(sizes)}{sizes}"
        raise DataError(problem, where=str(path), hint="save the one that is the mask alone, or as PNG")
    name, stored, kind = matrices[0]
    check_size(stored, 8, path, max_pixels)
    yield _Matrix(path, name, stored, kind)
