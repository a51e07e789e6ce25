"""Augmentation with several images: parts of other training images are put into one.

The other images are samples of the same epoch, in windows of their own, before any transform: stand first in
`data.augment` for all of the result to be transformed alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from segkit.core.registry import TRANSFORMS
from segkit.core.types import Pixels

Pair = tuple[Pixels, Pixels]
Probability = Annotated[float, Field(ge=0, le=1)]
_IGNORED = 255  # beyond an image


@TRANSFORMS.register("Mosaic", others=3)
@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """Four images around a point of the central half, each in one corner and as large as before.

    Source: Bochkovskiy et al., YOLOv4 (2020); there, images are shrunk, too.

    Args:
        p: probability of applying the transform.
    """

    p: Probability = 0.5

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator, others: Sequence[Pair]) -> Pair:
        """Fill the corners of image (H, W, C) and mask (H, W) or (H, W, K) in a random order."""
        if rng.random() >= self.p:
            return image, mask
        height, width = image.shape[:2]
        row, column = (int(rng.integers(side // 4, side - side // 4 + 1)) for side in (height, width))
        pairs = [(image, mask), *others]
        image, mask = image.copy(), mask.copy()
        corners = [
            (rows, columns)
            for rows in ((0, row), (row, height))
            for columns in ((0, column), (column, width))
        ]
        for number, ((top, bottom), (left, right)) in zip(rng.permutation(4), corners, strict=True):
            down = int(rng.integers(height - (bottom - top) + 1))
            across = int(rng.integers(width - (right - left) + 1))
            part = slice(down, down + bottom - top), slice(across, across + right - left)
            for target, source in zip((image, mask), pairs[number], strict=True):
                target[top:bottom, left:right] = source[part]
        return image, mask


@TRANSFORMS.register("CutMix", others=1)
@dataclass(frozen=True, kw_only=True)
class CutMix:
    """A rectangle of another image, at the same place.

    Source: Yun et al. (2019); French et al. (2020) for segmentation.

    Args:
        alpha: parameter of the beta distribution from which the share of the area is drawn; 1 is uniform.
        p: probability of applying the transform.
    """

    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0
    p: Probability = 0.5

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator, others: Sequence[Pair]) -> Pair:
        """Put a rectangle into image (H, W, C) and mask (H, W) or (H, W, K)."""
        if rng.random() >= self.p:
            return image, mask
        side = float(np.sqrt(rng.beta(self.alpha, self.alpha)))
        rectangle = tuple(_stretch(length, side, rng) for length in image.shape[:2])
        image, mask = image.copy(), mask.copy()
        for target, source in zip((image, mask), others[0], strict=True):
            target[rectangle] = source[rectangle]
        return image, mask


@TRANSFORMS.register("CopyPaste", others=1)
@dataclass(frozen=True, kw_only=True)
class CopyPaste:
    """The foreground of another image, at the same place.

    Source: Ghiasi et al. (2021); there, a random part of the objects is pasted, and they are scaled.

    Args:
        classes: mask values that are pasted, or label numbers of a multilabel task; default: all but 0, the
            background of most tasks, or all labels.
        p: probability of applying the transform.
    """

    classes: Annotated[list[Annotated[int, Field(ge=0, le=254)]], Field(min_length=1)] | None = None
    p: Probability = 0.5

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator, others: Sequence[Pair]) -> Pair:
        """Paste pixels into image (H, W, C) and mask (H, W) or (H, W, K)."""
        if rng.random() >= self.p:
            return image, mask
        other_image, other_mask = others[0]
        pasted = self._pasted(other_mask)
        image, mask = image.copy(), mask.copy()
        image[pasted], mask[pasted] = other_image[pasted], other_mask[pasted]
        return image, mask

    def _pasted(self, mask: Pixels) -> Pixels:
        if mask.ndim == 3:
            labels = [*range(mask.shape[2])] if self.classes is None else self.classes
            pasted: Pixels = (mask[..., [label for label in labels if label < mask.shape[2]]] == 1).any(
                axis=2
            )
        elif self.classes is None:
            pasted = (mask > 0) & (mask != _IGNORED)
        else:
            pasted = np.isin(mask, self.classes)
        return pasted


def _stretch(length: int, share: float, rng: np.random.Generator) -> slice:
    """A stretch of that share of a length around a random centre, cut at both ends."""
    centre, half = rng.integers(length), round(share * length) // 2
    return slice(max(0, int(centre) - half), int(centre) + half + 1)
