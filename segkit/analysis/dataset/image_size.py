"""A size for training, from the sizes of the images."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from segkit.core.errors import DataError
from segkit.data.images import read_header

MAX_SIDE = 512  # pixels; larger ones are slow to train
MULTIPLE = 32  # pixels, as the encoders halve an image five times
_MAX_IMAGES = 60
_MUCH_LARGER = 2


def suggest_size(images: Sequence[Path]) -> tuple[tuple[int, int], str] | None:
    """(height, width) of the images' median aspect ratio, and why; None if no image can be read."""
    extents = []
    for file in images[:: len(images) // _MAX_IMAGES + 1]:
        with suppress(DataError):
            extents.append(read_header(file).extent)
    if not extents:
        return None
    ratio = median(height / width for height, width in extents)  # of one image, if they are of one shape
    usual = median(max(extent) for extent in extents)
    smallest, largest = min(extents, key=_pixels), max(extents, key=_pixels)
    found = f"{smallest[1]}x{smallest[0]}"
    if largest != smallest:
        found += f" to {largest[1]}x{largest[0]}"
    finer = "larger is finer and slower"
    if usual > _MUCH_LARGER * MAX_SIDE:
        finer = "'segkit plan' tells what is lost by that, and whether fit: crop avoids it"
    why = f"height, width: as the images ({found} pixels), at most {MAX_SIDE}; {finer}"
    return size_of_shape(ratio, min(MAX_SIDE, usual)), why


def size_of_shape(ratio: float, longest: float) -> tuple[int, int]:
    """(height, width) of that ratio, whose longer side is about `longest` pixels: multiples of 32."""
    return to_multiple(longest * min(1.0, ratio)), to_multiple(longest * min(1.0, 1 / ratio))


def _pixels(extent: tuple[int, int]) -> int:
    return extent[0] * extent[1]


def to_multiple(side: float) -> int:
    """The nearest multiple of 32, at least 32."""
    return max(MULTIPLE, MULTIPLE * round(side / MULTIPLE))
