"""Resizing: bilinear filtering for images, nearest neighbour for masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.core.types import Pixels


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize an image in Pillow's mode L, LA, RGB, RGBA or F to (height, width), with antialiasing."""
    height, width = size
    if image.mode in ("LA", "RGBA"):  # band by band: Pillow would multiply colours by alpha
        return Image.merge(image.mode, [resize(band, size) for band in image.split()])
    return image.resize((width, height), Image.Resampling.BILINEAR)


def resize_image(image: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, C) -> (height, width, C), with antialiasing; integers are rounded to their type."""
    if image.shape[-1] > 1 and image.strides[-1] == 0:  # one channel shown as several, without a copy
        return np.repeat(resize_image(image[..., :1], size), image.shape[-1], axis=-1)
    if image.shape[-1] == 3 and image.dtype == np.uint8:
        return np.asarray(resize(Image.fromarray(image), size))
    # Pillow does not support other numbers of channels and types.
    channels = [_resize_channel(image[..., channel], size) for channel in range(image.shape[-1])]
    return np.stack(channels, axis=-1)


def resize_mask(mask: npt.NDArray[np.number], size: tuple[int, int]) -> npt.NDArray[np.number]:
    """(H, W) or (H, W, K) -> (height, width) or (height, width, K), nearest neighbour."""
    height, width = size
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.intp)
    resized: npt.NDArray[np.number] = mask[rows[:, None], columns]
    return resized


def _resize_channel(channel: Pixels, size: tuple[int, int]) -> Pixels:
    if channel.dtype == np.uint8:
        return np.asarray(resize(Image.fromarray(channel), size))
    resized = np.asarray(resize(Image.fromarray(channel.astype(np.float32, copy=False)), size))
    return resized if channel.dtype == np.float32 else np.rint(resized).astype(channel.dtype)
