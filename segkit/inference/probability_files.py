"""Probability files written in chunks of rows: float32 arrays or 16-bit PNGs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segkit.utils.atomic import atomic_write

if TYPE_CHECKING:
    from segkit.inference.network import Probabilities

# Function of a slice of rows and their probabilities (K, rows, W).
ProbabilityWriter = Callable[[slice, "Probabilities"], None]
MAX_UINT16 = 2**16 - 1  # a probability of 1 in a 16-bit PNG


@contextmanager
def npy_writer(file: Path, shape: tuple[int, int, int]) -> Iterator[ProbabilityWriter]:
    """Write an array (K, H, W) of float32; the file appears when the body ends."""
    with atomic_write(file) as temporary:
        array: Any = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)

        def write(rows: slice, chunk: Probabilities) -> None:
            array[:, rows] = chunk

        try:
            yield write
            array.flush()
        finally:
            array._mmap.close()  # Windows does not rename a mapped file


@contextmanager
def png_writer(files: Sequence[Path], shape: tuple[int, int, int]) -> Iterator[ProbabilityWriter]:
    """Write one 16-bit PNG per class; the files appear when the body ends."""
    pixels = np.empty(shape, np.uint16)

    def write(rows: slice, chunk: Probabilities) -> None:
        pixels[:, rows] = (chunk * MAX_UINT16).round()

    yield write
    with ExitStack() as stack:
        for file, plane in zip(files, pixels, strict=True):
            temporary = stack.enter_context(atomic_write(file))
            Image.fromarray(plane).save(temporary, "PNG", compress_level=1)
