"""Files of probabilities, written row by row: arrays, which hold them as they are, or pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from segkit.utils.atomic import atomic_write

if TYPE_CHECKING:
    from segkit.inference.network import Probabilities

MAX_UINT16 = 2**16 - 1  # a 16-bit PNG's number for a probability of 1


class ProbabilityWriter(Protocol):
    """Where rows of probabilities go, from top to bottom."""

    def put(self, top: int, band: Probabilities) -> None:
        """Keep (K, rows, W), which begins at a row."""
        ...


class _NullWriter:
    """Nothing is kept."""

    def put(self, top: int, band: Probabilities) -> None:
        pass


class _Array:
    """A file of float32, mapped into memory."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)

    def put(self, top: int, band: Probabilities) -> None:
        self._mapped[:, top : top + band.shape[1]] = band

    def close(self) -> None:
        self._mapped.flush()


class _Pictures:
    """A 16-bit picture for each class."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.pixels = np.empty(shape, np.uint16)

    def put(self, top: int, band: Probabilities) -> None:
        self.pixels[:, top : top + band.shape[1]] = (band * MAX_UINT16).round()


@contextmanager
def forgotten() -> Iterator[ProbabilityWriter]:
    """Keep nothing."""
    yield _NullWriter()


@contextmanager
def kept_as_array(file: Path, shape: tuple[int, int, int]) -> Iterator[ProbabilityWriter]:
    """Keep them in a .npy file, (K, H, W) float32; it appears when the body has ended."""
    with atomic_write(file) as temporary:
        array = _Array(temporary, shape)
        yield array
        array.close()


@contextmanager
def kept_as_pictures(files: Mapping[str, Path], shape: tuple[int, int, int]) -> Iterator[ProbabilityWriter]:
    """Keep them in 16-bit PNGs, one for each class in order; they appear when the body has ended."""
    pictures = _Pictures(shape)
    yield pictures
    with ExitStack() as stack:
        for file, pixels in zip(files.values(), pictures.pixels, strict=True):
            temporary = stack.enter_context(atomic_write(file))
            Image.fromarray(pixels).save(temporary, "PNG", compress_level=1)
