"""Resizing: bilinear filtering for images and probabilities, nearest neighbour for masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from segkit.core.types import Pixels
from segkit.data.large_arrays import empty, strips
from segkit.data.windows import Maps

Box = tuple[float, float, float, float]

_MAX_CHUNK = 2**22  # float32 numbers in a chunk: 16 MiB


def resize(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Image.Image:
    """Resize an image in Pillow's mode L, LA, RGB, RGBA or F to (height, width), with antialiasing.

    `box` is the region (left, upper, right, lower) to resize, by default all.
    """
    height, width = size
    if image.mode in ("LA", "RGBA"):  # band by band: Pillow would multiply colours by alpha
        return Image.merge(image.mode, [resize(band, size, box) for band in image.split()])
    return image.resize((width, height), Image.Resampling.BILINEAR, box)


def resize_image(image: Pixels, size: tuple[int, int], box: Box | None = None) -> Pixels:
    """(H, W, C) -> (height, width, C), with antialiasing; integers are rounded to their type."""
    if image.shape[-1] > 1 and image.strides[-1] == 0:  # one channel shown as several, without a copy
        return np.repeat(resize_image(image[..., :1], size, box), image.shape[-1], axis=-1)
    if image.shape[-1] == 3 and image.dtype == np.uint8:
        return np.asarray(resize(Image.fromarray(image), size, box))
    # Pillow does not support other numbers of channels and types.
    channels = [_resize_channel(image[..., channel], size, box) for channel in range(image.shape[-1])]
    return np.stack(channels, axis=-1)


def resize_by_strips(image: Pixels, size: tuple[int, int]) -> Pixels:
    """As `resize_image`, but for rounding, of an image that may not fit into memory."""
    height, width = size
    resized = empty((height, width, image.shape[-1]), image.dtype)
    factor = len(image) / height
    reach = math.ceil(max(1, factor)) + 1  # of the filter
    for rows in strips(image):
        top, bottom = (round(row / factor) for row in (rows.start, rows.stop))
        if top == bottom:
            continue
        first = max(0, math.floor(top * factor) - reach)
        part = image[first : math.ceil(bottom * factor) + reach]
        box = (0, top * factor - first, image.shape[1], min(bottom * factor - first, len(part)))
        resized[top:bottom] = resize_image(part, (bottom - top, width), box)
    return resized


def resize_mask(mask: npt.NDArray[np.number], size: tuple[int, int]) -> npt.NDArray[np.number]:
    """(H, W) or (H, W, K) -> (height, width) or (height, width, K), nearest neighbour."""
    height, width = size
    rows, columns = nearest(height, mask.shape[0]), nearest(width, mask.shape[1])
    resized: npt.NDArray[np.number] = mask[rows[:, None], columns]
    return resized


def nearest(length: int, source: int) -> npt.NDArray[np.intp]:
    """Indices (length,) of the nearest of `source` pixels along one side."""
    return ((np.arange(length) + 0.5) * source / length).astype(np.intp)


def resize_probabilities(probabilities: Maps, size: tuple[int, int], box: Box | None = None) -> Maps:
    """(K, h, w) -> (K, height, width), bilinear, with pixel centres aligned as when images are resized.

    `box` is the region (left, upper, right, lower) to resize, by default all.
    """
    height, width = size
    if box is None and probabilities.shape[1:] == size:
        return probabilities
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.BILINEAR, box)
        for plane in probabilities
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def class_shares(planes: npt.NDArray[np.bool_], size: tuple[int, int]) -> Maps:
    """(K, H, W) -> (K, height, width): the share of the area of each new pixel in which a plane is true."""
    height, width = size
    images = [Image.fromarray(plane.astype(np.float32)) for plane in planes]
    return np.stack([np.asarray(image.resize((width, height), Image.Resampling.BOX)) for image in images])


def row_chunks(probabilities: Maps, size: tuple[int, int]) -> Iterator[Maps]:
    """Resize (K, h, w) to (height, width), in chunks (K, rows, width) from top to bottom."""
    return resize_chunks([probabilities], probabilities.shape[1], size)


def resize_chunks(chunks: Iterable[Maps], rows: int, size: tuple[int, int]) -> Iterator[Maps]:
    """As `row_chunks`, of probabilities that come in chunks themselves, from top to bottom.

    Args:
        chunks: probabilities (K, part of the rows, w); each is taken when it is needed.
        rows: number of rows of all chunks together.
        size: (height, width).
    """
    height, width = size
    reach = max(1, rows / height) + 1  # of the filter, up and down
    remaining = iter(chunks)
    source, first = next(remaining), 0  # rows from the first on
    step = max(1, _MAX_CHUNK // (width * len(source)))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        upper, lower = top * rows / height, bottom * rows / height
        while first + source.shape[1] < min(rows, lower + reach):
            unneeded = max(0, int(upper - reach) - first)
            source = np.concatenate([source[:, unneeded:], next(remaining)], axis=1)
            first += unneeded
        box = (0.0, upper - first, float(source.shape[2]), lower - first)
        yield resize_probabilities(source, (bottom - top, width), box)


def _resize_channel(channel: Pixels, size: tuple[int, int], box: Box | None) -> Pixels:
    if channel.dtype == np.uint8:
        return np.asarray(resize(Image.fromarray(channel), size, box))
    resized = np.asarray(resize(Image.fromarray(channel.astype(np.float32, copy=False)), size, box))
    return resized if channel.dtype == np.float32 else np.rint(resized).astype(channel.dtype)
