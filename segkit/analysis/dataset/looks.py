"""What near duplicates are found by: a grey thumbnail and the details of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import uniform_filter

from segkit.core.types import Pixels
from segkit.data.display import display_rgb, own_range
from segkit.data.resize import resize_image
from segkit.utils.record_file import Records

THUMB = 32  # pixels of a thumbnail's side
DETAILS = 64  # pixels of a side of an image's details
_WINDOW = 5  # pixels of the side of the local mean that details are differences from
_MAX_DETAIL = 2  # of 255; edges that all images of one kind have, such as a round frame, count no more

LOOKS = np.dtype(
    [
        ("thumb", np.uint8, (THUMB, THUMB)),  # grey
        ("details", np.int8, (DETAILS, DETAILS)),  # grey, without what is smooth
    ]
)


def looks_of(image: Pixels) -> Records:
    """The record, of type `LOOKS`, of an image (H, W, C) of any type."""
    colours = resize_image(display_rgb(image, own_range(image)), (2 * DETAILS, 2 * DETAILS))
    grid = colours.astype(np.float32) @ np.full(colours.shape[-1], 1 / colours.shape[-1], np.float32)
    thumb = _averaged(grid, THUMB).round().astype(np.uint8)
    return np.array((thumb, _details(_averaged(grid, DETAILS))), LOOKS)


def difference_hash(thumb: Pixels) -> int:
    """64-bit difference hash (dHash) of a grey thumbnail."""
    small = np.asarray(Image.fromarray(thumb).resize((9, 8), Image.Resampling.BILINEAR))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _averaged(grid: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    size = len(grid) // side
    averaged: npt.NDArray[np.float32] = grid.reshape(side, size, side, size).mean(axis=(1, 3))
    return averaged


def _details(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    details = (grey - uniform_filter(grey, _WINDOW, mode="nearest")).clip(-_MAX_DETAIL, _MAX_DETAIL)
    scaled: npt.NDArray[np.int8] = (details * (127 / _MAX_DETAIL)).round().astype(np.int8)
    return scaled
