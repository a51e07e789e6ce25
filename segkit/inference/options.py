"""Prediction options: flips, scales, tiling, batch size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import lcm
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.data.windows import GRID, window_step

if TYPE_CHECKING:
    from segkit.inference.model_info import ModelInfo

_PIXELS_PER_BATCH = 2**19
_MAX_BATCH = 32


class ProbabilityFormat(StrEnum):
    """File format of probabilities: 16-bit PNG, or float32 array."""

    png = "png"
    npy = "npy"


@dataclass(frozen=True)
class PredictOptions:
    """Prediction options.

    Args:
        flips: average over the image and its flips: horizontal, vertical, both.
        scales: average over these multiples of the image size.
        tile: side of square tiles at full resolution; 0 resizes the whole image to the training size.
        overlap: overlap of neighbouring tiles in pixels; None is a quarter of the tile. It is rounded up to a
            multiple of `segkit.data.windows.GRID` that is below the tile, if there is one.
        batch_size: images or tiles per batch; 0 takes about half a million pixels: larger batches need
            memory and are not faster on a CPU. Results change by rounding only.

    Raises:
        SegkitError: if a scale or the overlap is out of range.
    """

    flips: bool = False
    scales: tuple[float, ...] = (1.0,)
    tile: int = 0
    overlap: int | None = None
    batch_size: int = 0

    def __post_init__(self) -> None:
        if not self.scales or not all(0.1 <= scale <= 10 for scale in self.scales):
            raise SegkitError(
                f"scales {self.scales} are not between 0.1 and 10", hint="for example 0.75, 1, 1.25"
            )
        if self.overlap is not None and not self.tile:
            raise SegkitError("an overlap needs tiles", hint="for example tiles of 512 pixels")
        if self.overlap is not None and not 0 <= self.overlap < self.tile:
            raise SegkitError(
                f"tiles of {self.tile} pixels cannot overlap by {self.overlap}",
                hint="use an overlap that is smaller than the tile",
            )

    def step(self) -> int:
        """Distance of neighbouring tiles, in pixels."""
        return window_step(self.tile, self.tile // 4 if self.overlap is None else self.overlap)

    def images_per_batch(self, size: tuple[int, int]) -> int:
        """Number of images or tiles per batch, for images resized to a size."""
        height, width = (self.tile, self.tile) if self.tile else size
        return self.batch_size or max(1, min(_MAX_BATCH, _PIXELS_PER_BATCH // (height * width)))

    def check(self, info: ModelInfo) -> None:
        """Check that a model can predict with these options.

        Raises:
            SegkitError: if it cannot, with a suggestion.
        """
        if info.multiple == 0:
            self._check_fixed_size(info.size)
        elif self.tile % (step := lcm(GRID, info.multiple)) or self.tile < 0:
            nearest = max(step, round(self.tile / step) * step)
            raise SegkitError(
                f"tiles of {self.tile} pixels do not fit this model",
                hint=f"use a multiple of {step}, such as {nearest}",
            )

    def _check_fixed_size(self, size: tuple[int, int]) -> None:
        problem = f"this model takes images of {size[0]}x{size[1]} only"
        if self.scales != (1.0,):
            raise SegkitError(f"{problem}, not at other scales", hint="omit the scales")
        if self.tile and (self.tile, self.tile) != size:
            hint = f"use a tile of {size[0]}" if size[0] == size[1] else "predict whole images"
            raise SegkitError(f"{problem}, not tiles of {self.tile}x{self.tile}", hint=hint)
