"""Samples of a data set as input images, with their masks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from segkit.data.fit import Fit
from segkit.data.preprocess import decode, layout_of
from segkit.inference.seen_numbers import SeenNumbers

if TYPE_CHECKING:
    from segkit.core.types import Pixels, Sample
    from segkit.inference.image_source import Size
    from segkit.inference.model_info import ModelInfo


class SampleImage:
    """A sample as an input image, see `segkit.inference.image_source.ImageSource`.

    All methods raise `DataError` if its files are damaged.

    Args:
        sample: the sample.
        info: information about the model.
        keeps_pixels: whether the decoded image stays in memory once its size is known, for windows of it.
    """

    def __init__(self, sample: Sample, info: ModelInfo, *, keeps_pixels: bool = False) -> None:
        self.info = info
        self.numbers = SeenNumbers(info.pixel_range)
        self._sample = sample
        self._keeps_pixels = keeps_pixels
        self._native = Fit("crop", info.size)
        self._masks: dict[Fit, Pixels] = {}

    @property
    def size(self) -> Size:
        """(height, width)."""
        height, width = self.mask(None).shape[:2]
        return height, width

    def resized(self, size: Size | Fit) -> Pixels:
        """The whole image at a size, or at that of a fit."""
        fit = size if isinstance(size, Fit) else Fit("stretch", size)
        image, self._masks[fit] = self._decode(fit)
        return image

    def crop(self, top: int, left: int, height: int, width: int) -> Pixels:
        """A crop."""
        return self._pixels[top : top + height, left : left + width]

    def mask(self, fit: Fit | None) -> Pixels:
        """The mask as a fit keeps it, or as it is: (H, W), or (H, W, K) for multilabel."""
        fit = fit or self._native
        if fit not in self._masks and fit == self._native and self._keeps_pixels:
            self._pixels  # noqa: B018 - reads both
        if fit not in self._masks:
            self._masks[fit] = self._decode(fit)[1]
        return self._masks[fit]

    @cached_property
    def _pixels(self) -> Pixels:
        return self.resized(self._native)

    def _decode(self, fit: Fit) -> tuple[Pixels, Pixels]:
        info = self.info
        layout = layout_of(fit, info.task, info.in_channels)
        return decode(self._sample, layout, info.bands, task=info.task)
