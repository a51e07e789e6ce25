"""Bringing images and masks to one size: bilinear filtering for images, the nearest pixel for masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.core.types import Pixels

Box = tuple[float, float, float, float]


def resize(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Image.Image:
    """An image in Pillow's mode L, RGB or RGBA; shrinking averages over the pixels that fall together.

    Args:
        image: of any size.
        size: (height, width) wanted.
        box: (left, upper, right, lower): the part of the image that is taken, by default all.
    """
    height, width = size
    if image.mode == "RGBA":  # band by band, as Pillow would darken colours by the alpha channel
        return Image.merge(image.mode, [resize(band, size, box) for band in image.split()])
    return image.resize((width, height), Image.Resampling.BILINEAR, box)


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) -> (height, width, C); shrinking averages over the pixels that fall together."""
    if image.shape[-1] == 3:
        return np.asarray(resize(Image.fromarray(image), size))
    # One by one, as Pillow knows no other numbers of channels.
    channels = [resize(Image.fromarray(image[..., channel]), size) for channel in range(image.shape[-1])]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def resize_mask(mask: npt.NDArray[np.integer], size: tuple[int, int]) -> npt.NDArray[np.integer]:
    """(H, W) or (H, W, K) -> the same at (height, width); no value is new."""
    height, width = size
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.intp)
    resized: npt.NDArray[np.integer] = mask[rows[:, None], columns]
    return resized
