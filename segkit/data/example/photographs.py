"""Photographs of the example data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from segkit.data.synthetic import Scene, draw

_SIZES = ((640, 480), (480, 640), (800, 600), (480, 360), (600, 600), (640, 480), (1024, 768), (576, 768))
_LARGE = (2048, 1536)
_OUTLINED = 40
_UNSEEN = 6
_SEED = 2016


@dataclass(frozen=True)
class Photograph:
    """A synthetic photograph.

    Args:
        number: number from 1, which determines the lesion.
        width: width in pixels.
        height: height in pixels.
        is_outlined: whether its mask is written.
    """

    number: int
    width: int
    height: int
    is_outlined: bool

    @property
    def name(self) -> str:
        """File name without extension."""
        return f"lesion_{self.number:02d}"

    def drawn(self) -> tuple[Image.Image, Image.Image]:
        """Draw the photograph in RGB and its mask: 255 in the lesion, else 0."""
        scene = Scene(_SEED, self.height, self.width, hair=0.4, rulers=0.2)
        pixels, objects = draw(scene, "train", self.number)
        mask = objects[..., 0].astype(np.uint8) * 255
        return Image.fromarray(pixels), Image.fromarray(mask)


def outlined() -> list[Photograph]:
    """Photographs for training."""
    return [_photograph(number, is_outlined=True) for number in range(1, _OUTLINED + 1)]


def unseen() -> list[Photograph]:
    """Photographs for prediction; the last one has the size of a camera image."""
    first = _OUTLINED + 1
    small = [_photograph(number, is_outlined=False) for number in range(first, first + _UNSEEN - 1)]
    return [*small, Photograph(first + _UNSEEN - 1, *_LARGE, is_outlined=False)]


def _photograph(number: int, *, is_outlined: bool) -> Photograph:
    return Photograph(number, *_SIZES[number % len(_SIZES)], is_outlined=is_outlined)
