"""The example's photographs: which there are, of which sizes, and their drawing."""

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
    """One photograph, not drawn yet.

    Args:
        number: from 1; another number, another lesion.
        width: in pixels.
        height: in pixels.
        is_outlined: whether its mask is written too.
    """

    number: int
    width: int
    height: int
    is_outlined: bool

    @property
    def name(self) -> str:
        """Of its files, without ending."""
        return f"lesion_{self.number:02d}"

    def drawn(self) -> tuple[Image.Image, Image.Image]:
        """The photograph in RGB, and its mask: 255 where the lesion is, else 0."""
        scene = Scene(_SEED, self.height, self.width, hair=0.4, rulers=0.2)
        pixels, objects = draw(scene, "train", self.number)
        mask = objects[..., 0].astype(np.uint8) * 255
        return Image.fromarray(pixels), Image.fromarray(mask)


def outlined() -> list[Photograph]:
    """Those to learn from."""
    return [_photograph(number, is_outlined=True) for number in range(1, _OUTLINED + 1)]


def unseen() -> list[Photograph]:
    """Those to predict later; the last one is as large as a camera makes it."""
    first = _OUTLINED + 1
    small = [_photograph(number, is_outlined=False) for number in range(first, first + _UNSEEN - 1)]
    return [*small, Photograph(first + _UNSEEN - 1, *_LARGE, is_outlined=False)]


def _photograph(number: int, *, is_outlined: bool) -> Photograph:
    return Photograph(number, *_SIZES[number % len(_SIZES)], is_outlined=is_outlined)
