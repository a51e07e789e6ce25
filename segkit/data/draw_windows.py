"""Windows of training images: drawn at random places, with room for transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.core.types import Pixels
from segkit.data.class_blocks import ClassBlocks
from segkit.data.sample_epoch import NO_TARGET
from segkit.data.windows import Extent, cut_mask, cut_window


@dataclass(frozen=True)
class Window:
    """A window of an image; its mask may have another resolution.

    Args:
        image: (H, W, C), the whole image.
        mask: (h, w) or (h, w, K), its mask.
        top: first row of the window in the image.
        left: first column of the window in the image.
        size: (height, width) of the window.
        padding: mask value beyond the image.
    """

    image: Pixels
    mask: Pixels
    top: int
    left: int
    size: Extent
    padding: int

    def cut(self, extent: Extent) -> tuple[Pixels, Pixels]:
        """Image and mask of (height, width) `extent` around the centre of the window.

        Beyond the image, pixels are its reflection and the mask is padding.
        """
        return cut_window(self.image, *self._start(extent), extent), self.cut_mask(extent)

    def cut_mask(self, extent: Extent) -> Pixels:
        """The mask of `cut`."""
        return cut_mask(self.mask, *self._start(extent), extent, self.image.shape[:2], self.padding)

    def _start(self, extent: Extent) -> tuple[int, int]:
        (height, width), (rows, columns) = extent, self.size
        return self.top - (height - rows) // 2, self.left - (width - columns) // 2


_TRIES = 8


@dataclass(frozen=True)
class WindowDraw:
    """How windows of training images are drawn.

    Args:
        size: (height, width) of the windows.
        padding: mask value beyond the image.
        blocks: where the pixels of targets are; None if no window has a target.
    """

    size: Extent
    padding: int
    blocks: ClassBlocks | None = None

    def draw(self, image: Pixels, mask: Pixels, index: int, target: int, rng: np.random.Generator) -> Window:
        """A window at a random place, inside the image where that is large enough.

        With a target, a pixel of it is drawn uniformly over all of the image, and then the place of the
        window around it. If a mask of higher resolution has it between the pixels of the window only, this is
        repeated, up to eight times.

        Args:
            image: (H, W, C).
            mask: (h, w) or (h, w, K).
            index: index of the image.
            target: class that the window shows, or `NO_TARGET`.
            rng: random generator.
        """
        window = self._window(image, mask, index, target, rng)
        for _ in range(_TRIES) if mask.shape[:2] != image.shape[:2] else ():
            if self.shows(window.cut_mask(self.size), target):
                break
            window = self._window(image, mask, index, target, rng)
        return window

    def _window(
        self, image: Pixels, mask: Pixels, index: int, target: int, rng: np.random.Generator
    ) -> Window:
        extent = image.shape[:2]
        last = [max(0, length - side) for length, side in zip(extent, self.size, strict=True)]
        if target == NO_TARGET or self.blocks is None:
            top, left = (int(rng.integers(most + 1)) for most in last)
        else:
            pixel = self.blocks.draw(index, target, mask, rng)
            # A mask may have another resolution than its image.
            place = (
                int((position + 0.5) * length / source)
                for position, length, source in zip(pixel, extent, mask.shape[:2], strict=True)
            )
            top, left = (
                min(max(0, position - int(rng.integers(side))), most)
                for position, side, most in zip(place, self.size, last, strict=True)
            )
        return Window(image, mask, top, left, self.size, self.padding)

    def shows(self, mask: Pixels, target: int) -> bool:
        """Whether the mask of a window shows its target."""
        return target == NO_TARGET or self.blocks is None or bool(self.blocks.pixels(mask, target).any())
