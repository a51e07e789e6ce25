"""Prediction options: flips, scales, tiling, batch size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import lcm
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError, worded
from segkit.data.fit import Fit
from segkit.data.windows import GRID

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
        tile: side of square windows of the image at its own size, or at the scale of a model with fit crop; 0
            predicts as the model was trained: resized whole, letterboxed, or in windows.
        overlap: overlap of neighbouring windows along their shorter side, in pixels; None is a quarter of the
            tile, or that of the model. Rounded up to a multiple of `segkit.data.windows.GRID` below the
            window, if there is one.
        batch_size: images or windows per batch; 0 takes about half a million pixels: larger batches need
            memory and are not faster on a CPU. Results change by rounding only.

    Raises:
        SegkitError: if a scale is out of range, or the overlap is not smaller than the tile.
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
        if self.tile:
            self._check_overlap_of(self.tile)

    def fit(self, info: ModelInfo) -> Fit:
        """How images are fitted to a model that `check` accepts."""
        fit = info.geometry
        if self.tile:
            fit = Fit("crop", (self.tile, self.tile), fit.scale, self.tile // 4 / self.tile)
        return fit if self.overlap is None else replace(fit, overlap=self.overlap / min(fit.size))

    def images_per_batch(self, size: tuple[int, int]) -> int:
        """Number of images or windows of a size per batch."""
        height, width = size
        return self.batch_size or max(1, min(_MAX_BATCH, _PIXELS_PER_BATCH // (height * width)))

    def check(self, info: ModelInfo) -> None:
        """Check that a model can predict with these options.

        Raises:
            SegkitError: if it cannot, with a suggestion.
        """
        if self.overlap is not None and not self.tile:
            if info.fit != "crop":
                problem = (
                    f"{worded('--overlap', 'an overlap')} needs {worded('--tile', 'a tile')}: this model"
                )
                seen = "letterboxed" if info.fit == "letterbox" else "resized"
                hint = f"for example {worded('--tile 512', 'tile=512')}"
                raise SegkitError(f"{problem} takes whole images, {seen}", hint=hint)
            self._check_overlap_of(min(info.size))
        if info.multiple == 0:
            self._check_fixed_size(info.size)
        elif self.tile % (step := lcm(GRID, info.multiple)) or self.tile < 0:
            nearest = max(step, round(self.tile / step) * step)
            raise SegkitError(
                f"windows of {self.tile} pixels do not fit this model",
                hint=f"use a multiple of {step}, such as {nearest}",
            )

    def _check_overlap_of(self, side: int) -> None:
        if self.overlap is not None and not 0 <= self.overlap < side:
            raise SegkitError(
                f"windows of {side} pixels cannot overlap by {self.overlap}",
                hint=f"an overlap of at most {side - 1} pixels",
            )

    def _check_fixed_size(self, size: tuple[int, int]) -> None:
        problem = f"this model takes images of {size[0]}x{size[1]} only"
        if self.scales != (1.0,):
            raise SegkitError(f"{problem}, not at other scales", hint="omit the scales")
        if self.tile and (self.tile, self.tile) != size:
            tile = worded(f"--tile {size[0]}", f"tile={size[0]}")
            hint = tile if size[0] == size[1] else "predict whole images"
            raise SegkitError(f"{problem}, not windows of {self.tile}x{self.tile}", hint=hint)
