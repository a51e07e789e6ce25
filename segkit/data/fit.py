"""How images are fitted to a model: at which size they are kept, and which windows of them it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segkit.data.readers.raster import Extent
from segkit.data.windows import Grid, window_step

FitKind = Literal["stretch", "letterbox", "crop"]


@dataclass(frozen=True)
class Fit:
    """How images are fitted to a model.

    Args:
        kind: stretch resizes to `size`; letterbox to the largest size with the same aspect ratio in it; crop
            keeps the resolution, times `scale`.
        size: (height, width) of what the model sees.
        scale: pixels of the model per pixel of the image, along one side, with crop.
        overlap: share of a window's side by which neighbouring windows overlap in scoring.
    """

    kind: FitKind
    size: Extent
    scale: float = 1.0
    overlap: float = 0.0

    @property
    def is_native(self) -> bool:
        """Whether masks keep their own size, so that scores are at that of the images."""
        return self.kind == "crop"

    @property
    def step(self) -> Extent:
        """Distance (down, across) of neighbouring windows in scoring: multiples of 32 where they fit."""
        down, across = (window_step(side, min(round(self.overlap * side), side - 1)) for side in self.size)
        return down, across

    def content(self, extent: Extent) -> Extent:
        """Size (height, width) at which an image of `extent` is kept."""
        if self.kind == "stretch":
            return self.size
        factor = self.scale
        if self.kind == "letterbox":
            factor = min(self.size[0] / extent[0], self.size[1] / extent[1])
        height, width = (max(1, round(side * factor)) for side in extent)
        return height, width

    def mask_content(self, extent: Extent) -> Extent:
        """Size (height, width) at which the mask of an image of `extent` is kept."""
        return extent if self.is_native else self.content(extent)

    def grid(self, content: Extent) -> Grid:
        """Windows in which an image is scored that is kept at the size `content`; letterbox: a single one."""
        return Grid(content, self.size, self.step)

    def windows_of(self, extent: Extent) -> int:
        """Number of windows in which an image of `extent` is scored."""
        return len(self.grid(self.content(extent)))
