"""Pictures of images of any type and number of channels, for reports, overlays and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.core.types import Pixels
from segkit.data.pixel_range import PixelRange


def display_rgb(image: Pixels, pixel_range: PixelRange, rgb: Sequence[int] = ()) -> Pixels:
    """An 8-bit picture of an image.

    Args:
        image: (H, W, C) of any type.
        pixel_range: numbers that become black and white, for each of the C channels.
        rgb: channels to show as red, green and blue; by default the first three, or the first as grey if
            there are fewer.

    Returns:
        (H, W, 3) uint8, or (H, W, 1) for grey.
    """
    channels = [*rgb] or ([0, 1, 2] if image.shape[-1] >= 3 else [0])
    shown = image[..., channels]
    if image.dtype == np.uint8 and pixel_range.is_eight_bits:
        return shown
    low, high = (
        [numbers[channel] for channel in channels] for numbers in (pixel_range.low, pixel_range.high)
    )
    picture: Pixels = (255 * PixelRange(tuple(low), tuple(high)).unit(shown)).round().astype(np.uint8)
    return picture


def own_range(image: Pixels) -> PixelRange:
    """Range to show an image in by itself: 0 to 255 of uint8, else its smallest and largest number."""
    if image.dtype == np.uint8:
        return PixelRange.of((0, 255), image.shape[-1])
    low, high = np.float32(image.min()), np.float32(image.max())
    return PixelRange.of(
        (float(low), float(high if high > low else np.nextafter(low, np.inf))), image.shape[-1]
    )
