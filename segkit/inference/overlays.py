"""Overlays of a mask on its image."""

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

MAX_SIDE = 4096  # pixels of the longer side
_BINARY_COLOUR = (255, 176, 0)  # visible on skin, grass and tissue
_TINT = 0.3


def draw_overlay(image: ImageSource, mask: Pixels, task: Task) -> Image.Image:
    """The image with its mask as tint and contour, reduced if it is larger than `MAX_SIDE`."""
    height, width = image.size
    labels = flat(mask, task)
    longer = max(height, width)
    if longer <= MAX_SIDE:
        return _draw(image.info.display(image.crop(0, 0, height, width)), labels, class_colours(task))
    size = (max(1, height * MAX_SIDE // longer), max(1, width * MAX_SIDE // longer))
    picture = image.info.display(image.resized(size))
    return _draw(picture, resize_mask(labels, size).astype(np.uint8), class_colours(task))


def _draw(pixels: Pixels, mask: Pixels, colours: Pixels) -> Image.Image:
    drawn = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels.copy()
    inside = mask != 0
    tint = (1 - _TINT) * drawn[inside] + _TINT * colours[mask[inside]]
    drawn[inside] = tint.round().astype(np.uint8)
    edge = contour(mask, max(1, round(max(mask.shape) / 400)))
    drawn[edge] = colours[mask[edge]]
    return Image.fromarray(drawn)


def class_colours(task: Task) -> Pixels:
    """Colour of every value of a mask made by `flat` in overlays, (256, 3)."""
    colours = mask_palette(task)
    if task.kind == "binary" and task.classes[0] not in dict(task.colors):
        colours[1] = _BINARY_COLOUR
    return colours
