"""Pictures of a mask over its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segkit.data.contours import contour
from segkit.data.palette import flat, mask_palette
from segkit.data.resize import resize_mask

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Task
    from segkit.inference.image_source import ImageSource

MAX_SIDE = 4096  # pixels of an overlay's longer side: it is for looking at
ALONE = (255, 176, 0)  # the colour of the one class of a binary task: seen on skin, grass and tissue
_TINT = 0.3


def overlay_of(picture: ImageSource, mask: Pixels, task: Task) -> Image.Image:
    """The image with its mask as a tint and a contour; at its own size, unless that is very large.

    Args:
        picture: the image.
        mask: its mask, as `mask_of` makes it.
        task: what was predicted.
    """
    height, width = picture.extent
    shown = flat(mask, task)
    most = max(height, width)
    if most <= MAX_SIDE:
        return _drawn(picture.cut(0, 0, height, width), shown, _colours(task))
    size = (max(1, height * MAX_SIDE // most), max(1, width * MAX_SIDE // most))
    return _drawn(picture.at(size), resize_mask(shown, size).astype(np.uint8), _colours(task))


def _drawn(pixels: Pixels, mask: Pixels, colours: Pixels) -> Image.Image:
    """(H, W, C) and (H, W) -> RGB."""
    drawn = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3].copy()
    inside = mask != 0
    tint = (1 - _TINT) * drawn[inside] + _TINT * colours[mask[inside]]
    drawn[inside] = tint.round().astype(np.uint8)
    edge = contour(mask, max(1, round(max(mask.shape) / 400)))
    drawn[edge] = colours[mask[edge]]
    return Image.fromarray(drawn)


def _colours(task: Task) -> Pixels:
    colours = mask_palette(task)
    if task.kind == "binary":
        colours[1] = ALONE
    return colours
