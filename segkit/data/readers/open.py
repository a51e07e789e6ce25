"""Opening of image files: which reader takes a file is a matter of its first bytes, not of its name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from segkit.core.errors import DataError, first_line
from segkit.data.large_arrays import is_large
from segkit.data.readers.heif import open_heif
from segkit.data.readers.matlab import open_mat
from segkit.data.readers.npy import open_npy
from segkit.data.readers.pillow import open_avif, open_pillow
from segkit.data.readers.raster import ImageFile
from segkit.data.readers.tiff import open_tiff
from segkit.utils.os_errors import is_out_of_memory

READABLE = "PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC, AVIF and NPY are read"
_Open = Callable[[Path, int], AbstractContextManager[ImageFile]]
_BY_FIRST_BYTES: dict[bytes, _Open] = {
    b"II*\0": open_tiff, b"MM\0*": open_tiff, b"II+\0": open_tiff, b"MM\0+": open_tiff,
    b"\x93NUMPY": open_npy, b"MATLAB": open_mat,
}  # fmt: skip
_BY_BRAND: dict[bytes, _Open] = {  # of an ISO media file
    b"heic": open_heif, b"heix": open_heif, b"heim": open_heif, b"heis": open_heif, b"mif1": open_heif,
    b"avif": open_avif, b"avis": open_avif,
}  # fmt: skip
_one_large_file = threading.RLock()  # is decoded at a time
_USUAL_PIXELS = 2**25  # assumed of a file whose header cannot be read
_DECODER_BYTES = 8  # per pixel: a progressive JPEG needs 6, beside its pixels


@contextmanager
def open_file(path: Path, max_pixels: int) -> Iterator[ImageFile]:
    """Open an image file without decoding it; every error inside becomes a `DataError`.

    Raises:
        DataError: if it has more than `max_pixels`.
        MemoryError: if there is too little memory, with the path.
    """
    pixels = _USUAL_PIXELS
    try:
        if not (path.is_dir() or path.is_file()) and path.exists():  # a pipe could be waited for without end
            raise DataError("this is not a file", where=str(path))
        with _reader(path)(path, max_pixels) as file:
            pixels = file.stored[0] * file.stored[1]
            with _one_large_file if is_large(4 * pixels) else nullcontext():
                yield file
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except Exception as error:  # decoders raise many types: struct.error, zlib.error, IndexError, ...
        if is_out_of_memory(error) or _is_memory_short(pixels):
            raise MemoryError(f"while reading {path}") from error
        raise _cause(error, path) from None


def _reader(path: Path) -> _Open:
    with path.open("rb") as file:
        first = file.read(12)
    if first[4:8] == b"ftyp" and first[8:] in _BY_BRAND:
        return _BY_BRAND[first[8:]]
    return next((reader for start, reader in _BY_FIRST_BYTES.items() if first.startswith(start)), open_pillow)


def _is_memory_short(pixels: int) -> bool:
    # libjpeg and libwebp call an image damaged if they have too little memory.
    try:
        np.empty(_DECODER_BYTES * pixels, np.uint8)
    except MemoryError:
        return True
    return False


def _cause(error: Exception, path: Path) -> DataError:
    where, again = str(path), "copy or download it again"
    if isinstance(error, UnidentifiedImageError):
        problem = "this is not a readable image file" if path.stat().st_size else "the file is empty"
        return DataError(problem, where=where, hint=f"{again}; {READABLE}")
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"the file cannot be read: {error.strerror}", where=where)
    return DataError(f"the image is damaged: {first_line(error)}", where=where, hint=again)
